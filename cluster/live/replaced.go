package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// Replaced are the facts, one group after the other, that its machines are made from the
// template it has. A machine's own template tells whether it is old, so a run that was cut
// is gone on with by any other. Where none was listed that is not so, none is a step.
func Replaced(r *task.Task) (steps []plan.Step) {
	replaces := r.Replaces()
	for _, g := range r.PoolGroups() {
		if r.Have.Has(g.Object) && (replaces || g.Wants > g.Ends) {
			steps = append(steps, replaced{Nodes: Nodes{r.Env, r.Have, []inventory.Object{g.Object}, r.Rejoins}, group: g, rolls: r.Mode.Rolls})
		}
	}
	return steps
}

type replaced struct {
	Nodes // of the group
	group task.PoolGroup
	rolls bool // by a roll, which says itself how to go on
}

func (r replaced) String() string {
	return fmt.Sprintf("nodes of %s in %s are as they are to be made", r.group.Name, r.group.Zone)
}

// parted are a group's machines, those made from another template apart.
func (r replaced) parted(p pool.Pool) (old, fresh pool.Pool) {
	var before, since []pool.Machine
	for _, m := range p.Machines {
		if m.Template != "" && m.Template != r.env.Want.NodeTemplate() {
			before = append(before, m)
		} else {
			since = append(since, m)
		}
	}
	old, fresh = p.Of(before), p.Of(since)
	old.Stuck = nil
	return old, fresh
}

// Observe counts by the machines as they were listed last: a group that gets another size
// in this run is listed again for those who wait for its nodes.
func (r replaced) Observe(ctx context.Context) (plan.State, error) {
	p, err := pool.Listed(ctx, r.env, r.group.Object, r.group.Size == r.group.Wants)
	if err != nil {
		return plan.State{}, err
	}
	old, _ := r.parted(p)
	over := min(len(p.Machines)-r.group.Ends, r.group.Wants-r.group.Ends)
	if len(old.Machines) == 0 && over <= 0 {
		return plan.Exists(fmt.Sprintf("%d from template %s", len(p.Machines), r.env.Want.NodeTemplate()))
	}
	if len(old.Machines) == 0 {
		return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d more than there are to be, from when they were replaced", over)}, nil
	}
	why, err := r.reasons(ctx, old)
	if err != nil {
		return plan.State{}, err
	}
	return plan.State{Is: plan.Partial, Why: fmt.Sprintf("%d of %d to be replaced, %s: %s", len(old.Machines), len(p.Machines), why, pool.Few(old.Machines))}, nil
}

// reasons is in what old machines differ from those to come.
func (r replaced) reasons(ctx context.Context, old pool.Pool) (string, error) {
	var names, words []string
	for _, m := range old.Machines {
		if !slices.Contains(names, m.Template) {
			names = append(names, m.Template)
		}
	}
	for _, name := range names {
		t, err := r.env.Template(ctx, name)
		if err != nil && !gce.IsNotFound(err) {
			return "", err
		}
		unlike := []settings.Difference{}
		if err == nil {
			unlike = task.UnlikeTemplate(t, &r.env.Want)
		}
		for _, d := range unlike {
			words = append(words, fmt.Sprintf("%s=%s (now it is %s)", d.Variable, d.Was, d.Want))
		}
		if len(unlike) == 0 {
			words = append(words, "made from template "+name)
		}
	}
	return strings.Join(words, ", "), nil
}

// Do makes some new nodes, and once they are Ready drains and removes as many old ones,
// until there are none. At the first new one that does not get Ready, and at the first old
// one whose pods may not leave, it stops: all others serve as before.
func (r replaced) Do(ctx context.Context) error {
	groups := r.env.GCE.InstanceGroupManagers(r.group.Zone)
	for {
		x, err := groups.Get(ctx, r.group.Name)
		if err != nil {
			return err
		}
		size := int(x.GetTargetSize())
		p, err := r.fresh(ctx, size)
		if err != nil {
			return r.stopped(err)
		}
		old, fresh := r.parted(p)
		over := size - r.group.Ends
		switch {
		case over > 0:
			goes := old.Leavers(r.group.Name, over)
			goes = append(goes, fresh.Leavers(r.group.Name, over-len(goes))...)
			err = r.release(ctx, goes)
		case len(old.Machines) > 0:
			err = groups.Resize(ctx, r.group.Name, r.group.Ends+min(int(r.env.Want.Settings.Surge), len(old.Machines)))
			r.env.Seen.ForgetManaged(r.group.Object)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fresh waits until those of the group's machines that are not old are Ready, and none is
// on its way out, and returns all there are.
func (r replaced) fresh(ctx context.Context, size int) (p pool.Pool, err error) {
	guests := guestsOf{}
	var no exhausted
	err = r.env.Until(ctx, plan.Condition{
		For: "new nodes of " + r.group.Name, Every: r.pace(), Limit: r.env.Want.Settings.GroupTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			if p, err = pool.Read(ctx, r.env, r.groups); err != nil {
				return false, "", err
			}
			old, fresh := r.parted(p)
			short := size - len(old.Machines) - len(fresh.Machines) + len(fresh.Missing())
			if short <= 0 {
				return true, "", nil
			}
			if err := no.after(exhaustedAfter*r.env.Deps.LetGo, short, p.Stuck); err != nil {
				return false, "", plan.Permanent(err)
			}
			if err := r.Rejoin(ctx, fresh); err != nil {
				return false, "", err
			}
			why, err := r.why(ctx, fresh, guests)
			return false, fmt.Sprintf("%d not Ready, %d old ones stay until then%s", short, len(old.Machines), why), err
		},
	})
	return p, err
}

// stopped says how to go on.
func (r replaced) stopped(err error) error {
	if r.rolls {
		return err
	}
	zone, n := r.group.Zone, int(r.env.Want.Settings.NumNodes)
	return fmt.Errorf("%w\n%s", err, cure.Hint("no further node was touched; this goes on from here, and with the values of before it goes back", cure.FinishPool(zone, n).OfPool(r.group.Pool)))
}

// release drains nodes and removes their machines, so that the group is smaller by as many.
func (r replaced) release(ctx context.Context, goes []pool.Machine) error {
	d := &drained{env: r.env, groups: r.groups, goes: func(pool.Pool) []pool.Machine { return goes }, gaveUp: map[string]string{}, keeps: true}
	if err := d.Do(ctx); err != nil {
		return r.stopped(err)
	}
	defer r.env.Seen.ForgetManaged(r.group.Object)
	if err := r.env.GCE.InstanceGroupManagers(r.group.Zone).DeleteInstances(ctx, r.group.Name, pool.NamesOf(goes)); err != nil {
		return err
	}
	var p pool.Pool
	err := r.env.Until(ctx, plan.Condition{
		For: fmt.Sprintf("%d old machines to be gone", len(goes)), Every: r.pace(), Limit: goneLimit,
		Check: func(ctx context.Context) (ok bool, missing string, err error) {
			p, err = pool.MachinesOf(ctx, r.env, r.groups)
			return err == nil && len(p.Leaving) == 0, strings.Join(p.Leaving, " "), err
		},
	})
	if err != nil {
		return err
	}
	client, err := r.env.Kube(ctx)
	if err != nil {
		return err
	}
	return kube.Each(len(goes), func(i int) error { return client.DeleteNode(ctx, goes[i].Name) }) // nobody else does, and its pods would wait for it
}

// goneLimit is how long Compute Engine may take to delete machines, the time in which they
// end their pods included.
const goneLimit = 10 * time.Minute
