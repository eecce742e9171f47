package cluster

import (
	"context"
	"fmt"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/scripts/cure"
)

// addresses is the reserved address of the API.
func (r *run) addresses() (steps []plan.Step) {
	for _, o := range r.or(kindAddress, object{name: r.want.Names.Address()}) {
		name := "address " + o.name
		steps = append(steps, resource[*computepb.Address]{
			name: name, of: r.regional(kindAddress, o.name),
			get:  func(ctx context.Context) (*computepb.Address, error) { return r.gce.Addresses().Get(ctx, o.name) },
			mine: r.owns,
			check: func(a *computepb.Address) (plan.State, error) {
				if a.GetAddress() == "" {
					return plan.State{Is: plan.Partial, Why: "is being reserved"}, nil
				}
				if a.GetAddressType() == "INTERNAL" && !r.removing {
					return plan.State{}, &refusal.Refused{
						Why:  name + " is there already and is INTERNAL: nobody outside of its network would reach the API",
						Cure: cure.Hint("if it is no longer needed", cure.Compute(fmt.Sprintf("addresses delete %s --region=%s", o.name, r.region()))),
					}
				}
				r.sawAddress(a)
				return exists(a.GetAddress())
			},
			insert: func(ctx context.Context) error {
				err := r.gce.Addresses().Insert(ctx, &computepb.Address{
					Name:        &o.name,
					Description: new(birthRecord(&r.want)),
					Labels:      r.lease.Reserving(r.want.Labels()), // one change: of two that create, one comes first
					AddressType: new("EXTERNAL"),
				})
				if gce.ClassOf(err) == gce.Already {
					return r.reserved(ctx, name) // an earlier run's call, still under way
				}
				return err
			},
			remove: func(ctx context.Context) error {
				return r.letGo(ctx, name, func(ctx context.Context) error { return r.gce.Addresses().Delete(ctx, o.name) })
			},
		})
	}
	return steps
}

func (r *run) sawAddress(a *computepb.Address) {
	r.lease.Observe(r.gce.Addresses(), a)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ip = a.GetAddress()
}

// address is the API's address, "" when none is reserved yet. Asked once: it
// cannot change while it is reserved.
func (r *run) address(ctx context.Context) (string, error) {
	r.mu.Lock()
	ip := r.ip
	r.mu.Unlock()
	if ip != "" {
		return ip, nil
	}
	h, err := r.holder(ctx)
	return h.ip, err
}

// reserved waits until an address that is being reserved is known.
func (r *run) reserved(ctx context.Context, name string) error {
	return plan.Until(ctx, plan.Condition{
		For: name + " to be reserved", Every: r.poll, Limit: time.Minute,
		Check: func(ctx context.Context) (bool, string, error) {
			ip, err := r.address(ctx)
			return ip != "", "no address yet", err
		},
	})
}
