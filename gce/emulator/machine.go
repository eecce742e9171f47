package emulator

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// machine is an instance as its backend sees it now.
func (s *Server) machine(r ref) (m Machine, ok bool) {
	s.store.view(func(t *tx) {
		if o := t.get(r); o != nil {
			m, ok = machineOf(t, r, o, forwarded(t, r.project())), true
		}
	})
	return m, ok
}

// machineOf is an instance for its host; forwarded is that of its project.
func machineOf(t *tx, r ref, o obj, forwarded map[ref][]netip.Addr) Machine {
	size, _ := machineSize(ref(str(o, "machineType")).name())
	m := Machine{
		MachineKey: MachineKey{Project: r.project(), Zone: r.place(), Name: r.name(), ID: ident(o)},
		Hostname:   hostname(r, o),
		Tags:       stringsOf(sub(o, "tags"), "items"),
		CPUs:       size.cpus, MemoryMB: size.memory,
		CanIPForward: flag(o, "canIpForward"),
		Metadata:     metadataMap(sub(o, "metadata")),
	}
	for _, a := range objects(o, "disks") {
		d := toRef(str(a, "source"))
		m.Disks = append(m.Disks, Attachment{
			Disk: diskOf(d, t.get(d)), Device: str(a, "deviceName"), Boot: flag(a, "boot"), ReadOnly: str(a, "mode") == "READ_ONLY",
		})
	}
	if nics := objects(o, "networkInterfaces"); len(nics) > 0 {
		m.NIC = nicOf(t, nics[0])
		m.NIC.Forwarded = forwarded[r]
	}
	return m
}

func hostname(r ref, o obj) string {
	if h := str(o, "hostname"); h != "" {
		return h
	}
	return r.name() + "." + r.place() + ".c." + r.project() + ".internal"
}

func nicOf(t *tx, o obj) NIC {
	subnet, network := toRef(str(o, "subnetwork")), toRef(str(o, "network"))
	n := NIC{Network: network.name(), Subnetwork: subnet.name(), MTU: int(num(t.get(network), "mtu"))}
	if n.MTU == 0 {
		n.MTU = 1460
	}
	n.Gateway, _ = netip.ParseAddr(str(t.get(subnet), "gatewayAddress"))
	n.Address, _ = netip.ParseAddr(str(o, "networkIP"))
	n.MAC = macOf(n.Address)
	for _, a := range objects(o, "aliasIpRanges") {
		if p, err := netip.ParsePrefix(str(a, "ipCidrRange")); err == nil {
			n.Aliases = append(n.Aliases, p)
		}
	}
	for _, ac := range objects(o, "accessConfigs") {
		n.External, _ = netip.ParseAddr(str(ac, "natIP"))
	}
	return n
}

// macOf is how Google derives a NIC's hardware address from the internal one.
func macOf(a netip.Addr) string {
	if !a.Is4() {
		return ""
	}
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteString("42:01")
	for _, x := range a.As4() {
		b.WriteByte(':')
		b.WriteByte(hex[x>>4])
		b.WriteByte(hex[x&15])
	}
	return b.String()
}

// adopt starts the machines that should run, a few at a time: those that do
// are found running. One that cannot be started is TERMINATED.
func (s *Server) adopt() {
	var run []ref
	s.store.view(func(t *tx) {
		t.each("", "instances", func(o obj) {
			if str(o, "status") == "RUNNING" {
				run = append(run, toRef(str(o, "selfLink")))
			}
		})
	})
	slices.Sort(run)
	var wg sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, r := range run {
		wg.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; wg.Done() }()
			m, _ := s.machine(r)
			if err := s.opts.Backend.Start(s.ctx, m); err != nil && s.ctx.Err() == nil {
				s.opts.Log.Error("adopting a machine", "instance", string(r), "error", err)
				s.halted(r)
			}
		}()
	}
	wg.Wait()
}

// networkState is all that decides where packets go.
func networkState(t *tx) Network {
	var n Network
	for _, p := range t.projects() {
		for _, o := range t.all(p, "subnetworks") {
			ranges := rangesOf(o)
			n.Subnets = append(n.Subnets, Subnet{
				Project: p, Network: ref(str(o, "network")).name(), Name: str(o, "name"), Range: ranges[0], Secondary: ranges[1:],
			})
		}
		reached := forwarded(t, p)
		for _, o := range t.all(p, "instances") {
			if str(o, "status") != "TERMINATED" {
				n.Machines = append(n.Machines, machineOf(t, toRef(str(o, "selfLink")), o, reached))
			}
		}
		for _, o := range t.list("projects/" + p + "/global/firewalls") {
			if !flag(o, "disabled") {
				n.Firewalls = append(n.Firewalls, firewallOf(p, o))
			}
		}
		n.Balancers = append(n.Balancers, balancersOf(t, p)...)
	}
	return n
}

func firewallOf(project string, o obj) Firewall {
	f := Firewall{
		Project: project, Network: ref(str(o, "network")).name(), Name: str(o, "name"), Priority: int(num(o, "priority")),
		Egress: str(o, "direction") == "EGRESS", Deny: len(list(o, "denied")) > 0,
		SourceTags: stringsOf(o, "sourceTags"), TargetTags: stringsOf(o, "targetTags"),
	}
	for _, k := range []string{"sourceRanges", "destinationRanges"} {
		for _, s := range stringsOf(o, k) {
			if p, err := looseRange(s); err == nil && p.Addr().Is4() {
				f.Ranges = append(f.Ranges, p)
			}
		}
	}
	for _, k := range []string{"allowed", "denied"} {
		for _, p := range objects(o, k) {
			f.Allowed = append(f.Allowed, Protocol{Name: str(p, "IPProtocol"), Ports: stringsOf(p, "ports")})
		}
	}
	return f
}

// A networker calls the backend's Sync, once at a time and with the latest
// state, however many changes ask for it.
type networker struct {
	s *Server

	mu      sync.Mutex
	wanted  uint64 // requests so far
	running bool
	waiting []syncWaiter
}

type syncWaiter struct {
	wants uint64
	done  chan error
}

func newNetworker(s *Server) *networker { return &networker{s: s} }

// request makes sure that a Sync begins after now.
func (n *networker) request() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wanted++
	if !n.running {
		n.running = true
		n.s.spawn(n.loop)
	}
}

// apply waits for a Sync that began after now and returns its error.
func (n *networker) apply(ctx context.Context) error {
	n.mu.Lock()
	w := syncWaiter{n.wanted + 1, make(chan error, 1)}
	n.waiting = append(n.waiting, w)
	n.mu.Unlock()
	n.request()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *networker) loop() {
	for {
		n.mu.Lock()
		round := n.wanted
		n.mu.Unlock()
		var state Network
		n.s.store.view(func(t *tx) { state = networkState(t) })
		err := n.s.opts.Backend.Sync(n.s.ctx, state)
		if err != nil && n.s.ctx.Err() == nil {
			n.s.opts.Log.Error("making the network as it should be", "error", err)
		}
		n.mu.Lock()
		n.waiting = slices.DeleteFunc(n.waiting, func(w syncWaiter) bool {
			if w.wants > round {
				return false
			}
			w.done <- err
			return true
		})
		if n.wanted == round || n.s.ctx.Err() != nil {
			n.running = false
			n.mu.Unlock()
			return
		}
		n.mu.Unlock()
	}
}
