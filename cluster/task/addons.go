package task

import (
	"slices"

	"hakube/cluster/addons"
	"hakube/cluster/inventory"
)

// Addons are what is to run in the cluster beside Kubernetes; asked is whether anybody
// ever spoke of them: of a cluster that never had any the API need not be asked.
func (r *Task) Addons() (sets []addons.Set, asked bool, err error) {
	on, v := r.Want.Settings.AddonsOn(), r.AddonValues()
	for _, name := range on {
		a, ok := addons.Named(name)
		if !ok {
			continue // a test holds the names to the rows
		}
		s, err := a.For(v)
		if err != nil {
			return nil, false, err
		}
		sets = append(sets, s)
	}
	spoken := r.Have != nil && slices.ContainsFunc([]string{"HAKUBE_ADDONS", "NETWORK_POLICY_PROVIDER"}, func(variable string) bool {
		return inventory.SpokenOf(r.Have.Holder, variable)
	})
	return sets, len(on) > 0 || spoken, nil
}

// AddonValues are what manifests are told of this cluster.
func (r *Task) AddonValues() addons.Values {
	return addons.Values{
		Project: r.Want.Project, Network: r.Want.Names.Network(), Subnetwork: r.Want.Names.Subnetwork(),
		NodeTag: r.Want.Names.NodeTag(), Cluster: r.Want.Names.Cluster, Prefix: string(r.Want.Settings.Prefix), Mirror: r.Want.Mirror != "",
		SignKubelets: bool(r.Want.Settings.SignKubelets),
	}
}
