package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/gcetest"
	"hakube/replicate"
)

// strangersIn makes what is somebody else's: names that begin or end like ours, our names
// in another region, other clusters' marks, machines in our network.
func (w *world) strangersIn(subnetwork string) {
	w.t.Helper()
	ctx, c := context.Background(), w.Client
	far := w.NewClient(w.t, func(g *gce.Options) { g.Region = "us-east1" })
	marks := []string{
		"", "mine", "hakube: cluster=kubernetes-b project=local multizone=true role=master",
		"hakube: cluster=kubernetes project=other multizone=true role=master", "not hakube: cluster=kubernetes project=local role=master",
		"hakube: cluster=kubernetes2 project=local", "hakube:cluster=kubernetes project=local role=node",
	}
	turn := 0
	mark := func() *string { turn++; return &marks[turn%len(marks)] }
	var errs []error
	made := func(err error) { errs = append(errs, err) }

	for _, name := range []string{"staging-kubernetes-minion-group-x1y2", "kubernetes-master-backup", "kubernetes-master2", "kubernetes-minion-group-own"} {
		i := stranger(name, subnetwork)
		i.Description = mark()
		made(c.Instances(gcetest.Zone).Insert(ctx, i))
	}
	for _, name := range []string{"kubernetes-master2-pd", "kubernetes-master-backup-pd", "staging-kubernetes-master-pd", "kubernetes-minion-group-zzzz"} {
		made(c.Disks(gcetest.Zone).Insert(ctx, &computepb.Disk{Name: &name, SizeGb: new(int64(10)), Description: mark()}))
	}
	for _, name := range []string{"kubernetes-master-https-xyz", "staging-kubernetes-minion-all", "kubernetes2-default-internal-master"} {
		made(c.Firewalls().Insert(ctx, &computepb.Firewall{
			Name: &name, Network: new("global/networks/default"), SourceRanges: []string{"10.0.0.0/8"}, Description: mark(),
			Allowed: []*computepb.Allowed{{IPProtocol: new("icmp")}},
		}))
	}
	for _, name := range []string{"staging-kubernetes-minion-template", "kubernetes-minion-template2"} {
		p := stranger("", subnetwork)
		p.NetworkInterfaces[0].Subnetwork = new("projects/local/regions/" + gcetest.Region + "/subnetworks/" + subnetwork)
		made(c.InstanceTemplates().Insert(ctx, &computepb.InstanceTemplate{Name: &name, Description: mark(), Properties: &computepb.InstanceProperties{
			MachineType: new("e2-small"), Disks: p.Disks, NetworkInterfaces: p.NetworkInterfaces,
		}}))
	}
	made(c.InstanceGroupManagers(gcetest.Zone).Insert(ctx, &computepb.InstanceGroupManager{
		Name: new("staging-kubernetes-minion-group"), Description: mark(), BaseInstanceName: new("staging-kubernetes-minion-group"),
		InstanceTemplate: new("global/instanceTemplates/staging-kubernetes-minion-template"), TargetSize: new(int32(0)),
	}))
	made(c.InstanceGroups(gcetest.Zone).Insert(ctx, &computepb.InstanceGroup{Name: new("kubernetes-master-group2"), Description: mark()}))
	made(c.Addresses().Insert(ctx, &computepb.Address{Name: new("kubernetes-master-ip2"), Description: mark()}))

	// Our names, in another region. The network is shared, as Google's are.
	made(far.Addresses().Insert(ctx, &computepb.Address{Name: new("kubernetes-master-ip"), Description: mark()}))
	made(far.Subnetworks().Insert(ctx, &computepb.Subnetwork{
		Name: new("kubernetes-subnet-far"), Network: new("global/networks/default"), IpCidrRange: new("10.200.0.0/24"), Description: mark(),
	}))
	made(far.HealthChecks().Insert(ctx, &computepb.HealthCheck{Name: new("kubernetes-master-hc"), Description: mark(), Type: new("TCP"), TcpHealthCheck: &computepb.TCPHealthCheck{Port: new(int32(443))}}))
	made(far.BackendServices().Insert(ctx, &computepb.BackendService{
		Name: new("kubernetes-master"), Description: mark(), LoadBalancingScheme: new("EXTERNAL"), Protocol: new("TCP"),
		HealthChecks: []string{"projects/local/regions/us-east1/healthChecks/kubernetes-master-hc"},
	}))
	made(far.ForwardingRules().Insert(ctx, &computepb.ForwardingRule{
		Name: new("kubernetes-master"), Description: mark(), LoadBalancingScheme: new("EXTERNAL"), IPProtocol: new("TCP"), Ports: []string{"443"},
		BackendService: new("projects/local/regions/us-east1/backendServices/kubernetes-master"),
	}))
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
}

