package cluster

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/removal"
	"hakube/cluster/settings"
	"hakube/gce/gcetest"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

// TestMasterComesBack: a master that was stopped is started, and one that is
// gone is made again around its disk, with everything that was on it.
func TestMasterComesBack(t *testing.T) {
	besideOthers(t)
	for name, lose := range map[string]func(context.Context, *world) error{
		"stopped": func(ctx context.Context, w *world) error {
			return w.Client.Instances(gcetest.Zone).Stop(ctx, "kubernetes-master")
		},
		"deleted": func(ctx context.Context, w *world) error {
			return w.Client.Instances(gcetest.Zone).Delete(ctx, "kubernetes-master")
		},
	} {
		t.Run(name, func(t *testing.T) {
			besideOthers(t)
			w := newWorld(t)
			o := w.operator()
			first := w.mustUp(o)
			if err := lose(context.Background(), w); err != nil {
				t.Fatal(err)
			}
			if n, err := o.PreviewUp(context.Background(), nil); err != nil || n == 0 {
				t.Errorf("preview: %d steps, %v", n, err)
			}
			again := w.mustUp(o)
			if diff := cmp.Diff(first.Evidence.Nodes, again.Evidence.Nodes); diff != "" || first.Address != again.Address {
				t.Errorf("it is another cluster (-before +after):\n%s", diff)
			}
			w.mustDown(o)
		})
	}
}

// TestLostDisk: with the disk the cluster is gone; nodes of the old one are
// not passed off as those of a new one.
func TestLostDisk(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	ctx := context.Background()
	if err := errors.Join(w.Client.Instances(gcetest.Zone).Delete(ctx, "kubernetes-master"),
		w.Client.Disks(gcetest.Zone).Delete(ctx, "kubernetes-master-pd")); err != nil {
		t.Fatal(err)
	}
	_, err := o.Up(ctx, w.events())
	var no *refusal.Refused
	if !errors.As(err, &no) || !strings.Contains(no.Why, "another control plane") {
		t.Errorf("up: %v", err)
	}
	w.mustDown(o)
}

func TestResize(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	for _, n := range []settings.Count{4, 1, 0} {
		s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = n }))
		if got := len(s.Evidence.Nodes); got != int(n)+1 {
			t.Errorf("NUM_NODES=%d: %d nodes", n, got)
		}
	}
	w.mustDown(o)
}

func TestNoNodes(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.CreateNodes = false })
	if s := w.mustUp(o); len(s.Evidence.Nodes) != 1 {
		t.Errorf("nodes %+v", s.Evidence.Nodes)
	}
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestSecondOperator: somebody with another key and an empty kubeconfig gets
// in by one changing call under the lease, and everything else stays.
func TestSecondOperator(t *testing.T) {
	w := newWorld(t)
	w.mustUp(w.operator())
	other := w.operator()
	_, changes := w.counts(func() { w.mustUp(other) })
	if changes != 3 { // the key; the lease taken and given back
		t.Errorf("%d changing calls, want 3", changes)
	}
	i, err := w.Client.Instances(gcetest.Zone).Get(context.Background(), "kubernetes-master")
	if err != nil {
		t.Fatal(err)
	}
	if keys := inventory.MetadataItem(i.GetMetadata(), scripts.KeySSHKeys); strings.Count(keys, "me:ssh-ed25519") != 2 {
		t.Errorf("ssh-keys: %q", keys)
	}
	if _, changes = w.counts(func() { w.mustUp(other) }); changes != 0 {
		t.Errorf("the second up made %d changing calls", changes)
	}
}

