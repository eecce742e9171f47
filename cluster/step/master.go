package step

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"hakube/cluster/schedule"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// masterScopes are what a master's service account may do, if it has one (kube-up §2.1).
func masterScopes(s settings.Settings) []string {
	return []string{schedule.Scope(s), settings.ScopePrefix + "compute", settings.ScopePrefix + "monitoring", settings.ScopePrefix + "logging.write"}
}

// Machines are masters. When the cluster goes it is every machine with our mark
// that goes with no group.
func Machines(r *task.Task) (steps []plan.Step) {
	list := r.ToBe()
	if r.Mode.TakesFound() {
		list = r.Or(inventory.Instance, inventory.Object{})
	}
	for _, o := range list {
		steps = append(steps, Machine(r, o))
	}
	return steps
}

// Machine is that of one master.
func Machine(r *task.Task, o inventory.Object) Resource[*computepb.Instance] {
	e, about, maker := r.Env, r.Mode, MakerOf(r, o)
	name := "machine " + o.Name
	instances := r.GCE.Instances(o.Zone)
	return Resource[*computepb.Instance]{
		poll: r.Poll, clock: r.Deps.Clock, before: known[*computepb.Instance](r, o),
		name:   name,
		of:     o,
		get:    func(ctx context.Context) (*computepb.Instance, error) { return instances.Get(ctx, o.Name) },
		mine:   e.Owns,
		Check:  func(i *computepb.Instance) (plan.State, error) { return CheckMaster(e, about, name, i) },
		insert: func(ctx context.Context) (*computepb.Instance, error) { return nil, maker.Insert(ctx) }, // what it came to is read
		mend:   func(ctx context.Context) error { return maker.run(ctx) },
		remove: func(ctx context.Context) error { return instances.Delete(ctx, o.Name) },
	}
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
	stays := []settings.Difference{
		{Variable: "KUBE_VERSION", Was: inventory.MetadataItem(m, scripts.KeyKubeVersion), Want: string(s.KubeVersion)},
		{Variable: "KUBE_DNS_DOMAIN", Was: inventory.MetadataItem(m, scripts.KeyDNSDomain), Want: string(s.DNSDomain)},
		{Variable: "HAKUBE_AUDIT", Was: inventory.Switched(m, scripts.KeyAudit), Want: settings.BoolText(s.Audit)},
		{Variable: "HAKUBE_ENCRYPT_SECRETS", Was: inventory.Switched(m, scripts.KeyEncryptSecrets), Want: settings.BoolText(s.EncryptSecrets)},
		{Variable: "HAKUBE_POD_SECURITY", Was: inventory.Switched(m, scripts.KeyPodSecurity), Want: settings.BoolText(s.PodSecurity)},
		{Variable: "HAKUBE_SIGN_KUBELETS", Was: inventory.Switched(m, scripts.KeySignKubelets), Want: settings.BoolText(s.SignKubelets)},
	}
	machine := machineOf(i, &r.Want)
	if about.Whole { // which has masters made again for that, once all else is as it is to be
		machine = slices.DeleteFunc(machine, func(d settings.Difference) bool { return d.Variable == "HAKUBE_MASTER_GROUPS" })
	}
	err := r.Want.Drift(name, slices.Concat(machine, stays)...)
	var no *refusal.Refused
	if errors.As(err, &no) && r.Want.Drift(name, stays...) == nil {
		no.Cure = cure.Hint("use the value it was made with, or have masters made again with the new one, one after the other and with their data", cure.Roll("masters"))
	}
	if err != nil {
		return plan.State{}, err
	}
	return running(r, i)
}

// machineOf is what a master's machine was made with that another machine around the same
// data can have otherwise, beside what is wanted.
func machineOf(i *computepb.Instance, want *settings.Spec) []settings.Difference {
	m, s := i.GetMetadata(), want.Settings
	size := string(s.MasterSize)
	if size == "" { // it only followed from the number of nodes, which may grow
		size = gce.Base(i.GetMachineType())
	}
	return append(schedule.Differences(m, s), []settings.Difference{
		{Variable: "MASTER_SIZE", Was: gce.Base(i.GetMachineType()), Want: size},
		{Variable: "ENABLE_AUTH_PROVIDER_GCP", Was: inventory.Switched(m, scripts.KeyAuthProvider), Want: settings.BoolText(s.AuthProvider)},
		{Variable: "HAKUBE_PROTECT_KERNEL", Was: inventory.Switched(m, scripts.KeyProtectKernel), Want: settings.BoolText(s.ProtectKernel)},
		{Variable: "HAKUBE_RESERVE", Was: inventory.Switched(m, scripts.KeyReserve), Want: settings.BoolText(s.Reserve)},
		{Variable: "HAKUBE_MASTER_GROUPS", Was: settings.BoolText(inventory.InstanceOf(i).Template != ""), Want: settings.BoolText(s.MasterGroups)},
		{Variable: "HAKUBE_MASTER_SERVICE_ACCOUNT", Was: task.AccountOf(i.GetServiceAccounts()), Want: string(s.MasterAccount)},
		{Variable: "PREEMPTIBLE_MASTER", Was: settings.BoolText(settings.Bool(i.GetScheduling().GetPreemptible())), Want: settings.BoolText(s.PreemptibleMain)},
	}...)
}

