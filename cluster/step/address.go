package step

import (
	"cmp"
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// Addresses is the reserved address of the API.
func Addresses(r *task.Task) (steps []plan.Step) {
	e, removes, beginning := r.Env, r.Mode.Removes, r.Beginning()
	for _, o := range r.Or(inventory.Address, inventory.Object{Name: r.Want.Names.Address()}) {
		name := "address " + o.Name
		steps = append(steps, Resource[*computepb.Address]{
			poll: r.Poll, clock: r.Deps.Clock, before: known[*computepb.Address](r, r.Regional(inventory.Address, o.Name)),
			name: name, of: r.Regional(inventory.Address, o.Name),
			get:  func(ctx context.Context) (*computepb.Address, error) { return e.GCE.Addresses().Get(ctx, o.Name) },
			mine: e.Owns,
			Check: func(a *computepb.Address) (plan.State, error) {
				if a.GetAddress() == "" {
					return plan.State{Is: plan.Partial, Why: "is being reserved"}, nil
				}
				if a.GetAddressType() == "INTERNAL" && !removes {
					return plan.State{}, &refusal.Refused{
						Why:  name + " is there already and is INTERNAL: nobody outside of its network would reach the API",
						Cure: cure.Hint("if it is no longer needed", cure.Compute(fmt.Sprintf("addresses delete %s --region=%s", o.Name, e.Region()))),
					}
				}
				e.SawAddress(a)
				return plan.Exists(a.GetAddress())
			},
			insert: func(ctx context.Context) (*computepb.Address, error) {
				return nil, e.GCE.Addresses().Insert(ctx, &computepb.Address{ // which one it is has to be read
					Name:        &o.Name,
					Description: new(task.BirthRecord(&e.Want) + beginning),
					AddressType: new("EXTERNAL"),
				})
			},
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return e.GCE.Addresses().Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

// Written sees to what is not written down when there is no other change.
func Written(r *task.Task) (steps []plan.Step) {
	for _, n := range r.Unwritten() {
		steps = append(steps, written{r.Env, n.Variable, n.Value, r.Have.Objects})
	}
	return steps
}

type written struct {
	env             *env.Env
	variable, value string
	beside          []inventory.Object // what was found: a pool's groups carry what they were made with
}

func (w written) String() string { return w.variable + "=" + w.value + " is written down" }

func (w written) Observe(ctx context.Context) (plan.State, error) {
	h, err := w.env.Holder(ctx)
	if err != nil {
		return plan.State{}, err
	}
	now := &inventory.Inventory{Holder: h, Objects: w.beside}
	if is := now.Said(w.variable, w.env.Want.Pool()); is != w.value {
		return plan.State{Is: plan.Absent, Why: "it is " + cmp.Or(is, "nowhere")}, nil
	}
	return plan.Exists("")
}

// Do has nothing to add: the lease, which every change needs, has taken it along.
func (w written) Do(context.Context) error { return nil }

func (written) Undo(context.Context) error { return nil } // never unwanted
