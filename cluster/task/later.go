package task

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
func (r *Task) heeds(variable string) bool {
	perPool := variable == "MAX_INSTANCES_PER_MIG"
	switch {
	case r.Mode.Repairs, r.Mode.Rolls, r.Mode.Removes && !r.Mode.One:
		return false
	case perPool:
		return r.Mode.Nodes
	case variable == "HAKUBE_ADDONS", variable == "NETWORK_POLICY_PROVIDER", slices.Contains(settings.AutoscalerVariables, variable):
		return !r.Mode.Removes // which make none, and take none away
	case variable == "HAKUBE_DISK_SNAPSHOTS":
		return r.Mode.Masters && !r.Mode.Removes
	}
	return r.Mode.Masters
}

// AsMade warns of a setting that is said by hand and is of what is made only: what is
// there already is no worse with what it was made with, so it is not refused, and
// whoever says it learns that nothing becomes of it.
func (r *Task) AsMade(o inventory.Object, variable, is string) {
	master := o.Kind == inventory.Instance
	if !r.Want.Settings.Says(variable) || r.Mode.Removes || r.Mode.Rolls || master && !r.Mode.Whole || !master && !r.Mode.Nodes {
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

// A Note is a setting that is to be written down.
type Note struct{ Variable, Value string }

// Unwritten is what is set by hand, to something else than is written down. A cluster
// without an address has no record yet: it is begun with what is set. So is a pool, by
// the marks of its groups.
func (r *Task) Unwritten() (list []Note) {
	if r.Have.Holder.Begun == nil {
		return nil
	}
	for _, f := range settings.Fields() {
		w := Note{f.Tag.Get("envconfig"), r.Want.Settings.TextOf(f)}
		if inventory.LaterLabel(w.Variable, r.Want.Pool()) == "" || !r.heeds(w.Variable) || !r.Want.Settings.Says(w.Variable) {
			continue
		}
		is := r.Have.Said(w.Variable, r.Want.Pool())
		if newPool := is == "" && w.Variable == "MAX_INSTANCES_PER_MIG"; is != w.Value && !newPool {
			list = append(list, w)
		}
	}
	return list
}

// Notes has it written with the first change of the run, at no extra call, so that
// one that is cut is gone on with from any shell.
func (r *Task) Notes() {
	for _, w := range r.Unwritten() {
		r.Lease.Note(inventory.LaterLabel(w.Variable, r.Want.Pool()), inventory.LabelText(w.Value))
	}
}
