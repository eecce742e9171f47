package inventory

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// LivesHere refuses to make a second cluster of the same name beside one that
// lives elsewhere.
func (v *Inventory) LivesHere(want *settings.Spec) error {
	all := v.Zones(func(Object) bool { return true })
	homes := v.Homes(want.Names)
	if len(homes) == 0 {
		homes = all
	}
	region := settings.Zone(want.Zone).Region()
	switch {
	case len(homes) == 0 && (v.SubnetRegion == "" || v.SubnetRegion == region), slices.Contains(homes, want.Zone):
		return nil
	case len(homes) == 0:
		return &refusal.Refused{
			Why: fmt.Sprintf("cluster %s was begun in region %s (its subnetwork is there), not in %s", want.Names.Prefix, v.SubnetRegion, region),
			Cure: cure.Hints(cure.Hint("name a zone of "+v.SubnetRegion+" with KUBE_GCE_ZONE, or remove what is there", cure.Down()),
				"another cluster needs another KUBE_GCE_INSTANCE_PREFIX"),
		}
	case settings.Zone(homes[0]).Region() != region:
		return &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s lives in zone %s; all its zones are of region %s, and %s is not", want.Names.Prefix, homes[0], settings.Zone(homes[0]).Region(), want.Zone),
			Cure: "another cluster needs another KUBE_GCE_INSTANCE_PREFIX",
		}
	}
	return &refusal.Refused{
		Why: fmt.Sprintf("cluster %s lives in zone %s, not in %s", want.Names.Prefix, strings.Join(homes, " and "), want.Zone),
		Cure: cure.Hints(cure.Hint("bring that one up to date", cure.Up(homes[0])),
			cure.Hint("or add nodes in "+want.Zone, cure.UpPool(want.Zone)), cure.Hint("or a master", cure.AddMaster(want.Zone))),
	}
}

// NodePrefix is what a group's name says of NODE_INSTANCE_PREFIX, "" if it is no name of
// ours.
func (o Object) NodePrefix() string {
	m := groupName.FindStringSubmatch(o.Name)
	if m == nil || o.Pool == "" {
		return strings.Join(m[min(1, len(m)):min(2, len(m))], "")
	}
	prefix, is := strings.CutSuffix(m[1], "-"+o.Pool)
	if !is {
		return ""
	}
	return prefix
}

// groupName parts a group's name after the prefix of nodes, and the pool's name.
var groupName = regexp.MustCompile(`^(.*)-group(-[0-9]+)?$`)

// SameNames refuses settings under which what is there would have other names:
// it would not be found, and made a second time beside itself.
func (v *Inventory) SameNames(want *settings.Spec) error {
	for _, o := range v.Objects {
		switch {
		case o.Kind == Instance && o.Name == want.Names.Master():
			if err := want.Drift("machine "+o.Name,
				settings.Difference{Variable: "CLUSTER_NAME", Was: o.clusterName, Want: want.Names.Cluster},
				settings.Difference{Variable: "KUBE_GCE_NETWORK", Was: o.Network, Want: want.Names.Network()},
				settings.Difference{Variable: "KUBE_GCE_IP_ALIAS_SUBNETWORK", Was: o.Subnetwork, Want: want.Names.Subnetwork()},
			); err != nil {
				return err
			}
		case o.Kind == ManagedGroup:
			was := cmp.Or(o.NodePrefix(), o.Name)
			if err := want.Drift("group "+o.Name, settings.Difference{Variable: "NODE_INSTANCE_PREFIX", Was: was, Want: want.Names.Node}); err != nil {
				return err
			}
		}
	}
	return nil
}

// AllHere refuses to remove the cluster by one zone when others hold parts of
// it, and says what to run.
func (v *Inventory) AllHere(want *settings.Spec) error {
	if want.Zone == "" {
		return nil
	}
	elsewhere := v.Zones(func(o Object) bool { return o.Zone != want.Zone })
	if len(elsewhere) == 0 {
		if region := settings.Zone(want.Zone).Region(); v.SubnetRegion != "" && v.SubnetRegion != region {
			return &refusal.Refused{
				Why:  fmt.Sprintf("what is left of cluster %s is in region %s, not in %s", want.Names.Prefix, v.SubnetRegion, region),
				Cure: cure.Hint("find and remove it", cure.Down()),
			}
		}
		return nil
	}
	why := fmt.Sprintf("cluster %s is in %s, not in %s", want.Names.Prefix, strings.Join(elsewhere, " and "), want.Zone)
	if len(v.Zones(func(o Object) bool { return o.Zone == want.Zone })) > 0 {
		why = fmt.Sprintf("cluster %s is also in %s: %s is not all that is left of it", want.Names.Prefix, strings.Join(elsewhere, " and "), want.Zone)
	}
	return &refusal.Refused{
		Why:  why,
		Cure: cure.Hints(cure.Hint("run, in this order", v.commands(want)...), cure.Hint("or remove all of it at once", cure.Down())),
	}
}

// commands are the removals still to run, in order: replicas, pools, and the
// zone of the first master last.
func (v *Inventory) commands(want *settings.Spec) (list []cure.Command) {
	homes := v.Homes(want.Names)
	last := want.Zone
	if len(homes) > 0 {
		last = homes[0]
	}
	for i, o := range v.Masters(want.Names) {
		if i > 0 || o.Zone != last {
			list = append(list, cure.RemoveMaster(o.Zone, o.Name))
		}
	}
	for _, id := range v.Pools() {
		if id.Zone != last {
			list = append(list, cure.RemovePool(id.Zone).OfPool(id.Name))
		}
	}
	return append(list, cure.DownIn(last))
}
