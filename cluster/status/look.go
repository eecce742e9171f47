package status

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/addons"
	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/pool"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts"
)

// A Snapshot is everything that was read of a cluster at one moment. What is
// concluded from it (states, arithmetic, what is unfinished) asks nobody.
type Snapshot struct {
	Names       settings.Names
	project     string
	region      string
	zone        string               // that the settings name, if they do
	have        *inventory.Inventory // of machines, disks, groups, and the balancer's parts
	Held        inventory.Holder
	Masters     []ObservedMaster
	Rings       *rings.Survey
	unreachable string // why the API is not ready at its address, "" if it is
	kept        []keptRange
	kubectl     string // why kubectl does not open the API with this operator's kubeconfig, once that was tried

	wantsNodes bool                          // the settings want a pool
	numNodes   int                           // how many nodes a new one would have
	nodes      nodeList                      // of the whole cluster
	machines   map[settings.PoolID]pool.Pool // of the pools
	scales     settings.Settings             // whose cluster autoscaler sizes pools, if it is on
	listed     bool                          // they could be listed
	templates  map[string]*computepb.InstanceTemplate
	wantAddons []addons.Set
	asksAddons bool // somebody ever spoke of them
	addons     []AddonStatus
	asksPolicy bool   // nobody of hakube's holds traffic to NetworkPolicy objects
	policies   string // what is wrong with such objects
	coreDNS    string // what is wrong with it, "" also when it could not be asked

	settled string            // the version that kubeadm's configuration has, while an upgrade is not done
	unlike  map[string]string // of masters, while a roll is not done: why they are to be made again

	saved  saved  // in backups
	copied copied // by snapshots of masters' data disks

	balanced bool           // there is a backend service
	backends []step.Backend // behind it
	asked    bool           // the balancer told of its backends, or there is none

	mu         sync.Mutex
	unreadable []string // what could not be read, and why
}

// A nodeList is the Nodes, if they could be read.
type nodeList struct {
	read bool
	list []corev1.Node
}

// An ObservedMaster is what there is of a master: object.status is "" without a machine.
type ObservedMaster struct {
	inventory.Object
	Disk       bool   // its data disk is there
	phase      string // of its script
	phaseError error  // why the phase is not known
	ready      string // why its own API server is not ready, "" if it is
}

// missed notes what could not be read.
func (s *Snapshot) missed(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(kube.Plainly(err)) {
		s.unreadable = append(s.unreadable, what+": "+strings.TrimSpace(line))
	}
}

// Read looks at: what is marked in the project, a list for each kind; the masters
// one by one, over ssh and at their API servers; the API's Nodes; the balancer.
// No call is made for a single node.
func Read(ctx context.Context, r *task.Task) (*Snapshot, error) {
	s := &Snapshot{
		Names: r.Want.Names, project: r.Want.Project, asked: true,
		zone: string(r.Want.Settings.Zone), wantsNodes: bool(r.Want.Settings.CreateNodes), numNodes: int(r.Want.Settings.NumNodes),
	}
	if err := find(ctx, r, s); err != nil {
		return nil, err
	}
	r.Have, s.templates = s.have, r.Seen.Templates
	s.unlike = unlike(r)
	var err error
	if s.wantAddons, s.asksAddons, err = r.Addons(); err != nil {
		return nil, err
	}
	s.scales = r.Want.Settings
	s.asksPolicy = r.Want.Settings.NetworkPolicy != settings.KubeNetworkPolicies
	r.SawIP(s.Held.IP)
	r.SawMasters(r.Have)
	machines := s.have.Masters(s.Names)
	s.Masters = make([]ObservedMaster, len(machines))
	ready := make([]string, len(machines))
	reads := []func() error{
		func() error { s.Rings = r.SurveyWrites(ctx, machines); return nil },
		func() error { askBalancer(ctx, r.Env, s); return nil },
		func() error { s.saved = askBackups(ctx, r, s.missed); return nil },
		func() error { s.copied = askSnapshots(ctx, r, s.missed); return nil },
		func() error { askKubernetes(ctx, r.Env, s, machines, ready); return nil },
	}
	for i, m := range machines {
		reads = append(reads, func() (err error) {
			x := ObservedMaster{Object: m, Disk: s.have.Has(inventory.Object{Kind: inventory.Disk, Name: s.Names.DiskOf(m.Name), Zone: m.Zone})}
			if x.phase, x.phaseError = r.Phase(ctx, m); x.phaseError != nil {
				s.missed("what "+m.Name+" does could not be read", x.phaseError)
			}
			s.Masters[i] = x
			return nil
		})
	}
	if err := gce.Parallel(reads...); err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // what could not be read then is about the clock
		return nil, context.Cause(ctx)
	}
	for i := range machines {
		s.Masters[i].ready = ready[i]
	}
	s.addMastersWithoutMachine()
	s.unreadable = slices.Compact(slices.Sorted(slices.Values(s.unreadable)))
	return s, nil
}

