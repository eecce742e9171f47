package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/scripts"
)

// A refusalCase is a state of the world in which the cloud, or this machine, says no
// to a change of a mode. REFUSALS.md lists them all; each that can be foreseen is
// here by its name there.
type refusalCase struct {
	name     string
	masters  int                      // how many there are before; 0: no cluster
	quotas   map[string]float64       // of the project from the start
	enforced []string                 // policies of the organisation
	withheld []string                 // permissions the account has lost since
	world    func(*world, *operator)  // what somebody did
	settings func(*settings.Settings) // of the run that is refused
	run      settings.Mode
	rotates  string   // of what, where it is not of certificates
	says     []string // in the error and its cures
}

var refusals = slices.Concat(refusedMaking, refusedChanging, refusedRemoving)

// TestRefusals sets the world up so that a change of a mode would be refused, and
// runs the mode: it says why and what helps, that nothing was changed, and that
// is so, by the calls and by what is there.
func TestRefusals(t *testing.T) {
	besideOthers(t)
	for i, x := range refusals {
		t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
			if testing.Short() && (x.masters > 1 && i%8 != 0 || x.masters == 1 && i%6 != 0) {
				t.Skip("one in three, of those with several masters one in eight")
			}
			lost := make([]string, len(x.withheld))
			w, o := x.begin(t, func(o *emulator.Options) { o.Quotas, o.Withheld, o.Enforced = x.quotas, lost, x.enforced })
			copy(lost, x.withheld)
			if x.world != nil {
				x.world(w, o)
			}
			before := w.Server.Snapshot()
			var err error
			_, changes := w.counts(func() { err = o.refusedRun(x) })
			wantError(t, err, x.says...)
			var unchanged *Unchanged
			if !errors.As(err, &unchanged) {
				t.Errorf("it does not say that nothing was changed: %v", err)
			}
			if changes != 0 {
				t.Errorf("%d changing calls", changes)
			}
			if diff := cmp.Diff(printed(before), printed(w.Server.Snapshot())); diff != "" {
				t.Errorf("objects (-before +after):\n%s", diff)
			}
		})
	}
}

// printed is each object on a line, the labels of the lease included.
func printed(list []emulator.Object) (lines []string) {
	for _, o := range list {
		lines = append(lines, fmt.Sprint(o.Path, " ", o.Doc))
	}
	return lines
}

// begin makes the cluster there is before; several masters need model machines.
func (x refusalCase) begin(t *testing.T, options func(*emulator.Options)) (w *world, o *operator) {
	t.Helper()
	if x.masters > 1 || x.run == settings.AddReplica || x.run == settings.Repair || x.run == settings.Rotate || x.run == settings.Rebuild {
		w, _ = newModelWorldWith(t, options)
	} else {
		w = newWorldWith(t, options)
	}
	o = w.operator()
	if x.masters > 0 {
		w.mustUp(o)
	}
	for i := 1; i < x.masters; i++ {
		w.mustUp(o.replica([]settings.Zone{zoneC, zoneD}[i-1]))
	}
	return w, o
}

// refusedRun runs the mode as its operator would.
func (o *operator) refusedRun(x refusalCase) (err error) {
	ctx := context.Background()
	change := x.settings
	if change == nil {
		change = func(*settings.Settings) {}
	}
	switch x.run {
	case settings.Create:
		_, err = o.again(change).Up(ctx, nil)
	case settings.AddPool:
		_, err = o.pool(zoneC, 1).again(change).Up(ctx, nil)
	case settings.AddReplica:
		_, err = o.replica(zoneD).again(change).Up(ctx, nil)
	case settings.RemoveReplica:
		_, err = o.replica(zoneC).again(change).Down(ctx, nil)
	case settings.RemovePool:
		_, err = o.pool(zoneB, 0).again(change).Down(ctx, nil)
	case settings.RemoveCluster:
		_, err = o.again(change).Down(ctx, nil)
	case settings.Repair:
		_, err = o.again(change).Repair(ctx, "", nil)
	case settings.Roll:
		_, err = o.again(change).RollMasters(ctx, true, nil)
	case settings.Upgrade:
		_, err = o.again(change).Upgrade().RollMasters(ctx, false, nil)
	case settings.RollPool:
		_, err = o.again(change).RollPool(ctx, zoneB, true, nil)
	case settings.Rotate:
		of := x.rotates
		if of == "" {
			of = inventory.RotateCertificates
		}
		_, err = o.again(change).Rotate(ctx, of, nil)
	case settings.Rebuild:
		_, err = o.again(change).FromSurvivor(ctx, "kubernetes-master", nil, func(repair.Loss) error { return errors.New("it asked") })
	}
	return err
}

