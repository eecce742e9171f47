package metadata

import (
	"cmp"
	"strings"
)

// tree is the view as the server shows it, below /computeMetadata/v1/. Names
// and their order are those of a real machine's listing.
func (v View) tree() *node {
	return dir(
		child{"instance", v.Instance.tree()},
		// Present and empty on machines without OS Login: the guest agent reads it.
		child{"oslogin", dir(child{"authenticate", dir(child{"sessions", dir()})})},
		child{"project", dir(
			child{"attributes", attributes(v.Project.Attributes)},
			child{"numeric-project-id", leaf(v.Project.Number)},
			child{"project-id", leaf(v.Project.ID)},
		)},
		child{"universe", dir(child{"universe-domain", leaf("googleapis.com")})},
	)
}

func (i Instance) tree() *node {
	var disks, nics, licenses []*node
	for index, d := range i.Disks {
		disks = append(disks, d.tree(index))
	}
	for _, n := range i.NetworkInterfaces {
		nics = append(nics, n.tree())
	}
	for _, id := range i.Licenses {
		licenses = append(licenses, dir(child{"id", leaf(id)}))
	}
	return dir(
		child{"attributes", attributes(i.Attributes)},
		child{"cpu-platform", leaf(cmp.Or(i.CPUPlatform, "Unknown CPU Platform"))},
		child{"description", leaf(i.Description)},
		child{"disks", list(disks...)},
		child{"guest-attributes", dir()},
		child{"hostname", leaf(i.Hostname)},
		child{"id", leaf(i.ID)},
		child{"image", leaf(i.Image)},
		child{"licenses", list(licenses...)},
		child{"machine-type", leaf(i.MachineType)},
		child{"maintenance-event", leaf(cmp.Or(i.MaintenanceEvent, "NONE"))},
		child{"name", leaf(i.Name)},
		child{"network-interfaces", list(nics...)},
		child{"preempted", leaf(upper(i.Preempted))},
		child{"remaining-cpu-time", leaf(-1)},
		child{"scheduling", dir(
			child{"automatic-restart", leaf(upper(i.Scheduling.AutomaticRestart))},
			child{"on-host-maintenance", leaf(cmp.Or(i.Scheduling.OnHostMaintenance, "MIGRATE"))},
			child{"preemptible", leaf(upper(i.Scheduling.Preemptible))},
		)},
		child{"service-accounts", serviceAccounts(i.ServiceAccounts)},
		child{"tags", leaf(i.Tags)},
		child{"virtual-clock", dir(child{"drift-token", leaf(cmp.Or(i.DriftToken, "0"))})},
		child{"zone", leaf(i.Zone)},
	)
}

func (d Disk) tree(index int) *node {
	return dir(
		child{"device-name", leaf(d.DeviceName)},
		child{"index", leaf(index)},
		child{"interface", leaf(cmp.Or(d.Interface, "SCSI"))},
		child{"mode", leaf(cmp.Or(d.Mode, "READ_WRITE"))},
		child{"type", leaf(cmp.Or(d.Type, "PERSISTENT"))},
	)
}

func (n NetworkInterface) tree() *node {
	var configs []*node
	for _, c := range n.AccessConfigs {
		configs = append(configs, dir(
			child{"external-ip", leaf(c.ExternalIP)},
			child{"type", leaf(cmp.Or(c.Type, "ONE_TO_ONE_NAT"))},
		))
	}
	return dir(
		child{"access-configs", list(configs...)},
		child{"dns-servers", leaf(n.DNSServers)},
		child{"forwarded-ips", leaves(n.ForwardedIPs)},
		child{"gateway", leaf(n.Gateway)},
		child{"ip", leaf(n.IP)},
		child{"ip-aliases", leaves(n.IPAliases)},
		child{"mac", leaf(n.MAC)},
		child{"mtu", leaf(n.MTU)},
		child{"network", leaf(n.Network)},
		child{"subnetmask", leaf(n.SubnetMask)},
		child{"target-instance-ips", leaves(n.TargetInstanceIPs)},
	)
}

// serviceAccounts lists each account by its email, and the first one a second
// time as "default". The token and identity endpoints are not listed (they
// have no place in a recursive answer at Google either); see [credential].
func serviceAccounts(accounts []ServiceAccount) *node {
	n := &node{kind: dirNode, verbatim: true}
	for i, a := range accounts {
		var aliases []string
		if i == 0 {
			aliases = []string{"default"}
		}
		account := dir(
			child{"aliases", leaf(aliases)},
			child{"email", leaf(a.Email)},
			child{"scopes", leaf(a.Scopes)},
		)
		if i == 0 {
			n.children = append(n.children, child{"default", account})
		}
		n.children = append(n.children, child{a.Email, account})
	}
	return n
}

// upper is how the metadata server writes a truth value.
func upper(b bool) string {
	if b {
		return "TRUE"
	}
	return "FALSE"
}

// isTrue reads one the way Google's agents do.
func isTrue(s string) bool {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes", "y":
		return true
	}
	return false
}
