// Package env is what steps work with: Compute Engine, masters over ssh, the cluster's
// API, and what is to be. It knows how each is reached, and nothing of what is to be
// done with it.
package env

import (
	"context"
	"slices"
	"sync"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"golang.org/x/crypto/ssh"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
)

// An Env is what steps work with: the cloud, masters over ssh and the cluster's API,
// what is to be, and the pause between two looks. What it remembers are the reserved
// address and connections, which are asked for once; nothing is concluded from them.
type Env struct {
	*inventory.Reader   // its lease is nil when nothing is to be changed
	*inventory.Observed // what steps saw since
	Deps                Deps
	Want                settings.Spec
	Poll                time.Duration
	Gate                plan.Gate // asked before each change; steps that change more than one thing ask it themselves

	mu          sync.Mutex                 // of all below
	ip          string                     // the reserved address, once seen: it does not change
	opened      bool                       // the kubeconfig entry was seen to open this cluster's API
	authorities []string                   // that pods were told of there
	client      *kube.Client               // the API
	lent        *kube.Entry                // what a master gave over ssh, for an operator without an entry
	hostKeys    map[string][]ssh.PublicKey // that machines told in this run, by zone/name
	silent      *string                    // why the cluster cannot be asked, once a removal tried; "" if it can
	console     bool                       // machines are heard by their consoles: nobody may read guest attributes
	warnings    []string                   // for the summary
}

// New is an env for what the settings want, in which gate is asked before each
// change. It makes no call.
func New(s settings.Settings, d Deps, gate plan.Gate) *Env {
	want := settings.SpecOf(s, d.Operator())
	d = d.forRun(gce.NewRun(gate, gce.RunBudget))
	return with(&inventory.Reader{GCE: d.GCE, InRegion: d.InRegion, Mark: want.Mark, Seen: &inventory.Memory{}}, d, want, gate)
}

func with(from *inventory.Reader, d Deps, want settings.Spec, gate plan.Gate) *Env {
	return &Env{Reader: from, Observed: inventory.NewObserved(), Deps: d, Want: want, Poll: d.Poll, Gate: gate, hostKeys: map[string][]ssh.PublicKey{}}
}

// Anew is an env of the same for another spec, which has seen no machine yet.
func (r *Env) Anew(want settings.Spec) *Env {
	e := with(r.Reader, r.Deps, want, r.Gate)
	e.ip = r.IP()
	return e
}

// Warn adds a warning for the summary, once.
func (r *Env) Warn(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// Warnings are what was warned of so far.
func (r *Env) Warnings() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.warnings)
}

// Owns tells whether an object's description carries this cluster's mark.
func (r *Env) Owns(description string) bool { return r.Want.Mark.Owns(description) }

// IP is the reserved address, "" as long as it was not seen.
func (r *Env) IP() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ip
}

// NodeTemplate is what nodes of the zone are made from, as it is.
func (r *Env) NodeTemplate(ctx context.Context) (*computepb.InstanceTemplate, error) {
	return r.Template(ctx, r.Want.NodeTemplate())
}

// Template is a template as it is.
func (r *Env) Template(ctx context.Context, name string) (*computepb.InstanceTemplate, error) {
	return r.Seen.Template(name, func() (*computepb.InstanceTemplate, error) {
		return r.GCE.InstanceTemplates().Get(ctx, name)
	})
}

// SawIP takes note of the reserved address.
func (r *Env) SawIP(ip string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ip = ip
}
