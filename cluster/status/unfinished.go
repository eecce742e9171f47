package status

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/span"
	"hakube/cluster/step"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Unfinished is work that some command began and did not end, and the command
// that ends it. hakube keeps no state, so what a cut left is known by how it looks.
type Unfinished struct {
	Step    string `json:"step"`
	Command string `json:"command"`
	// Or takes back what Command finishes, or the other way round: set where the
	// looks do not tell which was meant.
	Or string `json:"or"`

	waits bool // nodes that are not Ready or not made, which may be allowed
}

// unfinished is all of it, what keeps the API dark first.
func (s *Snapshot) unfinished() []Unfinished {
	if x := s.Held.Restore; x != "" { // whatever else is half comes with it
		return half("a restore of snapshot "+x+" is not done", cure.RestoreSnapshot(x).String(), "")
	}
	if x := s.Held.Restored; x != "" {
		return half("a restore of backup "+x+", which this cluster is made of, is not done: the same again goes on with it, and this takes it away", downAll, "")
	}
	list := append(s.drilled(), s.spanned()...)
	if len(list) > 0 && (len(s.Masters) == 0 || s.unfounded()) {
		return list
	}
	if len(s.Masters) == 0 {
		return append(list, s.withoutMasters())
	}
	rolls := s.rolling()
	rollsMasters := len(rolls) > 0 && s.Held.Roll.OfMasters()
	if list = append(list, rolls...); !rollsMasters || len(s.Masters) > 1 { // with one it is away for that
		list = append(list, s.addressUnassigned()...)
	}
	list = append(list, s.rotating()...)
	list = append(list, s.quorumLost()...)
	list = append(list, s.partitioned()...)
	for _, m := range s.Masters {
		if rollsMasters && m.Disk {
			continue // whatever it lacks comes with the roll
		}
		half := s.halfMaster(m)
		if len(half) == 0 && !s.Held.Unassigned() {
			half = s.failingMaster(m)
		}
		list = append(list, half...)
	}
	if len(list) == 0 { // what ends the rest ends this too
		list = append(list, s.withoutExternal()...)
	}
	list = append(list, s.unusedParts()...)
	list = append(list, s.unfinishedPools()...)
	if len(list) == 0 {
		list = append(list, s.spareTemplates()...)
	}
	if len(list) == 0 {
		list = append(list, s.withoutPool()...)
	}
	list = append(append(list, s.unfinishedNodes()...), s.unfinishedAddons()...)
	if why := s.copied.otherwise(s.have.Of(inventory.ResourcePolicy)); why != "" {
		list = append(list, half(why, s.create(), "")...)
	}
	return list
}

// NotTakenBack is how what status says of a drill ends, also while it is made.
const NotTakenBack = " was not taken back"

// drilled is a drill that was killed: what it had fail may have been taken back by its
// machine, and what Compute Engine alone can take back was not.
func (s *Snapshot) drilled() []Unfinished {
	if s.Held.Drill == "" {
		return []Unfinished{}
	}
	return half(fmt.Sprintf("drill %s of %s", s.Held.Drill, s.Held.DrillOn)+NotTakenBack, cure.UndoDrill().String(), "")
}

// spanned is an up of the whole cluster that was begun and is not done, also when it was
// cut between two of its steps, where nothing else looks half done.
func (s *Snapshot) spanned() []Unfinished {
	w, ok := span.Parse(s.Held.Span, s.region)
	if !ok {
		return []Unfinished{}
	}
	there := span.There{Homes: s.have.Homes(s.Names), Masters: map[string]int{}, Pools: map[string]int{}}
	for _, m := range s.Masters {
		if !s.joinsNone(m.Object) && !s.unfounded() { // begun beside others, it is not one yet
			there.Masters[m.Zone]++
		}
	}
	for _, o := range s.have.Objects {
		if o.Kind == inventory.ManagedGroup && o.Zone != "" {
			there.Add(o.PoolID(), o.Size, w.Pool)
		}
	}
	if x, err := w.TargetOf(there); err == nil && x.Reached() { // it could not say any more that it was done
		return []Unfinished{}
	}
	what := "an up of the whole cluster is not done"
	if w.Leave.Zone != "" {
		what = "the evacuation of zone " + w.Leave.Zone + " is not done"
	}
	return half(what, w.Command().String(), "")
}

// joinsNone tells that a master beside others is in no ring.
func (s *Snapshot) joinsNone(m inventory.Object) bool {
	return len(s.Masters) > 1 && len(s.memberships(m)[noMember]) == len(rings.Names)
}

// The commands, without the settings that are the same for all of them.

var downAll = cure.Down().String()

