package env

import (
	"context"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/inventory"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/gce/local/model"
)

// A printer is machines whose consoles have one text.
type printer struct {
	*model.Machines
	text string
}

func (p *printer) Serial(emulator.Machine, int64) ([]byte, error) { return []byte(p.text), nil }

// TestConsoleAfter: what a machine has printed since, of a console that goes on, one
// whose beginning was dropped meanwhile, and a new one.
func TestConsoleAfter(t *testing.T) {
	p := &printer{Machines: model.New(t.TempDir())}
	w := gcetest.Start(t, func(o *emulator.Options) { o.Backend, o.NoDefaultNetwork = p, false })
	p.Attach(w.Server.MetadataFor)
	err := w.Client.Instances(gcetest.Zone).Insert(t.Context(), &computepb.Instance{
		Name: new("m"), MachineType: new("zones/" + gcetest.Zone + "/machineTypes/e2-small"),
		Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true), InitializeParams: &computepb.AttachedDiskInitializeParams{
			SourceImage: new("projects/debian-cloud/global/images/family/debian-12")}}},
		NetworkInterfaces: []*computepb.NetworkInterface{{Network: new("global/networks/default")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &Env{Reader: &inventory.Reader{GCE: w.Client}}
	old := strings.Repeat("[0.1] boot\n", 1000) + "[9.9] hakube: failed: x\n"
	for text, want := range map[string]string{
		old + "[0.2] new": "[0.2] new", old: "", old[5000:] + "[0.2] new": "[0.2] new", "[0.2] new": "[0.2] new", "": "",
	} {
		p.text = text
		if got := e.ConsoleAfter(context.Background(), gcetest.Zone, "m", old); got != want {
			t.Errorf("of %d bytes it is %q, want %q", len(text), got, want)
		}
	}
}
