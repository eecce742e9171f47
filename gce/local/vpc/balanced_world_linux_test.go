package vpc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
	"hakube/gce/local/vpc/vpctest"
)

// A balancedWorld has three backends a, b and c behind vip, c without external
// address, and two clients. Each backend says at port 443 who it is, and at
// 8080 whether it is well.
type balancedWorld struct {
	*world
	n                   emulator.Network
	a, b, c, d, outcast *emulator.Machine
	well                map[*emulator.Machine]*atomic.Bool
}

func newBalancedWorld(t *testing.T) *balancedWorld {
	w := &balancedWorld{world: newWorld(t), well: map[*emulator.Machine]*atomic.Bool{}}
	https := vpctest.Allow("https", "198.18.0.0/15 192.88.99.0/24 198.51.100.0/24", "tcp:443", "udp:443")
	https.TargetTags = []string{"master"}
	health := vpctest.Allow("health", "35.191.0.0/16 209.85.152.0/22 209.85.204.0/22", "tcp")
	health.TargetTags = []string{"master"}
	w.n = emulator.Network{
		Machines: []emulator.Machine{
			vpctest.Machine(1, "a", "10.40.0.2", vpctest.Tags("master"), vpctest.External("198.51.100.241"), vpctest.Alias("10.64.1.0/24")),
			vpctest.Machine(2, "b", "10.40.0.3", vpctest.Tags("master"), vpctest.External("198.51.100.242")),
			vpctest.Machine(3, "c", "10.40.0.4", vpctest.Tags("master")),
			vpctest.Machine(4, "d", "10.40.0.5", vpctest.External("198.51.100.244"), vpctest.On("p", "second")),
			vpctest.Machine(5, "outcast", "10.40.0.6"),
		},
		Firewalls: []emulator.Firewall{https, health},
		Balancers: []emulator.Balancer{vpctest.Balancer("masters", vpctest.VIP, "10.40.0.2", "10.40.0.3", "10.40.0.4")},
	}
	w.a, w.b, w.c, w.d, w.outcast = &w.n.Machines[0], &w.n.Machines[1], &w.n.Machines[2], &w.n.Machines[3], &w.n.Machines[4]
	w.n.Balancers[0].Check = emulator.HealthCheck{
		Protocol: "HTTP", Port: 8080, Path: "/readyz", Interval: 20 * time.Millisecond, Timeout: time.Second, Healthy: 1, Unhealthy: 2,
	}
	for _, m := range w.n.Machines {
		if _, err := w.Machine(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*emulator.Machine{w.a, w.b, w.c} {
		if err := w.inside(m, func() error { return addLocal(vpctest.VIP) }); err != nil {
			t.Fatal(err)
		}
		w.introduce(m, ":443")
		w.well[m] = &atomic.Bool{}
		w.well[m].Store(true)
		w.readyz(m, ":8080", false)
	}
	w.sync(w.n)
	w.wantHealth("a b c")
	return w
}

func (w *balancedWorld) listen(m *emulator.Machine, addr string) (l net.Listener) {
	w.Helper()
	err := w.inside(m, func() (err error) {
		l, err = transparent.Listen(w.Context(), "tcp4", addr)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// transparent listeners may answer from an address that is local for what
// comes in only, see asOutsider.
var transparent = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
	outer := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_TRANSPARENT, 1) })
	return errors.Join(outer, err)
}}

// introduce answers each connection with "<m> <caller>" and then repeats.
func (w *balancedWorld) introduce(m *emulator.Machine, addr string) net.Listener {
	w.Helper()
	l, done := w.listen(m, addr), make(chan struct{})
	w.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				_, _ = fmt.Fprintln(c, m.Name, host)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l
}

// readyz answers 200 as long as m is well; what is asked elsewhere is not found.
func (w *balancedWorld) readyz(m *emulator.Machine, addr string, secure bool) {
	w.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		from, _ := netip.ParseAddrPort(r.RemoteAddr)
		switch {
		case r.URL.Path != "/readyz" || !slices.Contains(ruleset.Probers(false), from.Addr()) || r.Host != vpctest.VIP.String():
			http.NotFound(rw, r)
		case !w.well[m].Load():
			rw.WriteHeader(http.StatusInternalServerError)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // some probes are wrong on purpose
	_ = s.Listener.Close()
	s.Listener = w.listen(m, addr)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	w.Cleanup(s.Close)
}

// until waits for what must become so.
func (w *balancedWorld) until(what string, is func() bool) {
	w.Helper()
	deadline := time.Now().Add(late)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		if time.Now().After(deadline) {
			w.Fatalf("%s: not within %v", what, late)
		}
		<-tick.C
	}
}

