package status

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/pool"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/replicate"
	"hakube/scripts"
)

const (
	first  = "kubernetes-master"
	second = "kubernetes-master-c00"
	third  = "kubernetes-master-d00"
	apiIP  = "198.51.100.2"
)

// A madeMaster is a master of a made-up sight. It is whole unless said otherwise.
type madeMaster struct {
	name, zone   string
	status       string // RUNNING if ""
	noMachine    bool
	noDisk       bool
	phase        string // running if ""
	notReady     string
	main, events membership // voter if 0 and alone is false
	outside      bool       // of the balancer's group
	silent       error
}

// sightOf is what would be seen of the masters. With more than one the balancer
// has the address.
func sightOf(t *testing.T, masters []madeMaster, change ...func(*Snapshot)) *Snapshot {
	t.Helper()
	s := &Snapshot{
		Names: settings.Names{Prefix: "kubernetes", Node: "kubernetes-minion"}, project: "local", region: "europe-west1",
		have: &inventory.Inventory{}, Rings: &rings.Survey{Answers: map[string]map[string]replicate.Ring{}, Silent: map[string]error{}},
		nodes: nodeList{read: true}, listed: true, machines: map[settings.PoolID]pool.Pool{}, asked: true,
		Held: inventory.Holder{IP: apiIP},
	}
	views := map[string]replicate.Ring{}
	living := map[string]int{}
	for i, m := range masters {
		for ring, in := range map[string]membership{replicate.RingMain: m.main, replicate.RingEvents: m.events} {
			if in == noMember {
				continue
			}
			v := views[ring]
			v.Members = append(v.Members, replicate.Member{
				ID: replicate.MemberID(fmt.Sprint(i + 1)), Learner: in == learnerMember,
				PeerURLs: []string{"https://" + m.name + "." + m.zone + ".c.local.internal:2380"},
			})
			views[ring] = v
			if in != learnerMember && m.status == "" && !m.noMachine {
				living[ring]++
				if v.Leader == "" {
					v.Leader = replicate.MemberID(fmt.Sprint(i + 1))
					views[ring] = v
				}
			}
		}
	}
	for i, m := range masters {
		o := inventory.Object{Kind: inventory.Instance, Name: m.name, Zone: m.zone, Role: inventory.RoleMaster, Status: cmp.Or(m.status, "RUNNING"), External: "198.51.100.1" + fmt.Sprint(i)}
		if !m.noDisk {
			s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.Disk, Name: m.name + settings.DiskSuffix, Zone: m.zone, Role: inventory.RoleMasterDisk})
		}
		if m.noMachine {
			continue
		}
		s.have.Objects = append(s.have.Objects, o)
		s.Rings.Masters = append(s.Rings.Masters, env.Asked(o))
		ready := m.notReady
		if o.Status != "RUNNING" {
			ready = "the machine is " + o.Status
		}
		s.Masters = append(s.Masters, ObservedMaster{Object: o, Disk: !m.noDisk, phase: cmp.Or(m.phase, scripts.PhaseRunning), ready: ready})
		s.nodes.list = append(s.nodes.list, nodeNamed(m.name, m.zone, o.Status == "RUNNING"))
		if !m.outside {
			s.backends = append(s.backends, step.Backend{Name: m.name, Zone: m.zone, Healthy: ready == ""})
		}
		switch {
		case o.Status != "RUNNING":
			s.Rings.Silent[m.name] = errors.New(ready)
			continue
		case m.silent != nil:
			s.Rings.Silent[m.name] = m.silent
			continue
		}
		s.Rings.Answers[m.name] = map[string]replicate.Ring{}
		for ring, in := range map[string]membership{replicate.RingMain: m.main, replicate.RingEvents: m.events} {
			own := views[ring]
			own.Index = 100
			switch in {
			case noMember:
				own = replicate.Ring{Error: "it does not run"}
			case learnerMember:
				own.ID, own.Index, own.Error = replicate.MemberID(fmt.Sprint(i+1)), 90, "rpc not supported for learner"
			default:
				own.ID = replicate.MemberID(fmt.Sprint(i + 1))
				voters := 0
				for _, x := range own.Members {
					if !x.Learner {
						voters++
					}
				}
				own.Healthy = living[ring] > voters/2
				if !own.Healthy {
					own.Error, own.Leader = "etcdserver: request timed out", ""
				}
			}
			s.Rings.Answers[m.name][ring] = own
		}
	}
	if len(masters) > 1 {
		s.balanced, s.Held.Rule = true, "kubernetes-master"
		s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.BackendService, Name: "kubernetes-master", Region: "europe-west1"})
	} else {
		s.backends = nil
		if len(masters) == 1 {
			s.Held.Machine, s.Held.Zone = masters[0].name, masters[0].zone
		}
	}
	for _, f := range change {
		f(s)
	}
	s.addMastersWithoutMachine()
	return s
}

