package cluster

import (
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/scripts/cure"
)

// projectProblems are properties of the project under which machines come up that
// nobody can use, or do not come up at all.
func projectProblems(r *task, p *computepb.Project, missing []inventory.Object) (no refusal.Unfit) {
	makes := func(k inventory.Kind) bool {
		return slices.ContainsFunc(missing, func(o inventory.Object) bool { return o.Kind == k })
	}
	if makes(inventory.Instance) && strings.EqualFold(inventory.MetadataItem(p.GetCommonInstanceMetadata(), "enable-oslogin"), "true") {
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("project %s has OS Login on (enable-oslogin in its metadata): its machines take no ssh key from metadata, and masters are set up over ssh",
				r.Want.Project),
			Cure: cure.Hint("switch it off for the project", cure.Compute("project-info add-metadata --metadata=enable-oslogin=FALSE")),
		})
	}
	if is, by := r.have.Holder.Tier, p.GetDefaultNetworkTier(); makes(inventory.Instance) && is != "" && by != "" && is != by {
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("address %s is of network tier %s, and the default of project %s is %s by now, of which machines and forwarding rules would be made: an address serves its own tier only",
				r.Want.Names.Address(), is, r.Want.Project, by),
			Cure: cure.Hint("set the default to what it was", cure.Compute("project-info update --default-network-tier="+is)),
		})
	}
	nodes := makes(inventory.InstanceTemplate) && r.Want.Settings.NodeAccount == "default" && len(r.Want.Settings.NodeScopes) > 0
	if p.GetDefaultServiceAccount() == "" && (makes(inventory.Instance) || nodes) {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("project %s has no default service account, which masters are made with", r.Want.Project),
			Cure: cure.Hint("one that was deleted less than 30 days ago can be undeleted; where there was none", cure.EnableService("compute.googleapis.com", string(r.Want.Project))),
		})
	}
	return no
}
