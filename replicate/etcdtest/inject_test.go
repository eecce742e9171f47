package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"hakube/scripts"
)

// readyz is what a health check gets from a master.
func (s *site) readyz(g *Guest, limit time.Duration) (int, error) {
	s.t.Helper()
	client, err := rest.HTTPClientFor(s.config(g))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+address+"/readyz", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func (s *site) wantReady(g *Guest, want int) {
	s.t.Helper()
	if got, err := s.readyz(g, testLimit); got != want || g.Ready() != (want == http.StatusOK) {
		s.t.Errorf("/readyz says %d, %v, want %d; ready is %t", got, err, want, g.Ready())
	}
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// power is the machine off and on again, with the disks it has.
func (s *site) power(g *Guest) *Guest {
	s.t.Helper()
	g.Stop()
	return s.master()
}

// status is what etcd-status tells.
func (s *site) status(g *Guest) map[string]statusRing {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return map[string]statusRing{ringMain: g.control.members[ringMain].status(), ringEvents: g.control.members[ringEvents].status()}
}

// TestEtcdHalted: without its etcd an API server is not ready, but for the ring of
// events, which Kubernetes does not ask.
func TestEtcdHalted(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	s.must(m.StopEtcd(ringEvents))
	s.wantReady(m, http.StatusOK)
	s.must(m.StopEtcd(ringMain))
	s.wantReady(m, http.StatusInternalServerError)
	for ring, x := range s.status(m) {
		if x.ID != "" || x.Healthy || x.Error == "" {
			t.Errorf("ring %s that was stopped: %+v", ring, x)
		}
	}
	s.must(m.StartEtcd(ringMain))
	s.wantReady(m, http.StatusOK)
	s.must(m.StopEtcd(ringMain))
	m = s.power(m)
	s.reaches(m, scripts.PhaseRunning)
	for ring, x := range s.status(m) {
		if !x.Healthy {
			t.Errorf("ring %s after a reboot: %+v", ring, x)
		}
	}
	if err := m.StopEtcd("other"); err == nil {
		t.Error("a ring that does not exist was stopped")
	}
}

// TestEtcdDataLost says what scripts/startup/60-etcd.sh says, of each ring.
func TestEtcdDataLost(t *testing.T) {
	for _, ring := range []string{ringMain, ringEvents} {
		s := newSite(t)
		m := s.master()
		s.reaches(m, scripts.PhaseRunning)
		s.must(m.LoseEtcd(ring))
		s.must(m.StartEtcd(ring)) // it does not begin anew by itself
		if x := s.status(m)[ring]; x.ID != "" {
			t.Errorf("ring %s without data runs: %+v", ring, x)
		}
		m = s.power(m)
		s.reaches(m, "failed: starting etcd: ring "+ring+" has lost its data on a disk whose cluster was founded, refusing to found it anew")
		if x := s.status(m)[ringMain]; x.Healthy != (ring == ringEvents) { // its unit comes first
			t.Errorf("ring main beside a lost ring %s: %+v", ring, x)
		}
		if !strings.Contains(lostData, "refusing to found it anew") || !strings.Contains(scripts.Startup(), strings.Replace(lostData, "%s", "$1", 1)) {
			t.Errorf("the startup-script does not say %q", lostData)
		}
	}
}

func TestEtcdDataCorrupt(t *testing.T) {
	for _, ring := range []string{ringMain, ringEvents} {
		s := newSite(t)
		m := s.master()
		s.reaches(m, scripts.PhaseRunning)
		s.must(m.CorruptEtcd(ring))
		m = s.power(m)
		s.reaches(m, "failed: waiting for the API server: the API server is ready: not after 300 s")
		if console := string(m.Serial(0)); !strings.Contains(console, "starting etcd ring "+ring+": failed to read WAL") {
			t.Errorf("the console does not say why:\n%s", console)
		}
		for name, x := range s.status(m) {
			if x.Healthy != (name != ring) {
				t.Errorf("ring %s beside a corrupt ring %s: %+v", name, ring, x)
			}
		}
		if _, err := m.Dial(context.Background(), 443); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("its API server: %v", err)
		}
	}
}

// TestWedged: one that hangs takes connections, and answers them when it goes on.
func TestWedged(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	client := s.client(m)
	_, err := client.Nodes().List(context.Background(), metav1.ListOptions{}) // a connection of before
	s.must(err)

	m.Wedge(WedgeMute)
	if _, err := s.readyz(m, 20*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) || m.Ready() {
		t.Errorf("one that hangs: %v, ready is %t", err, m.Ready())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Nodes().List(ctx, metav1.ListOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("on a connection of before: %v", err)
	}
	answered := make(chan error)
	go func() {
		_, err := s.readyz(m, testLimit)
		answered <- err
	}()
	for s.waiting(m) < 2 { // its own, and the one above that gave up
		time.Sleep(time.Millisecond)
	}
	m.Wedge(WedgeNone)
	if err := <-answered; err != nil {
		t.Errorf("what was asked while it hung: %v", err)
	}
	waitReady(t, client, "kubernetes-master")

	m.Wedge(WedgeUnready)
	s.wantReady(m, http.StatusInternalServerError)
	if _, err := client.Nodes().List(context.Background(), metav1.ListOptions{}); err != nil {
		t.Errorf("one that is not ready answers: %v", err)
	}
	m = s.power(m)
	s.reaches(m, scripts.PhaseRunning)
	s.wantReady(m, http.StatusOK)
}

// waiting is how many connections its API server does not look at.
func (s *site) waiting(g *Guest) int {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return len(g.held)
}

// TestCutOff: packets are dropped, not refused, and what was sent meanwhile comes
// through in the end.
func TestCutOff(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	n := s.joined(m, "n1")
	old, err := m.Dial(context.Background(), 22)
	s.must(err)
	defer old.Close() //nolint:errcheck // in memory

	s.must(m.CutOff())
	for _, port := range []int{22, 443, 80} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if _, err := m.Dial(ctx, port); !os.IsTimeout(err) || m.Ready() {
			t.Errorf("port %d of one that is cut off: %v, ready is %t", port, err, m.Ready())
		}
		cancel()
	}
	banner := make([]byte, 8)
	s.must(old.SetReadDeadline(time.Now().Add(5 * time.Millisecond)))
	if n, err := old.Read(banner); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection of before: %q, %v", banner[:n], err)
	}
	if x := s.ring(m); !x.Healthy {
		t.Errorf("a ring of one needs no network: %+v", x)
	}
	s.must(m.Reconnect())
	s.must(old.SetReadDeadline(time.Now().Add(testLimit)))
	if _, err := old.Read(banner); err != nil || string(banner) != "SSH-2.0-" {
		t.Errorf("after it is back: %q, %v", banner, err)
	}
	s.wantReady(m, http.StatusOK)

	s.must(n.CutOff())
	s.wantNode(m, "n1", corev1.ConditionUnknown)
	s.must(n.Reconnect())
	s.wantNode(m, "n1", corev1.ConditionTrue)
}

