package step

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// masterScopes are what a master's service account may do, if it has one (kube-up §2.1).
var masterScopes = []string{
	settings.ScopePrefix + "devstorage.read_only", settings.ScopePrefix + "compute", settings.ScopePrefix + "monitoring", settings.ScopePrefix + "logging.write",
}

// Machines are masters. When the cluster goes it is every machine with our mark
// that goes with no group.
func Machines(r *task.Task) (steps []plan.Step) {
	list := r.ToBe()
	if r.Mode.TakesFound() {
		list = r.Or(inventory.Instance, inventory.Object{})
	}
	e, about := r.Env, r.Mode
	for _, o := range list {
		maker := MakerOf(r, o)
		name := "machine " + o.Name
		instances := r.GCE.Instances(o.Zone)
		steps = append(steps, Resource[*computepb.Instance]{
			poll: r.Poll, clock: r.Deps.Clock, before: known[*computepb.Instance](r, o),
			name:   name,
			of:     o,
			get:    func(ctx context.Context) (*computepb.Instance, error) { return instances.Get(ctx, o.Name) },
			mine:   e.Owns,
			Check:  func(i *computepb.Instance) (plan.State, error) { return CheckMaster(e, about, name, i) },
			insert: func(ctx context.Context) (*computepb.Instance, error) { return nil, maker.Insert(ctx) }, // what it came to is read
			mend:   func(ctx context.Context) error { return maker.run(ctx) },
			remove: func(ctx context.Context) error { return instances.Delete(ctx, o.Name) },
		})
	}
	return steps
}

// CheckMaster compares a master with the settings. Its ssh keys and its
// external address are other steps' facts.
func CheckMaster(r *env.Env, about task.Aim, name string, i *computepb.Instance) (plan.State, error) {
	if about.Removes {
		return plan.Exists("")
	}
	if about.Repairs { // it is as it was made
		return running(r, i)
	}
	m, s := i.GetMetadata(), r.Want.Settings
	size := string(s.MasterSize)
	if size == "" { // it only followed from the number of nodes, which may grow
		size = gce.Base(i.GetMachineType())
	}
	if err := r.Want.Drift(name,
		settings.Difference{Variable: "MASTER_SIZE", Was: gce.Base(i.GetMachineType()), Want: size},
		settings.Difference{Variable: "KUBE_VERSION", Was: inventory.MetadataItem(m, scripts.KeyKubeVersion), Want: string(s.KubeVersion)},
		settings.Difference{Variable: "KUBE_DNS_DOMAIN", Was: inventory.MetadataItem(m, scripts.KeyDNSDomain), Want: string(s.DNSDomain)},
		settings.Difference{Variable: "ENABLE_AUTH_PROVIDER_GCP", Was: inventory.Switched(m, scripts.KeyAuthProvider), Want: settings.BoolText(s.AuthProvider)},
		settings.Difference{Variable: "HAKUBE_PROTECT_KERNEL", Was: inventory.Switched(m, scripts.KeyProtectKernel), Want: settings.BoolText(s.ProtectKernel)},
		settings.Difference{Variable: "HAKUBE_RESERVE", Was: inventory.Switched(m, scripts.KeyReserve), Want: settings.BoolText(s.Reserve)},
		settings.Difference{Variable: "HAKUBE_AUDIT", Was: inventory.Switched(m, scripts.KeyAudit), Want: settings.BoolText(s.Audit)},
		settings.Difference{Variable: "HAKUBE_ENCRYPT_SECRETS", Was: inventory.Switched(m, scripts.KeyEncryptSecrets), Want: settings.BoolText(s.EncryptSecrets)},
		settings.Difference{Variable: "HAKUBE_POD_SECURITY", Was: inventory.Switched(m, scripts.KeyPodSecurity), Want: settings.BoolText(s.PodSecurity)},
		settings.Difference{Variable: "HAKUBE_SIGN_KUBELETS", Was: inventory.Switched(m, scripts.KeySignKubelets), Want: settings.BoolText(s.SignKubelets)},
		settings.Difference{Variable: "HAKUBE_MASTER_SERVICE_ACCOUNT", Was: task.AccountOf(i.GetServiceAccounts()), Want: string(s.MasterAccount)},
		settings.Difference{Variable: "PREEMPTIBLE_MASTER", Was: settings.BoolText(settings.Bool(i.GetScheduling().GetPreemptible())), Want: settings.BoolText(s.PreemptibleMain)},
	); err != nil {
		return plan.State{}, err
	}
	return running(r, i)
}

func running(r *env.Env, i *computepb.Instance) (plan.State, error) {
	r.SawMaster(i)
	if i.GetStatus() != "RUNNING" {
		return plan.State{Is: plan.Partial, Why: "is " + i.GetStatus()}, nil
	}
	return plan.Exists(gce.Base(i.GetMachineType()))
}

