package vpc

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netns"
)

// TestSweepLeavesOthers: network namespaces of somebody's that are called as ours are
// stay, with the links in them; those that were made go, also after their maker died.
func TestSweepLeavesOthers(t *testing.T) {
	w := newWorld(t)
	theirs := w.options.prefix() + "-mine"
	if err := onThread(func() error { _, err := netns.NewNamed(theirs); return err }); err != nil {
		t.Fatal(err)
	}
	o := w.options
	o.Record = filepath.Join(t.TempDir(), "run", "namespaces")
	if err := Sweep(o); err != nil { // another state directory, which made nothing
		t.Fatal(err)
	}
	for _, name := range []string{theirs, o.vpcNS()} {
		if !isNS(filepath.Join(netnsDir, name)) {
			t.Errorf("%s is gone", name)
		}
	}
	for range 2 { // once for a machine that starts again
		ns, err := o.ensureRecordedNS(o.machineNS(7))
		if err != nil {
			t.Fatal(err)
		}
		if err := ns.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := Leftovers(o); err != nil || len(left) == 0 || left[0] != "network namespace "+o.machineNS(7) {
		t.Errorf("left over: %q, %v", left, err)
	}
	if err := Sweep(o); err != nil {
		t.Fatal(err)
	}
	if isNS(filepath.Join(netnsDir, o.machineNS(7))) {
		t.Errorf("%s is still there", o.machineNS(7))
	}
	if !isNS(filepath.Join(netnsDir, theirs)) {
		t.Errorf("%s is gone", theirs)
	}
	if _, err := os.Stat(o.Record); !os.IsNotExist(err) {
		t.Errorf("the record: %v", err)
	}
}