// Of what differs without a setting of its own.
const (
	OfScript   = "the startup script"
	OfMetadata = "metadata"
	OfScopes   = "scopes"
)

// UnlikeMaster is in what a master's machine differs from one that would be made around its
// data now. boot is its boot disk, nil if that was not listed.
func UnlikeMaster(i *computepb.Instance, boot *computepb.Disk, want *settings.Spec) []settings.Difference {
	m, s := i.GetMetadata(), want.Settings
	list := machineOf(i, want)
	if boot != nil {
		owner, image := task.ImageParts(boot.GetSourceImage())
		wanted := string(s.MasterImage)
		if wanted == "" && strings.HasPrefix(image, settings.ImageFamily) {
			wanted = image // the newest of the family may be newer now
		}
		list = append(list,
			settings.Difference{Variable: "MASTER_ROOT_DISK_SIZE", Was: settings.Gigabytes(boot.GetSizeGb()), Want: settings.Gigabytes(int64(s.MasterRootSize))},
			settings.Difference{Variable: "KUBE_GCE_MASTER_IMAGE", Was: image, Want: wanted},
			settings.Difference{Variable: "KUBE_GCE_MASTER_PROJECT", Was: owner, Want: string(s.MasterImageOwner)})
	}
	for _, x := range serviceAccounts(s.MasterAccount, masterScopes(s)) {
		if is := i.GetServiceAccounts(); len(is) > 0 {
			list = append(list, settings.Difference{Variable: OfScopes, Was: sorted(is[0].GetScopes()), Want: sorted(x.GetScopes())})
		}
	}
	list = append(list, settings.Difference{Variable: "KUBE_MIRROR", Was: inventory.MetadataItem(m, scripts.KeyMirror), Want: want.Mirror},
		settings.Difference{Variable: settings.OfVersion, Was: inventory.MetadataItem(m, scripts.KeyKubeVersion), Want: string(s.KubeVersion)}, scriptOf(m))
	list = append(list, lacking(m, MetadataOf(want, scripts.RoleMaster, "", nil))...)
	return slices.DeleteFunc(list, func(d settings.Difference) bool { return d.Was == d.Want })
}

// lacking are keys that an older hakube did not write.
func lacking(m, now *computepb.Metadata) (list []settings.Difference) {
	for _, x := range now.GetItems() {
		if !schedule.Is(x.GetKey()) && !slices.ContainsFunc(m.GetItems(), func(y *computepb.Items) bool { return y.GetKey() == x.GetKey() }) {
			list = append(list, settings.Difference{Variable: OfMetadata, Want: x.GetKey()})
		}
	}
	return list
}

// UnlikeNodes is in what a template differs from one that would be made of the pool now.
func UnlikeNodes(t *computepb.InstanceTemplate, want *settings.Spec) []settings.Difference {
	m := t.GetProperties().GetMetadata()
	list := append(task.UnlikeTemplate(t, want), settings.Difference{Variable: "KUBE_MIRROR", Was: inventory.MetadataItem(m, scripts.KeyMirror), Want: want.Mirror}, scriptOf(m))
	list = append(list, lacking(m, MetadataOf(want, scripts.RoleNode, "", nil))...)
	return slices.DeleteFunc(list, func(d settings.Difference) bool { return d.Was == d.Want })
}

// scriptOf compares the startup script in metadata with this hakube's.
func scriptOf(m *computepb.Metadata) settings.Difference {
	return settings.Difference{Variable: OfScript, Was: short(inventory.MetadataItem(m, scripts.KeyStartupScript)), Want: short(scripts.Startup())}
}

func sorted(scopes []string) string { return strings.Join(slices.Sorted(slices.Values(scopes)), " ") }

// short tells texts apart that nobody wants to read.
func short(text string) string {
	if text == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:8]
}

// OfAnother says what another hakube made otherwise of what differs, "" if nothing.
func OfAnother(unlike []settings.Difference) string {
	return Why(slices.DeleteFunc(unlike, func(d settings.Difference) bool {
		return d.Variable != OfScript && d.Variable != OfMetadata && d.Variable != OfScopes
	}))
}

// WhyAgain is why a master's machine is to be made again, for a roll; "" if it is not.
func WhyAgain(i *computepb.Instance, boot *computepb.Disk, want *settings.Spec, of *inventory.Roll) string {
	why := Why(UnlikeMaster(i, boot, want))
	if why == "" && of.Before(i) {
		return "all are"
	}
	return why
}

// Why says in what a machine differs, for people.
func Why(unlike []settings.Difference) string {
	var words []string
	for _, d := range unlike {
		switch d.Variable {
		case OfScript:
			words = append(words, fmt.Sprintf("%s is of another hakube (%s, now it is %s)", OfScript, cmp.Or(d.Was, "none"), d.Want))
		case OfMetadata:
			words = append(words, fmt.Sprintf("%s lack %s", OfMetadata, d.Want))
		default:
			words = append(words, fmt.Sprintf("%s=%s (now it is %s)", d.Variable, cmp.Or(d.Was, `""`), cmp.Or(d.Want, `""`)))
		}
	}
	return strings.Join(words, ", ")
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
	joins    bool                // there are other masters, or data of a backup are to come
}