// run brings the master from whatever it is to running, with one changing
// call: one that is gone is made around its disk, one that is stopped is started.
func (w MasterMaker) run(ctx context.Context) error {
	r, o := w.env, w.of
	instances := r.GCE.Instances(o.Zone)
	i, err := instances.Get(ctx, o.Name)
	if gce.IsNotFound(err) {
		return w.Insert(ctx)
	}
	if err != nil {
		return err
	}
	switch i.GetStatus() {
	case "TERMINATED", "STOPPED":
		return instances.Start(ctx, o.Name)
	case "SUSPENDED", "SUSPENDING":
		return &refusal.Refused{Why: o.Name + " is suspended", Cure: cure.Hint("resume it", cure.Resume(o.Name, o.Zone))}
	}
	// Somebody's call is under way: an earlier run's, or a person's.
	err = r.Until(ctx, plan.Condition{
		For: o.Name + " to be running or stopped", Every: r.Poll, Limit: 5 * time.Minute,
		Check: func(ctx context.Context) (bool, string, error) {
			i, err = instances.Get(ctx, o.Name)
			if err != nil {
				return gce.IsNotFound(err), "", err
			}
			st := i.GetStatus()
			return st == "RUNNING" || st == "TERMINATED" || st == "STOPPED", "is " + st, nil
		},
	})
	switch {
	case gce.IsNotFound(err):
		return w.Insert(ctx)
	case err != nil:
		return err
	case i.GetStatus() != "RUNNING":
		return instances.Start(ctx, o.Name)
	}
	return nil
}

// A MasterMaker makes one master's machine.
type MasterMaker struct {
	env      *env.Env
	of       inventory.Object
	about    task.Aim
	source   *computepb.Instance // the master it is made like, if any
	balanced bool                // the API's address is on the balancer
	joins    bool                // there are other masters
}

// MakerOf is what makes a master with what a command has found and is about.
func MakerOf(r *task.Task, of inventory.Object) MasterMaker {
	joins := r.Have != nil && slices.ContainsFunc(r.Have.Masters(r.Want.Names), func(m inventory.Object) bool { return m.Name != of.Name })
	return MasterMaker{r.Env, of, r.Mode, r.Source, r.Balanced, joins}
}

// Insert makes the master around its data disk.
func (w MasterMaker) Insert(ctx context.Context) error {
	r, o := w.env, w.of
	ip, err := r.Address(ctx)
	if err != nil {
		return err
	}
	if ip == "" {
		return errors.New("the address for it is not reserved")
	}
	s, n := r.Want.Settings, r.Want.Names
	metadata, own := MetadataOf(&r.Want, scripts.RoleMaster, ip, nil), ip
	switch {
	case w.about.One && w.source == nil:
		own = "" // made beside the first one, from the settings that it is made from
	case w.about.One:
		metadata, own = replicaMetadata(&r.Want, w.source), ""
	case w.about.Repairs:
		metadata = w.repairMetadata(ip)
		if w.balanced {
			own = ""
		}
	case w.balanced:
		own = "" // the balancer has the API's
	}
	if w.joins {
		Set(metadata, scripts.KeyStart, scripts.StartJoin) // around a blank disk it would found a second cluster beside the others'
	}
	return r.GCE.Instances(o.Zone).Insert(ctx, &computepb.Instance{
		Name:        &o.Name,
		Description: new(r.Want.Mark.For(inventory.RoleMaster)),
		Labels:      r.Want.Labels(),
		MachineType: new(fmt.Sprintf("zones/%s/machineTypes/%s", o.Zone, r.Want.MasterType)),
		Tags:        &computepb.Tags{Items: []string{n.MasterTag()}},
		Disks: []*computepb.AttachedDisk{
			bootDiskOf(&r.Want, settings.Image(s.MasterImageOwner, s.MasterImage), s.MasterRootSize, task.BootTypeFor(r.Want.MasterType)),
			{
				Source:     new(r.Want.Zonal(o.Zone, "disks", n.DiskOf(o.Name))),
				DeviceName: new(MasterDevice),
				Mode:       new("READ_WRITE"),
				AutoDelete: new(false), // it outlives the machine
			},
		},
		NetworkInterfaces: interfaces(&r.Want, r.Region(), own),
		Metadata:          metadata,
		Scheduling:        scheduling(s.PreemptibleMain, false),
		ServiceAccounts:   serviceAccounts(s.MasterAccount, masterScopes),

		ShieldedInstanceConfig: Shielded(r, settings.Image(s.MasterImageOwner, s.MasterImage)),
	})
}

// replicaMetadata is the source's, but for what is this machine's own.
func replicaMetadata(want *settings.Spec, source *computepb.Instance) *computepb.Metadata {
	m := &computepb.Metadata{}
	for _, x := range source.GetMetadata().GetItems() {
		Set(m, x.GetKey(), x.GetValue())
	}
	if keys := inventory.MetadataItem(m, scripts.KeySSHKeys); !strings.Contains(keys, env.WithoutComment(want.Login)) {
		Set(m, scripts.KeySSHKeys, withLogin(keys, want.Login))
	}
	Set(m, scripts.KeyOSLogin, "FALSE")
	Set(m, scripts.KeyDNS, "ZonalOnly")
	Set(m, scripts.KeyStartupScript, scripts.Startup()) // as the scripts that are sent over ssh
	Set(m, scripts.KeyStart, scripts.StartJoin)
	return m
}

// repairMetadata is for a machine around a disk. A disk that knows its cluster
// decides by itself; with a blank one it joins, whatever there was: a repair never
// founds a second cluster.
func (w MasterMaker) repairMetadata(ip string) *computepb.Metadata {
	if w.source != nil {
		return replicaMetadata(&w.env.Want, w.source)
	}
	m := MetadataOf(&w.env.Want, scripts.RoleMaster, ip, nil)
	Set(m, scripts.KeyStart, scripts.StartJoin)
	return m
}
