package cluster

import (
	"context"
	"fmt"

	"hakube/cluster/elsewhere"
	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// join judges whether a pool or a master may be added in the zone: there is a
// cluster, in this region, that may have nodes here, with a master that runs. It
// changes nothing. What the cluster records of itself holds for what is added.
func (r *run) join(ctx context.Context) (settings.Spec, error) {
	v, n, want := r.Have, r.Want.Names, r.Want
	who := "no node can join it"
	if r.Mode.One {
		who = "there is none to replicate"
	}
	homes := v.Homes(n)
	region := settings.Zone(r.Want.Zone).Region()
	if len(homes) == 0 {
		where := ""
		if v.SubnetRegion != "" {
			where = fmt.Sprintf(" (what there is of it is in region %s)", v.SubnetRegion)
		}
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master in project %s, so %s%s", n.Prefix, r.Want.Project, who, where),
			Cure: cure.Hint("make the cluster first", cure.Up(r.Want.Zone)),
		}
	}
	home := homes[0]
	first := cure.Up(home)
	if there := settings.Zone(home).Region(); there != region {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s is in region %s, and %s is a zone of another one", n.Prefix, there, r.Want.Zone),
			Cure: "name a zone of " + there + " with KUBE_GCE_ZONE; a cluster has one region",
		}
	}
	masters := v.Masters(n)
	if len(masters) == 0 {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master: there is only its disk, in %s", n.Prefix, home),
			Cure: cure.Hint("bring back first what fails", cure.Repair()),
		}
	}
	recorded := masters[0].Multizone != "false"
	if !recorded && r.Want.Zone != home {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s was made with MULTIZONE=false: it has zone %s and no other", n.Prefix, home),
			Cure: cure.Hint("several zones need a cluster made with MULTIZONE=true; in its own zone it can grow", cure.Same().With("KUBE_GCE_ZONE", home)),
		}
	}
	want = want.At(home, recorded)
	if m := r.Master(); !v.Runs(m) {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master that runs: %s in %s is %s", n.Prefix, masters[0].Name, masters[0].Zone, masters[0].Status),
			Cure: cure.Hint("bring back first what fails", cure.Repair()),
		}
	}
	ip, err := r.Address(ctx)
	if err != nil {
		return want, err
	}
	if ip == "" {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no address %s, so no node would find its API", n.Prefix, n.Address()),
			Cure: cure.Hint("finish the cluster first", first),
		}
	}
	if v.Holder.Unassigned() && !r.Mode.One {
		return want, &refusal.Refused{
			Why:  fmt.Sprintf("nobody has the address %s of cluster %s: a command that was moving it was cut", ip, n.Prefix),
			Cure: cure.Hint("run that one again; if nobody knows which it was", first),
		}
	}
	return want, nil
}

// tellOthers says of a zone where there is nothing to remove which other pools it has.
func (r *run) tellOthers() {
	var others []cure.Command
	for _, id := range r.Have.Pools() {
		if id.Zone == r.Want.Zone {
			others = append(others, cure.RemovePool(id.Zone).OfPool(id.Name))
		}
	}
	if len(others) > 0 {
		r.Warn(cure.Hint(fmt.Sprintf("zone %s has pools of other names, which stay; to remove them", r.Want.Zone), others...))
	}
}

// leave looks for what there is to remove of the zone's pool, its Nodes
// included if the cluster can be asked.
func (r *run) leave(ctx context.Context) (any bool, err error) {
	if r.Have, err = r.Look(ctx); err != nil {
		return false, err
	}
	if homes := r.Have.Homes(r.Want.Names); len(homes) > 0 {
		r.Want = r.Want.At(homes[0], r.Want.Mark.Multizone)
	}
	if len(r.Have.Pool(r.Want.Names, r.Want.Pool()).Objects) > 0 {
		return true, nil
	}
	if blockers, err := preflight.ZoneProblems(ctx, r.Env); err != nil || len(blockers) > 0 {
		if err == nil {
			err = blockers
		}
		return false, err
	}
	if err := r.AddUnlisted(ctx, r.Have, inventory.Object{Kind: inventory.ManagedGroup, Name: r.Want.Names.Group(0), Zone: r.Want.Zone, Pool: r.Want.Names.Pool}); err != nil {
		return false, err
	}
	if len(r.Have.Pool(r.Want.Names, r.Want.Pool()).Objects) > 0 {
		return true, nil
	}
	r.tellOthers()
	if r.Unreachable(ctx, r.Have.Runs(r.Master())) != "" {
		return false, nil
	}
	names, err := live.OrphanedNodes(r.Task).Find(ctx)
	return err == nil && len(names) > 0, nil // without credentials they are nobody's business
}

// midRestore refuses to make anything else of a cluster that is half made of a backup.
func (r *run) midRestore() error {
	if x := r.Have.Holder.Restored; x != "" && !r.Mode.Elsewhere {
		return elsewhere.Half(x)
	}
	return nil
}