// MakerOf is what makes a master with what a command has found and is about.
func MakerOf(r *task.Task, of inventory.Object) MasterMaker {
	joins := r.Mode.Elsewhere || r.Have != nil && slices.ContainsFunc(r.Have.Masters(r.Want.Names), func(m inventory.Object) bool { return m.Name != of.Name })
	return MasterMaker{r.Env, of, r.Mode, r.Source, r.Balanced, joins}
}

// Insert makes the master around its data disk.
func (w MasterMaker) Insert(ctx context.Context) error {
	x, err := w.Instance(ctx)
	if err != nil {
		return err
	}
	return w.env.GCE.Instances(w.of.Zone).Insert(ctx, x)
}

// Instance is the master as it is to be made.
func (w MasterMaker) Instance(ctx context.Context) (*computepb.Instance, error) {
	r, o := w.env, w.of
	ip, err := r.Address(ctx)
	if err != nil {
		return nil, err
	}
	if ip == "" {
		return nil, errors.New("the address for it is not reserved")
	}
	s, n := r.Want.Settings, r.Want.Names
	metadata, own := MetadataOf(&r.Want, scripts.RoleMaster, ip, nil), ip
	switch {
	case w.about.One && w.source == nil:
		own = "" // made beside the first one, from the settings that it is made from
	case w.about.One:
		metadata, own = replicaMetadata(&r.Want, w.source), ""
	case w.about.Repairs:
		if metadata = w.repairMetadata(ip); w.about.Rolls {
			metadata = w.rolledMetadata(ip)
		}
		if w.balanced {
			own = ""
		}
	case w.balanced:
		own = "" // the balancer has the API's
	}
	if w.joins {
		Set(metadata, scripts.KeyStart, scripts.StartJoin) // around a blank disk it would found another cluster
	}
	return &computepb.Instance{
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
		NetworkInterfaces: w.sameAddress(interfaces(&r.Want, r.Region(), own)),
		Metadata:          metadata,
		Scheduling:        scheduling(s.PreemptibleMain, false, false),
		ServiceAccounts:   serviceAccounts(s.MasterAccount, masterScopes(s)),

		ShieldedInstanceConfig: Shielded(r, settings.Image(s.MasterImageOwner, s.MasterImage)),
	}, nil
}

// sameAddress has a machine that is made again in the place of one of its name keep its
// address in the network: certificates and settings name it.
func (w MasterMaker) sameAddress(nics []*computepb.NetworkInterface) []*computepb.NetworkInterface {
	if i := w.source; w.about.Rolls && i.GetName() == w.of.Name && len(i.GetNetworkInterfaces()) > 0 {
		nics[0].NetworkIP = i.GetNetworkInterfaces()[0].NetworkIP
	}
	return nics
}

// replicaMetadata is the source's, but for what is this machine's own.
func replicaMetadata(want *settings.Spec, source *computepb.Instance) *computepb.Metadata {
	m := &computepb.Metadata{}
	for _, x := range source.GetMetadata().GetItems() {
		if !slices.Contains(inventory.OfGroups, x.GetKey()) {
			Set(m, x.GetKey(), x.GetValue())
		}
	}
	if keys := inventory.MetadataItem(m, scripts.KeySSHKeys); !strings.Contains(keys, env.WithoutComment(want.Login)) {
		Set(m, scripts.KeySSHKeys, withLogin(keys, want.Login))
	}
	Set(m, scripts.KeyOSLogin, "FALSE")
	Set(m, scripts.KeyDNS, "ZonalOnly")
	Set(m, scripts.KeyStartupScript, scripts.Startup()) // as the scripts that are sent over ssh
	Set(m, scripts.KeyStart, scripts.StartJoin)
	m.Items = slices.DeleteFunc(m.Items, func(x *computepb.Items) bool { return x.GetKey() == scripts.KeyUpgrade }) // what the other was made for, once
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

// rolledMetadata is that of a machine which is made again: its own, with what it lacks, and
// with what somebody may want otherwise.
func (w MasterMaker) rolledMetadata(ip string) *computepb.Metadata {
	m := w.repairMetadata(ip)
	m.Items = slices.DeleteFunc(m.Items, func(x *computepb.Items) bool { return schedule.Is(x.GetKey()) })
	for _, x := range MetadataOf(&w.env.Want, scripts.RoleMaster, ip, nil).GetItems() {
		free := []string{scripts.KeyAuthProvider, scripts.KeyProtectKernel, scripts.KeyReserve, scripts.KeyMirror}
		if slices.Contains(free, x.GetKey()) || inventory.MetadataItem(m, x.GetKey()) == "" {
			Set(m, x.GetKey(), x.GetValue())
		}
	}
	if w.about.Upgrades {
		Set(m, scripts.KeyKubeVersion, string(w.env.Want.Settings.KubeVersion))
		Set(m, scripts.KeyUpgrade, "true")
	}
	return m
}
