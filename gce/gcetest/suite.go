package gcetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/uuid"

	"hakube/gce"
)

// Suite uses every verb of package gce on the client's project, as hakube
// would, and checks what must hold at Google and in the embedded GCE alike. It
// removes what it made, also when it fails; names begin with "hakube-suite-".
// It takes a few seconds here, some ten minutes and a few cents at Google.
func Suite(t *testing.T, c *gce.Client) {
	s := &suite{c: c, prefix: "hakube-suite-" + uuid.NewString()[:6]}
	s.mark = s.prefix + ": made by hakube's conformance suite, can be deleted"
	for _, part := range []struct {
		name string
		run  func(*suite, *testing.T)
	}{
		{"catalog", (*suite).catalog},
		{"network", (*suite).network},
		{"subnetwork", (*suite).subnetwork},
		{"firewall", (*suite).firewall},
		{"address", (*suite).address},
		{"disk", (*suite).disk},
		{"schedule", (*suite).schedule},
		{"instance", (*suite).instance},
		{"group", (*suite).group},
		{"balancer", (*suite).balancer},
		{"leftovers", (*suite).leftovers},
		{"takedown", (*suite).takedown},
	} {
		// Each stands on the ones before.
		if !t.Run(part.name, func(t *testing.T) { part.run(s, t) }) {
			break
		}
	}
	s.sweep(t)
}

type suite struct {
	c      *gce.Client
	prefix string
	mark   string // description of all that is made
	zone   string
	image  string // URL
	made   []made // in order
}

// made is what has to be removed again.
type made struct {
	what   string
	remove func(context.Context) error
}

// name returns a name of this run.
func (s *suite) name(what string) string { return s.prefix + "-" + what }

// adds says that what is there from now on, to be removed at the end if it is
// still there.
func (s *suite) adds(what string, remove func(context.Context) error) {
	s.made = append(s.made, made{what, remove})
}

// sweep removes what is left, last made first, and fails if there was any
// though the parts all went well.
func (s *suite) sweep(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	for _, m := range slices.Backward(s.made) {
		switch err := m.remove(ctx); {
		case err == nil && !t.Failed():
			t.Errorf("%s was left", m.what)
		case err != nil && !gce.IsNotFound(err):
			t.Errorf("sweeping: %v", err)
		}
	}
}

// verbs are those all collections of one's own objects have.
type verbs[T any] struct {
	get    func(context.Context, string) (T, error)
	list   func(context.Context) ([]T, error)
	insert func(context.Context, T) error
	delete func(context.Context, string) error
}

type object interface {
	GetName() string
	GetSelfLink() string
	GetDescription() string
}

// create checks the verbs around Insert: absent before, then there, the same
// by Get and List, and not to be had twice.
func create[T object](t *testing.T, s *suite, v verbs[T], x T) T {
	t.Helper()
	ctx, name := t.Context(), x.GetName()
	if _, err := v.get(ctx, name); !gce.IsNotFound(err) {
		t.Fatalf("reading %s before it is made: %v, want not found", name, err)
	}
	if err := v.delete(ctx, name); !gce.IsNotFound(err) {
		t.Errorf("deleting %s before it is made: %v, want not found", name, err)
	}
	s.adds(name, func(ctx context.Context) error { return v.delete(ctx, name) })
	if err := v.insert(ctx, x); err != nil {
		t.Fatal(err)
	}
	got, err := v.get(ctx, name)
	if err != nil {
		t.Fatalf("reading what was made: %v", err)
	}
	if got.GetName() != name || got.GetDescription() != s.mark {
		t.Errorf("read %q with description %q, want %q with %q", got.GetName(), got.GetDescription(), name, s.mark)
	}
	if !strings.HasSuffix(got.GetSelfLink(), "/"+name) || !strings.HasPrefix(got.GetSelfLink(), "https://www.googleapis.com/compute/v1/projects/") {
		t.Errorf("selfLink of %s: %q", name, got.GetSelfLink())
	}
	all, err := v.list(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(x T) bool { return x.GetName() == name }) {
		t.Errorf("%s is not listed", name)
	}
	if err := v.insert(ctx, x); gce.ClassOf(err) != gce.Already {
		t.Errorf("making %s twice: %v, want class already", name, err)
	}
	return got
}