func (s *Snapshot) create() string { return cure.Up(s.home()).String() }

func addMaster(m inventory.Object) string {
	return cure.AddMaster(m.Zone).String()
}

// RemoveMaster is the command that takes a master away.
func RemoveMaster(m inventory.Object) string {
	return cure.RemoveMaster(m.Zone, m.Name).String()
}

// repair is of one master. Where several do not run and there is no quorum none
// comes back by itself, so it is of all.
func (s *Snapshot) repair(m inventory.Object) string {
	down := 0
	for _, x := range s.Masters {
		if x.Status != "RUNNING" {
			down++
		}
	}
	if down > 1 && !s.Quorum() {
		return cure.Repair().String()
	}
	return cure.Repair(m.Name).String()
}

// quorumLost is a ring that has lost quorum for good, with the way that is left.
func (s *Snapshot) quorumLost() []Unfinished {
	var no *refusal.Refused
	if err := s.Curable(); !errors.As(err, &no) {
		return nil
	}
	best, ok := s.survivor()
	if !ok {
		return half(no.Why, downAll, "")
	}
	return half(no.Why, cure.FromSurvivor(best.Name).String(), downAll)
}

// partitioned are masters that all run, and no ring of theirs has quorum: their members do
// not reach each other, or have just been started.
func (s *Snapshot) partitioned() []Unfinished {
	for _, m := range s.Masters {
		if !s.withoutQuorum(m) {
			return nil
		}
	}
	return half("all masters run, and their etcds do not agree: they do not reach each other", cure.Repair().String(), "")
}

// failingMaster is a master that was whole and fails.
func (s *Snapshot) failingMaster(m ObservedMaster) []Unfinished {
	why := s.NotWhole(m)
	if state, _ := s.state(m, s.nodeOf(m.Object)); why == "" || state == StateStarting || state == StateReady && !s.failsInRing(m) {
		return nil
	}
	return half(m.Name+" fails: "+why, s.repair(m.Object), "")
}

// failsInRing tells that a master's own etcd was asked and one of its members does
// not take part in a ring that has quorum.
func (s *Snapshot) failsInRing(m ObservedMaster) bool {
	for _, ring := range rings.Names {
		x, _, _ := s.Rings.Ring(ring)
		own, heard := s.Rings.Answers[m.Name][ring]
		if heard && !own.Healthy && (x.Healthy || own.ID == "") || s.Rings.Behind(ring, m.Name) > env.MaxBehind {
			return true
		}
	}
	return false
}

// deadIn tells that a master was asked and its etcd of one of the rings does not run,
// or has not even keys for it.
func (s *Snapshot) deadIn(m ObservedMaster, rings []string) bool {
	if err := s.Rings.Silent[m.Name]; len(rings) > 0 && err != nil {
		run := (*replicate.RunError)(nil)
		return errors.As(err, &run) && run.Err == nil
	}
	return slices.ContainsFunc(rings, func(ring string) bool {
		own, heard := s.Rings.Answers[m.Name][ring]
		return heard && own.ID == ""
	})
}

// home is the zone in which a plain up is about the cluster's masters; that of the
// settings, which may name none, while nothing of it is in a zone.
func (s *Snapshot) home() string {
	homes := s.have.Homes(s.Names)
	if len(homes) == 0 {
		homes = s.have.Zones(func(inventory.Object) bool { return true })
	}
	if len(homes) == 0 {
		return s.zone
	}
	return homes[0]
}

// unfinishedAddons is what an up that was cut left of them, or a down that had only
// stopped their programs. Pods that are not ready yet are no work of ours.
func (s *Snapshot) unfinishedAddons() []Unfinished {
	var words []string
	or := ""
	for _, a := range s.addons {
		if a.half {
			words = append(words, a.Name+": "+a.Why)
		}
		if a.stopped {
			or = downAll
		}
	}
	if len(words) == 0 {
		return nil
	}
	return half("addons are not as they are to be ("+strings.Join(words, "; ")+")", s.create(), or)
}

// A membership is what a master is in a ring.
type membership int

const (
	unknownMember membership = iota // nobody who would know could be asked
	noMember
	learnerMember
	voterMember
)

func (s *Snapshot) membershipOf(ring string, m inventory.Object) membership {
	x, _, ok := s.Rings.Ring(ring)
	for _, y := range x.Members {
		switch name, zone := rings.MachineOf(y); {
		case name != m.Name || zone != m.Zone:
		case y.Learner:
			return learnerMember
		default:
			return voterMember
		}
	}
	if !ok || !x.Healthy { // what a member without quorum remembers may be old
		return unknownMember
	}
	return noMember
}

