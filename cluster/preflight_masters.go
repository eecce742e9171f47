package cluster

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// What stands in the way of masters that are there, or of making them around
// what is: all of it was in the lists a run begins with, so it costs no call.

// inTheWay is what no call is needed for to see: what keeps the masters that are
// known by now from coming up, and the API's address from being theirs.
func (r *run) inTheWay() (no refusal.Unfit) {
	if r.mode != settings.AddPool && (r.mode != settings.AddReplica || r.replica.name != "") {
		for _, m := range r.toBe() {
			no = append(no, r.inTheWayOf(m)...)
		}
	}
	return append(no, r.addressTaken()...)
}

// inTheWayOf is a master that no call of ours brings back, whose disk another
// machine has, or that takes no further ssh key.
func (r *run) inTheWayOf(m object) (no refusal.Unfit) {
	if st := r.have.statusOf(m); st == "SUSPENDED" || st == "SUSPENDING" {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s in %s is suspended", m.name, m.zone),
			Cure: cure.Hint("resume it", cure.Resume(m.name, m.zone)),
		})
	}
	return append(append(no, r.diskTaken(m)...), r.keysFull(m)...)
}

// diskTaken is a master's data disk that another machine has.
func (r *run) diskTaken(m object) (no refusal.Unfit) {
	disk := object{kind: kindDisk, name: r.want.Names.DiskOf(m.name), zone: m.zone}
	for _, u := range r.have.uses {
		if u.of == disk && u.by.kind == kindInstance && (u.by.name != m.name || u.by.zone != m.zone) {
			no = append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s, which %s needs, is attached to %s", disk, m.name, u.by),
				Cure: cure.Hint("if nothing there writes to it", r.release(u)),
			})
		}
	}
	return no
}

// addressTaken is the API's address with somebody who is not of the cluster: no
// master can be given it, and it would not come back.
func (r *run) addressTaken() refusal.Unfit {
	h, address := r.have.held, r.regional(kindAddress, r.want.Names.Address())
	by := object{}
	switch {
	case h.rule != "" && h.rule != r.want.Names.ForwardingRule():
		by = r.regional(kindRule, h.rule)
	case h.machine != "" && !r.have.has(object{kind: kindInstance, name: h.machine, zone: h.zone}):
		by = object{kind: kindInstance, name: h.machine, zone: h.zone}
	default:
		return nil
	}
	return refusal.Unfit{{
		Why:  fmt.Sprintf("%s (%s) is this cluster's, and %s, which is not, uses it", address, h.ip, by),
		Cure: cure.Hint("take it away there", r.release(use{by: by, of: address})),
	}}
}

// Limits of metadata. (https://cloud.google.com/compute/docs/metadata/setting-custom-metadata#limitations)
const (
	mostValue    = 256 << 10
	mostMetadata = 512 << 10
)

// keysFull is a machine whose metadata has no room for this operator's ssh key.
func (r *run) keysFull(m object) refusal.Unfit {
	i := slices.IndexFunc(r.have.objects, func(o object) bool { return o.id() == m.id() })
	if i < 0 || r.want.Login == "" {
		return nil
	}
	o := r.have.objects[i]
	if strings.Contains(o.sshKeys, withoutComment(r.want.Login)) || len(o.sshKeys)+len(r.want.Login) < mostValue && o.metadata+len(r.want.Login) < mostMetadata {
		return nil
	}
	return refusal.Unfit{{
		Why: fmt.Sprintf("the metadata of %s in %s has no room for this operator's ssh key: ssh-keys has %d bytes of %d, all together %d of %d",
			m.name, m.zone, len(o.sshKeys), mostValue, o.metadata, mostMetadata),
		Cure: cure.Hint("take out keys that are no longer needed; this takes all of them, and hakube adds this one",
			cure.Compute(fmt.Sprintf("instances remove-metadata %s --zone=%s --keys=ssh-keys", m.name, m.zone))),
	}}
}

// starting are masters that are there and do not run: they take CPUs and
// addresses again when they are started.
func (r *run) starting() (list []object) {
	if r.mode != settings.Create && r.mode != settings.AddReplica {
		return nil
	}
	for _, m := range r.toBe() {
		for _, o := range r.have.objects {
			if o.id() == m.id() && (o.status == "TERMINATED" || o.status == "STOPPED") {
				list = append(list, o)
			}
		}
	}
	return list
}
