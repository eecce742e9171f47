package task

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto" // templates are compared whole

	"hakube/cluster/gpu"
	"hakube/cluster/inventory"
	"hakube/cluster/label"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/scripts"
)

// A template cannot be changed. A pool of which somebody sets another value gets another
// one, by a name that follows from what it is made with, and its machines are replaced by
// some that are made from that (live/replaced.go). Each zone's groups name theirs, so
// zones may differ, and what nobody sets is as the zone's is. A default that a newer
// hakube has replaces no machine, and neither does a newer image of a family.

// UnlikeTemplate is in what a template differs from what is wanted of nodes.
func UnlikeTemplate(t *computepb.InstanceTemplate, want *settings.Spec) (list []settings.Difference) {
	s, p, m := want.Settings, t.GetProperties(), t.GetProperties().GetMetadata()
	boot := &computepb.AttachedDisk{}
	if d := p.GetDisks(); len(d) > 0 {
		boot = d[0]
	}
	init := boot.GetInitializeParams()
	account := &computepb.ServiceAccount{}
	if a := p.GetServiceAccounts(); len(a) > 0 {
		account = a[0]
	}
	owner, imageName := ImageParts(init.GetSourceImage())
	wantAccount := string(s.NodeAccount)
	if len(s.NodeScopes) == 0 || s.NodeAccount == settings.NoAccount {
		wantAccount = ""
	}
	return slices.DeleteFunc([]settings.Difference{
		{Variable: "HAKUBE_POOL", Was: inventory.MetadataItem(m, scripts.KeyPool), Want: string(s.Pool)},
		{Variable: "NODE_SIZE", Was: gce.Base(p.GetMachineType()), Want: string(s.NodeSize)},
		{Variable: "NODE_DISK_SIZE", Was: settings.Gigabytes(init.GetDiskSizeGb()), Want: settings.Gigabytes(int64(s.NodeDiskSize))},
		{Variable: "NODE_DISK_TYPE", Was: gce.Base(init.GetDiskType()), Want: string(s.NodeDiskType)},
		{Variable: "KUBE_GCE_NODE_IMAGE", Was: imageName, Want: cmp.Or(string(s.NodeImage), "family/"+settings.ImageFamily)},
		{Variable: "KUBE_GCE_NODE_PROJECT", Was: owner, Want: string(s.NodeImageOwner)},
		{Variable: "KUBE_VERSION", Was: inventory.MetadataItem(m, scripts.KeyKubeVersion), Want: string(s.KubeVersion)},
		{Variable: "ENABLE_AUTH_PROVIDER_GCP", Was: inventory.Switched(m, scripts.KeyAuthProvider), Want: settings.BoolText(s.AuthProvider)},
		{Variable: "HAKUBE_PROTECT_KERNEL", Was: inventory.Switched(m, scripts.KeyProtectKernel), Want: settings.BoolText(s.ProtectKernel)},
		{Variable: "HAKUBE_RESERVE", Was: inventory.Switched(m, scripts.KeyReserve), Want: settings.BoolText(s.Reserve)},
		{Variable: "HAKUBE_GRACEFUL_SHUTDOWN", Was: inventory.Switched(m, scripts.KeyGraceful), Want: settings.BoolText(s.Graceful)},
		{Variable: "PREEMPTIBLE_NODE", Was: settings.BoolText(settings.Bool(p.GetScheduling().GetPreemptible() && !isSpot(p))), Want: settings.BoolText(s.PreemptibleNode)},
		{Variable: "HAKUBE_SPOT_NODE", Was: settings.BoolText(settings.Bool(isSpot(p))), Want: settings.BoolText(s.SpotNode)},
		{Variable: "NODE_ACCELERATORS", Was: CardsOf(p).String(), Want: s.Accelerators.String()},
		{Variable: "KUBE_NODE_LABELS", Was: cmp.Or(inventory.MetadataItem(m, scripts.KeyNodeLabels), label.None), Want: s.NodeLabels.String()},
		{Variable: "KUBE_NODE_TAINTS", Was: cmp.Or(inventory.MetadataItem(m, scripts.KeyNodeTaints), label.None), Want: s.NodeTaints.String()},
		{Variable: "KUBE_GCE_NODE_SERVICE_ACCOUNT", Was: account.GetEmail(), Want: wantAccount},
		{Variable: "NODE_SCOPES", Was: scopeList(account.GetScopes()), Want: scopeList(s.NodeScopes)},
	}, func(d settings.Difference) bool { return d.Was == d.Want })
}