// TestLookalikes: in all seven modes what looks like ours and is not is neither
// used nor touched: objects, a Node nobody has a machine for here, a member of a
// ring nobody knows.
func TestLookalikes(t *testing.T) {
	long(t, "TestSweep")
	besideOthers(t)
	w, _ := newModelWorld(t)
	ctx := context.Background()
	// Another cluster's network, and its subnetwork, of which ours uses neither mark.
	others := settings.Mark{Project: gcetest.Project, Cluster: "kubernetes-b"}
	if err := errors.Join(
		w.Client.Networks().Insert(ctx, &computepb.Network{Name: new("default"), Description: new(others.For(inventory.RoleNetwork)), AutoCreateSubnetworks: new(false)}),
		w.Client.Subnetworks().Insert(ctx, &computepb.Subnetwork{Name: new("kubernetes-subnet-default-b"), Network: new("global/networks/default"), IpCidrRange: new("10.201.0.0/24")}),
		w.Client.Firewalls().Insert(ctx, &computepb.Firewall{ // shared too
			Name: new("default-default-ssh"), Network: new("global/networks/default"), SourceRanges: []string{"0.0.0.0/0"}, Allowed: []*computepb.Allowed{{IPProtocol: new("tcp"), Ports: []string{"22"}}},
		}),
	); err != nil {
		t.Fatal(err)
	}
	w.strangersIn("kubernetes-subnet-default-b")
	before := withoutTimes(w.objects())
	untouched := func(when string) {
		t.Helper()
		now := withoutTimes(w.objects())
		maps.DeleteFunc(now, func(path string, _ map[string]any) bool { return before[path] == nil })
		const network = "projects/local/global/networks/default"
		now[network]["subnetworks"] = before[network]["subnetworks"] // tells of ours too
		if diff := cmp.Diff(before, now); diff != "" {
			t.Errorf("%s: what is not ours (-before +after):\n%s", when, diff)
		}
	}
	o := w.operator()
	replica := o.replica(zoneC)
	for _, m := range []struct {
		mode settings.Mode
		run  func() (*Summary, error)
	}{
		{settings.Create, func() (*Summary, error) { return o.Up(ctx, w.events()) }},
		{settings.AddPool, func() (*Summary, error) { return o.pool(zoneC, 1).Up(ctx, w.events()) }},
		{settings.AddReplica, func() (*Summary, error) { return replica.Up(ctx, w.events()) }},
		{settings.Look, func() (*Summary, error) { _, err := o.Status(ctx); return &Summary{Mode: settings.Look}, err }},
		{settings.Create, func() (*Summary, error) { return o.Up(ctx, w.events()) }},
		{settings.RemoveReplica, func() (*Summary, error) { return replica.Down(ctx, w.events()) }},
		{settings.RemovePool, func() (*Summary, error) { return o.pool(zoneC, 0).Down(ctx, w.events()) }},
		{settings.RemoveCluster, func() (*Summary, error) { return o.Down(ctx, w.events()) }},
		{settings.Create, func() (*Summary, error) { return o.Up(ctx, w.events()) }},
		{settings.RemoveCluster, func() (*Summary, error) {
			return o.again(func(s *settings.Settings) { s.Zone = "" }).Down(ctx, w.events())
		}},
	} {
		s, err := m.run()
		if err != nil || s.Mode != m.mode {
			t.Fatalf("%s: %v", m.mode, err)
		}
		untouched(string(m.mode))
	}
	if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects at the end (-before +after):\n%s", diff)
	}
}

