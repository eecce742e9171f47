package cluster

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// What a cluster was begun with is in the description of its address, which never
// changes (birth.go). A setting that a later run may change is written into a label
// of the address then, with the lease: otherwise the next shell without the variable
// would bring back what the cluster was begun with.

// heeds tells whether the run goes by such a variable.
func (r *task) heeds(variable string) bool {
	perPool := variable == "MAX_INSTANCES_PER_MIG"
	switch {
	case r.mode.repairs, r.mode.removes && !r.mode.one:
		return false
	case perPool:
		return r.mode.nodes
	}
	return r.mode.masters
}

// asMade warns of a setting that is said by hand and is of what is made only: what is
// there already is no worse with what it was made with, so it is not refused, and
// whoever says it learns that nothing becomes of it.
func (r *task) asMade(o inventory.Object, variable, is string) {
	master := o.Kind == inventory.Instance
	if !r.Want.Settings.Says(variable) || r.mode.removes || master && !r.mode.whole || !master && !r.mode.nodes {
		return
	}
	i := slices.IndexFunc(settings.Fields(), func(f reflect.StructField) bool { return f.Tag.Get("envconfig") == variable })
	f := settings.Fields()[i]
	was := reflect.New(f.Type)
	d, ok := was.Interface().(interface{ Decode(string) error })
	said := r.Want.Settings.TextOf(f)
	if ok && (is == "" || d.Decode(is) == nil) && fmt.Sprint(was.Elem()) == said {
		return
	}
	of := "new masters"
	if !master {
		of = "nodes once there is no pool any more"
	}
	r.Warn(fmt.Sprintf("%s=%s: %s is kept as it was made, with %s; it applies to %s only", variable, said, o, cmp.Or(is, "none"), of))
}

// A note is a setting that is to be written down.
type note struct{ variable, value string }

// unwritten is what is set by hand, to something else than is written down. A cluster
// without an address has no record yet: it is begun with what is set. So is a pool, by
// the marks of its groups.
func (r *task) unwritten() (list []note) {
	if r.have.Holder.Begun == nil {
		return nil
	}
	for _, f := range settings.Fields() {
		w := note{f.Tag.Get("envconfig"), r.Want.Settings.TextOf(f)}
		if inventory.LaterLabel(w.variable, r.Want.Zone) == "" || !r.heeds(w.variable) || !r.Want.Settings.Says(w.variable) {
			continue
		}
		is := r.have.Said(w.variable, r.Want.Zone)
		if newPool := is == "" && w.variable == "MAX_INSTANCES_PER_MIG"; is != w.value && !newPool {
			list = append(list, w)
		}
	}
	return list
}

// notes has it written with the first change of the run, at no extra call, so that
// one that is cut is gone on with from any shell.
func (r *task) notes() {
	for _, w := range r.unwritten() {
		r.Lease.Note(inventory.LaterLabel(w.variable, r.Want.Zone), w.value)
	}
}
