package task

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/label"
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// AsItIs lets variables that are not set take what is there of the cluster:
// masters, their disks, groups, and what was written down when it was begun. It
// asks nobody: what only the nodes' template knows, [Task.LikeNodes] reads when
// something is to be made.
func (r *Task) AsItIs(v *inventory.Inventory) settings.Spec {
	w := &recall{r, r.Want}
	for _, o := range v.Masters(r.Want.Names) {
		w.takeMaster(o)
	}
	for _, o := range v.Objects {
		if o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk {
			w.takeDataDisk(r.Seen.Disks[o.Zone+"/"+o.Name])
		}
	}
	for _, variable := range settings.AutoscalerVariables { // before the pool, whose size is left to it
		w.take(variable, v.Said(variable, settings.PoolID{}))
	}
	w.takePool(v)
	w.takeContext()
	w.take("HAKUBE_LOAD_BALANCER", v.Said("HAKUBE_LOAD_BALANCER", settings.PoolID{}))
	w.take("HAKUBE_ADDONS", v.Said("HAKUBE_ADDONS", settings.PoolID{}))
	w.take("NETWORK_POLICY_PROVIDER", v.Said("NETWORK_POLICY_PROVIDER", settings.PoolID{}))
	w.take("HAKUBE_DISK_SNAPSHOTS", v.Said("HAKUBE_DISK_SNAPSHOTS", settings.PoolID{}))
	w.take(settings.OfSchedule[0], v.Holder.Begun[settings.OfSchedule[0]]) // before the others, which are about none without it
	pools := len(TemplatesOf(v)) > 0
	for variable, c := range settings.Classes {
		if slices.Contains(settings.OfSchedule[1:], variable) && w.spec.Settings.BackupEvery == 0 {
			continue
		}
		if c.Recorded && !(pools && settings.Changeable(variable)) && !(settings.Marks(variable) && v.Holder.Begun["HAKUBE_POOL"] != r.Want.Names.Pool) { // a pool that was changed says what it is by now
			w.take(variable, v.Holder.Begun[variable])
		}
	}
	return w.spec.Derived(r.Deps.Operator())
}

// A recall is a spec that is being made from what is there.
type recall struct {
	*Task
	spec settings.Spec
}

func (r *recall) take(variable, text string) {
	r.spec = r.spec.Taking(variable, text, (r.Mode.Repairs || r.Mode.Rolls) && !r.rolls(variable))
}

// rolls tells whether the run is one that gives machines another value of a variable.
func (r *Task) rolls(variable string) bool {
	return r.Mode.Upgrades && variable == settings.OfVersion || r.Mode.Rolls && (r.Mode.Masters && settings.Rollable(variable) || r.Mode.Nodes && settings.NodesRollable(variable))
}

// takeMaster reads a master and its boot disk.
func (r *recall) takeMaster(o inventory.Object) {
	i := r.Seen.Machines[o.Zone+"/"+o.Name]
	r.take("MULTIZONE", o.Multizone)
	if i == nil {
		return
	}
	r.take("MASTER_SIZE", gce.Base(i.GetMachineType()))
	r.take("PREEMPTIBLE_MASTER", settings.BoolText(settings.Bool(i.GetScheduling().GetPreemptible())))
	r.take("HAKUBE_MASTER_GROUPS", settings.BoolText(o.Template != ""))
	r.take("HAKUBE_MASTER_SERVICE_ACCOUNT", AccountOf(i.GetServiceAccounts()))
	r.take("KUBE_GCE_NETWORK", o.Network)
	r.take("KUBE_GCE_IP_ALIAS_SUBNETWORK", o.Subnetwork)
	r.takeMetadata(i.GetMetadata())
	for variable, text := range schedule.In(i.GetMetadata()) {
		r.take(variable, text)
	}
	r.take("HAKUBE_AUDIT", inventory.Switched(i.GetMetadata(), scripts.KeyAudit))
	r.take("HAKUBE_ENCRYPT_SECRETS", inventory.Switched(i.GetMetadata(), scripts.KeyEncryptSecrets))
	r.take("HAKUBE_POD_SECURITY", inventory.Switched(i.GetMetadata(), scripts.KeyPodSecurity))
	r.take("HAKUBE_SIGN_KUBELETS", inventory.Switched(i.GetMetadata(), scripts.KeySignKubelets))
	r.AsMade(o, "KUBE_MIRROR", inventory.MetadataItem(i.GetMetadata(), scripts.KeyMirror))
	for _, d := range i.GetDisks() {
		if boot := r.Seen.Disks[o.Zone+"/"+gce.Base(d.GetSource())]; d.GetBoot() && boot != nil {
			r.take("MASTER_ROOT_DISK_SIZE", settings.Gigabytes(boot.GetSizeGb()))
			r.AsMade(o, "MASTER_ROOT_DISK_SIZE", settings.Gigabytes(boot.GetSizeGb()))
			owner, name := ImageParts(boot.GetSourceImage())
			r.AsMade(o, "KUBE_GCE_MASTER_IMAGE", name)
			r.AsMade(o, "KUBE_GCE_MASTER_PROJECT", owner)
			r.takeImage("KUBE_GCE_MASTER", boot.GetSourceImage())
		}
	}
}

