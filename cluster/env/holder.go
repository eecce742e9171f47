package env

import (
	"context"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
)

// SawAddress takes note of the address, and of the lease on it.
func (r *Env) SawAddress(a *computepb.Address) {
	r.Lease.Observe(r.GCE.Ungated().Addresses(), a)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ip = a.GetAddress()
}

// Holder is who has the API's address now.
func (r *Env) Holder(ctx context.Context) (inventory.Holder, error) {
	return r.Reader.Holder(ctx, r.Want.Names.Address(), r.SawAddress)
}

// Address is the API's address, "" when none is reserved yet. Asked once: it
// cannot change while it is reserved.
func (r *Env) Address(ctx context.Context) (string, error) {
	r.mu.Lock()
	ip := r.ip
	r.mu.Unlock()
	if ip != "" {
		return ip, nil
	}
	h, err := r.Holder(ctx)
	return h.IP, err
}
