//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"hakube/cluster"
)

// A part is what "make conformance" runs at a time: specs with a word of upstream's about
// which, by Ginkgo's labels and by name.
type part struct {
	name, labels, focus string
	driver              bool // they are those of any driver of volumes, held against the addon's
}

// conformanceParts are all there are, in their order.
var conformanceParts = []part{
	{name: "conformance", labels: "Conformance && !Serial && !Slow && !Disruptive"},
	{name: "balancers", labels: "Feature: containsAny LoadBalancer && !Serial && !Disruptive"}, // nearly all are Slow
	{name: "volumes", labels: "!Serial && !Slow && !Disruptive", focus: "External.Storage", driver: true},
}

// A setAside are specs that are not run.
type setAside struct{ part, spec, why string }

// setAsides are all of them: none needs an image that cannot be made here, as far as is
// known. Any other spec that fails makes "make conformance" fail.
func setAsides(t *testing.T) (list []setAside) {
	if !mayGrow(t) {
		for _, spec := range []string{
			"should provision correct filesystem size when restoring snapshot to larger size pvc",
			// Offline is the disk: its file system grows once it is mounted. Of block devices nothing need grow.
			"(default fs)(allowExpansion)] volume-expand Verify if offline PVC expansion works",
			"(default fs) (late-binding)] ephemeral should support expansion of pvcs",
			"(default fs)(allowExpansion)] volume-expand should resize volume when PVC is edited",
		} {
			list = append(list, setAside{"volumes", spec, "to grow a mounted file system takes CAP_SYS_RESOURCE, which this host does not give its machines"})
		}
	}
	return list
}

// mayGrow tells whether this host lets its machines grow a mounted file system.
func mayGrow(t *testing.T) bool {
	t.Helper()
	const sysResource = 24 // linux/capability.h
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	_, bounding, _ := strings.Cut(string(status), "\nCapBnd:")
	bits, err := strconv.ParseUint(strings.Fields(bounding)[0], 16, 64)
	must(t, err)
	return bits&(1<<sysResource) != 0
}

// TestConformance is "make conformance": all of Kubernetes' conformance tests that may run
// side by side, its tests of balancers and of volumes, on three masters and three nodes in
// three zones. However it ends, also by an interrupt, nothing is left of the cluster.
func TestConformance(t *testing.T) {
	out := os.Getenv("HAKUBE_CONFORMANCE")
	if out == "" {
		t.Skip("it takes three quarters of an hour: make conformance runs it")
	}
	only := strings.FieldsFunc(os.Getenv("HAKUBE_CONFORMANCE_ONLY"), func(r rune) bool { return r == ',' || r == ' ' })
	for _, name := range only {
		if !slices.ContainsFunc(conformanceParts, func(p part) bool { return p.name == name }) {
			t.Fatalf("there is no part %q of make conformance", name)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	w := newWalk(t)
	w.limit = 20 * time.Minute // three masters, all addons, on a host that has other work
	u := &upstream{walk: w, tests: upstreamTests(ctx, t, true), out: out, procs: 3, limit: 90 * time.Minute}
	if len(u.tests.Replaced) > 0 {
		report(t, "images in the place of official ones: %s", strings.Join(u.tests.Replaced, ", "))
	}
	w.env = append(withoutZone(w.env), "HAKUBE_MASTER_SERVICE_ACCOUNT=default", "NUM_NODES=1") // of each zone
	w.ok(t, "local", "start", "--machines=real")
	begin := time.Now()
	w.ok(t, "up", "--zones=europe-west1-b,europe-west1-c,europe-west1-d", "--master-count=3", "--addons=all")
	report(t, "3 masters and 3 nodes with all addons: the cluster is up after %.0f s", time.Since(begin).Seconds())
	w.machines(t)
	ran, focus := 0, os.Getenv("HAKUBE_CONFORMANCE_FOCUS")
	for _, p := range conformanceParts {
		if len(only) == 0 || slices.Contains(only, p.name) {
			ran += u.part(ctx, t, p, focus)
		}
	}
	if ran == 0 {
		t.Errorf("no spec's name matches %q", focus)
	}
	var s cluster.Status
	decode(t, w.ok(t, "status", "--json").stdout, &s)
	if len(s.Masters) != 3 {
		t.Errorf("after all of it there are %d masters", len(s.Masters))
	}
	w.valid(t)
	w.ok(t, "down", "--sweep", "--yes")
	w.nothingLeft(t)
	fmt.Println("what the specs printed is in", out)
}

// part runs those of the part whose name the regular expression matches, and returns how
// many that were.
func (u *upstream) part(ctx context.Context, t *testing.T, p part, focus string) int {
	t.Helper()
	choose := []string{"--label-filter=" + p.labels, "--focus=" + p.focus + ".*(?:" + focus + ")"}
	var args []string
	if p.driver {
		file := filepath.Join(t.TempDir(), "driver.yaml")
		must(t, os.WriteFile(file, []byte(driverOfDisks), 0o600))
		args = append(args, "--storage.testdriver="+file)
	}
	for _, s := range setAsides(t) {
		if s.part == p.name {
			choose = append(choose, "--skip="+regexp.QuoteMeta(s.spec))
		}
	}
	begin := time.Now()
	ran, others := u.run(ctx, t, p.name, choose, args)
	if focus == "" || len(ran) > 0 {
		u.judge(t, p.name, ran, time.Since(begin))
	}
	for _, aside := range setAsides(t) {
		if aside.part != p.name {
			continue
		}
		report(t, "%s: not run: %s: %s", p.name, aside.spec, aside.why)
		if !slices.ContainsFunc(others, func(s spec) bool { return strings.Contains(s.String(), aside.spec) }) {
			t.Errorf("%s: there is no spec %q to set aside", p.name, aside.spec)
		}
	}
	return len(ran)
}

// driverOfDisks tells the tests of any driver of volumes what the addon's can, as Google's
// own runs of them do, without what takes other types of disks, and without block: of a disk
// that a pod takes as a device the kubelet makes a loop device, and machines here have none.
const driverOfDisks = `
StorageClass: {FromExistingClassName: standard}
SnapshotClass: {FromExistingClassName: standard}
DriverInfo:
  Name: pd.csi.storage.gke.io
  SupportedFsType: {"": {}, ext4: {}}
  SupportedSizeRange: {Min: 10Gi, Max: 64Ti}
  TopologyKeys: [topology.gke.io/zone]
  NumAllowedTopologies: 1
  Capabilities:
    persistence: true
    capReadOnlyMany: true
    fsGroup: true
    exec: true
    multipods: true
    topology: true
    controllerExpansion: true
    nodeExpansion: true
    snapshotDataSource: true
    pvcDataSource: true
`
