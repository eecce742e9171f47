package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/removal"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/gce/gcetest"
)

// Names as Kubernetes gives them; what they leave is made by plain requests, as
// by a program that knows nothing of hakube.
const (
	uid1       = "a0123456789abcdef0123456789abcde"
	uid3       = "a0011223344556677889900112233445"
	uid2       = "afedcba9876543210fedcba987654321"
	ofWeb      = `{"kubernetes.io/service-name":"default/web"}`
	ofClaim    = `{"kubernetes.io/created-for/pv/name":"pvc-1","kubernetes.io/created-for/pvc/name":"data","kubernetes.io/created-for/pvc/namespace":"default"}`
	ofSnapshot = `{"kubernetes.io/created-for/volumesnapshot/name":"daily","kubernetes.io/created-for/volumesnapshot/namespace":"default","kubernetes.io/created-for/volumesnapshotcontent/name":"snapcontent-1"}`

	inRegion = "regions/" + gcetest.Region + "/"
	inZone   = "zones/" + gcetest.Zone + "/"
)

type doc = map[string]any

// post makes an object as somebody else would, and waits for it.
func (w *world) post(path string, body doc) {
	w.t.Helper()
	w.change(http.MethodPost, path, body)
}

// change makes or changes one, by the method.
func (w *world) change(method, path string, body doc) {
	w.t.Helper()
	send := func(method, path string, body any) (out doc) {
		b, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		ask, err := http.NewRequest(method, w.URL+"/compute/v1/projects/"+gcetest.Project+"/"+path, bytes.NewReader(b))
		if err != nil {
			w.t.Fatal(err)
		}
		ask.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(ask)
		if err != nil {
			w.t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != 200 {
			w.t.Fatalf("%s %s: %d %v %v", method, path, resp.StatusCode, out, err)
		}
		return out
	}
	op := send(method, path, body)
	for op["status"] != "DONE" {
		_, at, _ := strings.Cut(op["selfLink"].(string), "/projects/"+gcetest.Project+"/")
		op = send(http.MethodPost, at+"/wait", doc{})
	}
	if op["error"] != nil {
		w.t.Fatalf("%s %s: %v", method, path, op["error"])
	}
}

// node is a machine of the zone's pool.
func (w *world) node() string {
	w.t.Helper()
	mark := settings.Mark{Project: gcetest.Project, Cluster: "kubernetes"}
	for path, o := range w.objects() {
		if d, _ := o["description"].(string); !mark.Owns(d) {
			continue
		}
		if _, name, ok := strings.Cut(path, "/"+inZone+"instances/"); ok && strings.Contains(name, "-minion-group-") {
			return name
		}
	}
	w.t.Fatal("there is no node")
	return ""
}

func firewallOf(name, tag, description string) doc {
	return doc{"name": name, "network": "global/networks/default", "description": description, "sourceRanges": []any{"0.0.0.0/0"},
		"targetTags": []any{tag}, "allowed": []any{doc{"IPProtocol": "tcp", "ports": []any{"80"}}}}
}

func poolOf(name string, machines ...string) doc {
	var l []any
	for _, m := range machines {
		l = append(l, inZone+"instances/"+m)
	}
	return doc{"name": name, "description": ofWeb, "instances": l}
}

const nodeTag = "kubernetes-minion"

// litters are the kinds of what is left behind: how each is made, and what of
// it is told.
var litters = []struct {
	name string
	make func(w *world)
	told []string
}{
	{"firewall", func(w *world) {
		w.post("global/firewalls", firewallOf("k8s-fw-"+uid1, nodeTag, ofWeb))
		w.post("global/firewalls", firewallOf("k8s-fw-"+uid1+"-deny", nodeTag, ofWeb))
	}, []string{"firewall k8s-fw-" + uid1 + ", of Service default/web", "firewall k8s-fw-" + uid1 + "-deny, of Service default/web"}},
	{"route", func(w *world) {
		w.post("global/routes", doc{"name": "kubernetes-1", "network": "global/networks/default", "destRange": "10.200.1.0/24", "priority": 1000,
			"nextHopInstance": inZone + "instances/" + w.node(), "description": sweep.NodeRoute})
	}, []string{"route kubernetes-1"}},
	{"target pool", func(w *world) {
		w.post(inRegion+"targetPools", poolOf(uid1, w.node()))
	}, []string{"target pool " + uid1 + " in europe-west1, of Service default/web"}},
	{"forwarding rule", func(w *world) {
		w.post(inRegion+"targetPools", poolOf(uid1, w.node()))
		w.post(inRegion+"forwardingRules", doc{"name": uid1, "portRange": "80", "target": inRegion + "targetPools/" + uid1, "description": ofWeb})
	}, []string{"forwarding rule " + uid1 + " in europe-west1, A.B.C.D, of Service default/web", "target pool " + uid1 + " in europe-west1, of Service default/web"}},
	{"address", func(w *world) {
		w.post(inRegion+"targetPools", poolOf(uid1, w.node()))
		w.post(inRegion+"addresses", doc{"name": uid1, "description": ofWeb})
	}, []string{"address " + uid1 + " in europe-west1, A.B.C.D, of Service default/web", "target pool " + uid1 + " in europe-west1, of Service default/web"}},
	{"backend service and health check", func(w *world) {
		w.post("global/firewalls", firewallOf(uid1+"-hc", nodeTag, ""))
		w.post("global/healthChecks", doc{"name": uid1, "type": "TCP", "description": ofWeb})
		w.post(inRegion+"backendServices", doc{"name": uid1, "description": ofWeb})
	}, []string{"backend service " + uid1 + " in europe-west1, of Service default/web", "firewall " + uid1 + "-hc", "health check " + uid1 + ", of Service default/web"}},
	{"what all Services share", func(w *world) {
		w.post("global/firewalls", firewallOf("k8s-c1d2-node-http-hc", nodeTag, ""))
		w.post("global/httpHealthChecks", doc{"name": "k8s-c1d2-node", "port": 10256, "description": `{"kubernetes.io/service-name":"k8s-c1d2-node"}`})
		w.post(inZone+"instanceGroups", doc{"name": "k8s-ig--c1d2"})
	}, []string{"HTTP health check k8s-c1d2-node", "firewall k8s-c1d2-node-http-hc", "instance group k8s-ig--c1d2 in europe-west1-b"}},
	{"disk on a machine", func(w *world) {
		ctx := context.Background()
		w.post(inZone+"disks", doc{"name": "pvc-1", "sizeGb": "10", "description": ofClaim, "labels": doc{"team": "web"}})
		instances := w.Client.Instances(gcetest.Zone)
		if err := instances.Stop(ctx, "kubernetes-master"); err != nil {
			w.t.Fatal(err)
		}
		w.post(inZone+"instances/kubernetes-master/attachDisk", doc{"source": inZone + "disks/pvc-1", "deviceName": "pvc-1"})
	}, []string{"disk pvc-1 in europe-west1-b, 10GB pd-standard, of volume claim default/data"}},
	{"snapshot of a volume", func(w *world) {
		w.post(inZone+"disks", doc{"name": "pvc-1", "sizeGb": "10", "description": ofClaim, "labels": doc{settings.Label: "kubernetes"}})
		w.post(inZone+"disks/pvc-1/createSnapshot", doc{"name": "snapshot-1", "description": ofSnapshot, "labels": doc{settings.Label: "kubernetes"}})
	}, []string{"disk pvc-1 in europe-west1-b, 10GB pd-standard, of volume claim default/data", "snapshot snapshot-1, 10GB, of volume snapshot default/daily"}},
	{"disk with the label", func(w *world) {
		w.post(inZone+"disks", doc{"name": "pvc-1", "sizeGb": "10", "description": ofClaim, "labels": doc{settings.Label: "kubernetes"}})
	}, []string{"disk pvc-1 in europe-west1-b, 10GB pd-standard, of volume claim default/data"}},
}

// others are another cluster's, of the same kinds: in the network it shares with
// this one when that was there before, else in one of its own.
func (w *world) others(network string) {
	w.t.Helper()
	w.post("global/networks", doc{"name": network, "autoCreateSubnetworks": false})
	w.post(inRegion+"subnetworks", doc{"name": "theirs", "network": "global/networks/" + network, "ipCidrRange": "10.90.0.0/24"})
	w.post(inZone+"disks", doc{"name": "pvc-theirs", "sizeGb": "10", "description": ofClaim})
	// A backup that a schedule made of our disk has its labels, and another cluster's snapshot has others.
	w.post(inZone+"disks/pvc-theirs/createSnapshot", doc{"name": "backup", "labels": doc{settings.Label: "kubernetes"}})
	w.post(inZone+"disks/pvc-theirs/createSnapshot", doc{"name": "snapshot-theirs", "description": ofSnapshot, "labels": doc{settings.Label: "staging"}})
	w.post(inZone+"disks", doc{"name": "pvc-labelled", "sizeGb": "10", "description": ofClaim, "labels": doc{settings.Label: "staging"}})
	for _, name := range []string{"staging-minion-group-abcd", "kubernetes-minion-group-abcd"} { // the second only looks like ours
		w.post(inZone+"instances", doc{
			"name": name, "machineType": inZone + "machineTypes/e2-small", "tags": doc{"items": []any{"staging-minion"}},
			"metadata":          doc{"items": []any{doc{"key": "enable-guest-attributes", "value": "TRUE"}}},
			"networkInterfaces": []any{doc{"subnetwork": inRegion + "subnetworks/theirs"}},
			"disks":             []any{doc{"boot": true, "autoDelete": true, "initializeParams": doc{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		})
	}
	in := firewallOf("k8s-fw-"+uid2, "staging-minion", ofWeb)
	in["network"] = "global/networks/" + network
	w.post("global/firewalls", in)
	w.post("global/routes", doc{"name": "staging-1", "network": "global/networks/" + network, "destRange": "10.201.1.0/24", "priority": 1000,
		"nextHopInstance": inZone + "instances/kubernetes-minion-group-abcd", "description": sweep.NodeRoute})
	w.post(inRegion+"targetPools", poolOf(uid2, "kubernetes-minion-group-abcd"))
	w.post(inRegion+"forwardingRules", doc{"name": uid2, "portRange": "80", "target": inRegion + "targetPools/" + uid2, "description": ofWeb})
	w.post(inRegion+"addresses", doc{"name": uid2, "description": ofWeb})
	w.post(inRegion+"addresses", doc{"name": "web-ip"})
	w.post(inRegion+"backendServices", doc{"name": uid2, "description": ofWeb})
}

// A person's or a script's way to say it.
var answers = []struct {
	name    string
	setting bool
	ask     bool // somebody is there
	yes     bool
	swept   bool
}{
	{"with --sweep", true, false, false, true},
	{"without", false, false, false, false},
	{"terminal yes", false, true, true, true},
	{"terminal no", false, true, false, false},
}

func texts(list []sweep.Orphan) (out []string) {
	for _, l := range list {
		if l.Address != "" {
			l.Address = "A.B.C.D" // given out in turn
		}
		out = append(out, l.String())
	}
	return out
}

// sweeps is the operator with another answer; asked counts the questions.
func (o *operator) sweeps(setting bool, f func(sweep.Found) (bool, error)) *operator {
	again := o.again(func(s *settings.Settings) { s.Sweep = settings.Bool(setting) })
	again.orphans = nil
	if f != nil {
		again.OnOrphans(func(_ context.Context, found sweep.Found) (bool, error) { return f(found) })
	}
	return again
}

// TestSweep leaves each kind behind, in the cluster's own network and in one
// that was there before, under each answer. Another cluster's stay, always.
func TestSweep(t *testing.T) {
	besideOthers(t)
	n := 0
	for _, litter := range litters {
		for _, network := range []string{"theirs", "default"} {
			for _, answer := range answers {
				if n++; testing.Short() && n%11 != 1 {
					continue
				}
				t.Run(litter.name+"/network "+network+"/"+answer.name, func(t *testing.T) {
					w := newWorld(t)
					w.others(network)
					before := w.objects()
					o := w.operator()
					w.mustUp(o)
					litter.make(w)

					asked := 0
					ask := func(f sweep.Found) (bool, error) {
						asked++
						if diff := cmp.Diff(litter.told, texts(f.Ours)); diff != "" {
							t.Errorf("what is told (-want +got):\n%s", diff)
						}
						if machines, err := w.Client.Instances(zoneB).List(t.Context()); err != nil || len(machines) == 0 {
							t.Errorf("asked after the machines were gone: %v", err)
						}
						return answer.yes, nil
					}
					if !answer.ask {
						ask = nil
					}
					s, err := o.sweeps(answer.setting, ask).Down(context.Background(), w.events())
					if (asked > 0) != answer.ask {
						t.Errorf("asked %d times", asked)
					}
					if !answer.swept {
						var left *removal.OrphansLeft
						if !errors.As(err, &left) || !slices.Equal(texts(left.Ours), litter.told) || !slices.Equal(texts(s.Orphans), litter.told) {
							t.Fatalf("ended with: %v\nsummary %+v", err, s)
						}
						w.onlyAnchor(before, network != "default")
						// Once more without a word: the same, and nothing is changed.
						if _, change := w.counts(func() { _, err = o.sweeps(false, nil).Down(context.Background(), nil) }); change != 0 || !errors.As(err, &left) {
							t.Errorf("the second down made %d changing calls and ended with: %v", change, err)
						}
						without := o.again(func(s *settings.Settings) { s.Zone = "" })
						s, err = without.sweeps(true, nil).Down(context.Background(), w.events())
					}
					if err != nil || len(s.Orphans)+len(s.Left) > 0 {
						t.Errorf("the sweep ended with: %v\nsummary %+v", err, s)
					}
					if diff := cmp.Diff(before, w.objects()); diff != "" {
						t.Errorf("objects after the sweep (-before +after):\n%s", diff)
					}
					if s := w.mustDown(o); !s.Nothing {
						t.Errorf("the next down found something: %+v", s)
					}
				})
			}
		}
	}
}

// TestSweptThoughMadeSince: a controller that lives while the cluster goes makes its things
// again, or new ones, after the list was read: they go too, and do not hold the network.
func TestSweptThoughMadeSince(t *testing.T) {
	besideOthers(t)
	for i, litter := range litters {
		for j, network := range []string{"theirs", "default"} {
			if testing.Short() && (i+j)%16 != 1 || litter.name == "disk on a machine" {
				continue // of such a disk nothing tells whose it is when the machine is gone
			}
			t.Run(litter.name+"/network "+network, func(t *testing.T) {
				w := newWorld(t)
				w.others(network)
				before := w.objects()
				o := w.operator()
				w.mustUp(o)
				w.post(inRegion+"targetPools", poolOf(uid3, w.node()))
				since := func(sweep.Found) (bool, error) {
					litter.make(w)
					return true, nil
				}
				s, err := o.sweeps(true, since).Down(t.Context(), w.events())
				if err != nil || !strings.Contains(strings.Join(s.Warnings, "\n"), "was made while the cluster went, and is removed too") {
					t.Fatalf("ended with: %v, and warns of %q", err, s.Warnings)
				}
				if diff := cmp.Diff(before, w.objects()); diff != "" {
					t.Errorf("objects after the sweep (-before +after):\n%s", diff)
				}
			})
		}
	}
}

// onlyAnchor checks that of the cluster's own there is only what the rest is
// found by.
func (w *world) onlyAnchor(before map[string]map[string]any, ownNetwork bool) {
	w.t.Helper()
	want := []string{"firewalls/kubernetes-minion-all"}
	if ownNetwork {
		want = []string{"firewalls/default-default-ssh", "networks/default"}
	}
	mark := settings.Mark{Project: gcetest.Project, Cluster: "kubernetes"}
	var got []string
	for path, o := range w.objects() {
		if d, _ := o["description"].(string); before[path] == nil && mark.Owns(d) {
			got = append(got, strings.Join(strings.Split(path, "/")[3:], "/"))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		w.t.Errorf("of the cluster's own there is still %q, want only %q", got, want)
	}
}

// litterAll makes all kinds at once, of two Services.
func (w *world) litterAll() {
	w.t.Helper()
	for _, i := range []int{0, 1, 3, 6, 8} {
		litters[i].make(w)
	}
	w.post(inRegion+"addresses", doc{"name": uid1, "description": ofWeb})
}

// TestCutSweep cuts a down that sweeps anywhere; the next one leaves nothing.
func TestCutSweep(t *testing.T) {
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.litterAll()
	_, calls := w.counts(func() { w.mustDown(o.sweeps(true, nil)) })
	if calls < 15 {
		t.Fatalf("a down that sweeps makes %d changing calls", calls)
	}
	for k := int64(1); k <= calls; k++ {
		for i, c := range cuts {
			if shortForms && (k+int64(i))%3 != 0 || testing.Short() && (k+int64(i))%23 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("cut=%d/%s", k, c.name), func(t *testing.T) {
				w := newWorld(t)
				before := w.objects()
				o := w.operator()
				w.mustUp(o)
				w.litterAll()
				ctx, stop := context.WithCancelCause(context.Background())
				hit := w.cutAt(k, c, func() { stop(errKilled) })
				_, err := o.sweeps(true, nil).Down(ctx, nil)
				if !hit() {
					t.Fatalf("this down made fewer than %d changing calls", k)
				}
				// The last one gives the lease back: if that fails it is a warning, no error.
				if (err == nil) != (c.name == "busy") && (k != calls || err != nil) {
					t.Errorf("the cut down ended with: %v", err)
				}
				w.setFault(nil)
				w.mustDown(o.again(func(s *settings.Settings) {
					if k%2 == 0 {
						s.Zone = ""
					}
				}).sweeps(true, nil))
				if diff := cmp.Diff(before, w.objects()); diff != "" {
					t.Errorf("objects after down (-before +after):\n%s", diff)
				}
			})
		}
	}
}
