package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options of a run.
type Options struct {
	Project, Zone string
	// Second is another zone of the region, for the pool and the replica; one that is up
	// is taken if it is empty.
	Second   string
	Upstream Upstream
	Hakube   string   // the command
	Suite    []string // the conformance suite as a command; none leaves it out
	// Environment is what both are run in, and Provider what hakube is told: gce or local.
	Environment []string
	Provider    string
	Out         io.Writer    // what the commands print
	Say         func(string) // what is done
	Again       string       // the command that takes down what is left
	// Dir has the kubeconfig and the ssh key of the run, and goes with it.
	Dir string
}

const (
	// limit is for all but the taking down, which has its own.
	limit     = 45 * time.Minute
	downLimit = 20 * time.Minute
)

type run struct {
	o     Options
	proxy *proxy
	file  File
	gone  bool // nothing is left in the project
}

// Run does all of it and returns what it found, also if it did not come to its end.
func Run(ctx context.Context, o Options) (*File, error) {
	r, err := begin(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.end()
	there, err := r.things(ctx, prefix, suitePrefix)
	if err != nil {
		return nil, err
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("project %s has things of an earlier run, so nothing was changed: %s; take them down first: %s", o.Project, strings.Join(there, " "), o.Again)
	}
	ended := r.all(ctx)
	o.Say("taking everything down")
	down, cancel := context.WithTimeout(context.WithoutCancel(ctx), downLimit)
	defer cancel()
	err = r.down(down)
	if ended = errors.Join(ended, err); ended != nil {
		r.file.Ended = ended.Error()
	}
	r.reckon()
	if err := r.file.clean(o.Project); err != nil {
		return nil, errors.Join(ended, err)
	}
	return &r.file, ended
}

// Down takes down what an earlier run left.
func Down(ctx context.Context, o Options) error {
	r, err := begin(ctx, o)
	if err != nil {
		return err
	}
	defer r.end()
	return r.down(ctx)
}

func begin(ctx context.Context, o Options) (*run, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	p, err := listen(ctx, o.Upstream)
	if err != nil {
		return nil, err
	}
	r := &run{o: o, proxy: p}
	if _, err := r.ask(ctx, "GET", "projects/"+o.Project); err != nil {
		r.end()
		return nil, fmt.Errorf("asking for project %s: %w", o.Project, err)
	}
	if r.o.Second == "" {
		if r.o.Second, err = r.otherZone(ctx); err != nil {
			r.end()
			return nil, err
		}
	}
	version, err := exec.CommandContext(ctx, o.Hakube, "version").Output()
	if err != nil {
		r.end()
		return nil, fmt.Errorf("asking %s for its version: %w", o.Hakube, err)
	}
	r.file = File{Hakube: strings.Join(strings.Fields(string(version)), " "), Format: 1, Date: time.Now().UTC().Format(time.DateOnly), API: o.Upstream.Name, Zones: []string{o.Zone, r.o.Second}}
	return r, nil
}

func (r *run) end() {
	r.proxy.close()
	if r.gone {
		_ = os.RemoveAll(r.o.Dir) // what is left there is a key to nothing
	}
}

// otherZone is one of the region that is up.
func (r *run) otherZone(ctx context.Context) (string, error) {
	answer, err := r.ask(ctx, "GET", "projects/"+r.o.Project+"/zones")
	if err != nil {
		return "", fmt.Errorf("looking for another zone: %w", err)
	}
	region := r.o.Zone[:max(0, strings.LastIndexByte(r.o.Zone, '-'))]
	known, other := false, ""
	for _, z := range objectsOf(answer) {
		name, _ := z["name"].(string)
		known = known || name == r.o.Zone
		if strings.HasPrefix(name, region+"-") && name != r.o.Zone && z["status"] == "UP" && (other == "" || name < other) {
			other = name
		}
	}
	if !known || other == "" {
		return "", fmt.Errorf("zone %s: there is none of that name with another one up in its region", r.o.Zone)
	}
	return other, nil
}

// A command is one of the walkthrough's.
type command struct {
	name string
	args []string
	set  []string // variables
}

// walk is the walkthrough in its shortest form.
func (r *run) walk() []command {
	here, there := "KUBE_GCE_ZONE="+r.o.Zone, "KUBE_GCE_ZONE="+r.o.Second
	return []command{
		{"create", []string{"up", "--json"}, []string{here}},
		{"pool", []string{"up", "--json"}, []string{there, "KUBE_USE_EXISTING_MASTER=true"}},
		{"replica, and the address moves to a balancer", []string{"up", "--json"}, []string{there, "KUBE_REPLICATE_EXISTING_MASTER=true"}},
		{"status", []string{"status", "--json"}, []string{here}},
		{"the address moves back, and the replica goes", []string{"down", "--yes", "--json"}, []string{there, "KUBE_DELETE_NODES=false"}},
		{"validate", []string{"validate", "--wait=2m"}, []string{here}},
		{"the pool goes", []string{"down", "--yes", "--json"}, []string{there, "KUBE_USE_EXISTING_MASTER=true"}},
	}
}

// all runs the walkthrough, and the suite beside it.
func (r *run) all(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not through after %v", limit))
	defer cancel()
	suite := make(chan error, 1)
	go func() { suite <- r.conformance(ctx) }()
	err := func() error {
		for _, c := range r.walk() {
			if err := r.hakube(ctx, c); err != nil {
				return err
			}
			if strings.HasPrefix(c.name, "replica") {
				if err := r.guests(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	return errors.Join(err, <-suite)
}

// hakube runs a command and takes from its summary what the file has.
func (r *run) hakube(ctx context.Context, c command) error {
	r.o.Say(fmt.Sprintf("%s: %s hakube %s", c.name, strings.Join(c.set, " "), strings.Join(c.args, " ")))
	begin := time.Now()
	var out bytes.Buffer
	err := r.exec(ctx, &out, r.o.Hakube, c.args, append(c.set, "PROJECT="+r.o.Project, "KUBERNETES_PROVIDER="+r.o.Provider,
		"HAKUBE_LIVE_ENDPOINT="+r.proxy.url, "HOME="+r.o.Dir, "KUBECONFIG="+filepath.Join(r.o.Dir, "kubeconfig"), "KUBE_GCE_INSTANCE_PREFIX="+prefix,
		"KUBE_GCE_NETWORK="+prefix, "NUM_NODES=1", "MULTIZONE=true", "MASTER_SIZE=e2-small", "NODE_SIZE=e2-small"))
	r.file.Steps = append(r.file.Steps, Step{c.name, seconds(time.Since(begin)), err == nil})
	if err != nil {
		return fmt.Errorf("%s: hakube %s: %w", c.name, strings.Join(c.args, " "), err)
	}
	var s struct {
		Version string
		Dark    *Dark
		Outages []Dark
	}
	if json.Unmarshal(out.Bytes(), &s) != nil {
		return nil // validate prints text
	}
	if s.Version != "" {
		r.file.Kubernetes = s.Version
	}
	if s.Dark != nil {
		s.Dark.Command, s.Dark.Steps = c.name, s.Outages
		r.file.Dark = append(r.file.Dark, *s.Dark)
	}
	return nil
}

// down removes the cluster, then what the suite left, and looks.
func (r *run) down(ctx context.Context) error {
	err := errors.Join(r.hakube(ctx, command{"everything goes", []string{"down", "--yes", "--sweep"}, nil}), r.sweep(ctx))
	left, lookErr := r.things(ctx, prefix, suitePrefix)
	if len(left) > 0 {
		lookErr = fmt.Errorf("these are left: %s; run again: %s", strings.Join(left, " "), r.o.Again)
	}
	r.gone = lookErr == nil
	return errors.Join(err, lookErr)
}

// exec runs a command in a process group of its own: a ^C at the terminal is passed on
// by us, once, so that what is under way comes to its end.
func (r *run) exec(ctx context.Context, out io.Writer, name string, args, set []string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append([]string(nil), r.o.Environment...), set...)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(out, r.o.Out), r.o.Out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Minute
	err := cmd.Run()
	if ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
