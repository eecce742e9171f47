package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
)

// TestSaidLater: what is said of the balancer first on a later run, in whatever mode,
// holds in the shells after it that say nothing, either way, and goes with the cluster.
func TestSaidLater(t *testing.T) {
	long(t, "TestLaterIsRefusedOrHolds")
	besideOthers(t)
	const variable = "HAKUBE_LOAD_BALANCER"
	for i, change := range [][2]string{{"on-replicate", "from-start"}, {"from-start", "on-replicate"}} {
		for k, when := range []string{"up with one master", "up with two masters", "up of a replica", "down of a replica"} {
			if testing.Short() && k != 2*i {
				continue
			}
			t.Run(fmt.Sprintf("%s on %s", change[1], when), func(t *testing.T) {
				t.Parallel()
				w, _ := newModelWorld(t)
				empty, o := w.objects(), w.operator()
				shell := func(more map[string]string, says string) *operator {
					more = maps.Clone(more)
					if says != "" {
						more[variable] = says
					}
					return o.shell(t, more)
				}
				none := map[string]string{}
				add := map[string]string{"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC}
				remove := map[string]string{"KUBE_DELETE_NODES": "false", "KUBE_GCE_ZONE": zoneC}
				w.mustUp(shell(map[string]string{"NUM_NODES": "1"}, change[0]))
				switch when {
				case "up with one master":
					w.mustUp(shell(none, change[1]))
				case "up with two masters":
					w.mustUp(shell(add, ""))
					if n, err := shell(none, change[1]).PreviewUp(context.Background(), w.events()); err != nil || n != 1 {
						t.Errorf("plan: %d steps, %v", n, err)
					}
					w.mustUp(shell(none, change[1]))
					nothingToDo(t, w, shell(none, change[1])) // it is written down once
				case "up of a replica":
					w.mustUp(shell(add, change[1]))
				}
				if when == "up with one master" {
					w.mustUp(shell(add, ""))
				}
				if when == "down of a replica" {
					w.mustUp(shell(add, ""))
					w.mustDown(shell(remove, change[1]))
				} else {
					nothingToDo(t, w, shell(none, ""))
					w.mustDown(shell(remove, ""))
				}
				nothingToDo(t, w, shell(none, ""))
				h, err := shell(none, "").runFor(settings.Up, hold{}).Holder(context.Background())
				if on := h.Rule != ""; err != nil || on != (change[1] == "from-start") {
					t.Errorf("on the balancer: %t, %v", on, err)
				}
				w.mustDown(shell(none, ""))
				if diff := cmp.Diff(empty, w.objects()); diff != "" {
					t.Errorf("objects after down (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// warnedOf are settings of what is made, of which a run says that what is there stays
// as it was made.
var warnedOf = map[string]bool{
	"KUBE_CREATE_NODES": true, "KUBE_MIRROR": true, "KUBE_GCE_MASTER_IMAGE": true, "MASTER_ROOT_DISK_SIZE": true,
}

// TestOtherImage: a master's image is warned of like that; the embedded GCE has one
// image only, so that no master there was made of another.
func TestOtherImage(t *testing.T) {
	w := newWorld(t)
	r := w.operator().shell(t, map[string]string{"KUBE_GCE_MASTER_IMAGE": "debian-12-bookworm-v20250610"}).runFor(settings.Up, hold{})
	m := inventory.Object{Kind: inventory.Instance, Name: "kubernetes-master", Zone: zoneB}
	r.AsMade(m, "KUBE_GCE_MASTER_IMAGE", "debian-12-bookworm-v20250610")
	if len(r.Warnings()) > 0 {
		t.Errorf("of the same it warns %q", r.Warnings())
	}
	r.AsMade(m, "KUBE_GCE_MASTER_IMAGE", "debian-12-bookworm-v20250101")
	want := "KUBE_GCE_MASTER_IMAGE=debian-12-bookworm-v20250610: instance kubernetes-master in europe-west1-b is kept as it was made, with debian-12-bookworm-v20250101; it applies to new masters only"
	if got := strings.Join(r.Warnings(), "\n"); got != want {
		t.Errorf("it warns %q", got)
	}
}

// TestLaterIsRefusedOrHolds: every setting that is read back, said first on a later
// run, is refused with nothing changed, or the shell after it that says nothing has it,
// or it is warned of and changes nothing at all.
func TestLaterIsRefusedOrHolds(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	for i, f := range settings.Fields() {
		variable := f.Tag.Get("envconfig")
		value, known := otherValues[variable]
		if !known || testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(variable, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			o := w.operator()
			w.mustUp(o.shell(t, map[string]string{"NUM_NODES": "1"}))
			before := w.objects()
			said := o.shell(t, map[string]string{variable: value})
			if slices.Contains(settings.OfSchedule[1:], variable) { // which alone is for backups of the operator's own
				nothingToDo(t, w, said)
				return
			}
			s, err := said.Up(ctx, w.events())
			if err != nil {
				var unchanged *Unchanged
				if diff := cmp.Diff(before, w.objects()); diff != "" || !errors.As(err, &unchanged) {
					t.Errorf("%v\n%s", err, diff)
				}
				return
			}
			if warnedOf[variable] {
				if all := strings.Join(s.Warnings, "\n"); variable != "KUBE_GCE_MASTER_IMAGE" && !(strings.Contains(all, variable+"="+strings.TrimSuffix(value, "GB")) && strings.Contains(all, "is kept as it ")) {
					t.Errorf("it warns %q", all)
				}
				if diff := cmp.Diff(before, w.objects()); diff != "" {
					t.Errorf("objects (-before +after):\n%s", diff)
				}
				return
			}
			r := o.shell(t, nil).runFor(settings.Up, hold{})
			if r.Have, err = r.Look(ctx); err != nil {
				t.Fatal(err)
			}
			if r.Want, err = r.LikeNodes(ctx); err != nil {
				t.Fatal(err)
			}
			if got, want := r.Want.Settings.TextOf(f), said.settings.TextOf(f); got != want {
				t.Errorf("%s=%s is read back as %s", variable, want, got)
			}
			nothingToDo(t, w, o.shell(t, nil))
		})
	}
}

// TestMorePerGroup: how many machines a group may have, said together with a larger
// pool that needs no group more, holds in the shells after it; a pool that is made
// anew in its place does not have it.
func TestMorePerGroup(t *testing.T) {
	long(t, "TestSeveralGroups")
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	groups := func() int {
		t.Helper()
		all, err := w.Client.InstanceGroupManagers(zoneB).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	shell := func(variables ...string) *operator {
		m := map[string]string{}
		for _, v := range variables {
			name, value, _ := strings.Cut(v, "=")
			m[name] = value
		}
		return o.shell(t, m)
	}
	w.mustUp(shell("NUM_NODES=3", "MAX_INSTANCES_PER_MIG=2"))
	w.mustUp(shell("NUM_NODES=6", "MAX_INSTANCES_PER_MIG=3"))
	nothingToDo(t, w, shell())
	nothingToDo(t, w, shell("MAX_INSTANCES_PER_MIG=3"))
	w.mustUp(shell("MAX_INSTANCES_PER_MIG=4"))
	w.mustUp(shell("NUM_NODES=8"))
	if n := groups(); n != 2 {
		t.Errorf("8 nodes in groups of 4 are in %d groups", n)
	}
	pool := "KUBE_USE_EXISTING_MASTER=true"
	w.mustDown(shell(pool))
	w.mustUp(shell(pool, "NUM_NODES=3", "MAX_INSTANCES_PER_MIG=2"))
	w.mustUp(shell(pool, "NUM_NODES=5"))
	if n := groups(); n != 3 {
		t.Errorf("5 nodes in groups of 2 are in %d groups", n)
	}
}

// TestDNSServerOfWhatIsThere: KUBE_DNS_SERVER_IP follows from a range that is not set
// but read back, so another one is refused on a cluster that is there too.
func TestDNSServerOfWhatIsThere(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	w.mustUp(o.shell(t, map[string]string{"NUM_NODES": "1", "SERVICE_CLUSTER_IP_RANGE": "10.1.0.0/16"}))
	before := w.objects()
	for name, more := range map[string]map[string]string{
		"up": {}, "a pool": {"KUBE_USE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC}, "the pool there is": {"KUBE_USE_EXISTING_MASTER": "true"},
		"a replica": {"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC},
	} {
		t.Run(name, func(t *testing.T) {
			other := maps.Clone(more)
			other["KUBE_DNS_SERVER_IP"] = "10.0.0.10" // right with the default range only
			_, err := o.shell(t, other).Up(ctx, w.events())
			var unchanged *Unchanged
			if !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "10.1.0.10") {
				t.Errorf("up: %v", err)
			}
			if _, err := o.shell(t, other).PreviewUp(ctx, nil); err == nil {
				t.Error("plan up does not say so")
			}
			if diff := cmp.Diff(before, w.objects()); diff != "" {
				t.Errorf("refused, and (-before +after):\n%s", diff)
			}
		})
	}
	nothingToDo(t, w, o.shell(t, map[string]string{"KUBE_DNS_SERVER_IP": "10.1.0.10"}))
}