// Find looks for what there is of the cluster, for those who need no more of it than
// to reach a master.
func Find(ctx context.Context, r *task.Task) error {
	s := &Snapshot{Names: r.Want.Names, project: r.Want.Project, zone: string(r.Want.Settings.Zone)}
	if err := find(ctx, r, s); err != nil {
		return err
	}
	r.Have = s.have
	r.SawIP(s.Held.IP)
	r.SawMasters(r.Have)
	return nil
}

// find reads what carries the mark, wherever it is.
func find(ctx context.Context, r *task.Task, s *Snapshot) error {
	have, err := r.Look(ctx)
	if err != nil {
		return err
	}
	if err := task.EnterRegionOf(ctx, r.Env, have); err != nil {
		return err
	}
	f := r.Collector()
	reads := r.Lists(ctx, f, append([]inventory.Kind{inventory.InstanceGroup}, inventory.RegionalKinds...)...)
	if have.Holder.IP == "" && r.GCE.Region() != "" { // it was in another region, or none was known
		reads = append(reads, func() (err error) { have.Holder, err = r.Holder(ctx); return err })
	}
	if err := gce.Parallel(reads...); err != nil {
		return err
	}
	have.Objects = append(have.Objects, inventory.Sorted(f.List)...)
	r.Learn(have)
	s.Names, s.wantsNodes = r.Want.Names, bool(r.Want.Settings.CreateNodes)
	s.have, s.Held, s.region = have, have.Holder, r.GCE.Region()
	if slices.ContainsFunc(have.Objects, func(o inventory.Object) bool { return o.Kind != inventory.Network }) {
		return nil
	}
	// The first things that are made and the last that go are looked for only where
	// there is nothing else.
	all, err := r.LookForMarks(ctx)
	if err != nil {
		return err
	}
	if len(all.Objects) == 0 { // a network may stay when the cluster goes (KUBE_DELETE_NETWORK=false)
		return &NoCluster{s.Names.Prefix, s.project, s.zone}
	}
	return nil
}

// addMastersWithoutMachine adds masters that have no machine: those with a disk, those with a
// group of their own, which would make one, and members of a ring.
func (s *Snapshot) addMastersWithoutMachine() {
	add := func(name, zone string, disk bool) {
		if !slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return m.Name == name }) {
			s.Masters = append(s.Masters, ObservedMaster{Object: inventory.Object{Kind: inventory.Instance, Name: name, Zone: zone, Role: inventory.RoleMaster}, Disk: disk})
		}
	}
	for _, o := range s.have.Objects {
		if name, ok := strings.CutSuffix(o.Name, settings.DiskSuffix); ok && o.Kind == inventory.Disk && o.Role == inventory.RoleMasterDisk {
			add(name, o.Zone, true)
		}
	}
	for _, o := range s.have.Of(inventory.OwnGroup) {
		add(o.Name, o.Zone, false)
	}
	for _, ring := range rings.Names {
		for _, row := range s.Rings.Members(ring) {
			add(row.Member, row.Zone, false)
		}
	}
}

