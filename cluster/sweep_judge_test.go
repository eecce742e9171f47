package cluster

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/removal"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/gce/emulator"
)

// TestSweepDoubt: whatever can be read in two ways is told and stays, with
// --sweep too.
func TestSweepDoubt(t *testing.T) {
	besideOthers(t)
	foreign := func(w *world, name string, tags ...any) {
		w.post(inZone+"instances", doc{
			"name": name, "machineType": inZone + "machineTypes/e2-small", "tags": doc{"items": tags},
			"metadata":          doc{"items": []any{doc{"key": "enable-guest-attributes", "value": "TRUE"}}},
			"networkInterfaces": []any{doc{"subnetwork": inRegion + "subnetworks/kubernetes-subnet-default"}},
			"disks":             []any{doc{"boot": true, "autoDelete": true, "initializeParams": doc{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		})
	}
	for i, c := range []struct {
		name   string
		make   func(w *world)
		want   []string // told as perhaps
		Holder bool     // somebody's machine in the subnetwork: nothing goes at all
	}{
		{"a pool with somebody else's machine in it", func(w *world) {
			foreign(w, "database")
			w.post(inRegion+"targetPools", poolOf(uid1, "kubernetes-master", "database"))
		}, nil, true}, // theirs: not even told
		{"a Service's parts point both ways", func(w *world) {
			foreign(w, "database")
			w.post("global/firewalls", firewallOf("k8s-fw-"+uid1, nodeTag, ofWeb))
			w.post(inRegion+"targetPools", poolOf(uid1, "database"))
		}, []string{"firewall k8s-fw-" + uid1 + ", of Service default/web", "target pool " + uid1 + " in europe-west1, of Service default/web"}, true},
		{"a rule for our tag, which others' machines have too", func(w *world) {
			foreign(w, "kubernetes-minion-group-copy", nodeTag)
			w.post("global/firewalls", firewallOf("k8s-fw-"+uid1, nodeTag, ofWeb))
		}, []string{"firewall k8s-fw-" + uid1 + ", of Service default/web"}, true}, // in our network
		{"a rule for everybody", func(w *world) {
			f := firewallOf("k8s-fw-"+uid1, nodeTag, ofWeb)
			delete(f, "targetTags")
			w.post("global/firewalls", f)
		}, []string{"firewall k8s-fw-" + uid1 + ", of Service default/web"}, false},
		{"a person's rule for our machines", func(w *world) {
			w.post("global/firewalls", firewallOf("web", nodeTag, "for the demo"))
		}, []string{"firewall web"}, false},
		{"an address that a person reserved", func(w *world) {
			w.post(inRegion+"addresses", doc{"name": "web-ip"})
		}, nil, false},
		{"a disk on no machine", func(w *world) {
			w.post(inZone+"disks", doc{"name": "pvc-1", "sizeGb": "10", "description": ofClaim})
		}, []string{"disk pvc-1 in europe-west1-b, 10GB pd-standard, of volume claim default/data"}, false},
		{"a disk in a zone the cluster is not in", func(w *world) {
			w.post("zones/europe-west1-c/disks", doc{"name": "pvc-1", "sizeGb": "10", "description": ofClaim})
		}, nil, false},
	} {
		if testing.Short() && i%2 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator()
			w.mustUp(o)
			before := w.objects()
			c.make(w)
			made := map[string]bool{}
			for path := range w.objects() {
				made[path] = before[path] == nil
			}
			var told []string
			n, err := o.sweeps(true, func(f sweep.Found) (bool, error) {
				told = texts(f.Perhaps)
				if len(f.Ours) > 0 || !f.Preview {
					t.Errorf("found %+v", f)
				}
				return true, nil
			}).PreviewDown(context.Background(), nil)
			switch {
			case c.Holder:
				wantError(t, err, "which is not this cluster's, uses it")
			case err != nil || n == 0:
				t.Errorf("the preview: %d steps, %v", n, err)
			}
			if diff := cmp.Diff(c.want, told); diff != "" {
				t.Errorf("what is told (-want +got):\n%s", diff)
			}
			_, err = o.sweeps(true, nil).Down(context.Background(), w.events())
			var left *removal.OrphansLeft
			switch {
			case c.Holder:
				wantError(t, err, "which is not this cluster's, uses it", "gcloud compute instances delete")
			case err != nil && !errors.As(err, &left):
				t.Errorf("down: %v", err)
			}
			after := w.objects()
			for path, is := range made {
				if is && after[path] == nil {
					t.Errorf("%s is gone", path)
				}
			}
		})
	}
}

// TestSweepLag: a list that once leaves out what is there does not end a
// removal, and neither is what is gone waited for without end.
func TestSweepLag(t *testing.T) {
	w := newWorld(t)
	before := w.objects()
	o := w.operator()
	w.mustUp(o)
	r := o.runFor(settings.Down, hold{})
	have, err := r.LookForMarks(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r.Have = have
	// Two looks list firewalls twice. The first finds nothing: there is none of
	// anything but the firewall that the second look finds.
	var lists atomic.Int64
	w.mustDown(o)
	w.setFault(func(q *http.Request) emulator.Fault {
		if q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, "/global/firewalls") && lists.Add(1) == 2 {
			w.setFault(nil)
			late := firewallOf("kubernetes-late", nodeTag, r.Want.Mark.For("firewall-https"))
			late["network"] = "global/networks/other"
			w.post("global/networks", doc{"name": "other", "autoCreateSubnetworks": false})
			w.post("global/firewalls", late)
		}
		return emulator.Fault{}
	})
	s, err := removal.NothingLeftOver(r.Task).Observe(context.Background())
	if err != nil || s.Is.String() != "absent" || !strings.Contains(s.Why, "firewall kubernetes-late") {
		t.Errorf("what the second look found is: %+v, %v", s, err)
	}
	if n := lists.Load(); n != 2 {
		t.Errorf("%d looks", n)
	}
	if err := w.Client.Firewalls().Delete(context.Background(), "kubernetes-late"); err != nil {
		t.Fatal(err)
	}
	if err := w.Client.Networks().Delete(context.Background(), "other"); err != nil {
		t.Fatal(err)
	}
	read, _ := w.counts(func() { s, err = removal.NothingLeftOver(r.Task).Observe(context.Background()) })
	one, _ := w.counts(func() { _, _ = removal.NothingLeftOver(r.Task).(*removal.LastLook).Glance(context.Background()) })
	if err != nil || s.Is.String() != "present" || read != 2*one {
		t.Errorf("when all is gone: %+v, %v, in %d reading calls, twice %d", s, err, read, one)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}
