package kube

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"hakube/cluster/plan"
)

// Ready asks the API server at an address whether it is ready and returns why not,
// "" if it is. Nobody's certificate is checked and nothing secret is sent: which CA
// to expect is learnt over ssh only after this; the kubeconfig step checks it.
func Ready(ctx context.Context, clock plan.Clock, dial Dialer, limit time.Duration, ip string) (why string) {
	ctx, cancel := clock.Within(ctx, limit)
	defer cancel()
	transport := &http.Transport{
		DialContext:       dial,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+ip+"/readyz", nil)
	if err != nil {
		return err.Error()
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", limit)
	}
	if err != nil {
		return Plainly(err)
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

// Answers tells by what [Ready] says that a server is there, ready or not.
func Answers(why string) bool {
	return why == "" || strings.HasPrefix(why, notReadyYet) || strings.HasPrefix(why, answersOdd)
}

// NobodyThere tells by what [Ready] says that the machine answers, and has no server.
func NobodyThere(why string) bool { return strings.Contains(why, syscall.ECONNREFUSED.Error()) }

// Plainly is a failed request without the URL, which everybody knows here.
func Plainly(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	return err.Error()
}
