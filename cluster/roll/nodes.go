package roll

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Nodes of a pool are made again by another template, as when one of its settings changes
// (live/replaced.go). Its name follows from all that it is made with, the startup script
// included, and of a roll of all nodes from when that began: so a run that was cut finds its
// own again, and another zone's pool that comes to the same has the same.

// Nodes is the spec of the pool's nodes as they are to be made now, and why they are to be
// made again; "" if they are so.
func Nodes(ctx context.Context, r *task.Task) (want settings.Spec, why string, err error) {
	if want, err = r.LikeNodes(ctx); err != nil {
		return want, "", err
	}
	t, err := r.NodeTemplate(ctx)
	if gce.IsNotFound(err) {
		return want, "", &refusal.Refused{
			Why:  fmt.Sprintf("the %s has no template %s any more, from which its nodes were made", want.Pool(), want.NodeTemplate()),
			Cure: cure.Hint("have it made again first", cure.FinishPool(want.Zone, int(want.Settings.NumNodes)).OfPool(want.Names.Pool)),
		}
	}
	if err != nil {
		return want, "", fmt.Errorf("reading what nodes are made from: %w", err)
	}
	note := r.Mode.Roll
	signs := signing(ctx, r)
	unlike := append(step.UnlikeNodes(t, &want), authority(t, signs)...)
	why = step.Why(unlike)
	made := madeWith(&want, note)
	for _, d := range unlike {
		if d.Variable == ofAuthority {
			made += "\nby " + d.Want
		}
	}
	name := want.Names.TemplateLike(made)
	switch {
	case t.GetName() == name: // a run that was cut has made it
		why = ""
	case note.All:
		want = want.Changing(name)
		if why == "" {
			why = "all are"
		}
	case why != "":
		for _, x := range slices.Sorted(maps.Keys(r.Seen.Templates)) { // of another zone, or from before a roll that is taken back
			if t := r.Seen.Templates[x]; len(step.UnlikeNodes(t, &want)) == 0 && len(authority(t, signs)) == 0 {
				return want.Changing(x), why, nil
			}
		}
		want = want.Changing(name)
	}
	if why == "" && r.Replaces() {
		why = "some are from before a run that was cut"
	}
	if why == "" && r.Have.Holder.Roll.OfPool(want.Pool()) && len(r.Spared()) > 0 {
		why = "the template of before a run that was cut is there"
	}
	return want, why, nil
}

// ofAuthority is what nodes differ in that were told to find another certificate authority.
const ofAuthority = "certificate authority"

// signing is the authority that signs, as pods are told of it; "" where that cannot be asked.
func signing(ctx context.Context, r *task.Task) string {
	client, err := r.Kube(ctx)
	if err != nil {
		return ""
	}
	list := client.Published(ctx)
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// authority is that a template was made before there was another one.
func authority(t *computepb.InstanceTemplate, signs string) []settings.Difference {
	was := inventory.MetadataItem(t.GetProperties().GetMetadata(), scripts.KeyCAHash)
	if signs == "" || was == signs {
		return nil
	}
	short := func(hash string) string { return hash[:min(len(hash), len("sha256:")+8)] }
	return []settings.Difference{{Variable: ofAuthority, Was: short(was), Want: short(signs)}}
}

// madeWith is all that tells a template from others of the cluster, as text.
func madeWith(want *settings.Spec, note *inventory.Roll) string {
	text := task.MadeWith(want) + "\n" + scripts.Startup()
	for _, x := range step.MetadataOf(want, scripts.RoleNode, "", nil).GetItems() {
		text += "\n" + x.GetKey()
	}
	if note.All {
		text += fmt.Sprintf("\nsince %d", note.Last)
	}
	return text
}

// Pools are the pools that a roll of that is of, in their order. named is the one that somebody
// names, if anybody does.
func Pools(r *task.Task, of, named string) ([]settings.PoolID, error) {
	only, one := (&inventory.Roll{Of: of}).Pool()
	if !one && of != inventory.RollOfAll {
		return nil, nil
	}
	have, n := r.Have, r.Want.Names
	var all []settings.PoolID
	var ofName, each []cure.Command
	for _, id := range have.Pools() {
		if len(have.Pool(n, id).Of(inventory.ManagedGroup)) == 0 {
			continue // machines that have no group any more, which none makes again
		}
		all = append(all, id)
		command := cure.Roll("pool", id.Zone).OfPool(id.Name)
		if r.Mode.Upgrades {
			command = cure.Upgrade(string(r.Want.Settings.KubeVersion), "pool", id.Zone).OfPool(id.Name)
		}
		if each = append(each, command); id.Name == named {
			ofName = append(ofName, command)
		}
	}
	switch {
	case one && slices.Contains(all, only):
		return []settings.PoolID{only}, nil
	case one && len(each) == 0:
		return nil, &refusal.Refused{Why: fmt.Sprintf("cluster %s has no pool of nodes", n.Prefix), Cure: cure.Hint("make one", cure.UpPool(only.Zone).OfPool(only.Name))}
	case one:
		return nil, &refusal.Refused{Why: fmt.Sprintf("cluster %s has no %s", n.Prefix, only), Cure: cure.Hint("these are its pools", each...)}
	case named != "":
		return nil, &refusal.Refused{
			Why:  fmt.Sprintf("HAKUBE_POOL=%s names one pool, and a roll of the whole cluster is of all", named),
			Cure: cure.Hints(cure.Hint("roll the pools of that name, zone by zone", ofName...), cure.Hint("or all", cure.Same().Without("HAKUBE_POOL"))),
		}
	}
	return all, nil
}
