package etcdtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// A Machine is what a guest boots from.
type Machine struct {
	Name string // for messages
	// Metadata is the machine's metadata server, what a real one has at
	// 169.254.169.254. The guest reads /computeMetadata/v1/?recursive=true and
	// puts guest attributes. See [Metadata] for a small one.
	Metadata http.Handler
	// Boot is the path of the boot disk, see [CreateDisk].
	Boot string
	// Disks are the paths of the others by device name: a master has master-pd.
	Disks map[string]string
	Sizes map[string]int64 // of those, in bytes, if known
}

// A Guest is a machine that was started.
type Guest struct {
	w     *World
	m     Machine
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup // goroutines that act for the machine
	key   ed25519.PrivateKey
	boot  bootDisk
	since string // when it booted, which no other boot of it has

	mu      sync.Mutex
	stopped bool
	conns   map[*conn]struct{}
	console []byte
	phase   string

	// World.mu guards these.
	control  *controlPlane // nil until its members run
	wedged   Wedge
	skew     time.Duration // of its clock
	ends     time.Time     // when its certificates do; zero is as they were made
	caEnds   time.Time     // when its authority does
	quiet    bool          // nobody hears of its kubelet
	founding bool          // its API answers, and it has no keys to give yet
	alone    bool          // the others are gone: its startup-script waits for them no longer
	held     []net.Conn    // that its API server does not look at while it is wedged
}

// newGuest reads the boot disk, and makes who the machine is if it is empty.
func newGuest(w *World, m Machine) (*Guest, error) {
	b, err := readBootDisk(m.Boot)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", m.Name, err)
	}
	if b.MachineID == "" {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		b.MachineID, b.HostKey = hex.EncodeToString(id[:]), make([]byte, ed25519.SeedSize)
		_, _ = rand.Read(b.HostKey)
		if err := b.write(m.Boot); err != nil {
			return nil, fmt.Errorf("starting %s: %w", m.Name, err)
		}
	}
	if len(b.HostKey) != ed25519.SeedSize {
		return nil, fmt.Errorf("starting %s: the boot disk %s is damaged", m.Name, m.Boot)
	}
	g := &Guest{w: w, m: m, boot: b, stopped: b.Lost, key: ed25519.NewKeyFromSeed(b.HostKey), since: time.Now().UTC().Format(time.RFC3339Nano)}
	g.ctx, g.stop = context.WithCancel(context.Background())
	return g, nil
}

// HostKey is what the machine's sshd identifies itself with.
func (g *Guest) HostKey() ssh.PublicKey {
	k, err := ssh.NewPublicKey(g.key.Public())
	if err != nil {
		panic(err) // an ed25519 key always is one
	}
	return k
}

// Phase is what the machine last reported in hakube/phase.
func (g *Guest) Phase() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.phase
}

// Serial is what the machine printed on its console from byte start on.
func (g *Guest) Serial(start int64) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	if start < 0 || start >= int64(len(g.console)) {
		return nil
	}
	return append([]byte(nil), g.console[start:]...)
}

// say prints a line on the console.
func (g *Guest) say(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	const limit = 1 << 20 // Google keeps as much
	if len(g.console) < limit {
		g.console = fmt.Appendf(g.console, format+"\n", args...)
	}
}

// Plug gives the machine another disk. What runs on it looks for disks at boot only.
func (g *Guest) Plug(device, path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.m.Disks[device] = path
}

// disk is the path of a disk.
func (g *Guest) disk(device string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.m.Disks[device]
}

// Unplug takes a disk from the machine, and reports whether it could: the members of
// a master use its data disk as long as they run.
func (g *Guest) Unplug(device string) bool {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control != nil && device == "master-pd" {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.m.Disks, device)
	return true
}

// Stop ends the machine: its connections break, its etcd members and kubelet
// fall silent, and nothing is written to its disks any more. A machine that is
// stopped can be started again as a new Guest.
func (g *Guest) Stop() {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		g.work.Wait()
		return
	}
	g.stopped = true
	conns := g.conns
	g.conns = nil
	g.mu.Unlock()
	g.stop()
	for c := range conns {
		_ = c.Close()
		c.in.freeze(false)
		c.out.freeze(false)
	}
	g.work.Wait()

	w := g.w
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.guests, g)
	if w.kubelets[g.boot.MachineID].guest == g {
		delete(w.kubelets, g.boot.MachineID)
		w.silent[g.boot.MachineID] = time.Now()
	}
	if g.control != nil {
		g.control.stop(w)
		g.control = nil
	}
	w.happened()
}