// destroy checks the verbs around Delete.
func destroy[T object](t *testing.T, v verbs[T], name string) {
	t.Helper()
	ctx := t.Context()
	if err := v.delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	if _, err := v.get(ctx, name); !gce.IsNotFound(err) {
		t.Errorf("reading %s after it was deleted: %v, want not found", name, err)
	}
	if err := v.delete(ctx, name); !gce.IsNotFound(err) {
		t.Errorf("deleting %s twice: %v, want not found", name, err)
	}
	all, err := v.list(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(all, func(x T) bool { return x.GetName() == name }) {
		t.Errorf("%s is still listed", name)
	}
}

// refused checks that something is in use.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if !gce.InUse(err) || gce.ClassOf(err) != gce.Later {
		t.Errorf("deleting %s while it is used: %v, want in use", what, err)
	}
}

// eventually asks until it holds, for what no operation tells.
func eventually(t *testing.T, what string, holds func() (bool, error)) {
	t.Helper()
	end := time.Now().Add(5 * time.Minute)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		ok, err := holds()
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waiting for %s: not within five minutes", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, t.Context().Err())
		case <-time.After(pause):
		}
	}
}

// catalog reads what is Google's.
func (s *suite) catalog(t *testing.T) {
	ctx := t.Context()
	p, err := s.c.GetProject(ctx)
	if err != nil || p.GetName() != s.c.Project() {
		t.Fatalf("project %q, %v; want %q", p.GetName(), err, s.c.Project())
	}
	zones, err := s.c.Zones().List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var here []string
	for _, z := range zones {
		if gce.Region(z.GetName()) != gce.Base(z.GetRegion()) {
			t.Errorf("zone %s is in region %s, not in %s", z.GetName(), gce.Base(z.GetRegion()), gce.Region(z.GetName()))
		}
		if gce.Base(z.GetRegion()) == s.c.Region() {
			here = append(here, z.GetName())
		}
	}
	slices.Sort(here)
	if len(here) < 3 {
		t.Fatalf("region %s has zones %q, want three or more", s.c.Region(), here)
	}
	s.zone = here[0]
	if z, err := s.c.Zones().Get(ctx, s.zone); err != nil || z.GetStatus() != "UP" {
		t.Errorf("zone %s: status %q, %v", s.zone, z.GetStatus(), err)
	}
	if _, err := s.c.Zones().Get(ctx, s.c.Region()+"-q"); !gce.IsNotFound(err) {
		t.Errorf("a zone there is not: %v, want not found", err)
	}
	r, err := s.c.Regions().Get(ctx, s.c.Region())
	if err != nil || len(r.GetZones()) != len(here) {
		t.Errorf("region with zones %q, %v; want those of %q", r.GetZones(), err, here)
	}
	if all, err := s.c.Regions().List(ctx); err != nil || len(all) < 2 {
		t.Errorf("%d regions, %v", len(all), err)
	}
	m, err := s.c.MachineTypes(s.zone).Get(ctx, "e2-small")
	if err != nil || m.GetMemoryMb() != 2048 {
		t.Errorf("e2-small has %d MB, %v; want 2048", m.GetMemoryMb(), err)
	}
	if all, err := s.c.MachineTypes(s.zone).List(ctx); err != nil || len(all) < 10 {
		t.Errorf("%d machine types, %v", len(all), err)
	}
	if d, err := s.c.DiskTypes(s.zone).Get(ctx, "pd-ssd"); err != nil || d.GetName() != "pd-ssd" {
		t.Errorf("disk type pd-ssd is %q, %v", d.GetName(), err)
	}
	if all, err := s.c.DiskTypes(s.zone).List(ctx); err != nil || len(all) < 3 {
		t.Errorf("%d disk types, %v", len(all), err)
	}
	if all, err := s.c.AcceleratorTypes(s.zone).List(ctx); err != nil {
		t.Error(err)
	} else if len(all) > 0 { // not every zone has some
		a, err := s.c.AcceleratorTypes(s.zone).Get(ctx, all[0].GetName())
		if err != nil || a.GetMaximumCardsPerInstance() != all[0].GetMaximumCardsPerInstance() || a.GetMaximumCardsPerInstance() < 1 {
			t.Errorf("accelerator type %s is %v, %v", all[0].GetName(), a, err)
		}
	}
	if _, err := s.c.AcceleratorTypes(s.zone).Get(ctx, "nvidia-none"); !gce.IsNotFound(err) {
		t.Errorf("an accelerator type there is not: %v, want not found", err)
	}
	image, err := s.c.Images("debian-cloud").GetFromFamily(ctx, "debian-12")
	if err != nil {
		t.Fatal(err)
	}
	s.image = image.GetSelfLink()
	if again, err := s.c.Images("debian-cloud").Get(ctx, image.GetName()); err != nil || again.GetFamily() != "debian-12" {
		t.Errorf("image %s is of family %q, %v", image.GetName(), again.GetFamily(), err)
	}
	if _, err := s.c.Images("debian-cloud").GetFromFamily(ctx, "debian-999"); !gce.IsNotFound(err) {
		t.Errorf("a family there is not: %v, want not found", err)
	}
}

