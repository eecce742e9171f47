package cluster

import (
	"context"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
)

func (r *env) sawAddress(a *computepb.Address) {
	r.Lease.Observe(r.GCE.Addresses(), a)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ip = a.GetAddress()
}

// holder is who has the API's address now.
func (r *env) holder(ctx context.Context) (inventory.Holder, error) {
	return r.Reader.Holder(ctx, r.want.Names.Address(), r.sawAddress)
}

// address is the API's address, "" when none is reserved yet. Asked once: it
// cannot change while it is reserved.
func (r *env) address(ctx context.Context) (string, error) {
	r.mu.Lock()
	ip := r.ip
	r.mu.Unlock()
	if ip != "" {
		return ip, nil
	}
	h, err := r.holder(ctx)
	return h.IP, err
}

// reserved waits until an address that is being reserved is known.
func (r *env) reserved(ctx context.Context, name string) error {
	return plan.Until(ctx, plan.Condition{
		For: name + " to be reserved", Every: r.poll, Limit: time.Minute,
		Check: func(ctx context.Context) (bool, string, error) {
			ip, err := r.address(ctx)
			return ip != "", "no address yet", err
		},
	})
}