// takeImage leaves the newest of a family what it is: the one that was the newest
// when the disk was made may not be there any more.
func (r *recall) takeImage(variables, url string) {
	owner, name := ImageParts(url)
	r.take(variables+"_PROJECT", owner)
	if !strings.HasPrefix(name, settings.ImageFamily) && !strings.HasPrefix(name, "family/") {
		r.take(variables+"_IMAGE", name)
	}
}

func (r *recall) takeDataDisk(d *computepb.Disk) {
	if d == nil {
		return
	}
	r.take("MASTER_DISK_TYPE", gce.Base(d.GetType()))
	r.take("MASTER_DISK_SIZE", settings.Gigabytes(d.GetSizeGb()))
}

// takeMetadata reads what machines are told of the cluster.
func (r *recall) takeMetadata(m *computepb.Metadata) {
	for variable, key := range map[string]string{
		"KUBE_VERSION": scripts.KeyKubeVersion, "KUBE_DNS_DOMAIN": scripts.KeyDNSDomain, "KUBE_MIRROR": scripts.KeyMirror,
		"CLUSTER_IP_RANGE": scripts.KeyPodRange, "SERVICE_CLUSTER_IP_RANGE": scripts.KeyServiceRange, "CLUSTER_NAME": scripts.KeyClusterName,
	} {
		r.take(variable, inventory.MetadataItem(m, key))
	}
	r.take("HAKUBE_RESERVE", inventory.Switched(m, scripts.KeyReserve))
	r.take("ENABLE_AUTH_PROVIDER_GCP", inventory.Switched(m, scripts.KeyAuthProvider))
	r.take("HAKUBE_PROTECT_KERNEL", inventory.Switched(m, scripts.KeyProtectKernel))
}

