package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// ProjectProblems are properties of the project under which machines come up that
// nobody can use, or do not come up at all.
func ProjectProblems(r *task.Task, p *computepb.Project, missing []inventory.Object) (no refusal.Blockers) {
	if makes(missing, inventory.Instance) && osLogin(p.GetCommonInstanceMetadata(), false) {
		no = append(no, closedMasters(r)...)
	}
	if makes(missing, inventory.Instance) && (p.GetVmDnsSetting() == "GLOBAL_DEFAULT" || namedGlobally(p.GetCommonInstanceMetadata(), false)) {
		no = append(no, namelessMasters(r)...)
	}
	if is, by := r.Have.Holder.Tier, p.GetDefaultNetworkTier(); makes(missing, inventory.Instance) && is != "" && by != "" && is != by {
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("address %s is of network tier %s, and the default of project %s is %s by now, of which machines and forwarding rules would be made: an address serves its own tier only",
				r.Want.Names.Address(), is, r.Want.Project, by),
			Cure: cure.Hint("set the default to what it was", cure.Compute("project-info update --default-network-tier="+is)),
		})
	}
	if p.GetDefaultServiceAccount() == "" {
		no = append(no, withoutDefaultAccount(r.Env, makes(missing, inventory.Instance), makes(missing, inventory.InstanceTemplate))...)
	}
	return no
}

// osLogin tells whether metadata switch OS Login on; of a machine the project's decide
// where its own say nothing.
func osLogin(m *computepb.Metadata, project bool) bool {
	switch strings.ToLower(inventory.MetadataItem(m, scripts.KeyOSLogin)) {
	case "":
		return project
	case "true", "1", "yes", "y":
		return true
	}
	return false
}

// requireOSLogin is the policy by which no machine can switch OS Login off. Google
// switches it on in the metadata of projects that are made under it.
const requireOSLogin = "constraints/compute.requireOsLogin"

// osLoginRequired asks for it where the project has OS Login on: machines that say
// otherwise would be refused after network, address and disk were made.
func osLoginRequired(ctx context.Context, r *env.Env, p *computepb.Project, missing []inventory.Object) (refusal.Blockers, error) {
	made := slices.ContainsFunc(missing, func(o inventory.Object) bool {
		return o.Kind == inventory.Instance || o.Kind == inventory.InstanceTemplate
	})
	if !made || !osLogin(p.GetCommonInstanceMetadata(), false) {
		return nil, nil
	}
	enforced, err := r.GCE.Enforced(ctx, requireOSLogin)
	if permanent(err) {
		r.Warn(fmt.Sprintf("project %s has OS Login on, and whether its organisation lets machines switch it off is not known beforehand: %v", r.Want.Project, err))
		return nil, nil
	}
	if err != nil || !enforced {
		return nil, err
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("the organisation of project %s requires OS Login (%s): machines there take no ssh key from metadata, and masters are set up over ssh", r.Want.Project, requireOSLogin),
		Cure: "its administrator can except the project; or make the cluster in another one",
	}}, nil
}

// requireShielded is the policy by which no machine can do without Secure Boot.
const requireShielded = "constraints/compute.requireShieldedVm"

// shieldedRequired asks for it where nodes with accelerators are to be made: these have no
// Secure Boot, and their group would try for ever.
func shieldedRequired(ctx context.Context, parts []Part) (refusal.Blockers, error) {
	for _, p := range parts {
		s := p.Want.Settings
		if growing(p.Task) == 0 || !s.Accelerators.Has(string(s.NodeSize)) {
			continue
		}
		enforced, err := p.GCE.Enforced(ctx, requireShielded)
		if permanent(err) {
			p.Warn(fmt.Sprintf("nodes with accelerators have no Secure Boot, since it loads no driver that is built for their kernel, and whether the organisation of project %s asks for it is not known beforehand: %v", p.Want.Project, err))
			return nil, nil
		}
		if err != nil || !enforced {
			return nil, err
		}
		return refusal.Blockers{{
			Why:  fmt.Sprintf("the organisation of project %s requires Secure Boot (%s), and nodes with accelerators have none: it loads no driver that is built for their kernel", p.Want.Project, requireShielded),
			Cure: "its administrator can except the project; or make the pool without NODE_ACCELERATORS, of a machine type that has none of itself",
		}}, nil
	}
	return nil, nil
}

// closedMasters are those that were made before hakube switched OS Login off for its
// machines, in a project that has it on: they take no ssh key of metadata.
func closedMasters(r *task.Task) (no refusal.Blockers) {
	for _, m := range r.Masters() {
		i := r.Seen.Machines[m.Zone+"/"+m.Name]
		if i == nil || !osLogin(i.GetMetadata(), true) {
			continue
		}
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("project %s has OS Login on (enable-oslogin in its metadata), and master %s in %s was made without switching it off: it takes no ssh key from metadata, and masters are set up over ssh",
				r.Want.Project, m.Name, m.Zone),
			Cure: cure.Hint("switch it off for that machine", cure.Compute(fmt.Sprintf("instances add-metadata %s --zone=%s --metadata=enable-oslogin=FALSE", m.Name, m.Zone))),
		})
	}
	return no
}

// LockedOut is what keeps masters from taking this operator's key, asked where all that
// follows goes over ssh: otherwise it would be found out as etcds that do not answer. It
// is a call only where a master does not say itself that it takes keys.
func LockedOut(ctx context.Context, r *task.Task) (refusal.Blockers, error) {
	closed := closedMasters(r)
	if len(closed) == 0 {
		return nil, nil
	}
	p, err := r.GCE.GetProject(ctx)
	if err != nil || !osLogin(p.GetCommonInstanceMetadata(), false) {
		return nil, err
	}
	return closed, nil
}

