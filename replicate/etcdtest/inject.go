package etcdtest

import (
	"errors"
	"fmt"
	"time"
)

// What can go wrong in a machine, done to a model one. What is on its disks stays
// over a reboot, and so does what the network does to it; what its processes do
// does not.

// A Wedge is a way in which an API server is there and of no use.
type Wedge int

const (
	WedgeNone    Wedge = iota
	WedgeMute          // it accepts connections and never answers, as one stopped by a signal
	WedgeUnready       // it says 500 to /readyz, /livez and /healthz, and answers all else
)

// noBoot is the firmware's word on the serial console.
const noBoot = "BdsDxe: No bootable option or device was found."

// Wedge makes its API server hang, or lets it go on: it then answers what it was
// asked meanwhile, if anybody still waits. A reboot ends it.
func (g *Guest) Wedge(how Wedge) {
	g.w.mu.Lock()
	g.wedged = how
	held := g.held
	if how == WedgeMute {
		held = nil
	} else {
		g.held = nil
	}
	g.fellSilent()
	g.w.happened()
	g.w.mu.Unlock()
	for _, c := range held {
		g.accept(c)
	}
}

// fellSilent notes when its kubelet is heard of no more. The world's lock is held.
func (g *Guest) fellSilent() {
	if silent := !g.heard(); silent != g.quiet {
		g.quiet = silent
		g.w.silent[g.boot.MachineID] = time.Now()
	}
}

// KillAPI ends its API server with all connections to it, as a signal 9 does of one that
// nobody starts again: until StartAPI or a reboot.
func (g *Guest) KillAPI() error {
	g.w.mu.Lock()
	k, err := g.master("killing the API server", ringMain)
	if err == nil && k.serving != nil {
		k.killed, k.serving = k.serving, nil
	}
	g.fellSilent()
	g.w.happened()
	g.w.mu.Unlock()
	if err != nil {
		return err
	}
	g.mu.Lock()
	var ended []*conn
	for c := range g.conns {
		if c.local == port(443) {
			ended = append(ended, c)
		}
	}
	g.mu.Unlock()
	for _, c := range ended {
		_ = c.Close()
	}
	return nil
}

// StartAPI undoes KillAPI.
func (g *Guest) StartAPI() error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("starting the API server", ringMain)
	if err == nil && k.killed != nil {
		k.serving, k.killed = k.killed, nil
	}
	g.fellSilent()
	g.w.happened()
	return err
}

// KillKubelet ends its kubelet, whose pods go on: until StartKubelet or a reboot.
func (g *Guest) KillKubelet() {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	delete(g.w.kubelets, g.boot.MachineID)
	g.w.silent[g.boot.MachineID] = time.Now()
	g.w.happened()
}

// StartKubelet undoes KillKubelet.
func (g *Guest) StartKubelet() {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.ctx.Err() == nil {
		g.w.kubelets[g.boot.MachineID] = kubelet{guest: g, ready: true, since: time.Now()}
		g.w.happened()
	}
}

// StopEtcd ends its member of a ring, as systemctl stop would: it stays so until
// StartEtcd, a script that starts it, or a reboot.
func (g *Guest) StopEtcd(ring string) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("stopping etcd "+ring, ring)
	if err == nil {
		k.halt(g.w, ring)
	}
	return err
}

// StartEtcd undoes StopEtcd. That etcd ends again at once is no error of it.
func (g *Guest) StartEtcd(ring string) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("starting etcd "+ring, ring)
	if err == nil {
		delete(k.halted, ring)
		g.w.restart(k)
		g.w.happened()
	}
	return err
}

// master is the control plane of a machine that has members. The lock is held.
func (g *Guest) master(doing, ring string) (*controlPlane, error) {
	if g.control == nil || g.control.disk.content.Rings[ring] == nil {
		return nil, fmt.Errorf("%s on %s: it has no member of ring %q that could run", doing, g.m.Name, ring)
	}
	return g.control, nil
}

func (c *controlPlane) halt(w *World, ring string) {
	w.stopMember(c.members[ring])
	c.halted[ring] = true
	c.guest.fellSilent()
	w.happened()
}

// LoseEtcd ends its member of a ring and deletes its data. Where a cluster was
// founded the startup-script refuses to begin anew.
func (g *Guest) LoseEtcd(ring string) error {
	return g.spoil(ring, func(x *memberData, founded bool) {
		*x = memberData{Ring: x.Ring, ID: x.ID, Initial: x.Initial, Lost: founded}
	})
}

// CorruptEtcd damages the data of its member of a ring: it ends, and again each
// time that it is started.
func (g *Guest) CorruptEtcd(ring string) error {
	return g.spoil(ring, func(x *memberData, _ bool) { x.Corrupt = true })
}

// FillEtcd writes to a ring, through its member, until so many bytes that are needed and
// so many that are outdated are more there; its members' quotas do not count meanwhile,
// and the next write that is too much raises the alarm.
func (g *Guest) FillEtcd(ring string, needed, outdated int64) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("filling etcd "+ring, ring)
	if err != nil {
		return err
	}
	err = k.members[ring].ring.configure(func(s *ringState) { s.Bytes, s.Old = s.Bytes+needed, s.Old+outdated })
	if err == nil {
		k.members[ring].probe()
	}
	g.w.happened()
	return err
}

