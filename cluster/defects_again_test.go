package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
)

// againDefects are about running again, and in which order.
var againDefects = []defect{
	{name: "D30_running_again_is_resuming", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		for _, kind := range []string{"/firewalls", "/disks", "/instances", "/instanceTemplates", "/instanceGroupManagers"} {
			ctx, stop := context.WithCancelCause(context.Background())
			dead := false
			w.setFault(func(r *http.Request) emulator.Fault {
				switch {
				case dead:
					return emulator.Fault{CutBefore: true}
				case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, kind):
					dead = true // it is made, and who asked for it is killed
					stop(errKilled)
					return emulator.Fault{CutAfter: true}
				}
				return emulator.Fault{}
			})
			_, err := o.Up(ctx, nil)
			w.setFault(nil)
			if err == nil || !dead {
				t.Errorf("killed at %s, it ended with %v", kind, err)
			}
		}
		s := w.mustUp(o)
		if len(s.Evidence.Nodes) != 3 {
			t.Errorf("nodes %+v", s.Evidence.Nodes)
		}
		w.unchanged(func() { w.mustUp(o) })
	}},
	{name: "D33_no_disk_without_its_machine", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		before := w.objects()
		w.setFault(failing("/instances"))
		_, err := o.replica(zoneC).Up(context.Background(), nil)
		w.setFault(nil)
		wantError(t, err, "machine kubernetes-master-", "was taken back")
		if diff := cmp.Diff(withoutTimes(before), withoutTimes(w.objects())); diff != "" {
			t.Errorf("objects (-before +after):\n%s", diff)
		}
	}},
	{name: "D34_template_outlives_the_pools", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.mustDown(o.pool(zoneB, 2)) // the last pool there is
		for _, when := range []string{"as it was left", "made again"} {
			if got := nodesByZone(w.mustUp(o.pool(zoneC, 1))); got[zoneC] != 1 {
				t.Errorf("%s: nodes %v", when, got)
			}
			w.mustDown(o.pool(zoneC, 1))
			if when == "made again" {
				break
			}
			if err := w.Client.InstanceTemplates().Delete(context.Background(), "kubernetes-minion-template"); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{name: "D38_order_is_told", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		before := w.objects()
		o := w.operator()
		w.mustUp(o)
		w.mustUp(o.pool(zoneC, 1))
		w.mustUp(o.replica(zoneD))
		_, err := o.Down(context.Background(), nil)
		_, list, _ := strings.Cut(hintOf(err), "run, in this order:\n\t")
		list, _, _ = strings.Cut(list, "\nor ")
		commands := strings.Split(list, "\n\t")
		if len(commands) != 3 {
			t.Fatalf("down of the first zone: %v; hint: %s", err, hintOf(err))
		}
		for i, command := range commands {
			if err := w.follow(o, command); err != nil {
				t.Fatalf("%d. %s: %v", i+1, command, err)
			}
		}
		if diff := cmp.Diff(before, w.objects()); diff != "" {
			t.Errorf("objects after %s (-before +after):\n%s", fmt.Sprint(commands), diff)
		}
	}},
}
