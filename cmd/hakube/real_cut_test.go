//go:build linux

package main

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// killed runs a command again and again, each time killed (SIGKILL) at another
// point. After each, status names what is half done and a command; nobody who
// voted has lost the vote, and both rings have quorum.
func (g *grown) killed(t *testing.T, zone string, at []string, command string, args ...string) {
	t.Helper()
	before := g.walk.env
	defer func() { g.walk.env = before }()
	g.walk.env = append(slices.Clone(before), "KUBE_GCE_ZONE="+zone)
	for _, pattern := range at {
		g.killedAt(t, pattern, args...)
		becomes(t, fmt.Sprintf("killed at %q: status names what is half done", pattern), func(d *differing) {
			s := g.cluster(t)
			t.Logf("address held by %s; unfinished: %+v", s.Address.Holder, s.Unfinished)
			if err := naming(s, command); err != nil {
				*d = append(*d, err)
			}
			for _, ring := range []string{"main", "events"} {
				if q, told := s.Quorum[ring]; told && q.Alive < q.Need { // while nobody has the address nobody tells
					d.add("ring %s has %d of %d voters", ring, q.Alive, q.Voters)
				}
			}
		})
	}
}

// replicateKilled adds a master in a zone: killed when its machine is made, between
// the two changes that move the address, and when it votes in the first ring and is
// a learner in the second.
func (g *grown) replicateKilled(t *testing.T, zone string) {
	t.Helper()
	g.killed(t, zone, []string{
		`machine kubernetes-master-[0-9a-f]{3} +made`,
		`address kubernetes-master-ip off the master +made`,
		`votes in ring main +made`,
	}, "KUBE_GCE_ZONE="+zone+" KUBE_REPLICATE_EXISTING_MASTER=true hakube up",
		"up", "--replicate-existing-master")
	s := g.hakube(t, "up", zone, addMaster)
	g.masters[zone] = s.Replica
	if !regexp.MustCompile(`^kubernetes-master-[0-9a-f]{3}$`).MatchString(s.Replica) {
		t.Errorf("the replica is called %q", s.Replica)
	}
}

// unreplicateKilled removes one: killed when its API server has ended, when it
// votes in one ring only, and between the two changes that move the address back.
func (g *grown) unreplicateKilled(t *testing.T, zone string) {
	t.Helper()
	name := g.masters[zone]
	g.killed(t, zone, []string{
		`control plane of ` + name + ` +removed`,
		name + ` votes in ring events +removed`,
		`forwarding rule kubernetes-master +removed`,
	}, "KUBE_DELETE_NODES=false KUBE_REPLICA_NAME="+name+" hakube down",
		"down", "--delete-nodes=false")
	s := g.hakube(t, "down", zone, noNodes)
	if s.Replica != name {
		t.Errorf("%s was removed, want %s", s.Replica, name)
	}
	becomes(t, "the first master has the address", func(d *differing) {
		if after := g.cluster(t); after.Address.Holder != master || !after.Address.Ready {
			d.add("the address is %+v, want it held by %s", after.Address, master)
		}
	})
}