// RaiseAlarm is what etcd does by itself: NOSPACE or CORRUPT, of the member of a machine,
// of nobody ("") or of one that was removed ("gone").
func (g *Guest) RaiseAlarm(ring, kind, of string) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("raising an alarm of etcd "+ring, ring)
	if err != nil {
		return err
	}
	m, a := k.members[ring], alarm{Kind: kind}
	for id, x := range m.data.State.Members {
		if x.Name == of && of != "" {
			a.ID = id
		}
	}
	if of == "gone" {
		a.ID = 0xdead
	}
	err = m.raise(a)
	for other := range g.w.guests {
		other.fellSilent()
	}
	g.w.happened()
	return err
}

// StallEtcd has its member of a ring take no proposals any more, and if it leads nobody
// does: it answers questions, as one whose disk hangs. A new process does again.
func (g *Guest) StallEtcd(ring string) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("stalling etcd "+ring, ring)
	if err == nil {
		k.members[ring].stalled = true
	}
	return err
}

func (g *Guest) spoil(ring string, how func(x *memberData, founded bool)) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k, err := g.master("spoiling the data of etcd "+ring, ring)
	if err != nil {
		return err
	}
	k.halt(g.w, ring)
	x := k.disk.content.Rings[ring]
	how(x, !k.disk.content.Joining)
	if x.Corrupt {
		delete(k.halted, ring)
		g.w.restart(k)
	}
	return k.disk.save()
}

// LoseDataDisk takes the disk master-pd away with all that is on it. A machine that
// boots without waits for it in vain.
func (g *Guest) LoseDataDisk() error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if k := g.control; k != nil {
		for _, ring := range []string{ringMain, ringEvents} {
			k.halt(g.w, ring)
		}
		k.disk.gone = true
	}
	return DeleteDisk(g.disk("master-pd"))
}

// MarkDisk writes on the disk master-pd that it belongs to another cluster,
// PROJECT/PREFIX. It is read at the next boot.
func (g *Guest) MarkDisk(cluster string) (err error) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if k := g.control; k != nil {
		k.disk.content.Cluster = cluster
		return k.disk.save()
	}
	d, err := openData(g.disk("master-pd"))
	if err != nil {
		return err
	}
	d.content.Cluster = cluster
	return errors.Join(d.save(), d.close())
}

// LoseBootDisk makes the boot disk one that nothing boots from. The machine ends,
// which its cloud does not notice, and does not answer until it has another disk.
func (g *Guest) LoseBootDisk() error {
	g.Stop()
	g.boot.Lost = true
	g.say(noBoot)
	return g.boot.write(g.m.Boot)
}

// CutOff takes the machine off the network: nobody reaches it and it reaches
// nobody, by its name also after a reboot. Connections with it hang.
func (g *Guest) CutOff() error { return g.cutOff(true) }

// Reconnect undoes CutOff.
func (g *Guest) Reconnect() error { return g.cutOff(false) }

func (g *Guest) cutOff(off bool) error {
	g.mu.Lock()
	for c := range g.conns {
		c.in.freeze(off)
		c.out.freeze(off)
	}
	g.mu.Unlock()
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	g.w.dark[g.m.Name] = off
	return g.w.regroup()
}

// Isolate cuts its members of the rings off from the others: ssh and clients still
// reach the machine.
func (g *Guest) Isolate(rings ...string) error { return g.peers(g.m.Name, rings) }

// Rejoin undoes Isolate.
func (g *Guest) Rejoin(rings ...string) error { return g.peers("", rings) }

func (g *Guest) peers(side string, rings []string) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	for _, ring := range rings {
		if g.w.sides[ring] == nil {
			g.w.sides[ring] = map[string]string{}
		}
		g.w.sides[ring][g.m.Name] = side
	}
	return g.w.regroup()
}

// Partition splits the peers of a ring: members of the machines named together
// reach each other, and nobody else. Those of machines that are not named are one
// group too, so without any the ring is whole again.
func (w *World) Partition(ring string, groups ...[]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sides[ring] = map[string]string{}
	for _, names := range groups {
		for _, n := range names {
			w.sides[ring][n] = names[0]
		}
	}
	return w.regroup()
}

// sideOf is the side of a ring on which a machine's member is. The lock is held.
func (w *World) sideOf(ring, host string) string {
	if w.dark[host] {
		return "dark " + host
	}
	return w.sides[ring][host]
}

// regroup has the members find out whom they reach. The lock is held.
func (w *World) regroup() error {
	var errs []error
	for _, r := range w.rings {
		for _, m := range r.live {
			m.remember()
		}
		for _, m := range r.live {
			if side := w.sideOf(m.name, m.disk.content.Name); side != m.side {
				m.side, m.since = side, time.Now()
			}
		}
		errs = append(errs, r.settle())
	}
	for g := range w.guests {
		g.fellSilent()
	}
	w.happened()
	return errors.Join(errs...)
}