// TestLostToken: the Secret is made again with what the template's machines
// knock with.
func TestLostToken(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	secrets := w.kube(o).Secrets("kube-system")
	all, err := secrets.List(t.Context(), metav1.ListOptions{FieldSelector: "type=" + string(corev1.SecretTypeBootstrapToken)})
	if err != nil || len(all.Items) == 0 {
		t.Fatalf("%d tokens, %v", len(all.Items), err)
	}
	for _, x := range all.Items {
		if err := secrets.Delete(t.Context(), x.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s := w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 3 }))
	if len(s.Evidence.Nodes) != 4 {
		t.Errorf("nodes %+v", s.Evidence.Nodes)
	}
}

// noMirror lets the scripts of machines fail, until that is mended.
func noMirror(machines string, mended *atomic.Bool) func(*etcdtest.Options) {
	return func(o *etcdtest.Options) {
		o.Installing = func(machine string, print func(string)) error {
			if mended.Load() || !strings.HasPrefix(machine, machines) {
				return nil
			}
			for range 30 {
				print("boot")
			}
			print("curl: (6) could not resolve host")
			return errors.New("no such mirror")
		}
	}
}

// patiently waits for long: what ends a wait at once has done so before half of that, on a
// host that is busy too.
func patiently(s *settings.Settings) {
	s.InitTimeout, s.GroupTimeout = settings.Seconds(patient), settings.Seconds(patient)
}

const patient = 10 * time.Minute

// TestGuestFails: a script that gives up ends the wait at once, with the end of
// its console; running up again restarts the machine.
func TestGuestFails(t *testing.T) {
	besideOthers(t)
	for role, machine := range map[string]string{scripts.RoleMaster: "kubernetes-master", scripts.RoleNode: "kubernetes-minion-group-"} {
		t.Run(role, func(t *testing.T) {
			var mended atomic.Bool
			w := newWorld(t, noMirror(machine, &mended))
			o := w.operator(patiently)
			begin := time.Now()
			_, err := o.Up(context.Background(), w.events())
			var failed *env.GuestError
			if !errors.As(err, &failed) || !strings.HasPrefix(failed.Machine, machine) || failed.Reason != "installing containerd: no such mirror" ||
				len(failed.Console) != env.ConsoleLines || failed.Console[env.ConsoleLines-2] != "curl: (6) could not resolve host" {
				t.Fatalf("up: %v", err)
			}
			if took := time.Since(begin); took > patient/2 {
				t.Errorf("it took %s", took)
			}
			mended.Store(true)
			w.mustUp(o)
			w.mustDown(o)
		})
	}
}

