package task

import (
	"cmp"
	"slices"

	"hakube/cluster/addons"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
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
	spoken := r.Have != nil && slices.ContainsFunc([]string{"HAKUBE_ADDONS", "NETWORK_POLICY_PROVIDER", "KUBE_ENABLE_CLUSTER_AUTOSCALER"}, func(variable string) bool {
		return inventory.SpokenOf(r.Have.Holder, variable)
	})
	return sets, len(on) > 0 || spoken, nil
}

// AddonValues are what manifests are told of this cluster.
func (r *Task) AddonValues() addons.Values {
	return addons.Values{
		Project: r.Want.Project, Network: r.Want.Names.Network(), Subnetwork: r.Want.Names.Subnetwork(),
		NodeTag: r.Want.Names.NodeTag(), Cluster: r.Want.Names.Cluster, Prefix: string(r.Want.Settings.Prefix), Mirror: r.Want.Mirror != "",
		SignKubelets: bool(r.Want.Settings.SignKubelets), Sized: r.autosized(), ScaleDown: bool(r.Want.Settings.ScalesDown),
	}
}

// Autoscales tells whether the cluster autoscaler runs or may have run: somebody has spoken
// of it.
func (r *Task) Autoscales() bool {
	return bool(r.Want.Settings.Autoscaler) || inventory.SpokenOf(r.Have.Holder, "KUBE_ENABLE_CLUSTER_AUTOSCALER")
}

// autosized are the groups that the cluster autoscaler sizes: those of the pools of all
// zones, but not of one that is about to go.
func (r *Task) autosized() (list []addons.Sized) {
	if !bool(r.Want.Settings.Autoscaler) || r.Have == nil {
		return nil
	}
	groups := r.EveryGroup()
	slices.SortFunc(groups, func(a, b inventory.Object) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Name, b.Name))
	})
	in, at := map[settings.PoolID]int{}, map[settings.PoolID]int{} // the pool's groups, and how many of them come before
	for _, o := range groups {
		in[o.PoolID()]++
	}
	for _, o := range groups {
		of := o.PoolID()
		s := addons.Sized{
			Min: share(int(r.Want.Settings.ScalesToLeast), in[of], at[of]), Max: share(int(r.Want.Settings.ScalesToMost), in[of], at[of]),
			Group: "https://www.googleapis.com/compute/v1/" + r.Want.Zonal(o.Zone, "instanceGroups", o.Name),
		}
		at[of]++
		if leaves := r.Mode.Removes && r.Mode.Nodes && o.OfPool(r.Want.Pool()); s.Max > 0 && !leaves { // it takes no group of none
			list = append(list, s)
		}
	}
	return list
}

// share is how much of n the i-th of several has, as evenly as it goes.
func share(n, of, i int) int {
	if i < n%of {
		return n/of + 1
	}
	return n / of
}