func nodeNamed(name, zone string, ready bool) corev1.Node {
	c := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue}
	if !ready {
		c.Status, c.Message = corev1.ConditionUnknown, "Kubelet stopped posting node status."
	}
	return corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelTopologyZone: zone}},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{c}},
	}
}

// withPool adds a zone's pool of size machines: those named, ready or not.
func withPool(zone string, size int, machines map[string]bool, leaving ...string) func(*Snapshot) {
	return func(s *Snapshot) {
		s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.ManagedGroup, Name: "kubernetes-minion-group", Zone: zone, Role: inventory.RoleGroup, Size: size})
		p := pool.Pool{Leaving: leaving}
		for name, ready := range machines {
			p.Machines = append(p.Machines, pool.Machine{Name: name, Group: "kubernetes-minion-group", Zone: zone})
			s.nodes.list = append(s.nodes.list, nodeNamed(name, zone, ready))
		}
		s.machines[settings.PoolID{Zone: zone}] = p
	}
}

var (
	whole1 = madeMaster{name: first, zone: zoneB}
	whole2 = madeMaster{name: second, zone: zoneC}
	whole3 = madeMaster{name: third, zone: zoneD}
)

func with(m madeMaster, change func(*madeMaster)) madeMaster {
	change(&m)
	return m
}

var errTimeout = fmt.Errorf("connecting: %w", replicate.ErrUnreachable)

func TestVerdict(t *testing.T) {
	dead := func(m madeMaster) madeMaster { return with(m, func(m *madeMaster) { m.status = "TERMINATED" }) }
	mute := func(m madeMaster) madeMaster { return with(m, func(m *madeMaster) { m.silent = errTimeout }) }
	learns := func(m madeMaster) madeMaster {
		return with(m, func(m *madeMaster) { m.main, m.events = learnerMember, learnerMember })
	}
	for _, x := range []struct {
		name     string
		masters  []madeMaster
		quorum   rings.QuorumStatus // of both rings
		survives *rings.Survival
		warning  string // "" for none
		states   string
	}{
		{"one", []madeMaster{whole1}, rings.QuorumStatus{Voters: 1, Alive: 1, Need: 1}, &rings.Survival{Masters: 0, Zones: []string{}}, "", "ready"},
		{"two", []madeMaster{whole1, whole2}, rings.QuorumStatus{Voters: 2, Alive: 2, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{}}, TwoMasters, "ready ready"},
		{"three", []madeMaster{whole1, whole2, whole3}, rings.QuorumStatus{Voters: 3, Alive: 3, Need: 2}, &rings.Survival{Masters: 1, Zones: []string{zoneB, zoneC, zoneD}}, "", "ready ready ready"},
		{"a zone with two", []madeMaster{whole1, with(whole2, func(m *madeMaster) { m.zone = zoneB }), whole3}, rings.QuorumStatus{Voters: 3, Alive: 3, Need: 2}, &rings.Survival{Masters: 1, Zones: []string{zoneD}}, "", "ready ready ready"},
		{"one of three dead", []madeMaster{whole1, dead(whole2), whole3}, rings.QuorumStatus{Voters: 3, Alive: 2, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{zoneC}}, "", "ready stopped ready"},
		{"two of three dead", []madeMaster{whole1, dead(whole2), dead(whole3)}, rings.QuorumStatus{Voters: 3, Alive: 1, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{}}, "etcd ring main has no quorum as far as could be seen: 1 of 3 voters take part, it needs 2", "ready stopped stopped"},
		{"a learner has no vote", []madeMaster{whole1, learns(whole2)}, rings.QuorumStatus{Voters: 1, Alive: 1, Need: 1}, &rings.Survival{Masters: 0, Zones: []string{}}, "", "ready ready"},
		{"who cannot be asked counts as dead", []madeMaster{whole1, whole2, mute(whole3)}, rings.QuorumStatus{Voters: 3, Alive: 2, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{zoneD}}, "", "ready ready ready"},
		{"unless the ring needs it", []madeMaster{whole1, mute(whole2)}, rings.QuorumStatus{Voters: 2, Alive: 2, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{}}, TwoMasters, "ready ready"},
		{"of two one is enough, nobody knows which", []madeMaster{whole1, mute(whole2), mute(whole3)}, rings.QuorumStatus{Voters: 3, Alive: 2, Need: 2}, &rings.Survival{Masters: 0, Zones: []string{}}, "", "ready ready ready"},
		{"nobody told", []madeMaster{mute(whole1)}, rings.QuorumStatus{}, nil, "", "ready"},
	} {
		t.Run(x.name, func(t *testing.T) {
			got := sightOf(t, x.masters).Conclude()
			if diff := gocmp.Diff(x.survives, got.Survives); diff != "" {
				t.Errorf("survives (-want +got):\n%s", diff)
			}
			for _, ring := range rings.Names {
				if got.Quorum[ring] != x.quorum {
					t.Errorf("quorum of %s is %+v, want %+v", ring, got.Quorum[ring], x.quorum)
				}
				if (got.Rings[ring] == nil) != (x.survives == nil) {
					t.Errorf("ring %s is %+v", ring, got.Rings[ring])
				}
			}
			if x.warning == "" && len(got.Warnings) > 0 || x.warning != "" && !slices.Contains(got.Warnings, x.warning) {
				t.Errorf("warnings are %q, want %q", got.Warnings, x.warning)
			}
			var states []string
			for _, m := range got.Masters {
				states = append(states, m.State)
			}
			if s := strings.Join(states, " "); s != x.states {
				t.Errorf("states are %s, want %s", s, x.states)
			}
		})
	}
}

