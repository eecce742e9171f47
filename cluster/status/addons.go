package status

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
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
			x.Why = kube.NotThere
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
		x.stopped = strings.HasSuffix(x.Why, ": "+kube.NotThere)
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

// enforcers are DaemonSets that hold traffic to NetworkPolicy objects, by the names that
// their own manifests give them.
var enforcers = []string{
	string(settings.KubeNetworkPolicies), "antrea-agent", "calico-node", "canal", "cilium", "kindnet", "kube-router", "ovnkube-node", "weave-net",
}

// unenforced warns of NetworkPolicy objects that are without effect, "" if there are none:
// who made one believes that pods are shut off.
func unenforced(ctx context.Context, client *kube.Client) (string, error) {
	type list struct {
		Items []struct {
			Metadata struct{ Namespace, Name string }
		}
	}
	var policies, sets list
	if err := client.List(ctx, "/apis/networking.k8s.io/v1/networkpolicies", &policies); err != nil || len(policies.Items) == 0 {
		return "", err
	}
	if err := client.List(ctx, "/apis/apps/v1/daemonsets", &sets); err != nil {
		return "", err
	}
	for _, d := range sets.Items {
		if slices.Contains(enforcers, d.Metadata.Name) {
			return "", nil
		}
	}
	what, first := "NetworkPolicies", policies.Items[0].Metadata
	if len(policies.Items) == 1 {
		what = "NetworkPolicy"
	}
	return fmt.Sprintf("nothing enforces the cluster's %d %s (%s/%s): every pod reaches every other; NETWORK_POLICY_PROVIDER=%s does with the next up",
		len(policies.Items), what, first.Namespace, first.Name, settings.KubeNetworkPolicies), nil
}
