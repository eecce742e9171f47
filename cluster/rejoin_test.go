package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/live"
	"hakube/cluster/pool"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/scripts"
)

// nodesAPI is the cluster's Nodes, as kubectl has them.
func (c *sickCluster) nodesAPI() corev1client.NodeInterface { return c.kube(c.o).Nodes() }

// worker is the one machine of the pool.
func (c *sickCluster) worker() string {
	c.t.Helper()
	list, err := c.nodesAPI().List(context.Background(), metav1.ListOptions{})
	c.must(err)
	for _, n := range list.Items {
		if !slices.Contains(c.names, n.Name) {
			return n.Name
		}
	}
	c.t.Fatal("there is no node")
	return ""
}

// resets counts them, of the machine, among changes.
func resets(changes []string, name string) (n int) {
	for _, c := range changes {
		if strings.Contains(c, name+"/reset") {
			n++
		}
	}
	return n
}

// TestDeletedNode: a Node that somebody deleted is one again after the command that
// status and validate name, and after a plain up and one of the pool: a kubelet makes its
// Node only when it starts. A node's machine is reset once and stays who it is; a master
// is not reset.
func TestDeletedNode(t *testing.T) {
	long(t, "TestDeletedNodeOnce")
	besideOthers(t)
	commands := map[string]func(*sickCluster, string) error{
		"named": func(c *sickCluster, named string) error { return c.follow(c.o, named) },
		"up":    func(c *sickCluster, _ string) error { _, err := c.o.Up(context.Background(), c.events()); return err },
		"pool": func(c *sickCluster, _ string) error {
			_, err := c.o.pool(zoneB, 1).Up(context.Background(), c.events())
			return err
		},
	}
	for _, masters := range []int{1, 2} {
		if testing.Short() && masters == 1 {
			continue
		}
		c := newSick(t, masters)
		for _, of := range []string{"node", "master"} {
			for command, run := range commands {
				t.Run(of+"/"+command, func(t *testing.T) {
					was := c.t
					c.t = t
					defer func() { c.t = was }()
					ctx := context.Background()
					name, want := c.worker(), "hakube up"
					if of == "master" {
						name, want = c.names[c.patient], "hakube repair "+c.names[c.patient]
					}
					before, err := c.nodesAPI().Get(ctx, name, metav1.GetOptions{})
					c.must(err)
					c.must(c.nodesAPI().Delete(ctx, name, metav1.DeleteOptions{}))
					s, err := c.o.Status(ctx)
					c.must(err)
					v, err := c.o.Validate(ctx)
					c.must(err)
					if len(s.Unfinished) != 1 || !strings.Contains(s.Unfinished[0].Command, want) || v.Valid || v.Problems[len(v.Problems)-1].Command != s.Unfinished[0].Command {
						t.Fatalf("status names %+v, validate %+v", s.Unfinished, v.Problems)
					}
					made := c.changes()
					if err := run(c, s.Unfinished[0].Command); err != nil {
						t.Fatal(err)
					}
					n := resets(made(), name)
					if of == "node" && n != 1 || of == "master" && n != 0 {
						t.Errorf("it was reset %d times", n)
					}
					is, err := c.nodesAPI().Get(ctx, name, metav1.GetOptions{})
					c.must(err)
					if is.Status.NodeInfo.MachineID != before.Status.NodeInfo.MachineID || is.UID == before.UID {
						t.Errorf("it is another machine, or the same Node: %s", is.Status.NodeInfo.MachineID)
					}
					// An answer may take longer than half a second on a busy host.
					if v, err := c.o.ValidateWithin(ctx, time.Minute, func(*status.Validity, error) {}); err != nil || !v.Valid {
						t.Errorf("after it: %+v, %v", v, err)
					}
				})
			}
		}
	}
}

// TestDeletedNodeOnce: a machine is reset once in a run, if it is no Node after that
// either. One that is a Node, that has not finished booting, or that the run has made is
// not reset at all.
func TestDeletedNodeOnce(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 1)
	c.o.deps.LetGo = time.Second // it is waited for, in whole, for each that is not reset
	ctx := context.Background()
	name := c.worker()
	m := pool.Machine{Name: name, Group: "kubernetes-minion-group", Zone: zoneB}
	node, err := c.nodesAPI().Get(ctx, name, metav1.GetOptions{})
	c.must(err)
	for _, x := range []struct {
		name, phase string
		have        bool
		Pool        pool.Pool
		want        int
	}{
		{"a Node", scripts.PhaseRunning, true, pool.Pool{Machines: []pool.Machine{m}, Nodes: []corev1.Node{*node}}, 0},
		{"boots", "fetching kubelet", true, pool.Pool{Machines: []pool.Machine{m}}, 0},
		{"new", scripts.PhaseRunning, false, pool.Pool{Machines: []pool.Machine{m}}, 0},
		{"none", scripts.PhaseRunning, true, pool.Pool{Machines: []pool.Machine{m}}, 1},
	} {
		c.tell(name, scripts.GuestNamespace+"/"+scripts.GuestPhase, x.phase)
		r := c.o.runFor(settings.Up, hold{})
		r.Have, err = r.Look(ctx)
		c.must(err)
		if !x.have {
			r.Have = &inventory.Inventory{}
		}
		made := c.changes()
		for begin := time.Now(); time.Since(begin) < 4*pool.UnregisteredFor(r.Env); time.Sleep(10 * time.Millisecond) {
			c.must(live.NodesReady(r.Task).(live.Nodes).Rejoin(ctx, x.Pool))
		}
		if n := resets(made(), name); n != x.want {
			t.Errorf("%s: reset %d times, want %d", x.name, n, x.want)
		}
	}
}

// TestMastersGhost: a Node of a master that has no machine is removed by the command
// that status names for it, and no other is.
func TestMastersGhost(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	const ghost = "kubernetes-master-x7f"
	before := w.byAge(o, "")
	w.addNode(o, ghost, zoneC, map[string]string{live.MasterRoleLabel: ""})
	s, err := o.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Unfinished) != 1 || s.Unfinished[0].Step != "node kubernetes-master-x7f has no machine" {
		t.Fatalf("status names %+v", s.Unfinished)
	}
	if err := w.follow(o, s.Unfinished[0].Command); err != nil {
		t.Fatal(err)
	}
	if now := w.byAge(o, ""); !slices.Equal(now, before) {
		t.Errorf("nodes are %q, were %q before the ghost", now, before)
	}
}
