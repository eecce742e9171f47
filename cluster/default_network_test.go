package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// TestNewProjectsNetwork: a cluster lives in the network a new project has, which was
// made by Google in automatic mode and with rules of its own; it grows and shrinks
// there as in one of its own, and leaves all of it as it was.
func TestNewProjectsNetwork(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.NoDefaultNetwork = false })
	if _, err := w.Client.Networks().Get(context.Background(), "default"); err != nil {
		t.Fatal(err)
	}
	before := w.objects()
	if len(before) < 10 {
		t.Fatalf("a new project with nothing in it: %v", before)
	}
	o := w.operator(func(s *settings.Settings) { s.Multizone = true })

	taken := o.again(func(s *settings.Settings) { mustDecode(t, &s.NodeRange, "10.200.0.0/22") })
	_, err := taken.Up(context.Background(), nil)
	var no *refusal.Refused
	if !errors.As(err, &no) || !strings.Contains(err.Error(), "10.128.0.0/9") {
		t.Errorf("nodes in the range kept for automatic subnetworks: %v", err)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after the refusal (-before +after):\n%s", diff)
	}

	w.mustUp(o)
	second := o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true })
	w.mustUp(second)
	pool := o.again(func(s *settings.Settings) { s.Zone, s.UseExistingMaster = "europe-west1-d", true })
	w.mustUp(pool)
	if _, change := w.counts(func() { w.mustUp(o) }); change != 0 {
		t.Errorf("the second up made %d changing calls", change)
	}
	w.mustDown(pool)
	w.mustDown(second.again(func(s *settings.Settings) { s.DeleteNodes = false }))
	if s := w.mustDown(o); s.Nothing || len(s.Left) > 0 {
		t.Errorf("summary of down %+v", s)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}