// askBalancer asks it about its masters.
func askBalancer(ctx context.Context, r *env.Env, s *Snapshot) {
	s.balanced = len(s.have.Of(inventory.BackendService)) > 0
	if !s.balanced {
		return
	}
	all, err := step.Backends(ctx, r)
	if err != nil {
		s.asked = false
		s.missed("the balancer's backends could not be read", err)
		return
	}
	slices.SortFunc(all, func(a, b step.Backend) int { return strings.Compare(a.Zone+"/"+a.Name, b.Zone+"/"+b.Name) })
	s.backends = all
}

// askKubernetes asks the API at its address and each master's own, then whoever
// is ready for the Nodes, and after them the pools' machines, so that one that
// joins in between does not look like a Node without a machine.
func askKubernetes(ctx context.Context, r *env.Env, s *Snapshot, masters []inventory.Object, ready []string) {
	var wg sync.WaitGroup
	s.unreachable = "no address is reserved"
	if s.Held.IP != "" {
		wg.Go(func() { s.unreachable = r.Ready(ctx, s.Held.IP) })
	}
	for i, m := range masters {
		switch {
		case m.Status != "RUNNING":
			ready[i] = "the machine is " + m.Status
		case m.External == "":
			ready[i] = m.Name + " has no external address"
		default:
			wg.Go(func() { ready[i] = r.Ready(ctx, m.External) })
		}
	}
	wg.Wait()
	var via inventory.Object // a master that is ready by itself
	if i := slices.Index(ready, ""); i >= 0 {
		via = masters[i]
	}
	if err := askNodes(ctx, r, s, via); err != nil {
		s.missed("the API could not be asked about nodes", err)
	}
	askGroups(ctx, r, s)
}

// askNodes lists the Nodes: through the API's address, or when that is dark past
// it, through a master that is ready.
func askNodes(ctx context.Context, r *env.Env, s *Snapshot, via inventory.Object) error {
	dial := r.Deps.Dial
	switch {
	case s.unreachable == "":
	case via.Name == "":
		return errors.New(s.unreachable)
	default:
		dial = kube.OnlyTo(dial, via.External)
	}
	e, err := anyEntry(ctx, r, s.Held.IP, via)
	if err != nil {
		return err
	}
	client, err := kube.NewClient(e, dial, r.Gate)
	if err != nil {
		return err
	}
	return gce.Parallel(
		func() (err error) {
			if s.asksAddons {
				s.addons, err = addonsOf(ctx, client, s.wantAddons)
			}
			return err
		},
		func() error {
			nodes, err := client.ListNodes(ctx)
			s.nodes = nodeList{err == nil, nodes}
			return err
		},
		func() (err error) {
			if s.asksPolicy {
				s.policies, err = unenforced(ctx, client)
			}
			return err
		},
		func() (err error) {
			if s.have.Rolling(s.Names).Version() != "" {
				s.settled, err = client.SettledVersion(ctx)
			}
			return err
		},
		func() error {
			ready, all, err := client.CoreDNS(ctx)
			if err == nil && ready == 0 {
				s.coreDNS = fmt.Sprintf("%d of %d pods ready", ready, all)
			}
			return err
		},
	)
}

// anyEntry is what opens the API: this operator's own entry, or failing that what
// a master gives over ssh. The latter is kept nowhere.
func anyEntry(ctx context.Context, r *env.Env, ip string, from inventory.Object) (kube.Entry, error) {
	e, err := r.Entry()
	switch {
	case err == nil && e.Server == "https://"+ip:
		return e, nil
	case err == nil:
		err = fmt.Errorf("the kubeconfig's entry points to %s", e.Server)
	}
	if from.Name == "" {
		return kube.Entry{}, err
	}
	host, sshErr := r.Host(ctx, from)
	var out []byte
	if sshErr == nil {
		out, sshErr = r.Deps.SSH.Run(ctx, host, scripts.AdminKubeconfig)
	}
	if sshErr != nil {
		return kube.Entry{}, fmt.Errorf("%w, and %s gave no other: %w", err, from.Name, sshErr)
	}
	if e, err = kube.AdminEntry(out); err != nil {
		return kube.Entry{}, err
	}
	e.Server = "https://" + ip
	return e, nil
}
