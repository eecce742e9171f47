package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/replicate"
)

// halfDone are what may be half done when somebody types another command.
var halfDone = []string{"add_pool", "add_replica_2to3", "remove_replica_3to2", "pool_changed", "evacuate", "roll_3", "groups_on",
	"roll_pool", "upgrade_masters_3", "upgrade_pool", "rotate_certificates", "rotate_encryption_key", "rotate_ca", "rotate_join_token", "addons_on", "span_1to3"}

// An otherCommand is one that has nothing to do with what is half done.
type otherCommand struct {
	name string
	run  func(*operator, func(plan.Event)) error
	dark bool // it takes an only master away
}

func otherCommands() []otherCommand {
	ctx := context.Background()
	of := func(_ *Summary, err error) error { return err }
	return []otherCommand{
		{"up", func(o *operator, e func(plan.Event)) error { return of(o.Up(ctx, e)) }, false},
		{"up, another pool", func(o *operator, e func(plan.Event)) error { return of(o.pool(zoneC, 2).Up(ctx, e)) }, false},
		{"up, another type", func(o *operator, e func(plan.Event)) error { return of(o.ofType("e2-standard-8").Up(ctx, e)) }, false},
		{"up, another master", func(o *operator, e func(plan.Event)) error { return of(o.replica(zoneD).Up(ctx, e)) }, false},
		{"down, a master", func(o *operator, e func(plan.Event)) error { return of(o.replica(zoneC).Down(ctx, e)) }, false},
		{"roll masters", func(o *operator, e func(plan.Event)) error {
			return of(o.withMasters("e2-standard-8").RollMasters(ctx, false, e))
		}, true},
		{"roll pool", func(o *operator, e func(plan.Event)) error {
			return of(o.ofType("e2-standard-8").RollPool(ctx, zoneB, false, e))
		}, false},
		{"upgrade", func(o *operator, e func(plan.Event)) error {
			return of(o.to("v1.36.4").again(fromMirror).Upgrade().Roll(ctx, false, e))
		}, true},
		{"rotate", func(o *operator, e func(plan.Event)) error { return of(o.Rotate(ctx, inventory.RotateCertificates, e)) }, false},
		{"rotate the encryption key", func(o *operator, e func(plan.Event)) error {
			return of(o.Rotate(ctx, inventory.RotateEncryptionKey, e))
		}, false},
		{"rotate the authority", func(o *operator, e func(plan.Event)) error { return of(o.Rotate(ctx, inventory.RotateCA, e)) }, false},
		{"rotate the join token", func(o *operator, e func(plan.Event)) error { return of(o.Rotate(ctx, inventory.RotateJoinToken, e)) }, false},
		{"evacuate", func(o *operator, e func(plan.Event)) error { return of(o.Evacuate(ctx, string(zoneB), "", e)) }, false},
		{"groups", func(o *operator, e func(plan.Event)) error { return of(o.saysGroups(true).RollMasters(ctx, false, e)) }, true},
		{"repair", func(o *operator, e func(plan.Event)) error { return of(o.Repair(ctx, "", e)) }, false},
	}
}

// TestBesideHalfDone types each command while each thing is half done. It does what it says,
// or it is refused and nothing was changed, and no ring loses its quorum by it, unless it takes
// an only master away; then what status names leads to a cluster that is whole.
func TestBesideHalfDone(t *testing.T) {
	long(t, "TestRoll")
	besideOthers(t)
	var mu sync.Mutex
	did, refused := 0, 0
	t.Cleanup(func() {
		fmt.Printf("REPORT TestBesideHalfDone: %d commands beside what is half done: %d did what they say, %d were refused\n", did+refused, did, refused)
	})
	for row, name := range halfDone {
		all := matrixModes()
		m := all[slices.IndexFunc(all, func(m matrixMode) bool { return m.name == name })]
		others := otherCommands()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := m.undisturbed(t)
			for i, other := range others {
				if shortForms && (i+row)%4 != 1 {
					continue
				}
				t.Run(other.name, func(t *testing.T) {
					t.Parallel()
					no := m.beside(t, u, other, i)
					mu.Lock()
					defer mu.Unlock()
					if no {
						refused++
					} else {
						did++
					}
				})
			}
		})
	}
}