// wantHealth waits until the probes have found the machines named well and the
// others unwell, and the rules go by it.
func (w *balancedWorld) wantHealth(names string) {
	w.Helper()
	w.until("healthy: "+names, func() bool {
		found, err := w.Health(w.n.Balancers[0])
		if err != nil {
			w.Fatal(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		got, inEffect := "", ""
		for _, m := range []*emulator.Machine{w.a, w.b, w.c} {
			well, probed := found[m.NIC.Address]
			if !probed {
				return false
			}
			if well {
				got += " " + m.Name
			}
			if slices.Contains(w.behind[0].Healthy, m.NIC.Address) {
				inEffect += " " + m.Name
			}
		}
		return got == inEffect && (got == "" && names == "" || got == " "+names)
	})
}

// A call is an open connection to vip.
type call struct {
	net.Conn
	*bufio.Reader
	by, as string // who answered, as whom the caller was seen
}

func (c call) works(wait time.Duration) bool { return echoes(c.Conn, c.Reader, wait) }

// Write and Read are the connection's.
func (c call) Write(b []byte) (int, error) { return c.Conn.Write(b) }
func (c call) Read(b []byte) (int, error)  { return c.Reader.Read(b) }

func (w *balancedWorld) try(m *emulator.Machine, wait time.Duration) (call, error) {
	conn, err := w.dial(m, "", netip.AddrPortFrom(vpctest.VIP, 443).String(), wait)
	if err != nil {
		return call{}, err
	}
	c := call{Conn: conn, Reader: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(wait))
	_, err = fmt.Fscan(c.Reader, &c.by, &c.as)
	return c, err
}

func (w *balancedWorld) call(m *emulator.Machine) call {
	w.Helper()
	c, err := w.try(m, late)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// spread calls n times and tells how often each was reached.
func (w *balancedWorld) spread(m *emulator.Machine, n int) map[string]int {
	w.Helper()
	got := map[string]int{}
	for range n {
		c := w.call(m)
		got[c.by]++
		_ = c.Close()
	}
	return got
}

// oneEach opens connections until each backend has one.
func (w *balancedWorld) oneEach(names ...string) map[string]call {
	w.Helper()
	got := map[string]call{}
	for len(got) < len(names) {
		c := w.call(nil)
		if _, ok := got[c.by]; ok || !slices.Contains(names, c.by) {
			_ = c.Close()
			continue
		}
		got[c.by] = c
	}
	return got
}

// wantSpread states who gets new connections: each of these, and no other.
func (w *balancedWorld) wantSpread(m *emulator.Machine, names ...string) {
	w.Helper()
	got := w.spread(m, 40)
	if len(got) != len(names) || slices.ContainsFunc(names, func(n string) bool { return got[n] == 0 }) {
		w.Errorf("new connections went to %v, want %v", got, names)
	}
}

// asOutsider gives m the address for what comes in only, so that its own calls
// leave it: as without the guest agent, but with somebody who answers.
func (w *balancedWorld) asOutsider(m *emulator.Machine) {
	w.Helper()
	err := w.inside(m, func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		r := netlink.NewRule()
		r.IifName, r.Table, r.Priority = "eth0", 100, 10
		return errors.Join(
			netlink.AddrDel(lo, &netlink.Addr{IPNet: ipNet(ruleset.One(vpctest.VIP))}),
			netlink.RuleAdd(r),
			netlink.RouteAdd(&netlink.Route{LinkIndex: lo.Attrs().Index, Dst: ipNet(ruleset.One(vpctest.VIP)), Type: unix.RTN_LOCAL, Table: 100, Scope: netlink.SCOPE_HOST}))
	})
	if err != nil {
		w.Fatal(err)
	}
}

// flows counts remembered connections to vip, by the machine they are with.
func (w *balancedWorld) flows() map[string]int {
	w.Helper()
	all, err := again(func() ([]*netlink.ConntrackFlow, error) {
		return w.in.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
	})
	if err != nil {
		w.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range all {
		if addrOf(f.Forward.DstIP) == vpctest.VIP {
			got[addrOf(f.Reverse.SrcIP).String()+" mark "+strconv.FormatUint(uint64(f.Mark), 16)]++
		}
	}
	return got
}
