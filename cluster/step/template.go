package step

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Templates is what nodes are made from. A template cannot be changed, and one
// in use cannot be replaced: what it was made with holds for as long as the
// cluster does.
func Templates(r *task.Task) (steps []plan.Step) {
	e, removes := r.Env, r.Mode.Removes
	for _, o := range r.Or(inventory.InstanceTemplate, inventory.Object{Name: r.Want.Names.Template()}) {
		name := "template " + o.Name
		steps = append(steps, Resource[*computepb.InstanceTemplate]{
			poll: r.Poll, before: new(observed[*computepb.InstanceTemplate]),
			name: name, of: inventory.Object{Kind: inventory.InstanceTemplate, Name: o.Name},
			get: func(ctx context.Context) (*computepb.InstanceTemplate, error) {
				if removes {
					return e.GCE.InstanceTemplates().Get(ctx, o.Name)
				}
				return e.NodeTemplate(ctx)
			},
			mine:   e.Owns,
			Check:  func(t *computepb.InstanceTemplate) (plan.State, error) { return checkTemplate(e, removes, name, t) },
			insert: func(ctx context.Context) (*computepb.InstanceTemplate, error) { return insertTemplate(ctx, e) },
			remove: func(ctx context.Context) error {
				return e.LetGo(ctx, name, func(ctx context.Context) error { return e.GCE.InstanceTemplates().Delete(ctx, o.Name) })
			},
		})
	}
	return steps
}

func checkTemplate(r *env.Env, removes bool, name string, t *computepb.InstanceTemplate) (plan.State, error) {
	if removes {
		return plan.Exists("")
	}
	s, p, m := r.Want.Settings, t.GetProperties(), t.GetProperties().GetMetadata()
	boot := &computepb.AttachedDisk{}
	if d := p.GetDisks(); len(d) > 0 {
		boot = d[0]
	}
	init := boot.GetInitializeParams()
	account := &computepb.ServiceAccount{}
	if a := p.GetServiceAccounts(); len(a) > 0 {
		account = a[0]
	}
	owner, imageName := task.ImageParts(init.GetSourceImage())
	wantAccount := string(s.NodeAccount)
	if len(s.NodeScopes) == 0 || s.NodeAccount == settings.NoAccount {
		wantAccount = ""
	}
	if err := r.Want.Drift(name,
		settings.Difference{Variable: "NODE_SIZE", Was: gce.Base(p.GetMachineType()), Want: string(s.NodeSize)},
		settings.Difference{Variable: "NODE_DISK_SIZE", Was: settings.Gigabytes(init.GetDiskSizeGb()), Want: settings.Gigabytes(int64(s.NodeDiskSize))},
		settings.Difference{Variable: "NODE_DISK_TYPE", Was: gce.Base(init.GetDiskType()), Want: string(s.NodeDiskType)},
		settings.Difference{Variable: "KUBE_GCE_NODE_IMAGE", Was: imageName, Want: cmp.Or(string(s.NodeImage), "family/"+settings.ImageFamily)},
		settings.Difference{Variable: "KUBE_GCE_NODE_PROJECT", Was: owner, Want: string(s.NodeImageOwner)},
		settings.Difference{Variable: "KUBE_VERSION", Was: inventory.MetadataItem(m, scripts.KeyKubeVersion), Want: string(s.KubeVersion)},
		settings.Difference{Variable: "ENABLE_AUTH_PROVIDER_GCP", Was: inventory.Switched(m, scripts.KeyAuthProvider), Want: settings.BoolText(s.AuthProvider)},
		settings.Difference{Variable: "HAKUBE_PROTECT_KERNEL", Was: inventory.Switched(m, scripts.KeyProtectKernel), Want: settings.BoolText(s.ProtectKernel)},
		settings.Difference{Variable: "HAKUBE_RESERVE", Was: inventory.Switched(m, scripts.KeyReserve), Want: settings.BoolText(s.Reserve)},
		settings.Difference{Variable: "HAKUBE_GRACEFUL_SHUTDOWN", Was: inventory.Switched(m, scripts.KeyGraceful), Want: settings.BoolText(s.Graceful)},
		settings.Difference{Variable: "PREEMPTIBLE_NODE", Was: settings.BoolText(settings.Bool(p.GetScheduling().GetPreemptible())), Want: settings.BoolText(s.PreemptibleNode)},
		settings.Difference{Variable: "KUBE_GCE_NODE_SERVICE_ACCOUNT", Was: account.GetEmail(), Want: wantAccount},
		settings.Difference{Variable: "NODE_SCOPES", Was: scopeList(account.GetScopes()), Want: scopeList(s.NodeScopes)},
	); err != nil {
		return plan.State{}, err
	}
	// Its machines would take a new control plane for an impostor. In a preview
	// it may not be known yet which one that is.
	if r.IsOpen() {
		e, err := r.Entry()
		if err != nil {
			return plan.State{}, err
		}
		hash, err := e.CAHash()
		if err != nil {
			return plan.State{}, err
		}
		if was := inventory.MetadataItem(m, scripts.KeyCAHash); was != hash {
			return plan.State{}, &refusal.Refused{
				Why:  name + " was made for another control plane: its CA is another one",
				Cure: cure.Hint("the master's disk was replaced, and with it the cluster; make it anew", cure.Down(), cure.Up(r.Want.Home)),
			}
		}
	}
	return plan.Exists(gce.Base(p.GetMachineType()))
}

func scopeList(scopes []string) string {
	short := make([]string, len(scopes))
	for i, s := range scopes {
		short[i] = strings.TrimPrefix(s, settings.ScopePrefix)
	}
	slices.Sort(short)
	return strings.Join(short, ",")
}

func insertTemplate(ctx context.Context, r *env.Env) (*computepb.InstanceTemplate, error) {
	e, err := r.Entry()
	if err != nil {
		return nil, fmt.Errorf("asking for the cluster's CA: %w", err)
	}
	hash, err := e.CAHash()
	if err != nil {
		return nil, err
	}
	join, err := Token{r}.value(ctx)
	if err != nil {
		return nil, err
	}
	ip, err := r.Address(ctx)
	if err != nil {
		return nil, err
	}
	s, n := r.Want.Settings, r.Want.Names
	p := &computepb.InstanceProperties{
		// Machines of the group get it, and are found by it.
		Description:       new(r.Want.Mark.For(inventory.RoleNode)),
		Labels:            r.Want.Labels(),
		MachineType:       new(string(s.NodeSize)),
		Tags:              &computepb.Tags{Items: []string{n.NodeTag()}},
		Disks:             []*computepb.AttachedDisk{bootDiskOf(&r.Want, settings.Image(s.NodeImageOwner, s.NodeImage), s.NodeDiskSize, s.NodeDiskType)},
		NetworkInterfaces: interfaces(&r.Want, r.Region(), ""),
		Metadata: MetadataOf(&r.Want, scripts.RoleNode, ip, map[string]string{
			scripts.KeyJoinToken: join,
			scripts.KeyCAHash:    hash,
		}),
		Scheduling:      scheduling(s.PreemptibleNode),
		ServiceAccounts: serviceAccounts(s.NodeAccount, s.NodeScopes),

		ShieldedInstanceConfig: Shielded(r, settings.Image(s.NodeImageOwner, s.NodeImage)),
	}
	x := &computepb.InstanceTemplate{
		Name:        new(n.Template()),
		Description: new(r.Want.Mark.For(inventory.RoleTemplate)),
		Properties:  p,
	}
	r.Seen.MakesTemplate()
	return x, r.GCE.InstanceTemplates().Insert(ctx, x)
}