// beside leaves the mode half done, at another call for each command, and tells whether the
// other command was refused.
func (m matrixMode) beside(t *testing.T, u undisturbed, other otherCommand, turn int) (no bool) {
	w, s, q := matrixWorld(t)
	o := w.operator()
	o.deps.LetGo = 30 * time.Second
	eye := m.prepare(w, o)
	at := u.calls[len(u.calls)*(1+turn%3)/4]
	_ = s.cut(t, at, troubles[1], func(ctx context.Context) error { // killed after it; after its last call it is done
		_, err := m.run(ctx, o, w.events())
		return err
	})
	half := w.still(eye)
	if m.quorum && !other.dark {
		q.set(true)
	}
	err := other.run(eye, w.events())
	q.set(false)
	var because *refusal.Refused
	var quorum *replicate.QuorumError
	var sick *env.Sick
	switch no = errors.As(err, &because) || errors.As(err, &quorum); {
	case no:
		t.Logf("refused: %v", err)
		if now := w.still(eye); !cmp.Equal(half, now) {
			t.Errorf("it was refused and changed something (-before +after):\n%s", shorter(half, now))
		}
	case errors.As(err, &sick): // it did what it says, and the cluster is as what is half done has left it
		t.Logf("done, and sick: %v\n%s", err, sick.Hint())
	case err != nil:
		t.Errorf("neither done nor refused: %v", err)
	}
	for round := 0; ; round++ {
		st, err := eye.Status(context.Background())
		if none := (*status.NoCluster)(nil); errors.As(err, &none) {
			break
		}
		if err != nil {
			t.Fatalf("status: %v", err)
		}
		if len(st.Unfinished) == 0 {
			break
		}
		if round == 6 {
			t.Fatalf("still half done after six commands: %+v", st.Unfinished)
		}
		command := m.meant(st.Unfinished[0])
		t.Logf("status names %s: %s", command, st.Unfinished[0].Step)
		if err := w.follow(o, command); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	if v, err := eye.ValidateWithin(context.Background(), 2*time.Minute, func(*status.Validity, error) {}); err != nil {
		t.Errorf("it is not valid in the end: %v", err)
	} else if len(v.Problems) > 0 {
		t.Errorf("it is not valid in the end: %+v", v.Problems)
	}
	if lost := q.was(); len(lost) > 0 {
		t.Errorf("quorum was lost: %v", lost)
	}
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	return no
}

// still is the picture once two looks are the same: machines of a run that was killed go on.
func (w *world) still(o *operator) []string {
	for last := w.picture(o); ; {
		time.Sleep(500 * time.Millisecond)
		now := w.picture(o)
		if cmp.Equal(last, now) {
			return now
		}
		last = now
	}
}

// TestUpBesideHalfRoll: while a roll of masters is half done, up waits for what comes without
// it as long as ever; here a pod of CoreDNS. Who would end it after half a minute would send
// the operator to the roll for what the roll has nothing to do with.
func TestUpBesideHalfRoll(t *testing.T) {
	long(t, "TestRoll")
	besideOthers(t)
	all := matrixModes()
	m := all[slices.IndexFunc(all, func(m matrixMode) bool { return m.name == "roll_3" })]
	u := m.undisturbed(t)
	w, s, _ := matrixWorld(t)
	o := w.operator()
	m.prepare(w, o)
	_ = s.cut(t, u.calls[0], troubles[1], func(ctx context.Context) error { // all it did is to say that it began
		_, err := m.run(ctx, o, w.events())
		return err
	})
	w.models.CrowdDNS("elsewhere")
	clock := func(d time.Duration) <-chan time.Time {
		if d == 30*time.Second { // of the roll
			d = 10 * time.Second
		}
		return time.After(d)
	}
	back := time.AfterFunc(15*time.Second, func() { w.models.CrowdDNS("") })
	defer back.Stop()
	if _, err := o.by(clock).Up(t.Context(), w.events()); err != nil {
		t.Errorf("up: %v", err)
	}
	if s, err := o.Status(t.Context()); err != nil || len(s.Unfinished) != 1 {
		t.Errorf("status: %+v, %v", s.Unfinished, err)
	}
}