func (s *suite) networks() verbs[*computepb.Network] {
	n := s.c.Networks()
	return verbs[*computepb.Network]{n.Get, n.List, n.Insert, n.Delete}
}

func (s *suite) subnetworks() verbs[*computepb.Subnetwork] {
	n := s.c.Subnetworks()
	return verbs[*computepb.Subnetwork]{n.Get, n.List, n.Insert, n.Delete}
}

func (s *suite) firewalls() verbs[*computepb.Firewall] {
	f := s.c.Firewalls()
	return verbs[*computepb.Firewall]{f.Get, f.List, f.Insert, f.Delete}
}

func (s *suite) addresses() verbs[*computepb.Address] {
	a := s.c.Addresses()
	return verbs[*computepb.Address]{a.Get, a.List, a.Insert, a.Delete}
}

func (s *suite) disks() verbs[*computepb.Disk] {
	d := s.c.Disks(s.zone)
	return verbs[*computepb.Disk]{d.Get, d.List, d.Insert, d.Delete}
}

func (s *suite) instances() verbs[*computepb.Instance] {
	i := s.c.Instances(s.zone)
	return verbs[*computepb.Instance]{i.Get, i.List, i.Insert, i.Delete}
}

func (s *suite) templates() verbs[*computepb.InstanceTemplate] {
	i := s.c.InstanceTemplates()
	return verbs[*computepb.InstanceTemplate]{i.Get, i.List, i.Insert, i.Delete}
}

func (s *suite) groups() verbs[*computepb.InstanceGroupManager] {
	g := s.c.InstanceGroupManagers(s.zone)
	return verbs[*computepb.InstanceGroupManager]{g.Get, g.List, g.Insert, g.Delete}
}

// takedown removes the rest in the right order and looks for remains.
func (s *suite) takedown(t *testing.T) {
	destroy(t, s.disks(), s.name("pd"))
	destroy(t, s.addresses(), s.name("ip"))
	destroy(t, s.firewalls(), s.name("all"))
	destroy(t, s.subnetworks(), s.name("subnet"))
	destroy(t, s.networks(), s.name("net"))
	ctx := t.Context()
	disks, err := s.c.AggregatedDisks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	machines, err := s.c.AggregatedInstances(ctx)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := s.c.AggregatedInstanceGroupManagers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range disks {
		s.remains(t, "disk", d.GetName())
	}
	for _, i := range machines {
		s.remains(t, "instance", i.GetName())
	}
	for _, g := range groups {
		s.remains(t, "group", g.GetName())
	}
}

func (s *suite) remains(t *testing.T, noun, name string) {
	t.Helper()
	if strings.HasPrefix(name, s.prefix) {
		t.Errorf("%s %s is left", noun, name)
	}
}

func (s *suite) path(format string, args ...any) string {
	return "projects/" + s.c.Project() + "/" + fmt.Sprintf(format, args...)
}