// TestUnreachableIsNotAbsent: a deaf master stays in every table, with the reason.
func TestUnreachableIsNotAbsent(t *testing.T) {
	deaf := with(whole3, func(m *madeMaster) { m.silent, m.notReady = errTimeout, "no answer within 5s" })
	got := sightOf(t, []madeMaster{whole1, whole2, deaf}).Conclude()
	m := got.Masters[2]
	if m.State != StateUnreachable || !strings.Contains(m.Why, "no answer within 5s") || !strings.Contains(m.Why, "ssh: ") {
		t.Errorf("%+v", m)
	}
	row := got.Rings["main"][2]
	if row.Member != third || row.Healthy || row.Behind != nil || !strings.Contains(row.Why, "no answer") {
		t.Errorf("%+v", row)
	}
	if u := got.Unfinished; len(u) != 1 || u[0].Command != "hakube repair "+third || u[0].Or != "" {
		t.Errorf("being deaf is not being half made: %+v", u)
	}
	denied := with(whole2, func(m *madeMaster) { m.silent = &replicate.ConnectError{Kind: replicate.ErrDenied} })
	got = sightOf(t, []madeMaster{whole1, denied}).Conclude()
	want := second + ` does not accept the ssh key of this operator, so its etcd was not asked; have it added:` + "\n\tKUBE_GCE_ZONE=europe-west1-b hakube up"
	if !slices.Contains(got.Warnings, want) {
		t.Errorf("warnings are %q", got.Warnings)
	}
	s := sightOf(t, []madeMaster{whole1}, withPool(zoneB, 2, nil), func(s *Snapshot) {
		s.nodes, s.listed = nodeList{}, false
		s.missed("the API could not be asked about nodes", errors.New("it is dark"))
	})
	got = s.Conclude()
	if p := got.Pools[0]; p.Nodes != 2 || p.Ready != nil || got.Masters[0].Node != "unknown" || len(got.Unfinished) > 0 {
		t.Errorf("pools %+v, masters %+v, unfinished %+v", got.Pools, got.Masters, got.Unfinished)
	}
	if p := s.problems(5); len(p) != 1 || p[0].Why != "the API could not be asked about nodes: it is dark" {
		t.Errorf("what could not be asked is not valid: %+v", p)
	}
}

func TestLag(t *testing.T) {
	s := sightOf(t, []madeMaster{whole1, whole2})
	slow := s.Rings.Answers[second]["main"]
	lead := s.Rings.Answers[first]["main"]
	lead.Index, slow.Index = 5000, 2000
	s.Rings.Answers[second]["main"], s.Rings.Answers[first]["main"] = slow, lead
	rows := s.Rings.Members("main")
	if !rows[0].Leader || *rows[0].Behind != 0 || *rows[1].Behind != 3000 {
		t.Errorf("%+v", rows)
	}
	p := s.problems(0)
	if len(p) != 2 || p[0].Why != "etcd main: kubernetes-master-c00 is 3000 entries behind its leader" || p[1].Command != "hakube repair kubernetes-master-c00" {
		t.Errorf("%+v", p)
	}
}
