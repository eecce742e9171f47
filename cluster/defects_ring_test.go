package cluster

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/member"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce/emulator"
	"hakube/replicate"
	"hakube/scripts"
)

// ringDefects are about who is in the rings of etcd.
var ringDefects = []defect{
	{name: "D1_failed_replication_keeps_the_ring", test: func(t *testing.T) {
		// At Google's no to its machine, and when it is a learner already.
		for _, step := range []string{"/instances", "/forwardingRules"} {
			w, _ := newModelWorld(t)
			o := w.operator()
			w.mustUp(o)
			w.setFault(failing(step))
			_, err := o.replica(zoneC).Up(context.Background(), nil)
			w.setFault(nil)
			wantError(t, err, "Quota")
			w.wantRings(o, "kubernetes-master")
			w.mustWrite(o, "after-"+strings.Trim(strings.ToLower(step), "/"))
		}
	}},
	{name: "D3_no_from_etcd_is_no_success", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		via, ssh := w.host(o, "kubernetes-master"), o.deps.SSH
		stray, url := replicate.PeerURL("main", "stray", zoneD, "local"), replicate.PeerURL("main", "other", zoneD, "local")
		ctx := context.Background()
		if _, err := replicate.AddLearner(ctx, ssh, via, "main", stray); err != nil {
			t.Fatal(err)
		}
		if _, err := replicate.AddLearner(ctx, ssh, via, "main", url); !errors.Is(err, replicate.ErrTooManyLearners) {
			t.Errorf("adding a second learner: %v", err)
		}
		if err := replicate.Promote(ctx, ssh, via, "main", stray); !errors.Is(err, replicate.ErrNotInSync) {
			t.Errorf("promoting one that never started: %v", err)
		}
		// The step that needs the ring to say yes waits, fails and did nothing.
		r := o.replica(zoneC).runFor(settings.Up, hold{})
		have, err := r.Look(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r.Have, r.Replica = have, inventory.Object{Kind: inventory.Instance, Name: "kubernetes-master-new", Zone: zoneC, Status: "PROVISIONING"}
		r.SawMasters(r.Have)
		r.Poll = 50 * time.Millisecond
		soon, stop := context.WithTimeout(ctx, 500*time.Millisecond)
		defer stop()
		if err := member.Learners(r.Task, r.Replica)[0].Do(soon); err == nil {
			t.Error("a learner that the ring does not take counts as added")
		}
		if got := membersOf(w.now(o), "main"); !slices.Equal(got, []string{"kubernetes-master", "stray (learner)"}) {
			t.Errorf("ring main has %v", got)
		}
	}},
	{name: "D4_members_by_the_v3_api", test: func(t *testing.T) {
		for _, s := range []string{scripts.Startup(), scripts.EtcdMember, scripts.EtcdStatus} {
			for _, word := range []string{"/v2/", "enable-v2", "ETCDCTL_API=2"} {
				if strings.Contains(s, word) {
					name, _ := scripts.Name(s)
					t.Errorf("script %s says %q", name, word)
				}
			}
		}
		w, _ := newModelWorld(t) // its rings know what etcd 3.6.8 knows
		o := w.operator()
		w.mustUp(o)
		s := w.mustUp(o.replica(zoneC))
		w.wantRings(o, "kubernetes-master", s.Replica)
	}},
	{name: "D5_broken_master_leaves_by_another_and_rings_first", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		c, d := w.mustUp(o.replica(zoneC)).Replica, w.mustUp(o.replica(zoneD)).Replica
		w.halt(zoneB, "kubernetes-master") // kube-up asked the first of the list
		asked := false
		w.setFault(func(r *http.Request) emulator.Fault {
			if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/instances/kubernetes-master") && !asked {
				asked = true
				w.wantRings(o, c, d)
			}
			return emulator.Fault{}
		})
		s := w.mustDown(o.replica(zoneB))
		w.setFault(nil)
		if !asked || s.Replica != "kubernetes-master" {
			t.Errorf("%s was removed, its machine %t", s.Replica, asked)
		}
		w.wantRings(o, c, d)
	}},
	{name: "D6_no_step_below_quorum", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		two := w.mustUp(o.replica(zoneC))
		if !slices.Contains(two.Warnings, status.TwoMasters) {
			t.Errorf("warnings at two masters: %q", two.Warnings)
		}
		w.mustUp(o.replica(zoneD))
		w.halt(zoneB, "kubernetes-master")
		w.unchanged(func() {
			_, err := o.replica(zoneC).Down(context.Background(), nil)
			wantError(t, err, "would have 2 voters and 1 of them alive", "bring back kubernetes-master")
			_, err = o.replica(zoneC).Up(context.Background(), nil)
			wantError(t, err, "has 3 voters and 2 of them are alive")
		})
	}},
	{name: "D9_nothing_named_is_nothing_touched", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.mustUp(o.pool(zoneC, 1))
		w.unchanged(func() {
			if s := w.mustDown(o.replica(zoneC)); !s.Nothing {
				t.Errorf("a master was removed from a zone without one: %s", s.Replica)
			}
			nobody := o.replica(zoneB).again(func(s *settings.Settings) { s.ReplicaName = "kubernetes-master-000" })
			if s := w.mustDown(nobody); !s.Nothing {
				t.Errorf("for one that does not exist %s was removed", s.Replica)
			}
		})
		w.mustDown(o.pool(zoneC, 1))
		w.wantRings(o, "kubernetes-master")
	}},
	{name: "D15_no_two_masters_of_one_name", test: func(t *testing.T) {
		w := newWorld(t)
		prefix := sameNameTwice()
		o := w.operator(func(s *settings.Settings) { s.Prefix = settings.Name(prefix) })
		pick := func(zone settings.Zone, have ...inventory.Object) string {
			r := o.replica(zone).runFor(settings.Up, hold{})
			r.Have = &inventory.Inventory{Objects: have}
			if err := r.pickReplica(context.Background(), &rings.Survey{}); err != nil {
				t.Fatal(err)
			}
			return r.Replica.Name
		}
		c := pick(zoneC)
		if c != pick(zoneC) {
			t.Error("running again does not find the half-made one by its name")
		}
		disk := inventory.Object{Kind: inventory.Disk, Name: c + settings.DiskSuffix, Zone: zoneC, Role: inventory.RoleMasterDisk}
		for what, there := range map[string]inventory.Object{"machine": {Kind: inventory.Instance, Name: c, Zone: zoneC, Role: inventory.RoleMaster}, "disk": disk} {
			if d := pick(zoneD, there); d == c {
				t.Errorf("%s: there is a %s of that name in c already", d, what)
			}
		}
	}},
	{name: "D15_two_runs_at_once_make_two_masters", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		var names [2]string
		var work sync.WaitGroup
		for i := range names {
			one := o.replica(zoneC).alive(lease.DefaultLength)
			work.Go(func() {
				s, err := one.Up(context.Background(), nil)
				if err != nil {
					t.Error(err)
					return
				}
				names[i] = s.Replica
			})
		}
		work.Wait()
		w.wantRings(o, "kubernetes-master", names[0], names[1])
	}},
}