// namedGlobally tells whether metadata give machines names without a zone; of a machine
// the project's decide where its own say nothing.
func namedGlobally(m *computepb.Metadata, project bool) bool {
	said := inventory.MetadataItem(m, scripts.KeyDNS)
	return said == "" && project || strings.HasPrefix(strings.ToLower(said), "global")
}

// namelessMasters are those that were made before hakube gave its machines names of the
// zone, in a project that gives them others: a new master would not find them.
func namelessMasters(r *task.Task) (no refusal.Blockers) {
	for _, m := range r.Masters() {
		i := r.Seen.Machines[m.Zone+"/"+m.Name]
		if i == nil || !namedGlobally(i.GetMetadata(), true) {
			continue
		}
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("project %s gives its machines global DNS names (VmDnsSetting), and master %s in %s was made without names of its zone, by which masters find each other",
				r.Want.Project, m.Name, m.Zone),
			Cure: cure.Hint("give it one", cure.Compute(fmt.Sprintf("instances add-metadata %s --zone=%s --metadata=%s=ZonalOnly", m.Name, m.Zone, scripts.KeyDNS))),
		})
	}
	return no
}

// withoutDefaultAccount is who would be made with the project's default service
// account, which it has not.
func withoutDefaultAccount(r *env.Env, masters, nodes bool) (no refusal.Blockers) {
	s := r.Want.Settings
	say := func(variable string) {
		no = append(no, &refusal.Refused{
			Why: fmt.Sprintf("%s=default: project %s has no default service account", variable, r.Want.Project),
			Cure: cure.Hint(fmt.Sprintf("%s=none makes machines without one; one that was deleted less than 30 days ago can be undeleted; where there was none", variable),
				cure.EnableService("compute.googleapis.com", r.Want.Project)),
		})
	}
	if masters && s.MasterAccount == "default" {
		say("HAKUBE_MASTER_SERVICE_ACCOUNT")
	}
	if nodes && s.NodeAccount == "default" && len(s.NodeScopes) > 0 {
		say("KUBE_GCE_NODE_SERVICE_ACCOUNT")
	}
	return no
}

// A forbidding policy is one that Compute Engine holds against an object late: after
// network, address and disk were made, or after the API's address has left its master.
type forbidding struct {
	constraint string
	with       string                                        // one that has to be on too, or hakube does without; "" if none
	of         []inventory.Kind                              // whose making meets it
	value      func(r *task.Task, o inventory.Object) string // what a list policy is asked about; nil: it is on or off
	why        string                                        // "allows no …"
	cure       string
}

var forbiddings = []forbidding{
	{"constraints/compute.restrictLoadBalancerCreationForTypes", "", []inventory.Kind{inventory.ForwardingRule},
		func(*task.Task, inventory.Object) string { return "EXTERNAL_NETWORK_TCP_UDP" },
		"no forwarding rules of type EXTERNAL_NETWORK_TCP_UDP, which several masters have the API's address on",
		"with one master the cluster does without"},
	{"constraints/compute.vmExternalIpAccess", "", []inventory.Kind{inventory.Instance},
		func(r *task.Task, o inventory.Object) string {
			return fmt.Sprintf("projects/%s/zones/%s/instances/%s", r.Want.Project, o.Zone, o.Name)
		},
		"no external address for it, which a master is reached by", ""},
	// What machines say of themselves is on their serial consoles too. The policies that are
	// called disableSerialPort… are about logging in there, and about Cloud Logging.
	{"constraints/compute.disableGuestAttributesAccess", "constraints/compute.disableInstanceDataAccessApis", []inventory.Kind{inventory.Instance, inventory.ManagedGroup}, nil,
		"nobody to read guest attributes or serial output, in one of which machines say their host keys and how far they are", ""},
}

// forbidden asks for them, each where an object is to be made that it is about, and once
// where it does not depend on which. An
// organisation whose policies the account may not read is a warning.
func forbidden(ctx context.Context, r *task.Task, missing []inventory.Object) (refusal.Blockers, error) {
	var checks []check
	for _, p := range forbiddings {
		for _, o := range missing {
			if !slices.Contains(p.of, o.Kind) {
				continue
			}
			checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) { return p.holds(ctx, r, o) })
			if p.value == nil {
				break // it is on or off, for whatever else is to be made too
			}
		}
	}
	return gather(ctx, checks...)
}

func (p forbidding) holds(ctx context.Context, r *task.Task, o inventory.Object) (refusal.Blockers, error) {
	ask := func() (bool, error) { return r.GCE.Enforced(ctx, p.constraint) }
	if p.value != nil {
		ask = func() (bool, error) { return r.GCE.Denied(ctx, p.constraint, p.value(r, o)) }
	}
	is, err := ask()
	by := p.constraint
	if err == nil && is && p.with != "" {
		if is, err = r.GCE.Enforced(ctx, p.with); err == nil && !is {
			return withheld(ctx, r.Env, []string{"instances.getSerialPortOutput"})
		}
		by += ", " + p.with
	}
	if permanent(err) {
		r.Warn(fmt.Sprintf("whether the organisation allows all of it is not known beforehand: %v", err))
		return nil, nil
	}
	if err != nil || !is {
		return nil, err
	}
	except := "its administrator can except project " + string(r.Want.Project)
	if p.cure != "" {
		except += "; " + p.cure
	}
	return refusal.Blockers{{Why: fmt.Sprintf("%s: the organisation (%s) allows %s", o, by, p.why), Cure: except}}, nil
}