// takePool reads the zone's pool. Where a cluster lives and the zone has none,
// there is none to be: it was made without, or it was removed.
func (r *recall) takePool(v *inventory.Inventory) {
	size, groups, template := 0, 0, ""
	for _, o := range v.Objects {
		if o.Kind != inventory.ManagedGroup || o.Zone == "" {
			continue
		}
		r.take("NODE_INSTANCE_PREFIX", o.NodePrefix())
		if o.Pool != r.Want.Names.Pool {
			continue
		}
		if o.Zone == r.Want.Zone && groups == 0 || template == "" {
			template = ofPool(o)
		}
		if o.Zone == r.Want.Zone {
			r.take("MAX_INSTANCES_PER_MIG", v.Said("MAX_INSTANCES_PER_MIG", o.PoolID()))
			groups++
			size += o.Size
		}
	}
	r.spec = r.spec.MadeFrom(template) // the zone's, or for a new pool that of the first there is of the name
	if w, on := v.Growing(r.Want.Pool(), v.Holder.Growing); on {
		if r.Mode.Name.Pool() && !r.Want.Settings.Part() && !r.Want.Settings.IsGiven("NUM_NODES") {
			r.Warn(fmt.Sprintf("NUM_NODES is not set: the %s goes on to %d nodes, which a run that was cut was making of it", r.Want.Pool(), w.To))
		}
		r.takeSize(w.To)
		return
	}
	lives, asked := len(v.Masters(r.Want.Names)) > 0, r.Want.Settings.IsGiven("NUM_NODES")
	switch {
	case groups > 0:
		if r.Mode.Whole && !r.Mode.Removes && r.Want.Settings.Says("KUBE_CREATE_NODES") && !bool(r.Want.Settings.CreateNodes) {
			r.Warn(cure.Hint(fmt.Sprintf("KUBE_CREATE_NODES=false: the %s is kept as it is; this removes it", r.Want.Pool()), cure.RemovePool(r.Want.Zone).OfPool(r.Want.Names.Pool)))
		}
		r.takeSize(size)
	case r.Mode.Nodes && !r.Mode.Whole && !r.Mode.Removes, lives && asked, lives && r.Mode.Nodes && r.Want.Names.Pool != "": // who names a pool wants it
		r.take("KUBE_CREATE_NODES", "true")
	case r.Mode.Whole && !r.Mode.Removes && lives:
		r.take("KUBE_CREATE_NODES", "false")
	}
}

// takeSize leaves a pool the size it has, also against NUM_NODES where the cluster
// autoscaler sizes it.
func (r *recall) takeSize(n int) {
	r.take("KUBE_CREATE_NODES", "true")
	if !bool(r.spec.Settings.Autoscaler) || r.Mode.Removes {
		r.take("NUM_NODES", strconv.Itoa(n))
		return
	}
	r.spec = r.spec.Autosized(n)
	if asked, is := r.spec.Overruled(); is && r.Mode.Name.Pool() {
		s := r.spec.Settings
		r.Warn(fmt.Sprintf("NUM_NODES=%d has no effect on the %s, which is to have %d nodes: the cluster autoscaler keeps it between %d and %d",
			asked, r.Want.Pool(), s.NumNodes, s.ScalesToLeast, s.ScalesToMost))
	}
}

// ofPool is the template of a group, "" if that has no name of ours: a step refuses it.
func ofPool(group inventory.Object) string {
	if n := (settings.Names{Node: group.NodePrefix(), Pool: group.Pool}); n.Node != "" && n.IsTemplate(group.Template) {
		return group.Template
	}
	return ""
}