// sameNameTwice is a prefix with which the first names of masters in two zones
// are one name: three hexadecimal digits are few.
func sameNameTwice() string {
	for i := 0; ; i++ {
		n := settings.Names{Prefix: "p" + strings.Repeat("x", i%20) + string(rune('a'+i/20%26)) + string(rune('a'+i/520%26)) + string(rune('a'+i/13520%26))}
		if n.Replica(zoneC, 0) == n.Replica(zoneD, 0) {
			return n.Prefix
		}
	}
}

// halt stops a machine.
func (w *world) halt(zone, name string) {
	w.t.Helper()
	if err := w.Client.Instances(zone).Stop(context.Background(), name); err != nil {
		w.t.Fatal(err)
	}
}

// host is a master as ssh reaches it.
func (w *world) host(o *operator, name string) replicate.Host {
	w.t.Helper()
	h, err := o.runFor(settings.Up, hold{}).Host(context.Background(), inventory.Object{Kind: inventory.Instance, Name: name, Zone: zoneB})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// mustWrite writes through the API to etcd: the ring agrees on something.
func (w *world) mustWrite(o *operator, name string) {
	w.t.Helper()
	client, err := o.runFor(settings.Up, hold{}).Kube(context.Background())
	if err == nil {
		_, err = client.ConfigMaps("default").Create(context.Background(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	}
	if err != nil {
		w.t.Errorf("writing %s: %v", name, err)
	}
}
