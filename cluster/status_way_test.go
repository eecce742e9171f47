package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakube/cluster/plan"
)

// follow does what a command line says that status named.
func (w *world) follow(o *operator, command string) error {
	w.t.Helper()
	verb := Up
	if rest, ok := strings.CutPrefix(command, "hakube repair"); ok {
		_, err := o.Repair(context.Background(), strings.TrimSpace(rest), w.events())
		return err
	}
	n := o.again(func(s *Settings) {
		if command == "hakube down" {
			s.Zone = ""
		}
		for _, word := range strings.Fields(command) {
			name, value, _ := strings.Cut(word, "=")
			switch name {
			case "KUBE_GCE_ZONE":
				s.Zone = Zone(value)
			case "KUBE_REPLICATE_EXISTING_MASTER":
				s.ReplicateMaster = value == "true"
			case "KUBE_USE_EXISTING_MASTER":
				s.UseExistingMaster = value == "true"
			case "KUBE_DELETE_NODES":
				s.DeleteNodes = value != "false"
			case "KUBE_REPLICA_NAME":
				s.ReplicaName = Name(value)
			case "NUM_NODES":
				n, err := strconv.Atoi(value)
				if err != nil {
					w.t.Fatal(err)
				}
				s.NumNodes = Count(n)
			case "hakube", "up":
			case "down":
				verb = Down
			default:
				w.t.Fatalf("%q is no word of a command: %s", word, command)
			}
		}
	})
	var err error
	if verb == Up {
		_, err = n.Up(context.Background(), w.events())
	} else {
		_, err = n.Down(context.Background(), w.events())
	}
	return err
}

var errEnough = errors.New("enough")

// TestStatusNamesTheWay interrupts the making and the leaving of a replica after
// each of their steps. The commands that status names, and nothing else, lead to
// a cluster that is valid.
func TestStatusNamesTheWay(t *testing.T) {
	for _, verb := range []Verb{Up, Down} {
		for k, more := 1, true; more && k < most; k++ {
			if testing.Short() && k%5 != 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s/after=%d", verb, k), func(t *testing.T) { more = wayAfter(t, verb, k) })
		}
	}
}

// most is more steps than there are.
const most = 40

// wayAfter interrupts after k steps, and returns false when there are fewer.
func wayAfter(t *testing.T, verb Verb, k int) bool {
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o)
	if verb == Down {
		w.mustUp(o.replica(zoneC))
	}
	ctx, stop := context.WithCancelCause(context.Background())
	n, last := 0, ""
	report := func(e plan.Event) {
		if e.Kind == plan.Made || e.Kind == plan.Removed {
			if n++; n == k {
				last = e.Step
				stop(errEnough)
			}
		}
	}
	var err error
	if verb == Up {
		_, err = o.replica(zoneC).Up(ctx, report)
	} else {
		_, err = o.replica(zoneC).Down(ctx, report)
	}
	if n < k {
		if err != nil {
			t.Fatal(err)
		}
		return false
	}
	for round := 1; ; round++ {
		_, changes := w.counts(func() {
			var s *Status
			if s, err = o.Status(context.Background()); err == nil && len(s.Unfinished) > 0 {
				last += fmt.Sprintf("; %+v", s.Unfinished)
			}
		})
		if err != nil || changes != 0 {
			t.Fatalf("status made %d changes, %v", changes, err)
		}
		v, err := o.ValidateWithin(context.Background(), time.Second, func(*Validity, error) {})
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Status.Unfinished) == 0 {
			if !v.Valid {
				t.Errorf("after %s: nothing is unfinished, but %+v", last, v.Problems)
			}
			t.Logf("after %s: %d masters", last, len(v.Status.Masters))
			break
		}
		if round == 4 {
			t.Fatalf("after %s: still unfinished after three commands: %+v", last, v.Status.Unfinished)
		}
		if err := w.follow(o, v.Status.Unfinished[0].Command); err != nil {
			t.Fatalf("after %s: %s: %v", last, v.Status.Unfinished[0].Command, err)
		}
	}
	w.mustDown(o.again(func(s *Settings) { s.Zone = "" }))
	return true
}
