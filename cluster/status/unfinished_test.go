package status

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/scripts"
)

// The commands of the walkthrough, as unfinished work names them.
const (
	upB     = "KUBE_GCE_ZONE=europe-west1-b hakube up"
	addC    = "KUBE_GCE_ZONE=europe-west1-c KUBE_REPLICATE_EXISTING_MASTER=true hakube up"
	removeC = "KUBE_GCE_ZONE=europe-west1-c KUBE_DELETE_NODES=false KUBE_REPLICA_NAME=kubernetes-master-c00 hakube down"
	repairC = "hakube repair kubernetes-master-c00"
	poolC   = "KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true "
)

func TestUnfinished(t *testing.T) {
	second := func(change func(*madeMaster)) madeMaster { return with(whole2, change) }
	inAir := func(s *Snapshot) { s.Held.Machine, s.Held.Rule = "", "" }
	onFirst := func(s *Snapshot) { s.Held.Machine, s.Held.Rule, s.backends = first, "", nil }
	type want struct{ Step, Command, Or string } // Step: words of it
	for _, x := range []struct {
		name    string
		masters []madeMaster
		change  []func(*Snapshot)
		want    []want
	}{
		{"whole", []madeMaster{whole1}, nil, nil},
		{"three whole", []madeMaster{whole1, whole2, whole3}, nil, nil},
		{"no master at all", nil, []func(*Snapshot){withPool(zoneC, 1, map[string]bool{"kubernetes-minion-group-a": true})},
			[]want{{"has no master", "KUBE_GCE_ZONE=europe-west1-c hakube up", "hakube down"}}},
		{"the only one is stopped", []madeMaster{with(whole1, func(m *madeMaster) { m.status = "TERMINATED" })}, nil,
			[]want{{"kubernetes-master is stopped: the machine is TERMINATED", upB, "hakube repair kubernetes-master"}}},
		{"the only one is a disk", []madeMaster{with(whole1, func(m *madeMaster) { m.noMachine = true })}, nil,
			[]want{{"kubernetes-master is gone", upB, "hakube down"}}},
		{"the only one boots", []madeMaster{with(whole1, func(m *madeMaster) { m.phase, m.notReady = "fetching etcd", "refused" })}, nil,
			[]want{{"does not run: fetching etcd", upB, ""}}},
		{"the only one gave up", []madeMaster{with(whole1, func(m *madeMaster) { m.phase, m.notReady = scripts.PhaseFailed+"no disk", "refused" })}, nil,
			[]want{{"does not run: no disk", upB, "hakube repair kubernetes-master"}}},
		{"no address", []madeMaster{whole1}, []func(*Snapshot){func(s *Snapshot) { s.Held = inventory.Holder{} }},
			[]want{{"the API has no address", upB, ""}}},
		{"the address of the only one is in the air", []madeMaster{whole1}, []func(*Snapshot){inAir},
			[]want{{"198.51.100.2 is on nothing: the API is dark", upB, ""}}},

		{"prepared, in no ring", []madeMaster{whole1, second(func(m *madeMaster) {
			m.main, m.events, m.phase, m.notReady = noMember, noMember, scripts.PhasePrepared, "refused"
		})}, []func(*Snapshot){onFirst, func(s *Snapshot) { s.have.Objects = s.have.Objects[:len(s.have.Objects)-1] }},
			[]want{{"machine kubernetes-master-c00 is in no ring: half made or half removed", addC, removeC}}},
		{"a disk in no ring", []madeMaster{whole1, second(func(m *madeMaster) { m.main, m.events, m.noMachine = noMember, noMember, true })}, nil,
			[]want{{"disk kubernetes-master-c00-pd is of a master in no ring: half made or half removed", removeC, addC}}},
		{"a disk in no ring that was on a machine", []madeMaster{whole1, second(func(m *madeMaster) { m.main, m.events, m.noMachine = noMember, noMember, true })},
			[]func(*Snapshot){func(s *Snapshot) {
				for i := range s.have.Objects {
					s.have.Objects[i].Filled = s.have.Objects[i].Kind == inventory.Disk
				}
			}}, []want{{"disk kubernetes-master-c00-pd is of a master in no ring, and was on a machine: half removed", removeC, repairC}}},
		{"a group without machine and disk", []madeMaster{whole1, second(func(m *madeMaster) {
			m.main, m.events, m.noMachine, m.noDisk = noMember, noMember, true, true
		})}, []func(*Snapshot){func(s *Snapshot) {
			s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.OwnGroup, Name: "kubernetes-master-c00", Zone: zoneC})
		}}, []want{{"the group of kubernetes-master-c00 has neither machine nor disk", removeC, addC}}},
		{"two of five are stopped", []madeMaster{whole1, whole2, whole3,
			with(whole2, func(m *madeMaster) { m.name, m.status = "kubernetes-master-e00", "TERMINATED" }),
			with(whole3, func(m *madeMaster) { m.name, m.status = "kubernetes-master-f00", "TERMINATED" })}, nil,
			[]want{
				{"kubernetes-master-e00 is stopped", "hakube repair kubernetes-master-e00", "KUBE_GCE_ZONE=europe-west1-c KUBE_DELETE_NODES=false KUBE_REPLICA_NAME=kubernetes-master-e00 hakube down"},
				{"kubernetes-master-f00 is stopped", "hakube repair kubernetes-master-f00", "KUBE_GCE_ZONE=europe-west1-d KUBE_DELETE_NODES=false KUBE_REPLICA_NAME=kubernetes-master-f00 hakube down"},
			}},
		{"votes, and has only its disk", []madeMaster{whole1, whole3, second(func(m *madeMaster) { m.noMachine = true })}, nil,
			[]want{{"votes in ring main and events and has only its disk", "hakube repair kubernetes-master-c00", removeC}}},
		{"votes, and has nothing", []madeMaster{whole1, whole3, second(func(m *madeMaster) { m.noMachine, m.noDisk = true, true })}, nil,
			[]want{{"votes in ring main and events and has no machine", "hakube repair kubernetes-master-c00", removeC}}},
		{"learner", []madeMaster{whole1, second(func(m *madeMaster) {
			m.main, m.events, m.phase, m.notReady = learnerMember, learnerMember, scripts.PhasePrepared, "refused"
		})}, nil, []want{{"is a learner in ring main and events", addC, ""}}},
		{"votes in one, learns in the other", []madeMaster{whole1, second(func(m *madeMaster) { m.events = learnerMember })}, nil,
			[]want{{"is a learner in ring events", addC, ""}}},
		{"learner, and the address is in the air", []madeMaster{whole1, second(func(m *madeMaster) { m.main, m.events = learnerMember, learnerMember })}, []func(*Snapshot){inAir},
			[]want{{"the API is dark", addC, ""}, {"is a learner", addC, ""}}},
		{"in no ring, and the address is in the air", []madeMaster{whole1, second(func(m *madeMaster) { m.main, m.events = noMember, noMember })}, []func(*Snapshot){inAir},
			[]want{{"the API is dark", removeC, ""}, {"is in no ring and was: half removed", removeC, repairC}}},
		{"all whole, and the address is in the air", []madeMaster{whole1, whole2}, []func(*Snapshot){inAir},
			[]want{{"the API is dark", upB, ""}}},
		{"votes, does not run", []madeMaster{whole1, second(func(m *madeMaster) { m.phase, m.notReady, m.outside = scripts.PhasePrepared, "refused", true })}, nil,
			[]want{{"the control plane of kubernetes-master-c00 does not run: prepared", addC, removeC}}},
		{"runs, gets no traffic", []madeMaster{whole1, second(func(m *madeMaster) { m.outside = true })}, nil,
			[]want{{"kubernetes-master-c00 is not in the balancer's group", addC, removeC}}},
		{"votes in main only", []madeMaster{whole1, second(func(m *madeMaster) { m.events = noMember })}, nil,
			[]want{{"votes in ring main and not in events: half removed", removeC, repairC}}},
		{"ended, and gets no traffic", []madeMaster{whole1, second(func(m *madeMaster) { m.outside, m.notReady = true, "refused" })}, nil,
			[]want{{"is not in the balancer's group and its control plane has ended", removeC, addC}}},
		{"ended, and the address is in the air", []madeMaster{with(whole1, func(m *madeMaster) { m.silent = errTimeout }), second(func(m *madeMaster) { m.silent, m.notReady = errTimeout, "refused" })},
			[]func(*Snapshot){inAir}, []want{{"the API is dark", removeC, ""}}},
		{"ssh does not get there", []madeMaster{whole1, whole2}, []func(*Snapshot){func(s *Snapshot) { s.Masters[0].External = "" }},
			[]want{{"kubernetes-master has no external address", upB, ""}}},
		{"a voter without machine and disk", []madeMaster{whole1, second(func(m *madeMaster) { m.noMachine, m.noDisk = true, true }), whole3}, nil,
			[]want{{"kubernetes-master-c00 votes in ring main and events and has no machine", repairC, removeC}}},
		{"a learner without machine and disk", []madeMaster{whole1, second(func(m *madeMaster) {
			m.noMachine, m.noDisk, m.main, m.events = true, true, learnerMember, learnerMember
		})}, nil, []want{{"is a learner in ring main and events and has no machine", addC, ""}}},
		{"a replica is stopped", []madeMaster{whole1, second(func(m *madeMaster) { m.status = "TERMINATED" }), whole3}, nil,
			[]want{{"kubernetes-master-c00 is stopped", repairC, removeC}}},
		{"of two the replica is stopped: nobody could remove it", []madeMaster{whole1, second(func(m *madeMaster) { m.status = "TERMINATED" })}, nil,
			[]want{{"kubernetes-master-c00 is stopped", repairC, ""}}},
		{"the first-born is stopped", []madeMaster{with(whole1, func(m *madeMaster) { m.status = "TERMINATED" }), whole2, whole3}, nil,
			[]want{{"kubernetes-master is stopped", "hakube repair kubernetes-master", "KUBE_GCE_ZONE=europe-west1-b KUBE_DELETE_NODES=false KUBE_REPLICA_NAME=kubernetes-master hakube down"}}},

		{"parts of a balancer", []madeMaster{whole1}, []func(*Snapshot){func(s *Snapshot) {
			s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.HealthCheck, Name: "kubernetes-master-hc", Region: "europe-west1"})
		}}, []want{{"health check kubernetes-master-hc in europe-west1", strings.ReplaceAll(addC, "-c", "-b"), "hakube down"}}},
		{"two masters, the address on one", []madeMaster{whole1, whole2}, []func(*Snapshot){onFirst},
			[]want{{"parts of a balancer that has not the address: backend service kubernetes-master", upB, ""}}},

		{"a pool is whole", []madeMaster{whole1}, []func(*Snapshot){withPool(zoneC, 1, map[string]bool{"kubernetes-minion-group-a": true})}, nil},
		{"a node is not Ready", []madeMaster{whole1}, []func(*Snapshot){withPool(zoneC, 2, map[string]bool{"kubernetes-minion-group-a": true, "kubernetes-minion-group-b": false})},
			[]want{{"pool of europe-west1-c: 1 of 2 nodes are Ready", poolC + "NUM_NODES=2 hakube up", ""}}},
		{"a machine is not there yet", []madeMaster{whole1}, []func(*Snapshot){withPool(zoneC, 2, map[string]bool{"kubernetes-minion-group-a": true})},
			[]want{{"pool of europe-west1-c: 1 of 2 nodes are Ready", poolC + "NUM_NODES=2 hakube up", ""}}},
		{"a machine goes", []madeMaster{whole1}, []func(*Snapshot){withPool(zoneC, 1, map[string]bool{"kubernetes-minion-group-a": true}, "kubernetes-minion-group-b")},
			[]want{{"pool of europe-west1-c: 1 machines are being removed", poolC + "NUM_NODES=1 hakube up", ""}}},
		{"a node was to go", []madeMaster{whole1}, []func(*Snapshot){
			withPool(zoneC, 1, map[string]bool{"kubernetes-minion-group-a": true}),
			func(s *Snapshot) { s.nodes.list[1].Annotations = map[string]string{kube.LeavingKey: kube.LeavingOurs} },
		}, []want{{"cordoned to go and did not: kubernetes-minion-group-a", poolC + "NUM_NODES=0 hakube up", poolC + "NUM_NODES=1 hakube up"}}},
		{"a pool was to go", []madeMaster{whole1}, []func(*Snapshot){
			withPool(zoneC, 1, map[string]bool{"kubernetes-minion-group-a": true}),
			func(s *Snapshot) {
				s.nodes.list[1].Annotations = map[string]string{kube.LeavingKey: kube.LeavingOurs + kube.WithItsPool}
			},
		}, []want{{"cordoned to go and did not: kubernetes-minion-group-a", "KUBE_GCE_ZONE=europe-west1-c KUBE_USE_EXISTING_MASTER=true hakube down", poolC + "NUM_NODES=1 hakube up"}}},
		{"a node without machine", []madeMaster{whole1}, []func(*Snapshot){
			withPool(zoneC, 0, nil), func(s *Snapshot) {
				s.nodes.list = append(s.nodes.list, nodeNamed("kubernetes-minion-group-x", zoneC, false))
			},
		}, []want{{"nodes without machines: kubernetes-minion-group-x", poolC + "NUM_NODES=0 hakube up", ""}}},
		{"a node without machine and pool", []madeMaster{whole1}, []func(*Snapshot){
			func(s *Snapshot) {
				s.nodes.list = append(s.nodes.list, nodeNamed("kubernetes-minion-group-x", zoneC, false))
			},
		}, []want{{"nodes without machines: kubernetes-minion-group-x", poolC + "hakube down", ""}}},
		{"a machine without group", []madeMaster{whole1}, []func(*Snapshot){func(s *Snapshot) {
			s.have.Objects = append(s.have.Objects, inventory.Object{Kind: inventory.Instance, Name: "kubernetes-minion-group-x", Zone: zoneC, Role: inventory.RoleNode})
		}}, []want{{"machines of a pool in europe-west1-c that have no group", poolC + "hakube down", ""}}},
		{"a master's node stayed", []madeMaster{whole1}, []func(*Snapshot){
			func(s *Snapshot) {
				s.nodes.list = append(s.nodes.list, nodeNamed("kubernetes-master-e11", zoneC, false))
			},
		}, []want{{"node kubernetes-master-e11 has no machine", upB, ""}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := sightOf(t, x.masters, x.change...)
			var got []want
			for i, u := range s.unfinished() {
				w := want{u.Step, u.Command, u.Or}
				if i < len(x.want) && strings.Contains(u.Step, x.want[i].Step) {
					w.Step = x.want[i].Step
				}
				got = append(got, w)
			}
			if diff := cmp.Diff(x.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if valid := len(s.problems(0)) == 0; valid != (len(x.want) == 0) {
				t.Errorf("unfinished and valid do not fit: %+v", s.problems(0))
			}
		})
	}
}

// TestAllowedNotReady: as many nodes as are allowed to be missing make nothing
// invalid, one more does.
func TestAllowedNotReady(t *testing.T) {
	s := sightOf(t, []madeMaster{whole1}, withPool(zoneC, 2, map[string]bool{"kubernetes-minion-group-a": true, "kubernetes-minion-group-b": false}))
	if p := s.problems(1); len(p) > 0 {
		t.Errorf("one is allowed: %+v", p)
	}
	if p := s.problems(0); len(p) != 1 || p[0].Command == "" {
		t.Errorf("none is allowed: %+v", p)
	}
}