// TestStrangerNode: a machine somebody joined by hand keeps its Node while pools
// come and go, whatever it is called; a Node of ours without its machine goes.
func TestStrangerNode(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	ctx := context.Background()
	o := w.operator()
	w.mustUp(o)
	if err := w.Client.Instances(gcetest.Zone).Insert(ctx, stranger("kubernetes-minion-group-own", "kubernetes-subnet-default")); err != nil {
		t.Fatal(err)
	}
	for name, zone := range map[string]string{"by-hand": gcetest.Zone, "kubernetes-minion-group-own": gcetest.Zone, "kubernetes-minion-group-x": "", "kubernetes-minion-group-gone": gcetest.Zone} {
		w.addNode(o, name, zone, nil)
	}
	check := func(when string, want ...string) {
		t.Helper()
		there := w.byAge(o, "")
		for _, name := range []string{"by-hand", "kubernetes-minion-group-own", "kubernetes-minion-group-x", "kubernetes-minion-group-gone"} {
			if is := slices.Contains(there, name); is != slices.Contains(want, name) {
				t.Errorf("%s: node %s: %v", when, name, is)
			}
		}
	}
	strangers := []string{"by-hand", "kubernetes-minion-group-own", "kubernetes-minion-group-x"}
	w.mustUp(o.pool(zoneC, 1))
	check("add pool in another zone", append(strangers, "kubernetes-minion-group-gone")...)
	w.mustDown(o.pool(zoneC, 1))
	check("remove that pool", append(strangers, "kubernetes-minion-group-gone")...)
	w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 1 }))
	check("create, smaller", strangers...)
	w.mustDown(o.pool(zoneB, 1))
	check("remove pool", strangers...)
}

// TestStrangerMember: a member of a ring that nobody knows is not taken out, and
// no master is added beside a learner that is not ours.
func TestStrangerMember(t *testing.T) {
	w, _ := newModelWorld(t)
	ctx := context.Background()
	o := w.operator()
	w.mustUp(o)
	r := o.runFor(settings.Up, hold{})
	var err error
	if r.Have, err = r.Look(ctx); err != nil {
		t.Fatal(err)
	}
	r.SawMasters(r.Have)
	via, err := r.Host(ctx, r.Master())
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://stranger.europe-west1-d.c.local.internal:2380"
	if _, err := replicate.AddLearner(ctx, r.Deps.SSH, via, "main", url); err != nil {
		t.Fatal(err)
	}
	there := func(when string) {
		t.Helper()
		s := r.Survey(ctx, r.Masters())
		x, _, _ := s.Ring("main")
		if !slices.ContainsFunc(x.Members, func(m replicate.Member) bool { return slices.Contains(m.PeerURLs, url) }) {
			t.Errorf("%s: the ring is %+v", when, x.Members)
		}
	}
	there("at first")
	if _, err := o.Status(ctx); err != nil {
		t.Error(err)
	}
	w.mustUp(o.pool(zoneC, 1))
	there("add pool")
	before := withoutTimes(w.objects())
	var no *refusal.Refused
	if _, err := o.replica(zoneC).Up(ctx, w.events()); !errors.As(err, &no) || !strings.Contains(no.Why, "etcd ring main has stranger in europe-west1-d as a learner") {
		t.Errorf("add replica: %v", err)
	}
	there("add replica")
	if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
}

