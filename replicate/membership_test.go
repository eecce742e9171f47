package replicate_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/replicate"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

const vip = "198.51.100.7"

// copyKeys brings keys from one master to another, which is to be one.
func copyKeys(ctx context.Context, r *replicate.Runner, from, to replicate.Host) error {
	keys, err := replicate.ReadKeys(ctx, r, from)
	if err != nil {
		return err
	}
	return replicate.WriteKeys(ctx, r, keys, to)
}

// masters are model machines of one cluster and a way to run scripts on them.
type masters struct {
	t      tester
	w      *etcdtest.World
	dir    string
	signer ssh.Signer
	runner *replicate.Runner
	guests map[string]*etcdtest.Guest
}

func newMasters(t *testing.T) *masters { return newMastersIn(t, t.TempDir()) }

// A tester is a test, or one history of many.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Cleanup(f func())
}

func newMastersIn(t tester, dir string, more ...func(*etcdtest.Options)) *masters {
	t.Helper()
	var opts etcdtest.Options
	for _, f := range more {
		f(&opts)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m := &masters{t: t, w: etcdtest.NewWorld(opts), dir: dir, signer: signer, guests: map[string]*etcdtest.Guest{}}
	m.runner = replicate.NewRunner(replicate.Options{Signer: signer, Dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		name, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		return m.guests[name].Dial(ctx, 22)
	}})
	t.Cleanup(func() {
		_ = m.runner.Close() // its machines end as well
		if err := m.w.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// boot starts a machine until it has reached a phase.
func (m *masters) boot(name, how, phase string) replicate.Host {
	m.t.Helper()
	h := m.power(name, how)
	m.reaches(name, phase)
	return h
}

// again is a new process: same disks, nothing else.
func (m *masters) again() {
	m.t.Helper()
	if err := m.w.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.w, m.guests = etcdtest.NewWorld(etcdtest.Options{}), map[string]*etcdtest.Guest{}
}

func (m *masters) reaches(name, phase string) {
	m.t.Helper()
	g := m.guests[name]
	for deadline := time.Now().Add(time.Minute); !strings.HasPrefix(g.Phase(), phase); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			m.t.Fatalf("%s: phase %q, want %q", name, g.Phase(), phase)
		}
	}
}

// power starts a machine, which was stopped or is.
func (m *masters) power(name, how string) replicate.Host {
	m.t.Helper()
	md := &etcdtest.Metadata{Project: "local", Zone: "europe-west1-b", Name: name, Address: netip.MustParseAddr("10.40.0.2"), Aliases: []string{"10.64.0.0/24"}}
	for k, v := range map[string]string{
		scripts.KeyStartupScript: scripts.Startup(), scripts.KeyRole: scripts.RoleMaster, scripts.KeyAddress: vip, scripts.KeyStart: how,
		scripts.KeyCluster: "local/kubernetes", scripts.KeyClusterName: "kubernetes", scripts.KeyPodRange: "10.64.0.0/14",
		scripts.KeyDNSIP: "10.0.0.10", scripts.KeyServiceRange: "10.0.0.0/16", scripts.KeyKubeVersion: "v1.36.3",
		scripts.KeySSHKeys: "jane:" + string(ssh.MarshalAuthorizedKey(m.signer.PublicKey())),
	} {
		md.Set(k, v)
	}
	boot, data := filepath.Join(m.dir, name+"-boot"), filepath.Join(m.dir, name+"-pd")
	for _, d := range []string{boot, data} {
		if err := etcdtest.CreateDisk(d); err != nil {
			m.t.Fatal(err)
		}
	}
	if g := m.guests[name]; g != nil {
		g.Stop()
	}
	g, err := m.w.Start(etcdtest.Machine{Name: name, Metadata: md, Boot: boot, Disks: map[string]string{"master-pd": data}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.guests[name] = g
	return replicate.Host{Name: name, Address: name + ":22", User: "jane", HostKeys: []ssh.PublicKey{g.HostKey()}}
}

func url(ring, name string) string {
	return replicate.PeerURL(ring, name, "europe-west1-b", "local")
}

var both = []string{replicate.RingMain, replicate.RingEvents}

// join makes a prepared machine a master, through another one.
func (m *masters) join(via, on replicate.Host) {
	m.t.Helper()
	ctx := context.Background()
	must := func(err error) {
		m.t.Helper()
		if err != nil {
			m.t.Fatal(err)
		}
	}
	must(copyKeys(ctx, m.runner, via, on))
	for _, ring := range both {
		id, err := replicate.AddLearner(ctx, m.runner, via, ring, url(ring, on.Name))
		must(err)
		again, err := replicate.AddLearner(ctx, m.runner, via, ring, url(ring, on.Name))
		if must(err); again != id {
			m.t.Errorf("added twice: %s and %s", id, again)
		}
		if err := replicate.Promote(ctx, m.runner, via, ring, url(ring, on.Name)); !errors.Is(err, replicate.ErrNotInSync) {
			m.t.Errorf("promoting one that has not started: %v", err)
		}
		rings, err := replicate.Rings(ctx, m.runner, via)
		must(err)
		must(replicate.StartMember(ctx, m.runner, on, ring, rings[ring], url(ring, on.Name), on.Name))
		own, err := replicate.Rings(ctx, m.runner, on)
		must(err)
		if x := own[ring]; x.ID != id || !x.Learner || x.Healthy || x.Index == 0 {
			m.t.Errorf("the learner says of itself: %+v", x)
		}
	}
	for _, ring := range both {
		must(replicate.Promote(ctx, m.runner, via, ring, url(ring, on.Name)))
		must(replicate.Promote(ctx, m.runner, via, ring, url(ring, on.Name)))
	}
	must(replicate.JoinControlPlane(ctx, m.runner, on))
}

// voters are the names in a ring as a master sees it.
func (m *masters) voters(h replicate.Host, ring string) (names []string) {
	m.t.Helper()
	rings, err := replicate.Rings(context.Background(), m.runner, h)
	if err != nil {
		m.t.Fatal(err)
	}
	if !rings[ring].Healthy {
		m.t.Errorf("ring %s: %s", ring, rings[ring].Error)
	}
	for _, x := range rings[ring].Members {
		names = append(names, x.Name)
	}
	slices.Sort(names)
	return names
}

// TestMembership goes from one to three and back, with a reboot on the way, and
// lets the first leave.
func TestMembership(t *testing.T) {
	m := newMasters(t)
	ctx := context.Background()
	a := m.boot("a", scripts.StartFound, scripts.PhaseRunning)
	b := m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	m.join(a, b)
	b = m.boot("b", scripts.StartJoin, scripts.PhaseRunning) // its disk knows what it is
	c := m.boot("c", scripts.StartJoin, scripts.PhasePrepared)
	m.join(b, c)
	for _, ring := range both {
		for _, h := range []replicate.Host{a, b, c} {
			if got := m.voters(h, ring); !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("ring %s on %s is %v", ring, h.Name, got)
			}
		}
	}
	for _, gone := range []replicate.Host{a, b} {
		if err := replicate.Retire(ctx, m.runner, gone, 0); err != nil {
			t.Fatal(err)
		}
		for _, ring := range both {
			for range 2 {
				if err := replicate.Remove(ctx, m.runner, c, ring, url(ring, gone.Name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, ring := range both {
		if got := m.voters(c, ring); !slices.Equal(got, []string{"c"}) {
			t.Errorf("ring %s at the end is %v", ring, got)
		}
	}
	if _, err := m.guests["a"].Dial(ctx, 443); err == nil {
		t.Error("the API server of one that left answers")
	}
}

// TestMembershipRefused: etcd's own no, in words and as errors to wait for.
func TestMembershipRefused(t *testing.T) {
	m := newMasters(t)
	ctx := context.Background()
	a := m.boot("a", scripts.StartFound, scripts.PhaseRunning)
	b := m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	if _, err := replicate.AddLearner(ctx, m.runner, a, "main", url("main", "x")); err != nil {
		t.Fatal(err)
	}
	if _, err := replicate.AddLearner(ctx, m.runner, a, "main", url("main", "b")); !errors.Is(err, replicate.ErrTooManyLearners) {
		t.Errorf("a second learner: %v", err)
	}
	if err := replicate.Remove(ctx, m.runner, a, "main", url("main", "x")); err != nil {
		t.Fatal(err)
	}
	m.join(a, b)
	m.guests["b"].Stop() // quorum is two, one is left
	for what, err := range map[string]error{
		"adding":   func() error { _, err := replicate.AddLearner(ctx, m.runner, a, "main", url("main", "c")); return err }(),
		"removing": replicate.Remove(ctx, m.runner, a, "main", url("main", "b")),
	} {
		var e *replicate.EtcdError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s without quorum: %v", what, err)
		}
	}
	m.boot("b", scripts.StartJoin, scripts.PhaseRunning)
	for _, ring := range both {
		if got := m.voters(a, ring); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("ring %s after b is back: %v", ring, got)
		}
	}
}

// TestRejoin: what a first attempt left on a disk that was taken out again does
// not keep the next one from joining.
func TestRejoin(t *testing.T) {
	m := newMasters(t)
	ctx := context.Background()
	a := m.boot("a", scripts.StartFound, scripts.PhaseRunning)
	b := m.boot("b", scripts.StartJoin, scripts.PhasePrepared)
	if err := copyKeys(ctx, m.runner, a, b); err != nil {
		t.Fatal(err)
	}
	for _, ring := range both {
		if _, err := replicate.AddLearner(ctx, m.runner, a, ring, url(ring, "b")); err != nil {
			t.Fatal(err)
		}
		rings, err := replicate.Rings(ctx, m.runner, a)
		if err == nil {
			err = replicate.StartMember(ctx, m.runner, b, ring, rings[ring], url(ring, "b"), "b")
		}
		if err == nil {
			err = replicate.Remove(ctx, m.runner, a, ring, url(ring, "b"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	m.join(a, b)
}

func TestPeerURL(t *testing.T) {
	for project, want := range map[string]string{
		"web":             "https://m.europe-west1-b.c.web.internal:2381",
		"example.com:web": "https://m.europe-west1-b.c.web.example.com.internal:2381",
	} {
		if got := replicate.PeerURL(replicate.RingEvents, "m", "europe-west1-b", project); got != want {
			t.Errorf("%s: %s, want %s", project, got, want)
		}
	}
}

// TestKeysOfAFounder: a master that is founding its cluster has no keys to give, which whoever
// asks is told: taken for one without any, an exchange would make others on the next master.
func TestKeysOfAFounder(t *testing.T) {
	ctx, through := t.Context(), make(chan struct{})
	m := newMastersIn(t, t.TempDir(), func(o *etcdtest.Options) { o.Founding = func(string) { <-through } })
	a := m.power("a", scripts.StartFound)
	end := time.Now().Add(time.Minute)
	for {
		_, err := replicate.ReadKeys(ctx, m.runner, a)
		if errors.Is(err, replicate.ErrFounding) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("it never says that it founds the cluster: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for name, err := range map[string]error{
		"token key":         replicate.ExchangeTokenKey(ctx, m.runner, &a, a, replicate.TokenKeyTrusted, "7"),
		"encryption key":    replicate.ExchangeKey(ctx, m.runner, &a, a, replicate.KeyBehind, "7"),
		"authority":         replicate.ExchangeAuthority(ctx, m.runner, &a, a, replicate.TokenKeyTrusted, "7"),
		"authority of etcd": replicate.ExchangeEtcdAuthority(ctx, m.runner, &a, a, replicate.TokenKeyTrusted, "7", false),
	} {
		if !errors.Is(err, replicate.ErrFounding) {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(through)
	m.reaches("a", scripts.PhaseRunning)
	if _, err := replicate.ReadKeys(ctx, m.runner, a); err != nil {
		t.Error(err)
	}
}
