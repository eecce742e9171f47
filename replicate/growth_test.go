package replicate_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"

	"hakube/replicate"
	"hakube/scripts"
)

// api is the API server of one master, whatever the balancer thinks of it.
func (m *masters) api(h replicate.Host) corev1client.CoreV1Interface {
	m.t.Helper()
	conf, err := m.runner.Run(context.Background(), h, scripts.AdminKubeconfig)
	m.must(err)
	c, err := clientcmd.RESTConfigFromKubeConfig(conf)
	m.must(err)
	c.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { return m.guests[h.Name].Dial(ctx, 443) }
	c.QPS = -1
	client, err := corev1client.NewForConfig(c)
	m.must(err)
	return client
}

func (m *masters) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// keeps writes an object through one master and reads it through another.
func (m *masters) keeps(name string, write, read replicate.Host) {
	m.t.Helper()
	ctx := context.Background()
	_, err := m.api(write).ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	m.must(err)
	_, err = m.api(read).ConfigMaps("default").Get(ctx, name, metav1.GetOptions{})
	m.must(err)
}

// ready are the masters whose Node is Ready as one of them sees it.
func (m *masters) ready(as replicate.Host) (names []string) {
	m.t.Helper()
	all, err := m.api(as).Nodes().List(context.Background(), metav1.ListOptions{LabelSelector: "node-role.kubernetes.io/control-plane"})
	m.must(err)
	for _, n := range all.Items {
		if n.Status.Conditions[0].Status == corev1.ConditionTrue {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (m *masters) wantReady(as replicate.Host, want ...string) {
	m.t.Helper()
	if got := m.ready(as); !slices.Equal(got, want) {
		m.t.Errorf("%s says %v are Ready, want %v", as.Name, got, want)
	}
}

// TestGrowthOverRestarts goes 1→2→3→2→1. The process ends in the middle of each
// step, a master fails, and the first leaves before the others.
func TestGrowthOverRestarts(t *testing.T) {
	m := newMasters(t)
	ctx := context.Background()
	a := m.boot("a", scripts.StartFound, scripts.PhaseRunning)
	m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	b := m.boot("b", scripts.StartJoin, scripts.PhasePrepared) // again, with nothing yet
	m.join(a, b)
	m.keeps("two", b, a)
	m.wantReady(a, "a", "b")

	m.again()
	a, b = m.power("a", scripts.StartFound), m.power("b", scripts.StartJoin) // neither has quorum alone
	m.reaches("a", scripts.PhaseRunning)
	m.reaches("b", scripts.PhaseRunning)
	m.keeps("after", a, b)

	// c is a learner of one ring when all stops.
	c := m.boot("c", scripts.StartJoin, scripts.PhasePrepared)
	m.must(copyKeys(ctx, m.runner, b, c))
	m.enlist(b, c, replicate.RingMain)
	m.again()
	a, b, c = m.power("a", scripts.StartFound), m.power("b", scripts.StartJoin), m.power("c", scripts.StartJoin)
	m.reaches("b", scripts.PhaseRunning)
	m.reaches("c", scripts.PhasePrepared)
	own, err := replicate.Rings(ctx, m.runner, c)
	m.must(err)
	if x := own[replicate.RingMain]; x.ID == "" || !x.Learner {
		t.Errorf("the learner after the boot: %+v", x)
	}
	if _, err := m.guests["c"].Dial(ctx, 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the API server of one that has not joined: %v", err)
	}
	m.enlist(b, c, replicate.RingEvents)
	for _, ring := range both {
		m.must(replicate.Promote(ctx, m.runner, a, ring, url(ring, "c")))
	}
	m.must(replicate.JoinControlPlane(ctx, m.runner, c))
	m.must(replicate.JoinControlPlane(ctx, m.runner, c)) // its answer was lost
	m.keeps("three", c, a)
	m.wantReady(a, "a", "b", "c")

	m.guests["b"].Stop()
	m.wantReady(c, "a", "c")
	m.keeps("without-b", c, a)
	if _, err := replicate.AddLearner(ctx, m.runner, a, "main", url("main", "d")); !errors.Is(err, replicate.ErrUnhealthy) {
		t.Errorf("adding while b is down: %v", err)
	}
	if err := replicate.Remove(ctx, m.runner, a, "main", url("main", "c")); !errors.Is(err, replicate.ErrUnhealthy) {
		t.Errorf("removing a live one while b is down: %v", err)
	}
	b = m.boot("b", scripts.StartJoin, scripts.PhaseRunning)
	m.wantReady(b, "a", "b", "c")
	_, err = m.api(b).ConfigMaps("default").Get(ctx, "without-b", metav1.GetOptions{})
	m.must(err)

	m.leave(a, c)
	m.wantReady(b, "b", "c")
	m.power("a", scripts.StartFound)
	m.reaches("a", scripts.PhaseFailed)
	if console := string(m.guests["a"].Serial(0)); !strings.Contains(console, "permanently removed") {
		t.Errorf("the console of one that was removed:\n%s", console)
	}
	m.guests["a"].Stop()
	m.again()
	b, c = m.power("b", scripts.StartJoin), m.power("c", scripts.StartJoin)
	m.reaches("c", scripts.PhaseRunning)
	m.reaches("b", scripts.PhaseRunning)
	m.leave(b, c)
	m.guests["b"].Stop()
	m.again()
	c = m.boot("c", scripts.StartJoin, scripts.PhaseRunning)
	m.wantReady(c, "c")
	for _, name := range []string{"two", "after", "three", "without-b"} {
		_, err := m.api(c).ConfigMaps("default").Get(ctx, name, metav1.GetOptions{})
		m.must(err)
	}
	var no *replicate.EtcdError
	if err := replicate.Remove(ctx, m.runner, c, "main", url("main", "c")); !errors.As(err, &no) || !strings.Contains(no.Text, "not enough started members") {
		t.Errorf("removing the last: %v", err)
	}
}

// enlist makes a machine a learner of one ring that runs.
func (m *masters) enlist(via, on replicate.Host, ring string) {
	m.t.Helper()
	ctx := context.Background()
	_, err := replicate.AddLearner(ctx, m.runner, via, ring, url(ring, on.Name))
	m.must(err)
	rings, err := replicate.Rings(ctx, m.runner, via)
	m.must(err)
	m.must(replicate.StartMember(ctx, m.runner, on, ring, rings[ring], url(ring, on.Name), on.Name))
}

// leave takes a master away through another: its API server ends, also for those
// who have a connection, and the rings go on.
func (m *masters) leave(gone, via replicate.Host) {
	m.t.Helper()
	ctx := context.Background()
	kept := m.api(gone)
	_, err := kept.Nodes().List(ctx, metav1.ListOptions{})
	m.must(err)
	for range 2 {
		m.must(replicate.Retire(ctx, m.runner, gone, time.Second))
	}
	if _, err := kept.Nodes().List(ctx, metav1.ListOptions{}); !errors.Is(err, syscall.ECONNREFUSED) {
		m.t.Errorf("a client with a connection to %s: %v", gone.Name, err)
	}
	for _, ring := range both {
		rings, err := replicate.Rings(ctx, m.runner, gone)
		m.must(err)
		if x := rings[ring]; !x.Healthy || x.Leader == x.ID {
			m.t.Errorf("ring %s on %s that retired: %+v", ring, gone.Name, x)
		}
		m.must(replicate.Remove(ctx, m.runner, via, ring, url(ring, gone.Name)))
	}
	m.keeps("left-"+gone.Name, via, via)
}

// TestStaleList: an etcd that was told of other members than there are ends at
// once, and starts when it is told again.
func TestStaleList(t *testing.T) {
	m := newMasters(t)
	ctx := context.Background()
	a := m.boot("a", scripts.StartFound, scripts.PhaseRunning)
	b := m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	m.must(copyKeys(ctx, m.runner, a, b))
	id, err := replicate.AddLearner(ctx, m.runner, a, "main", url("main", "b"))
	m.must(err)
	stale := replicate.Ring{Members: []replicate.Member{{ID: id, PeerURLs: []string{url("main", "b")}}}}
	m.must(replicate.StartMember(ctx, m.runner, b, "main", stale, url("main", "b"), "b"))
	rings, err := replicate.Rings(ctx, m.runner, b)
	m.must(err)
	if x := rings["main"]; x.ID != "" || x.Error == "" {
		t.Errorf("with a stale list: %+v", x)
	}
	if err := replicate.Promote(ctx, m.runner, a, "main", url("main", "b")); !errors.Is(err, replicate.ErrNotInSync) {
		t.Errorf("promoting it: %v", err)
	}
	if console := string(m.guests["b"].Serial(0)); !strings.Contains(console, "member count is unequal") {
		t.Errorf("the console does not say why:\n%s", console)
	}
	m.enlist(a, b, "main")
	m.must(replicate.Promote(ctx, m.runner, a, "main", url("main", "b")))

	// A learner that was removed does not keep its machine from booting.
	_, err = replicate.AddLearner(ctx, m.runner, a, "events", url("events", "b"))
	m.must(err)
	m.enlist(a, b, "events")
	m.must(replicate.Remove(ctx, m.runner, a, "events", url("events", "b")))
	b = m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	m.enlist(a, b, "events")
	m.must(replicate.Promote(ctx, m.runner, a, "events", url("events", "b")))
	m.must(replicate.JoinControlPlane(ctx, m.runner, b))
	m.wantReady(b, "a", "b")
}