// joined is a node that is ready.
func (s *site) joined(m *Guest, name string) *Guest {
	s.t.Helper()
	_, err := s.client(m).Secrets("kube-system").Create(context.Background(), joinSecret(), metav1.CreateOptions{})
	s.must(err)
	n := s.node(m, name)
	s.reaches(n, scripts.PhaseRunning)
	return n
}

func (s *site) wantNode(m *Guest, name string, want corev1.ConditionStatus) {
	s.t.Helper()
	n, err := s.client(m).Nodes().Get(context.Background(), name, metav1.GetOptions{})
	s.must(err)
	if got := n.Status.Conditions[0].Status; got != want {
		s.t.Errorf("node %s is %s, want %s", name, got, want)
	}
}

func TestBootDiskLost(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	s.must(m.LoseBootDisk())
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		if _, err := m.Dial(ctx, 22); !os.IsTimeout(err) || m.Ready() || !strings.Contains(string(m.Serial(0)), noBoot) {
			t.Errorf("without a boot disk: %v, ready is %t, console:\n%s", err, m.Ready(), m.Serial(0))
		}
		cancel()
		m = s.power(m)
	}
	s.must(DeleteDisk(s.path("boot-kubernetes-master")))
	m = s.power(m)
	s.reaches(m, scripts.PhaseRunning)
}