// TestGuestFailsAgain: a script that fails after the restart in the words of before,
// too soon for anybody to have seen it run, ends the wait as well.
func TestGuestFailsAgain(t *testing.T) {
	besideOthers(t)
	for role, machine := range map[string]string{scripts.RoleMaster: "kubernetes-master", scripts.RoleNode: "kubernetes-minion-group-"} {
		t.Run(role, func(t *testing.T) {
			w := newWorld(t, noMirror(machine, new(atomic.Bool)))
			o := w.operator()
			if _, err := o.Up(t.Context(), nil); err == nil {
				t.Fatal("nothing fails")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // the run's own limit is half an hour
			defer cancel()
			_, err := o.Up(ctx, w.events())
			var failed *env.GuestError
			if !errors.As(err, &failed) || !failed.Again || failed.Reason != "installing containerd: no such mirror" {
				t.Errorf("up: %v", err)
			}
		})
	}
}

// TestDeleteNetwork: KUBE_DELETE_NETWORK=false leaves the network and the ssh
// rule, and a later down takes them.
func TestDeleteNetwork(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	w.mustDown(o.again(func(s *settings.Settings) { s.DeleteNetwork = false }))
	ctx := context.Background()
	if _, err := w.Client.Networks().Get(ctx, "default"); err != nil {
		t.Errorf("the network: %v", err)
	}
	if _, err := w.Client.Firewalls().Get(ctx, "default-default-ssh"); err != nil {
		t.Errorf("the ssh rule: %v", err)
	}
	w.mustUp(o)
	w.mustDown(o)
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// TestStrangerInNetwork: somebody else's rule keeps our network, which is said,
// with the way out.
func TestStrangerInNetwork(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	if err := w.Client.Firewalls().Insert(context.Background(), &computepb.Firewall{
		Name: new("theirs"), Network: new("global/networks/default"), SourceRanges: []string{"10.0.0.0/8"},
		Allowed: []*computepb.Allowed{{IPProtocol: new("icmp")}},
	}); err != nil {
		t.Fatal(err)
	}
	_, err := o.Down(context.Background(), w.events())
	var no *removal.OrphansLeft
	if !errors.As(err, &no) || !strings.Contains(no.Hint(), "KUBE_DELETE_NETWORK=false") || !strings.Contains(err.Error(), "theirs") {
		t.Fatalf("down: %v", err)
	}
	w.mustDown(o.again(func(s *settings.Settings) { s.DeleteNetwork = false }))
}

// TestRenamed: down finds what was made under names that follow from other settings.
func TestRenamed(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator(func(s *settings.Settings) {
		s.ClusterName, s.NodePrefix, s.Subnetwork, s.Network = "prod", "worker", "here", "net"
	})
	w.mustUp(o)
	w.mustDown(o.again(func(s *settings.Settings) {
		s.ClusterName, s.NodePrefix, s.Subnetwork, s.Network, s.Zone = "", "", "", "default", ""
	}))
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

func TestDrift(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	for want, change := range map[string]func(*settings.Settings){
		"subnetwork kubernetes-subnet-default was made with NODE_IP_RANGE=10.40.0.0/22 (now it is 10.44.0.0/22)": func(s *settings.Settings) {
			mustDecode(t, &s.NodeRange, "10.44.0.0/22")
		},
		"machine kubernetes-master was made with CLUSTER_NAME=kubernetes (now it is prod)": func(s *settings.Settings) { s.ClusterName = "prod" },
		"machine kubernetes-master was made with KUBE_GCE_NETWORK=default (now it is net), KUBE_GCE_IP_ALIAS_SUBNETWORK=kubernetes-subnet-default (now it is here)": func(s *settings.Settings) {
			s.Network, s.Subnetwork = "net", "here"
		},
		"group kubernetes-minion-group was made with NODE_INSTANCE_PREFIX=kubernetes-minion (now it is worker)": func(s *settings.Settings) { s.NodePrefix = "worker" },
		"CLUSTER_IP_RANGE=10.64.0.0/14 (now it is 10.68.0.0/14)":                                                func(s *settings.Settings) { mustDecode(t, &s.ClusterRange, "10.68.0.0/14") },
		"MULTIZONE=true (now it is false)":                                                                      func(s *settings.Settings) { s.Multizone = false },
		"disk kubernetes-master-pd was made with MASTER_DISK_TYPE=pd-ssd (now it is pd-standard), MASTER_DISK_SIZE=20GB (now it is 30GB)": func(s *settings.Settings) {
			s.MasterDiskType, s.MasterDiskSize = "pd-standard", 30
		},
		"machine kubernetes-master was made with MASTER_SIZE=e2-standard-2 (now it is e2-standard-4)": func(s *settings.Settings) { s.MasterSize = "e2-standard-4" },
		"machine kubernetes-master was made with KUBE_VERSION=v1.36.3 (now it is v1.36.2)":            func(s *settings.Settings) { s.KubeVersion = "v1.36.2" },
	} {
		var err error
		_, changes := w.counts(func() { _, err = o.again(change).Up(context.Background(), nil) })
		var no *refusal.Refused
		if !errors.As(err, &no) || !strings.Contains(no.Why, want) || changes != 0 {
			t.Errorf("want %q, got %v (%d changing calls)", want, err, changes)
		}
	}
}

func mustDecode(t *testing.T, v interface{ Decode(string) error }, s string) {
	t.Helper()
	if err := v.Decode(s); err != nil {
		t.Fatal(err)
	}
}
