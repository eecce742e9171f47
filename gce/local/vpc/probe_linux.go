package vpc

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"hakube/gce/emulator"
	"hakube/gce/local/vpc/ruleset"
)

// A probe asks one backend of one balancer, time and again, from one of Google's
// ranges after the other.
type probe struct {
	probed
	check emulator.HealthCheck
	from  []netip.Addr
	asked int
	end   context.CancelFunc
}

// probed is which backend of which balancer.
type probed struct {
	of ruleset.BalancerID
	at netip.Addr
}

// syncProbes probes each member of the balancers and nobody else. A verdict
// outlives a change of the check.
func (v *VPC) syncProbes(pools []ruleset.Pool) {
	v.health.Lock()
	defer v.health.Unlock()
	wanted, from := map[probed]emulator.HealthCheck{}, map[ruleset.BalancerID][]netip.Addr{}
	for _, p := range pools {
		if p.Check.Protocol == "" {
			continue
		}
		for _, a := range p.Members {
			wanted[probed{ruleset.IDOf(p.Balancer), a}] = ruleset.WithDefaults(p.Check)
			from[ruleset.IDOf(p.Balancer)] = ruleset.Probers(p.Network != "")
		}
	}
	for who, p := range v.probes {
		if check, ok := wanted[who]; !ok || check != p.check {
			p.end()
			delete(v.probes, who)
		}
	}
	for who := range v.verdicts {
		if _, ok := wanted[who]; !ok {
			delete(v.verdicts, who)
		}
	}
	for who, check := range wanted {
		if v.probes[who] != nil {
			continue
		}
		ctx, end := context.WithCancel(context.Background())
		p := &probe{probed: who, check: check, from: from[who.of], end: end}
		v.probes[who] = p
		v.running.Go(func() { v.run(ctx, p) })
	}
}

// run probes until ctx ends, at once and then every interval.
func (v *VPC) run(ctx context.Context, p *probe) {
	defer p.end()
	tick := time.NewTicker(p.check.Interval)
	defer tick.Stop()
	for {
		ok := v.ask(ctx, p) == nil
		if v.note(ctx, p, ok) && p.of.Address.IsValid() {
			v.refresh() // the rules of balancers go by it
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note adds a result to the verdict, and tells whether the rules need a look.
func (v *VPC) note(ctx context.Context, p *probe, ok bool) bool {
	v.health.Lock()
	defer v.health.Unlock()
	if ctx.Err() != nil {
		return false // somebody else's business by now
	}
	now := v.verdicts[p.probed]
	changed := now.Add(ok, p.check)
	v.verdicts[p.probed] = now
	return changed || v.failed != nil
}

func (v *VPC) isHealthy(of ruleset.BalancerID, at netip.Addr) bool {
	v.health.Lock()
	defer v.health.Unlock()
	return v.verdicts[probed{of, at}].Healthy
}

// ask sends one probe, as Google does to the balancer's address on that
// machine, or to its own where there is no balancer, and returns nil for a good answer.
func (v *VPC) ask(ctx context.Context, p *probe) error {
	ctx, cancel := context.WithTimeout(ctx, p.check.Timeout)
	defer cancel()
	from := p.from[p.asked%len(p.from)]
	p.asked++
	to := p.of.Address
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
	if !to.IsValid() {
		to = p.at // where its route leads
	} else {
		dialer.Control = func(_, _ string, c syscall.RawConn) (err error) {
			// The mark leads to this machine, as it does for connections.
			outer := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(int32(ruleset.Mark(p.at))))
			})
			if outer != nil {
				return outer
			}
			return err
		}
	}
	var conn net.Conn
	err := within(v.ns, func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp4", net.JoinHostPort(to.String(), strconv.Itoa(p.check.Port)))
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the answer is all we want
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // fails for closed connections only
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	host := cmp.Or(p.check.Host, ruleset.Unmapped(to).String())
	switch strings.ToUpper(p.check.Protocol) {
	case "HTTP":
		return get(conn, p.check.Path, host)
	case "HTTPS":
		// As on Google no certificate is verified: it is not about trust.
		return get(tls.Client(conn, &tls.Config{InsecureSkipVerify: true}), p.check.Path, host) //nolint:gosec
	}
	return nil // TCP: connected is enough
}

// badStatus is an answer other than 200, the only good one (of redirects too).
type badStatus int

func (s badStatus) Error() string { return "status " + strconv.Itoa(int(s)) }

func get(conn net.Conn, path, host string) error {
	r, err := http.NewRequest(http.MethodGet, "http://balancer"+path, nil)
	if err != nil {
		return err
	}
	r.Close, r.Host = true, host
	r.Header.Set("User-Agent", "GoogleHC/1.0")
	if err := r.Write(conn); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return badStatus(answer.StatusCode)
	}
	return nil
}

// Health is what the probes of b have found, by the backends' internal
// addresses; a backend that is not in it was not probed yet. The error is why
// the last change of health could not be put into effect.
func (v *VPC) Health(b emulator.Balancer) (map[netip.Addr]bool, error) {
	if p := v.plain.Load(); p != nil {
		b = p.Mappings.Balancer(b)
	}
	v.health.Lock()
	defer v.health.Unlock()
	out := map[netip.Addr]bool{}
	for who, found := range v.verdicts {
		if who.of == ruleset.IDOf(b) && found.Probed {
			out[ruleset.Unmapped(who.at)] = found.Healthy
		}
	}
	return out, v.failed
}
