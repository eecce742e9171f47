package status

import (
	"context"
	"slices"
	"strings"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
)

// An AddonStatus is an addon that is to be in the cluster, or is there and is not to be.
type AddonStatus struct {
	Name    string `json:"name"`
	Version string `json:"version"` // of what is there; "" of nothing
	Healthy bool   `json:"healthy"` // it is there, whole, and its pods are ready
	Why     string `json:"why"`

	half    bool // some command began it and did not end
	stopped bool // a program of it is not there: a down stops those first that make Google's objects
}

// addonsOf asks for those that are to be, and for what the cluster has.
func addonsOf(ctx context.Context, client *kube.Client, wanted []addons.Set) (list []AddonStatus, err error) {
	all, err := client.Applied(ctx)
	if err != nil {
		return nil, err
	}
	for _, want := range wanted {
		x := AddonStatus{Name: want.Name}
		i := slices.IndexFunc(all, func(a kube.Applied) bool { return a.Name == want.Name })
		switch {
		case i < 0:
			x.Why = "it is not there"
		case all[i].Digest == "":
			x.Version, x.Why = all[i].Version, "it is there in part"
		case all[i].Digest != want.Digest:
			x.Version, x.Why = all[i].Version, "it is other than it is to be: "+want.Version
		default:
			x.Version = all[i].Version
			x.Why, err = want.Missing(func(w addons.Workload) (string, error) { return client.Rollout(ctx, w.Path(), w.OnNodes) })
			if err != nil {
				return nil, err
			}
		}
		x.Healthy = x.Why == ""
		x.stopped = strings.HasSuffix(x.Why, ": it is not there")
		x.half = x.stopped || i < 0 || all[i].Digest != want.Digest
		list = append(list, x)
	}
	for _, a := range all {
		if !slices.ContainsFunc(wanted, func(x addons.Set) bool { return x.Name == a.Name }) {
			list = append(list, AddonStatus{Name: a.Name, Version: a.Version, Why: "it is there, and is not to be", half: true})
		}
	}
	return list, nil
}
