package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// api is the wait for the API server at the cluster's address.
func (r *run) api() plan.Step { return api{r, ""} }

// apiMoved is the same once more, after the address has moved.
func (r *run) apiMoved() plan.Step { return api{r, " through the balancer"} }

type api struct {
	*run
	where string
}

func (a api) String() string { return "API answers" + a.where }
func (api) Waits()           {}

func (a api) Observe(ctx context.Context) (plan.State, error) {
	ip, err := a.address(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if ip == "" {
		return plan.State{Is: plan.Absent, Why: "no address yet"}, nil
	}
	if why := a.ready(ctx, ip); why != "" {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	return exists("https://" + ip)
}

// Do waits. While the API is silent the machine's own word says why.
func (a api) Do(ctx context.Context) error {
	ip, err := a.address(ctx)
	if err != nil {
		return err
	}
	if ip == "" {
		return errors.New("no address is reserved")
	}
	m := a.run.master()
	master := &guest{run: a.run, zone: m.Zone, name: m.Name}
	if a.mode != settings.Create { // it is another command's to restart
		master.other = new(cure.Up(m.Zone))
	}
	var through time.Time // since when its script is
	err = plan.Until(ctx, plan.Condition{
		For: "https://" + ip, Every: a.poll, Limit: a.want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			why := a.ready(ctx, ip)
			if why == "" {
				return true, "", nil
			}
			phase, err := master.phase(ctx)
			switch {
			case phase != "" && phase != scripts.PhaseRunning:
				why, through = master.name+": "+phase, time.Time{}
			case through.IsZero() && phase != "":
				through = time.Now()
			case time.Since(through) > sickAfter && phase != "":
				err = plan.Permanent(errors.New(why))
			}
			return false, why, err
		},
	})
	if err != nil && ctx.Err() == nil && (!through.IsZero() || a.have.Has(m)) {
		return &sick{err}
	}
	return err
}

func (api) Undo(context.Context) error { return nil } // never unwanted

// sickAfter is how long an API server may take to be ready once its master's script
// is through. After that it is not slow, it fails, and waiting mends nothing.
const sickAfter = 5 * time.Minute

// ready asks the API server whether it is ready and returns why not, "" if it
// is. Nobody's certificate is checked and nothing secret is sent: which CA to
// expect is learnt over ssh only after this; the kubeconfig step checks it.
func (r *run) ready(ctx context.Context, ip string) (why string) {
	ctx, cancel := plan.Within(ctx, r.deps.Ready)
	defer cancel()
	transport := &http.Transport{
		DialContext:       r.deps.Dial,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+ip+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", r.deps.Ready)
	}
	if err != nil {
		return plainly443(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err.Error()
	}
	if resp.StatusCode == http.StatusOK {
		return ""
	}
	for line := range strings.Lines(string(body)) {
		if check, ok := strings.CutPrefix(line, "[-]"); ok {
			return notReadyYet + strings.TrimSpace(check)
		}
	}
	return answersOdd + resp.Status
}

// How the words of an API server begin that answers and is not ready.
const (
	notReadyYet = "not ready: "
	answersOdd  = "it answers "
)

// readyLimit is how long an API server may take to say whether it is ready.
const readyLimit = 5 * time.Second

// plainly443 is a failed request without the URL, which everybody knows here.
func plainly443(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
