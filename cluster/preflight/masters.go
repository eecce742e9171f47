package preflight

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// What stands in the way of masters that are there, or of making them around
// what is: all of it was in the lists a run begins with, so it costs no call.

// InTheWayOfMasters is what no call is needed for to see: what keeps the masters that are
// known by now from coming up, and the API's address from being theirs.
func InTheWayOfMasters(r *task.Task) (no refusal.Blockers) {
	if r.Mode.Masters && (!r.Mode.One || r.Replica.Name != "") {
		for _, m := range r.ToBe() {
			no = append(no, inTheWayOf(r, m)...)
		}
	}
	return append(no, addressTaken(r)...)
}

// inTheWayOf is a master that no call of ours brings back, whose disk another
// machine has, or that takes no further ssh key.
func inTheWayOf(r *task.Task, m inventory.Object) (no refusal.Blockers) {
	if st := r.Have.StatusOf(m); st == "SUSPENDED" || st == "SUSPENDING" {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s in %s is suspended", m.Name, m.Zone),
			Cure: cure.Hint("resume it", cure.Resume(m.Name, m.Zone)),
		})
	}
	return append(append(no, diskTaken(r, m)...), keysFull(r, m)...)
}

// diskTaken is a master's data disk that another machine has.
func diskTaken(r *task.Task, m inventory.Object) (no refusal.Blockers) {
	disk := inventory.Object{Kind: inventory.Disk, Name: r.Want.Names.DiskOf(m.Name), Zone: m.Zone}
	for _, u := range r.Have.Uses {
		if u.Of == disk && u.By.Kind == inventory.Instance && (u.By.Name != m.Name || u.By.Zone != m.Zone) {
			no = append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s, which %s needs, is attached to %s", disk, m.Name, u.By),
				Cure: cure.Hint("if nothing there writes to it", r.Have.Release(u)),
			})
		}
	}
	return no
}

// addressTaken is the API's address with somebody who is not of the cluster: no
// master can be given it, and it would not come back.
func addressTaken(r *task.Task) refusal.Blockers {
	h, address := r.Have.Holder, r.Regional(inventory.Address, r.Want.Names.Address())
	by := inventory.Object{}
	switch {
	case h.Rule != "" && h.Rule != r.Want.Names.ForwardingRule():
		by = r.Regional(inventory.ForwardingRule, h.Rule)
	case h.Machine != "" && !r.Have.Has(inventory.Object{Kind: inventory.Instance, Name: h.Machine, Zone: h.Zone}):
		by = inventory.Object{Kind: inventory.Instance, Name: h.Machine, Zone: h.Zone}
	default:
		return nil
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("%s (%s) is this cluster's, and %s, which is not, uses it", address, h.IP, by),
		Cure: cure.Hint("take it away there", r.Have.Release(inventory.Use{By: by, Of: address})),
	}}
}

// Limits of metadata. (https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations)
const (
	MostValue    = 256 << 10
	MostMetadata = 512 << 10
)

// keysFull is a machine whose metadata has no room for this operator's ssh key.
func keysFull(r *task.Task, m inventory.Object) refusal.Blockers {
	i := slices.IndexFunc(r.Have.Objects, func(o inventory.Object) bool { return o.Id() == m.Id() })
	if i < 0 || r.Want.Login == "" {
		return nil
	}
	o := r.Have.Objects[i]
	if strings.Contains(o.SSHKeys, env.WithoutComment(r.Want.Login)) || len(o.SSHKeys)+len(r.Want.Login) < MostValue && o.Metadata+len(r.Want.Login) < MostMetadata {
		return nil
	}
	return refusal.Blockers{{
		Why: fmt.Sprintf("the metadata of %s in %s has no room for this operator's ssh key: ssh-keys has %d bytes of %d, all together %d of %d",
			m.Name, m.Zone, len(o.SSHKeys), MostValue, o.Metadata, MostMetadata),
		Cure: cure.Hint("take out keys that are no longer needed; this takes all of them, and hakube adds this one",
			cure.Compute(fmt.Sprintf("instances remove-metadata %s --zone=%s --keys=ssh-keys", m.Name, m.Zone))),
	}}
}

// starting are masters that are there and do not run: they take CPUs and
// addresses again when they are started.
func starting(r *task.Task) (list []inventory.Object) {
	if !r.Mode.Masters || r.Mode.Removes || r.Mode.Repairs {
		return nil
	}
	for _, m := range r.ToBe() {
		for _, o := range r.Have.Objects {
			if o.Id() == m.Id() && (o.Status == "TERMINATED" || o.Status == "STOPPED") {
				list = append(list, o)
			}
		}
	}
	return list
}