// takeContext reads what this operator's kubeconfig calls the cluster, by the mark of
// its entry, when that has another name than it would be given now.
func (r *recall) takeContext() {
	config, err := r.KubeFiles().Load()
	if err != nil || kube.HasEntry(config, r.Want.Context) {
		return // the step for it tells
	}
	var names []string
	for name, c := range config.Clusters {
		m, ok := kube.MarkOf(c.Extensions, c.CertificateAuthorityData)
		if x := config.Contexts[name]; ok && m == r.EntryOwner().Mark && x != nil && x.Cluster == name {
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		r.take("OVERRIDE_CONTEXT", names[0])
	}
}

// LikeNodes lets variables that are not set take what nodes are made from, before
// anything is made: one call more, which a run that makes nothing does not need.
func (r *Task) LikeNodes(ctx context.Context) (settings.Spec, error) {
	if len(r.Have.Homes(r.Want.Names)) == 0 {
		return r.Want, nil
	}
	t, err := r.NodeTemplate(ctx)
	if like := r.firstTemplate(); gce.IsNotFound(err) && like != "" { // a new pool is like the first there is, but for its marks
		t, err = r.Template(ctx, like)
	}
	if gce.IsNotFound(err) || err == nil && !r.Owns(t.GetDescription()) {
		return r.Want, nil // a step makes it, or refuses it
	}
	if err != nil {
		return r.Want, fmt.Errorf("reading what nodes are made from: %w", err)
	}
	w := &recall{r, r.Want}
	p := t.GetProperties()
	w.take("NODE_SIZE", gce.Base(p.GetMachineType()))
	w.takeModel(p)
	w.takeMetadata(p.GetMetadata())
	if inventory.MetadataItem(p.GetMetadata(), scripts.KeyPool) == r.Want.Names.Pool {
		w.take("NODE_ACCELERATORS", CardsOf(p).String())
		w.take("KUBE_NODE_LABELS", cmp.Or(inventory.MetadataItem(p.GetMetadata(), scripts.KeyNodeLabels), label.None))
		w.take("KUBE_NODE_TAINTS", cmp.Or(inventory.MetadataItem(p.GetMetadata(), scripts.KeyNodeTaints), label.None))
	}
	w.take("HAKUBE_GRACEFUL_SHUTDOWN", inventory.Switched(p.GetMetadata(), scripts.KeyGraceful))
	if t.GetName() == r.Want.NodeTemplate() {
		r.AsMade(inventory.Object{Kind: inventory.InstanceTemplate, Name: t.GetName()}, "KUBE_MIRROR", inventory.MetadataItem(p.GetMetadata(), scripts.KeyMirror))
	}
	for _, d := range p.GetDisks() {
		init := d.GetInitializeParams()
		w.take("NODE_DISK_SIZE", settings.Gigabytes(init.GetDiskSizeGb()))
		w.take("NODE_DISK_TYPE", gce.Base(init.GetDiskType()))
		owner, name := ImageParts(init.GetSourceImage())
		w.take("KUBE_GCE_NODE_PROJECT", owner)
		if !strings.HasPrefix(name, "family/") { // a template keeps that of which nobody named one
			w.take("KUBE_GCE_NODE_IMAGE", name)
		}
	}
	scopes := "none"
	for _, a := range p.GetServiceAccounts() {
		scopes = strings.Join(a.GetScopes(), ",")
		w.take("KUBE_GCE_NODE_SERVICE_ACCOUNT", a.GetEmail())
	}
	w.take("NODE_SCOPES", scopes)
	return w.spec.Derived(r.Deps.Operator()).At(r.Want.Home, r.Want.Mark.Multizone), nil
}

// firstTemplate is what the first pool's nodes are made from: the one without a name, of
// the cluster's first zone where it has one; "" if there is no pool.
func (r *Task) firstTemplate() string {
	pools := r.Have.Pools()
	slices.SortStableFunc(pools, func(a, b settings.PoolID) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), first(a.Zone == r.Want.Home, b.Zone == r.Want.Home))
	})
	for _, id := range pools {
		for _, o := range r.Have.Objects {
			if o.Kind == inventory.ManagedGroup && o.OfPool(id) && o.Template != "" {
				return o.Template
			}
		}
	}
	return ""
}

// first orders what is so before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// takeModel reads whether nodes may be taken away. Of the two ways somebody who sets one
// means that one.
func (r *recall) takeModel(p *computepb.InstanceProperties) {
	s := &r.Want.Settings
	if !(s.Says("HAKUBE_SPOT_NODE") && bool(s.SpotNode)) {
		r.take("PREEMPTIBLE_NODE", settings.BoolText(settings.Bool(p.GetScheduling().GetPreemptible() && !isSpot(p))))
	}
	if !(s.Says("PREEMPTIBLE_NODE") && bool(s.PreemptibleNode)) {
		r.take("HAKUBE_SPOT_NODE", settings.BoolText(settings.Bool(isSpot(p))))
	}
}

// AccountOf is a machine's service account as a setting says it. Compute Engine shows
// the project's default one by its own name.
func AccountOf(accounts []*computepb.ServiceAccount) string {
	switch {
	case len(accounts) == 0:
		return string(settings.NoAccount)
	case strings.HasSuffix(accounts[0].GetEmail(), "-compute@developer.gserviceaccount.com"):
		return "default"
	}
	return accounts[0].GetEmail()
}

// ImageParts are the project of an image and its name; that of the newest of a
// family is "family/debian-12".
func ImageParts(url string) (owner, name string) {
	_, rest, _ := strings.Cut(url, "projects/")
	owner, rest, _ = strings.Cut(rest, "/")
	if strings.Contains(rest, "/family/") {
		return owner, "family/" + gce.Base(rest)
	}
	return owner, gce.Base(rest)
}