// TestCollisions: names that are taken are refused all at once, with what
// renames ours, before anything is made.
func TestCollisions(t *testing.T) {
	w := newWorld(t)
	ctx, c := context.Background(), w.Client
	if err := errors.Join(
		c.Networks().Insert(ctx, &computepb.Network{Name: new("default"), AutoCreateSubnetworks: new(false)}),
		c.Networks().Insert(ctx, &computepb.Network{Name: new("theirs"), AutoCreateSubnetworks: new(false)}),
		c.Subnetworks().Insert(ctx, &computepb.Subnetwork{Name: new("kubernetes-subnet-default"), Network: new("global/networks/theirs"), IpCidrRange: new("10.202.0.0/24")}),
		c.Addresses().Insert(ctx, &computepb.Address{Name: new("kubernetes-master-ip"), Description: new("mine")}),
		c.Disks(gcetest.Zone).Insert(ctx, &computepb.Disk{Name: new("kubernetes-master-pd"), SizeGb: new(int64(10)),
			Description: new(settings.Mark{Project: "local", Cluster: "prod"}.For(inventory.RoleMasterDisk))}),
		c.Disks(gcetest.Zone).Insert(ctx, &computepb.Disk{Name: new("kubernetes-master"), SizeGb: new(int64(10))}),
		c.InstanceGroups(gcetest.Zone).Insert(ctx, &computepb.InstanceGroup{Name: new("kubernetes-minion-group")}),
		c.Firewalls().Insert(ctx, &computepb.Firewall{Name: new("kubernetes-minion-all"), Network: new("global/networks/theirs"),
			SourceRanges: []string{"10.0.0.0/8"}, Allowed: []*computepb.Allowed{{IPProtocol: new("icmp")}}}),
		c.Firewalls().Insert(ctx, &computepb.Firewall{Name: new("kubernetes-default-internal-node"), Network: new("global/networks/theirs"),
			SourceRanges: []string{"10.0.0.0/8"}, Allowed: []*computepb.Allowed{{IPProtocol: new("icmp")}}}),
	); err != nil {
		t.Fatal(err)
	}
	before := w.objects()
	o := w.operator()
	var err error
	_, changes := w.counts(func() { _, err = o.Up(ctx, nil) })
	theirs := " is there already and is not this cluster's: it carries no mark of hakube"
	if diff := cmp.Diff([]string{
		"address kubernetes-master-ip" + theirs,
		"subnetwork kubernetes-subnet-default" + theirs,
		"firewall kubernetes-default-internal-node" + theirs,
		"firewall kubernetes-minion-all" + theirs,
		"disk kubernetes-master-pd is there already and is not this cluster's: it belongs to cluster prod of project local",
		"disk kubernetes-master in europe-west1-b is there already and has the name that instance kubernetes-master needs",
		"instance group kubernetes-minion-group in europe-west1-b is there already and has the name that managed group kubernetes-minion-group needs",
	}, whys(t, err)); diff != "" || changes != 0 {
		t.Errorf("%d changes, (-want +got):\n%s", changes, diff)
	}
	var plain *settings.Problems
	if errors.As(err, &plain) || errors.Is(err, context.Canceled) {
		t.Error("it ends with another exit code than 1")
	}
	for _, want := range []string{
		"delete or rename it, or choose other names with KUBE_GCE_IP_ALIAS_SUBNETWORK; see it:\n\tgcloud compute networks subnets describe kubernetes-subnet-default --region=europe-west1",
		"delete or rename it, or choose other names with CLUSTER_NAME; see it:\n\tgcloud compute firewall-rules describe kubernetes-default-internal-node",
		"delete or rename it, or choose other names with NODE_INSTANCE_PREFIX; see it:\n\tgcloud compute firewall-rules describe kubernetes-minion-all",
		"delete or rename it, or choose other names with KUBE_GCE_INSTANCE_PREFIX; see it:\n\tgcloud compute addresses describe kubernetes-master-ip --region=europe-west1",
		"gcloud compute disks describe kubernetes-master-pd --zone=europe-west1-b",
		"delete or rename it, or choose other names with NODE_INSTANCE_PREFIX; see it:\n\tgcloud compute instance-groups describe kubernetes-minion-group --zone=europe-west1-b",
	} {
		if !strings.Contains(curesOf(err), want) {
			t.Errorf("%q is not in the hints:\n%s", want, curesOf(err))
		}
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
	// Followed, the hints lead out.
	other := w.operator(func(s *settings.Settings) { s.Prefix = "green" })
	w.mustUp(other)
	w.mustDown(other)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestCollisionsOfGrowth: those of a pool and of a master, whose cluster lives.
func TestCollisionsOfGrowth(t *testing.T) {
	w, _ := newModelWorld(t)
	ctx, c := context.Background(), w.Client
	o := w.operator()
	w.mustUp(o)
	name := o.want().Names.Replica(zoneC, 0)
	if err := errors.Join(
		c.InstanceGroups(zoneC).Insert(ctx, &computepb.InstanceGroup{Name: new("kubernetes-minion-group")}),
		c.InstanceGroups(zoneC).Insert(ctx, &computepb.InstanceGroup{Name: new("kubernetes-master-group")}),
		c.Disks(zoneC).Insert(ctx, &computepb.Disk{Name: &name, SizeGb: new(int64(10))}),
		c.HealthChecks().Insert(ctx, &computepb.HealthCheck{Name: new("kubernetes-master-hc"), Type: new("TCP"), TcpHealthCheck: &computepb.TCPHealthCheck{Port: new(int32(443))}}),
	); err != nil {
		t.Fatal(err)
	}
	before := withoutTimes(w.objects())
	for _, m := range []struct {
		o    *operator
		want []string
	}{
		{o.pool(zoneC, 1), []string{"instance group kubernetes-minion-group in europe-west1-c"}},
		{o.replica(zoneC), []string{"disk " + name + " in europe-west1-c", "health check kubernetes-master-hc", "masters' group in europe-west1-c"}},
	} {
		_, err := m.o.Up(ctx, w.events())
		got := whys(t, err)
		if len(got) != len(m.want) {
			t.Errorf("%q, want %q", got, m.want)
			continue
		}
		slices.Sort(got)
		for i := range got {
			if !strings.HasPrefix(got[i], m.want[i]+" is there already") {
				t.Errorf("%q, want %q", got[i], m.want[i])
			}
		}
	}
	if diff := cmp.Diff(before, withoutTimes(w.objects())); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}
