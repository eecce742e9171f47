package gcetest

import (
	"context"
	"slices"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/protobuf/proto" // a template like another one

	"hakube/gce"
)

// kept is a group of one machine that keeps its disk and its metadata: made by name, made
// again when it is deleted and only then, let go, and still there without the group.
func (s *suite) kept(t *testing.T) {
	ctx, name, machine := t.Context(), s.name("keeper"), s.name("kept")
	groups, in := s.c.InstanceGroupManagers(s.zone), s.c.Instances(s.zone)
	create(t, s, s.disks(), &computepb.Disk{Name: new(s.name("kept-pd")), Description: &s.mark, SizeGb: new(int64(10))})
	create(t, s, s.groups(), &computepb.InstanceGroupManager{
		Name: &name, Description: &s.mark, InstanceTemplate: new(s.path("global/instanceTemplates/%s", s.name("template"))), TargetSize: new(int32(0)),
		InstanceLifecyclePolicy: &computepb.InstanceGroupManagerInstanceLifecyclePolicy{DefaultActionOnFailure: new("DO_NOTHING")},
	})
	s.adds(machine, func(ctx context.Context) error { return in.Delete(ctx, machine) })
	config := &computepb.PerInstanceConfig{Name: &machine, PreservedState: &computepb.PreservedState{
		Disks:    map[string]*computepb.PreservedStatePreservedDisk{"data": {Source: new(s.path("zones/%s/disks/%s", s.zone, s.name("kept-pd"))), AutoDelete: new("NEVER")}},
		Metadata: map[string]string{"a": "1"},
	}}
	if err := groups.CreateInstance(ctx, name, config); err != nil {
		t.Fatal(err)
	}
	was := s.keptMachine(t, name, machine, map[string]string{"a": "1"})
	if err := groups.CreateInstance(ctx, name, config); err == nil || gce.ClassOf(err) == gce.Later {
		t.Errorf("making a member twice: %v, want a refusal", err)
	}
	if err := groups.PatchConfig(ctx, name, &computepb.PerInstanceConfig{Name: &machine, PreservedState: &computepb.PreservedState{Metadata: map[string]string{"b": "2"}}}); err != nil {
		t.Fatal(err)
	}
	if err := groups.ApplyConfig(ctx, name, machine); err != nil {
		t.Fatal(err)
	}
	both := map[string]string{"a": "1", "b": "2"}
	if now := s.keptMachine(t, name, machine, both); now != was {
		t.Errorf("metadata made another machine, %d was %d", now, was)
	}
	if err := groups.Patch(ctx, name, &computepb.InstanceGroupManager{
		InstanceLifecyclePolicy: &computepb.InstanceGroupManagerInstanceLifecyclePolicy{DefaultActionOnFailure: new("REPAIR")}}); err != nil {
		t.Fatal(err)
	}
	if g, err := groups.Get(ctx, name); err != nil || g.GetInstanceLifecyclePolicy().GetDefaultActionOnFailure() != "REPAIR" || g.GetTargetSize() != 1 {
		t.Errorf("a patched group has %v and %d machines, %v", g.GetInstanceLifecyclePolicy(), g.GetTargetSize(), err)
	}
	if err := in.Delete(ctx, machine); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the group to make its machine again", func() (bool, error) {
		i, err := in.Get(ctx, machine)
		if gce.IsNotFound(err) {
			return false, nil
		}
		return i.GetId() != was, err
	})
	s.keptMachine(t, name, machine, both)
	if err := groups.AbandonInstance(ctx, name, machine); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machine to leave its group", func() (bool, error) {
		list, err := groups.ListManagedInstances(ctx, name)
		return len(list) == 0, err
	})
	if err := groups.AbandonInstance(ctx, name, machine); gce.ClassOf(err) != gce.No {
		t.Errorf("letting a machine go that is no member: %v, want a refusal", err)
	}
	for what, err := range map[string]error{
		"making a machine of":  groups.CreateInstance(ctx, s.name("absent"), config),
		"patching":             groups.Patch(ctx, s.name("absent"), &computepb.InstanceGroupManager{}),
		"keeping metadata in":  groups.PatchConfig(ctx, s.name("absent"), config),
		"applying metadata in": groups.ApplyConfig(ctx, s.name("absent"), machine),
		"letting a machine go": groups.AbandonInstance(ctx, s.name("absent"), machine),
	} {
		if !gce.IsNotFound(err) {
			t.Errorf("%s no group: %v, want not found", what, err)
		}
	}
	destroy(t, s.groups(), name)
	if i, err := in.Get(ctx, machine); err != nil || i.GetStatus() != "RUNNING" {
		t.Errorf("a machine that was let go is %s, %v", i.GetStatus(), err)
	}
	destroy(t, s.instances(), machine)
	destroy(t, s.disks(), s.name("kept-pd"))
}

