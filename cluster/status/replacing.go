package status

import (
	"fmt"

	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
)

// replacing is a pool whose machines were being replaced, by a run that did not end: some
// are made from another template than their group's.
func replacing(id settings.PoolID, p pool.Pool, all []inventory.Object) (step string, is bool) {
	of := map[string]string{}
	for _, o := range all {
		if o.Kind == inventory.ManagedGroup && o.OfPool(id) {
			of[o.Name] = o.Template
		}
	}
	var old []pool.Machine
	for _, m := range p.Machines {
		if m.Template != "" && m.Template != of[m.Group] {
			old = append(old, m)
		}
	}
	return fmt.Sprintf("%s: %d of %d nodes were not replaced yet: %s", id, len(old), len(p.Machines), pool.Few(old)), len(old) > 0
}