// CardsOf are the accelerators of machines that are made of a template.
func CardsOf(p *computepb.InstanceProperties) gpu.Cards {
	for _, a := range p.GetGuestAccelerators() { // Compute Engine takes one type a machine
		return gpu.Of(gce.Base(a.GetAcceleratorType()), int(a.GetAcceleratorCount()))
	}
	return ""
}

// isSpot tells of Spot VMs, which Compute Engine calls preemptible as well.
func isSpot(p *computepb.InstanceProperties) bool {
	return p.GetScheduling().GetProvisioningModel() == "SPOT"
}

func scopeList(scopes []string) string {
	short := make([]string, len(scopes))
	for i, s := range scopes {
		short[i] = strings.TrimPrefix(s, settings.ScopePrefix)
	}
	slices.Sort(short)
	return strings.Join(short, ",")
}

// Changed is the spec with another template for the zone's nodes, if somebody sets what
// the one there is was not made with. Nothing is made yet.
func (r *Task) Changed(ctx context.Context) (settings.Spec, error) {
	if !r.Mode.Nodes || r.Mode.Removes || !bool(r.Want.Settings.CreateNodes) || !r.saysOfPool() {
		return r.Want, nil
	}
	want, err := r.LikeNodes(ctx)
	if err != nil || len(r.Have.Homes(r.Want.Names)) == 0 {
		return r.Want, err
	}
	t, err := r.NodeTemplate(ctx)
	if gce.IsNotFound(err) || err == nil && !r.Owns(t.GetDescription()) {
		return r.Want, nil // a step makes it, or refuses it
	}
	if err != nil {
		return r.Want, fmt.Errorf("reading what nodes are made from: %w", err)
	}
	said := slices.DeleteFunc(UnlikeTemplate(t, &want), func(d settings.Difference) bool { return !want.Settings.Says(d.Variable) })
	if len(said) == 0 || slices.ContainsFunc(said, func(d settings.Difference) bool { return !settings.Changeable(d.Variable) }) {
		return r.Want, nil // a step refuses what is not changed
	}
	for _, name := range slices.Sorted(maps.Keys(r.Seen.Templates)) { // of another zone, or from before a change that is taken back
		if x := r.Seen.Templates[name]; len(UnlikeTemplate(x, &want)) == 0 && mirrorOf(x) == want.Mirror {
			return want.Changing(name), nil
		}
	}
	return want.Changing(want.Names.TemplateLike(MadeWith(&want))), nil
}

// saysOfPool tells whether somebody set what another template could follow from.
func (r *Task) saysOfPool() bool {
	return slices.ContainsFunc(settings.Variables(), func(v settings.Variable) bool { return settings.Changeable(v.Name) && r.Want.Settings.Says(v.Name) })
}

func mirrorOf(t *computepb.InstanceTemplate) string {
	return inventory.MetadataItem(t.GetProperties().GetMetadata(), scripts.KeyMirror)
}

// MadeWith is all that tells two templates of a cluster apart, as text.
func MadeWith(want *settings.Spec) string {
	var b strings.Builder
	for _, d := range UnlikeTemplate(&computepb.InstanceTemplate{}, want) {
		fmt.Fprintf(&b, "%s=%s\n", d.Variable, d.Want)
	}
	return b.String() + want.Mirror
}

// Replaces tells whether machines of the zone's pool are not what they are to be, as they
// were listed.
func (r *Task) Replaces() bool {
	if !r.Mode.Nodes || r.Mode.Removes {
		return false
	}
	own := func(o inventory.Object) bool {
		return o.OfPool(r.Want.Pool()) && (o.Kind != inventory.ManagedGroup || o.Size > 0)
	}
	return slices.ContainsFunc(r.Have.Objects, func(o inventory.Object) bool {
		return own(o) && o.Template != "" && o.Template != r.Want.NodeTemplate() &&
			!(r.Have.Holder.Rotation.TellsNodes() && OnlyTold(r.Seen.Templates, o.Template, r.Want.NodeTemplate()))
	})
}