// refreshed is a group whose template becomes another one in metadata alone: its machines get
// them as they are. What takes another machine is refused.
func (s *suite) refreshed(t *testing.T, name string, template *computepb.InstanceTemplate) {
	ctx, groups := t.Context(), s.c.InstanceGroupManagers(s.zone)
	members := func() (list []*computepb.ManagedInstance) {
		t.Helper()
		list, err := groups.ListManagedInstances(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	machine := gce.Base(members()[0].GetInstance())
	was, err := s.c.Instances(s.zone).Get(ctx, machine)
	if err != nil {
		t.Fatal(err)
	}
	other := proto.CloneOf(template.GetProperties())
	for _, d := range other.GetDisks() { // without what is Google's to say
		d.Index, d.Kind, d.Architecture, d.Licenses = nil, nil, nil, nil
	}
	for _, n := range other.GetNetworkInterfaces() {
		n.Name, n.Kind, n.Fingerprint = nil, nil, nil
		for _, a := range n.GetAccessConfigs() {
			a.Kind = nil
		}
	}
	other.Metadata = &computepb.Metadata{Items: []*computepb.Items{{Key: new("said"), Value: new("later")}}}
	larger := proto.CloneOf(other)
	larger.MachineType = new("e2-medium")
	for of, p := range map[string]*computepb.InstanceProperties{"template-said": other, "template-larger": larger} {
		create(t, s, s.templates(), &computepb.InstanceTemplate{Name: new(s.name(of)), Description: &s.mark, Properties: p})
	}
	use := func(of string) {
		t.Helper()
		if err := groups.SetInstanceTemplate(ctx, name, s.name(of)); err != nil {
			t.Fatal(err)
		}
	}
	use("template-larger")
	if err := groups.ApplyTemplate(ctx, name); gce.ClassOf(err) != gce.No {
		t.Errorf("another machine type as metadata: %v, want a refusal", err)
	}
	use("template-said")
	if err := groups.ApplyTemplate(ctx, name); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the machine to have its group's metadata", func() (bool, error) {
		i, err := s.c.Instances(s.zone).Get(ctx, machine)
		if err != nil || i.GetId() != was.GetId() {
			t.Fatalf("it is another machine, or none: %v", err)
		}
		said := slices.ContainsFunc(i.GetMetadata().GetItems(), func(x *computepb.Items) bool { return x.GetKey() == "said" && x.GetValue() == "later" })
		return said && gce.Base(members()[0].GetVersion().GetInstanceTemplate()) == s.name("template-said"), nil
	})
	if err := groups.ApplyTemplate(ctx, s.name("absent")); !gce.IsNotFound(err) {
		t.Errorf("applying a template in no group: %v, want not found", err)
	}
	use("template")
	if err := groups.ApplyTemplate(ctx, name); err != nil {
		t.Error(err)
	}
	for _, of := range []string{"template-said", "template-larger"} {
		destroy(t, s.templates(), s.name(of))
	}
}

// keptMachine waits until the machine runs with its disk and the metadata, and returns its id.
func (s *suite) keptMachine(t *testing.T, group, name string, metadata map[string]string) (id uint64) {
	t.Helper()
	eventually(t, "machine "+name+" of its group", func() (bool, error) {
		i, err := s.c.Instances(s.zone).Get(t.Context(), name)
		if gce.IsNotFound(err) {
			return false, nil
		}
		if err != nil || i.GetStatus() != "RUNNING" {
			return false, err
		}
		id = i.GetId()
		for key, value := range metadata {
			if !slices.ContainsFunc(i.GetMetadata().GetItems(), func(x *computepb.Items) bool { return x.GetKey() == key && x.GetValue() == value }) {
				return false, nil
			}
		}
		if !slices.ContainsFunc(i.GetDisks(), func(d *computepb.AttachedDisk) bool {
			return d.GetDeviceName() == "data" && gce.Base(d.GetSource()) == s.name("kept-pd")
		}) {
			t.Fatalf("disks of %s: %v", name, i.GetDisks())
		}
		g, err := s.c.InstanceGroupManagers(s.zone).Get(t.Context(), group)
		return g.GetStatus().GetIsStable(), err
	})
	return id
}