// TestRefusalsListed: each refusal that REFUSALS.md says is foreseen is tried by
// TestRefusals, or by a test that is named in its row and exists; each other row
// says why it cannot be; and nothing is tried that is not listed.
func TestRefusalsListed(t *testing.T) {
	text, err := os.ReadFile("REFUSALS.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsHere(t)
	listed, foreseen, not := map[string]bool{}, 0, 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 6 || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| change") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		by, how := cells[4], cells[3]
		switch {
		case how == "" || by == "":
			t.Errorf("a row says nothing: %s", line)
		case by == "—":
			if not++; len(how) < 20 {
				t.Errorf("a row does not say why it cannot be foreseen: %s", line)
			}
		default:
			foreseen++
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(by, -1) {
			listed[name[1]] = true
		}
		for _, name := range regexp.MustCompile(`\bTest\w+`).FindAllString(by, -1) {
			if !tests[name] {
				t.Errorf("REFUSALS.md names %s, and there is no such test", name)
			}
		}
	}
	for _, x := range refusals {
		if !listed[x.name] {
			t.Errorf("%q is tried and not listed in REFUSALS.md", x.name)
		}
		delete(listed, x.name)
	}
	for name := range listed {
		t.Errorf("REFUSALS.md says that TestRefusals tries %q, and it does not", name)
	}
	fmt.Printf("REPORT TestRefusals: of %d kinds of refusal %d are foreseen; TestRefusals brings %d of their states about; %d cannot be, each with its reason\n",
		foreseen+not, foreseen, len(refusals), not)
}

// testsHere are the tests of this package and of those that REFUSALS.md speaks of.
func testsHere(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{".", "settings", "preflight", "refusal", "upgrade", "../cmd/hakube", "../gce", "../gce/local", "../gce/emulator"} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), "_test.go") {
				continue
			}
			b, err := os.ReadFile(dir + "/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(b, -1) {
				found[string(m[1])] = true
			}
		}
	}
	return found
}

// Things somebody else makes.

// network is one that was there before hakube came.
func (w *world) network(auto bool) {
	w.post("global/networks", doc{"name": "default", "autoCreateSubnetworks": auto})
}

// machine is somebody's machine in a subnetwork of the region; more changes what
// is asked for.
func (w *world) machineIn(subnetwork, name string, more func(doc)) {
	d := doc{
		"name": name, "machineType": inZone + "machineTypes/e2-small",
		"metadata":          doc{"items": []any{doc{"key": "enable-guest-attributes", "value": "TRUE"}}},
		"networkInterfaces": []any{doc{"subnetwork": inRegion + "subnetworks/" + subnetwork}},
		"disks":             []any{doc{"boot": true, "autoDelete": true, "initializeParams": doc{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
	}
	if more != nil {
		more(d)
	}
	w.post(inZone+"instances", d)
}

// service is somebody's balancer with a group behind it.
func (w *world) service(group string) {
	w.post(inRegion+"healthChecks", doc{"name": "web", "type": "TCP", "tcpHealthCheck": doc{"port": 80}})
	w.post(inRegion+"backendServices", doc{
		"name": "web", "loadBalancingScheme": "EXTERNAL", "protocol": "TCP", "healthChecks": []any{inRegion + "healthChecks/web"},
		"backends": []any{doc{"group": group, "balancingMode": "CONNECTION"}},
	})
}

// away removes an instance and keeps its data disk, as a person would.
func (w *world) away(zone settings.Zone, name string) {
	w.t.Helper()
	if err := w.Client.Instances(string(zone)).Delete(context.Background(), name); err != nil {
		w.t.Fatal(err)
	}
}

// osLogin switches OS Login on in the whole project.
func (w *world) osLogin() { w.projectSays(scripts.KeyOSLogin, "TRUE") }

// projectSays sets an item of the project's metadata, and takes all others away.
func (w *world) projectSays(key, value string) {
	w.t.Helper()
	p, err := w.Client.GetProject(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.post("setCommonInstanceMetadata", doc{"fingerprint": p.GetCommonInstanceMetadata().GetFingerprint(), "items": []any{doc{"key": key, "value": value}}})
}

// forgets takes an item out of a machine's metadata, as a hakube of before had made it.
func (w *world) forgets(name, key string) {
	w.t.Helper()
	i, err := w.Client.Instances(zoneB).Get(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	items := []any{}
	for _, x := range i.GetMetadata().GetItems() {
		if x.GetKey() != key {
			items = append(items, doc{"key": x.GetKey(), "value": x.GetValue()})
		}
	}
	w.post(inZone+"instances/"+name+"/setMetadata", doc{"fingerprint": i.GetMetadata().GetFingerprint(), "items": items})
}

// protect keeps a machine from being deleted.
func (w *world) protect(zone settings.Zone, name string) {
	w.post("zones/"+string(zone)+"/instances/"+name+"/setDeletionProtection?deletionProtection=true", doc{})
}

func marked(role string) string {
	return settings.Mark{Project: gcetest.Project, Cluster: "kubernetes", Multizone: true}.For(role)
}

func (w *world) firstReplica() string {
	w.t.Helper()
	all, err := w.Client.Instances(zoneC).List(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, x := range all {
		if strings.HasPrefix(x.GetName(), "kubernetes-master-") {
			return x.GetName()
		}
	}
	w.t.Fatal("there is no replica")
	return ""
}