// OnlyTold tells whether machines of two templates differ in nothing but what a rotation tells
// them: they come from the one to the other as they are.
func OnlyTold(all map[string]*computepb.InstanceTemplate, a, b string) bool {
	plain := func(name string) *computepb.InstanceProperties {
		p := proto.CloneOf(all[name].GetProperties())
		if p.GetMetadata() == nil {
			return nil
		}
		p.Metadata.Fingerprint = nil
		for _, n := range p.GetNetworkInterfaces() {
			n.Fingerprint = nil
		}
		p.Metadata.Items = slices.DeleteFunc(p.Metadata.Items, func(x *computepb.Items) bool {
			return x.GetKey() == scripts.KeyJoinToken || x.GetKey() == scripts.KeySSHKeys
		})
		slices.SortFunc(p.Metadata.Items, func(x, y *computepb.Items) int { return cmp.Compare(x.GetKey(), y.GetKey()) })
		return p
	}
	x, y := plain(a), plain(b)
	return x != nil && y != nil && proto.Equal(x, y)
}

// Surging is how many machines more than it is to have the zone's pool has at most while
// they are replaced.
func (r *Task) Surging() int {
	if !r.Replaces() {
		return 0
	}
	largest := 0
	for _, g := range r.PoolGroups() {
		largest = max(largest, g.Ends)
	}
	return min(int(r.Want.Settings.Surge), largest)
}

// SpareTemplates are those of ours that no group makes machines from any more, and no
// machine that waits to be replaced was made from. The first pool's is one once other
// pools have others.
func SpareTemplates(all []inventory.Object, n settings.Names) (list []inventory.Object) {
	used, groups := map[string]bool{}, false
	for _, o := range all {
		groups = groups || o.Kind == inventory.ManagedGroup
		if o.Kind == inventory.ManagedGroup || o.Role == inventory.RoleNode {
			used[o.Template] = true
		}
	}
	for _, o := range all {
		if o.Kind == inventory.InstanceTemplate && !used[o.Name] && (groups || o.Name != n.Template()) {
			list = append(list, o)
		}
	}
	return list
}

// Spared are those once the command is done.
func (r *Task) Spared() []inventory.Object {
	told := r.Have.Holder.Rotation.TellsNodes() && !r.Want.ChangesPool() // whose machines are as they were
	var after []inventory.Object
	for _, o := range r.Have.Objects {
		own := o.OfPool(r.Want.Pool())
		if own && r.Mode.Removes {
			continue
		}
		if own && !told {
			o.Template = r.Want.NodeTemplate()
		}
		after = append(after, o)
	}
	return slices.DeleteFunc(SpareTemplates(after, r.Want.Names), func(o inventory.Object) bool { return !r.Mode.Removes && o.Name == r.Want.NodeTemplate() })
}

// MarksOf are the labels and taints that machines of a template register their Nodes with;
// none of one that was not listed.
func MarksOf(t *computepb.InstanceTemplate) pool.Marks {
	m := t.GetProperties().GetMetadata()
	return marks(inventory.MetadataItem(m, scripts.KeyNodeLabels), inventory.MetadataItem(m, scripts.KeyNodeTaints), inventory.MetadataItem(m, scripts.KeyPool), inventory.MetadataItem(m, scripts.KeyAccelerator))
}

func marks(labels, taints, name, kind string) pool.Marks {
	x := pool.Marks{Labels: label.Labels(labels).Map(), Taints: label.Taints(taints).List()}
	if name != "" {
		x.Labels[label.PoolKey] = name
	}
	if _, own := x.Labels[gpu.Label]; kind != "" && !own { // KUBE_NODE_LABELS may say something else
		x.Labels[gpu.Label] = kind
	}
	return x
}

// Marks are those of the zone's pool as it is to be, where that is known: of a template that
// is there, or of the settings from which one is made.
func (r *Task) Marks() pool.Marks {
	if t := r.Seen.Templates[r.Want.NodeTemplate()]; t != nil {
		return MarksOf(t)
	}
	s := r.Want.Settings
	return marks(string(s.NodeLabels), string(s.NodeTaints), string(s.Pool), s.Accelerators.Kind())
}
