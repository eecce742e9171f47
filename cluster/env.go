package cluster

import (
	"slices"
	"sync"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

// An env is what steps work with: the cloud, masters over ssh and the cluster's API,
// what is to be, and the pause between two looks. What it remembers are addresses and
// connections, which are asked for once; nothing is concluded from them.
type env struct {
	*inventory.Reader // its lease is nil when nothing is to be changed
	deps              Deps
	want              settings.Spec
	poll              time.Duration

	mu        sync.Mutex        // of all below, and of the run's
	ip        string            // the reserved address, once seen: it does not change
	opened    bool              // the kubeconfig entry was seen to open this cluster's API
	client    *kube.Client      // the API
	lent      *kube.Entry       // what a master gave over ssh, for an operator without an entry
	externals map[string]string // machines' own external addresses, by name
	states    map[string]string // of masters, by name: RUNNING, TERMINATED …
	silent    *string           // why the cluster cannot be asked, once a removal tried; "" if it can
	bios      map[string]bool   // images without UEFI
	warnings  []string          // for the summary
}

func newEnv(s settings.Settings, d Deps) *env {
	want := settings.SpecOf(s, d.operator())
	return &env{
		Reader: &inventory.Reader{GCE: d.GCE, InRegion: d.InRegion, Mark: want.Mark, Seen: &inventory.Memory{}},
		deps:   d, want: want, poll: d.Poll, externals: map[string]string{}, states: map[string]string{},
	}
}

// warn adds a warning, once. The lock is held.
func (r *env) warn(text string) {
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// warned adds a warning, once.
func (r *env) warned(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warn(text)
}