func TestDataDiskLost(t *testing.T) {
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	s.must(m.MarkDisk("local/other"))
	m = s.power(m)
	s.reaches(m, "failed: mounting the disk: the disk master-pd belongs to cluster local/other, not to local/kubernetes")
	s.must(m.MarkDisk("local/kubernetes"))
	m = s.power(m)
	s.reaches(m, scripts.PhaseRunning)

	s.must(m.LoseDataDisk())
	s.wantReady(m, http.StatusInternalServerError)
	d := s.metadata("kubernetes-master", scripts.RoleMaster)
	m.Stop()
	m, err := s.w.Start(Machine{Name: d.Name, Metadata: d, Boot: s.path("boot-" + d.Name), Disks: map[string]string{"master-pd": s.path("pd")}})
	s.must(err)
	s.reaches(m, "failed: mounting the disk: the disk master-pd is attached: not after 60 s")
	m = s.power(m) // with an empty one, which is another cluster
	s.reaches(m, scripts.PhaseRunning)
}

// TestPartition: a side with more than half of the voters goes on under a leader
// of its own, the others wait, and nobody changes who is in the ring through them.
func TestPartition(t *testing.T) {
	b := newBench(t, Options{}, "a", "b", "c")
	a, c := b.m["a"], b.m["c"]
	old := b.id("c")
	b.want(a.ring.live[a.ring.leader].lead(old), nil)
	b.want(put(a, "k", "1"), nil)
	b.want(b.w.Partition(ringMain, []string{"c"}), nil)
	if a.ring.leads(a.side) == old || a.ring.leads(a.side) == 0 || c.status().Leader != "" || c.status().Error == "" || a.status().Leader == "" {
		t.Errorf("a says %+v, c alone %+v", a.status(), c.status())
	}
	b.want(put(a, "k", "2"), nil)
	b.want(put(c, "k", "lost"), errNoQuorum)
	b.want(c.addLearner(peer("x")), errUnhealthy)
	b.want(b.w.remove(c, a.data.ID), errNoQuorum) // for c, a is one that is down
	b.want(a.addLearner(peer("x")), errUnhealthy)
	b.want(a.ring.live[a.ring.leader].lead(old), errTransferTimeout)
	b.want(b.w.remove(a, b.id("b")), errUnhealthy)
	if s, err := c.serve(); err != nil || string(s.Keys["k"].Value) != "1" {
		t.Errorf("c alone remembers %+v, %v", s, err)
	}
	b.want(b.w.Partition(ringMain), nil)
	if s, err := c.read(); err != nil || string(s.Keys["k"].Value) != "2" {
		t.Errorf("c with the others: %+v, %v", s, err)
	}

	b.want(b.w.Partition(ringMain, []string{"a"}, []string{"b"}, []string{"c"}), nil)
	for _, m := range b.m {
		b.want(put(m, "k", "lost"), errNoQuorum)
	}
	b.want(b.w.Partition(ringEvents, []string{"a"}), nil)
	b.want(b.w.Partition(ringMain), nil)
	b.want(put(a, "k", "3"), nil)

	// One that was removed while it was cut off learns so when it meets the others,
	// also if it has been started again in between.
	b.want(b.w.Partition(ringMain, []string{"c"}), nil)
	b.want(b.w.remove(a, old), nil)
	b.stop("c")
	b.start("c")
	b.want(put(b.m["c"], "k", "lost"), errNoQuorum)
	b.want(b.w.Partition(ringMain), nil)
	b.want(b.starts("c"), errRemoved)
	b.want(put(a, "k", "4"), nil)
}

// TestLearnerCutOff: a learner that nobody reaches gets its vote if it had caught
// up when it was last heard of, as one that died.
func TestLearnerCutOff(t *testing.T) {
	b := newBench(t, Options{}, "a")
	a := b.m["a"]
	b.want(a.addLearner(peer("b")), nil)
	b.told("b", "a", "b")
	b.want(b.w.Partition(ringMain, []string{"b"}), nil)
	b.want(b.starts("b"), errNoPeer)
	b.want(b.w.Partition(ringMain), nil)
	b.start("b")
	b.want(b.w.Partition(ringMain, []string{"b"}), nil)
	for i := range 40 {
		b.want(put(a, "k", fmt.Sprint(i)), nil)
	}
	b.want(a.promote(b.id("b")), errNotReady)
	b.want(b.w.Partition(ringMain), nil)
	b.want(b.w.Partition(ringMain, []string{"b"}), nil)
	b.want(a.promote(b.id("b")), nil)
	b.want(put(a, "k", "lost"), errNoQuorum)
	b.want(b.w.Partition(ringMain), nil)
	b.want(put(a, "k", "1"), nil)
}
