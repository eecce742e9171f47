package env

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/kube"
)

// ClientOf speaks to the API with the credentials of a kubeconfig entry, over
// one connection as long as the entry stays the same. It dials as this machine
// reaches the cluster; the entry's proxy is for kubectl.
func (r *Env) ClientOf(e kube.Entry) (*kube.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil && r.client.SpeaksWith(e) {
		return r.client, nil
	}
	c, err := kube.NewClient(e, r.Deps.Dial, r.Gate)
	if err != nil {
		return nil, err
	}
	r.client = c
	return c, nil
}

// errNoEntry says that the cluster cannot be asked yet.
var errNoEntry = errors.New("there are no credentials for it yet")

// Entry is our own entry in the kubeconfig.
func (r *Env) Entry() (kube.Entry, error) {
	config, err := r.KubeFiles().Load()
	if err != nil {
		return kube.Entry{}, err
	}
	e, ok := kube.EntryOf(config, r.Want.Context)
	if !ok {
		return kube.Entry{}, errNoEntry
	}
	if why := e.Over(time.Now()); why != "" {
		return kube.Entry{}, errors.New("the kubeconfig's entry does not open the API: " + why)
	}
	return e, nil
}

// Kube speaks to the API with our own entry, or else with what was lent.
func (r *Env) Kube(ctx context.Context) (*kube.Client, error) {
	r.mu.Lock()
	lent := r.lent
	r.mu.Unlock()
	if lent != nil {
		return r.ClientOf(*lent)
	}
	e, err := r.Entry()
	if err != nil {
		return nil, err
	}
	if ip, err := r.Address(ctx); err != nil || e.Server != "https://"+ip {
		return nil, errors.Join(errNoEntry, err)
	}
	return r.ClientOf(e)
}

// Borrow has the API asked with what a master lent, which is kept nowhere.
func (r *Env) Borrow(e kube.Entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lent = &e
}