// serves tells whether its API server answers. The world's lock is held.
func (g *Guest) serves() bool { return g.control != nil && g.control.serving != nil }

// answers tells whether others get an answer of it. The world's lock is held.
func (g *Guest) answers() bool { return g.serves() && g.wedged != WedgeMute && !g.w.dark[g.m.Name] }

// heard tells whether the cluster hears of its kubelet, which on a master goes by
// its own API server. The world's lock is held.
func (g *Guest) heard() bool {
	return !g.w.dark[g.m.Name] && (g.control == nil || g.answers() && g.control.health() == nil)
}

// ready is Ready. The world's lock is held.
func (g *Guest) ready() bool {
	return g.answers() && g.wedged == WedgeNone && g.control.health() == nil
}

// Ready tells whether its API server would call itself ready.
func (g *Guest) Ready() bool {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	return g.ready()
}

// Answers tells whether its API server answers anybody, ready or not.
func (g *Guest) Answers() bool {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	return g.answers()
}

// drain waits, for some time, until its API server has answered all it was asked.
func (g *Guest) drain(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for g.busy() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// busy tells whether something is asked of its API server, or about to be.
func (g *Guest) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		if c.local == port(443) && !c.idle && (c.asked || time.Since(c.since) < unasked) {
			return true
		}
	}
	return false
}

// unasked is how long a connection counts as one that is about to be asked on. Go's
// client opens some in reserve.
const unasked = 100 * time.Millisecond

// hangUp ends the connections with the API server, each when what was asked on it
// is answered.
func (g *Guest) hangUp() {
	g.mu.Lock()
	var idle []*conn
	for c := range g.conns {
		if c.local == port(443) {
			c.last = true
			if c.idle {
				idle = append(idle, c)
			}
		}
	}
	g.mu.Unlock()
	for _, c := range idle {
		_ = c.Close()
	}
}

// follow is told what the API server does with a connection.
func (c *conn) follow(s http.ConnState) {
	c.guest.mu.Lock()
	c.idle, c.asked = s == http.StateIdle, s == http.StateActive
	end := c.idle && c.last
	c.guest.mu.Unlock()
	if end {
		_ = c.Close()
	}
}

// Dial connects to a TCP port. A port where nothing listens refuses
// (ECONNREFUSED). A machine that is stopped does not answer: Dial then returns
// when ctx ends, with an error that is a timeout, as if packets were dropped.
func (g *Guest) Dial(ctx context.Context, to int) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: port(to), Err: err}
	}
	var serving *tls.Config
	err := g.w.until(ctx, func() (bool, error) {
		if g.control != nil {
			serving = g.control.serving
		}
		return !g.w.dark[g.m.Name], nil
	})
	if err != nil {
		return fail(os.ErrDeadlineExceeded)
	}
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		<-ctx.Done()
		return fail(os.ErrDeadlineExceeded)
	}
	if to != 22 && (to != 443 || serving == nil) {
		g.mu.Unlock()
		return fail(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	near, far := newPipe(port(0), port(to))
	far.guest, far.since = g, time.Now()
	far.closed = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, far)
	}
	if g.conns == nil {
		g.conns = map[*conn]struct{}{}
	}
	g.conns[far] = struct{}{}
	if to == 22 {
		g.work.Go(func() { g.serveSSH(far) })
	}
	g.mu.Unlock()
	if to == 443 {
		g.accept(tls.Server(far, serving))
	}
	return near, nil
}

// accept hands a connection to the API server, which leaves it if it is wedged.
func (g *Guest) accept(c net.Conn) {
	g.w.mu.Lock()
	wedged := g.wedged == WedgeMute
	if wedged {
		g.held = append(g.held, c)
	}
	g.w.mu.Unlock()
	if wedged {
		return
	}
	select {
	case g.w.port <- c:
	case <-g.ctx.Done(): // it is closed by Stop
	}
}