// memberships are those in both rings, by name.
func (s *Snapshot) memberships(m inventory.Object) map[membership][]string {
	in := map[membership][]string{}
	for _, ring := range rings.Names {
		x := s.membershipOf(ring, m)
		in[x] = append(in[x], ring)
	}
	return in
}

// addressUnassigned is the API's address without a holder. Whose change it was that was cut
// shows in the master that is not whole: one that comes is a learner by then, one
// that goes votes nowhere any more.
func (s *Snapshot) addressUnassigned() []Unfinished {
	if s.Held.IP == "" {
		return []Unfinished{{Step: "the API has no address", Command: s.create()}}
	}
	if !s.Held.Unassigned() {
		return nil
	}
	x := Unfinished{Step: "the address " + s.Held.IP + " is on nothing: the API is dark", Command: s.create()}
	for _, m := range s.Masters {
		in := s.memberships(m.Object)
		switch {
		case len(in[learnerMember]) > 0:
			x.Command = addMaster(m.Object)
		case len(in[noMember]) > 0, len(s.Masters) > 1 && s.retired(m):
			x.Command = RemoveMaster(m.Object)
		}
	}
	if len(s.Masters) == 1 && s.Masters[0].Status == "" { // gone: a removal of the cluster looks the same
		x.Or = downAll
	}
	return []Unfinished{x}
}

// withoutExternal are masters that have no external address of their own beside
// the balancer's.
func (s *Snapshot) withoutExternal() (list []Unfinished) {
	for _, m := range s.Masters {
		if m.Status == "RUNNING" && m.External == "" {
			list = append(list, half(m.Name+" has no external address, so ssh does not reach it", s.create(), "")...)
		}
	}
	return list
}

// retired tells that a master was through with its script and its API server does
// not answer any more, although the machine could be reached: it was ended, or is ill.
func (s *Snapshot) retired(m ObservedMaster) bool {
	return m.Status == "RUNNING" && m.External != "" && m.phase == scripts.PhaseRunning && m.ready != ""
}

// Quorum tells whether both rings can agree on who is in them.
func (s *Snapshot) Quorum() bool {
	for _, ring := range rings.Names {
		if _, healthy, _ := s.Rings.Quorum(ring); !healthy {
			return false
		}
	}
	return true
}

func half(step, command, or string) []Unfinished {
	return []Unfinished{{Step: step, Command: command, Or: or}}
}

// onlyMaster is the half-made master of a cluster that has no other.
func (s *Snapshot) onlyMaster(m ObservedMaster, state, why string) []Unfinished {
	switch {
	case state == StateGone: // its disk outlives it, in a removal too
		return half(fmt.Sprintf("%s is %s: %s", m.Name, state, why), s.create(), downAll)
	case state == StateStopped:
		return half(fmt.Sprintf("%s is %s: %s", m.Name, state, why), s.create(), s.repair(m.Object))
	case state == StateFailed:
		return half(fmt.Sprintf("the control plane of %s does not run: %s", m.Name, why), s.create(), s.repair(m.Object))
	case state == StateStarting, state == StateJoining:
		return half(fmt.Sprintf("the control plane of %s does not run: %s", m.Name, why), s.create(), "")
	case s.outside(m):
		return half(m.Name+" is not in the balancer's group", s.create(), "")
	}
	return nil
}

// outside tells that the balancer has the address and does not send to the master.
func (s *Snapshot) outside(m ObservedMaster) bool {
	return s.Held.Rule != "" && s.asked && !slices.ContainsFunc(s.backends, func(b step.Backend) bool { return b.Name == m.Name && b.Zone == m.Zone })
}

// unusedParts are the balancer's, while a master has the address itself: they
// were made and not used yet, or not taken away yet.
func (s *Snapshot) unusedParts() []Unfinished {
	if s.Held.Machine == "" {
		return nil
	}
	var parts []string
	for _, k := range []inventory.Kind{inventory.HealthCheck, inventory.BackendService, inventory.InstanceGroup, inventory.ForwardingRule} {
		for _, o := range s.have.Of(k) {
			parts = append(parts, o.String())
		}
	}
	if len(parts) == 0 {
		return nil
	}
	x := Unfinished{Step: "parts of a balancer that has not the address: " + strings.Join(parts, ", ")}
	// Whole masters without it: a plain up moves the address to it.
	x.Command = s.create()
	for _, m := range s.Masters {
		if len(s.Masters) == 1 { // the next replica uses them
			x.Command, x.Or = addMaster(m.Object), downAll
		}
		if h := s.halfMaster(m); len(h) > 0 {
			x.Command, x.Or = h[0].Command, h[0].Or
		}
	}
	return []Unfinished{x}
}
