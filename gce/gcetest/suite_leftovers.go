package gcetest

import (
	"context"
	"slices"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
)

// leftovers are the collections that hakube only finds and removes: a target
// pool with a rule that sends to it, and a route to a machine that is gone.
func (s *suite) leftovers(t *testing.T) {
	ctx, pool := t.Context(), s.name("pool")
	pools, routes := s.c.TargetPools(), s.c.Routes()
	listPools := func(ctx context.Context) ([]*computepb.TargetPool, error) { return s.c.AggregatedTargetPools(ctx) }
	create(t, s, verbs[*computepb.TargetPool]{pools.Get, listPools, pools.Insert, pools.Delete}, &computepb.TargetPool{
		Name: &pool, Description: &s.mark,
	})
	rules := s.c.ForwardingRules()
	ruleVerbs := verbs[*computepb.ForwardingRule]{rules.Get, s.c.AggregatedForwardingRules, rules.Insert, rules.Delete}
	rule := create(t, s, ruleVerbs, &computepb.ForwardingRule{
		Name: new(s.name("pool-rule")), Description: &s.mark, IPProtocol: new("TCP"), PortRange: new("80"),
		Target: new(s.path("regions/%s/targetPools/%s", s.c.Region(), pool)),
	})
	if gce.Base(rule.GetTarget()) != pool || gce.Base(rule.GetRegion()) != s.c.Region() {
		t.Errorf("the rule sends to %q in region %q", rule.GetTarget(), rule.GetRegion())
	}
	if err := pools.Delete(ctx, pool); !gce.InUse(err) {
		t.Errorf("deleting a target pool that a rule sends to: %v, want in use", err)
	}
	destroy(t, ruleVerbs, rule.GetName())
	destroy(t, verbs[*computepb.TargetPool]{pools.Get, listPools, pools.Insert, pools.Delete}, pool)

	vm := s.name("hop")
	create(t, s, s.instances(), &computepb.Instance{
		Name: &vm, Description: &s.mark, MachineType: new("zones/" + s.zone + "/machineTypes/e2-small"),
		Disks: []*computepb.AttachedDisk{{Boot: new(true), AutoDelete: new(true),
			InitializeParams: &computepb.AttachedDiskInitializeParams{SourceImage: &s.image, DiskSizeGb: new(int64(10))}}},
		NetworkInterfaces: []*computepb.NetworkInterface{{Subnetwork: new(s.path("regions/%s/subnetworks/%s", s.c.Region(), s.name("subnet")))}},
	})
	routeVerbs := verbs[*computepb.Route]{routes.Get, routes.List, routes.Insert, routes.Delete}
	route := create(t, s, routeVerbs, &computepb.Route{
		Name: new(s.name("route")), Description: &s.mark, DestRange: new("10.250.1.0/24"), Priority: new(uint32(1000)),
		Network: new(s.path("global/networks/%s", s.name("net"))), NextHopInstance: new(s.path("zones/%s/instances/%s", s.zone, vm)),
	})
	destroy(t, s.instances(), vm)
	after, err := routes.Get(ctx, route.GetName())
	if err != nil {
		t.Fatal(err)
	}
	if gce.Base(after.GetNextHopInstance()) != vm || !slices.ContainsFunc(after.GetWarnings(), func(w *computepb.Warnings) bool { return w.GetCode() == "NEXT_HOP_INSTANCE_NOT_FOUND" }) {
		t.Errorf("a route whose machine is gone: %v", after)
	}
	destroy(t, routeVerbs, route.GetName())

	// What is only read and removed elsewhere: each says so of what is not there.
	onlyRemoved(t, "HTTP health check", s.name("none"), s.c.HTTPHealthChecks())
	onlyRemoved(t, "global health check", s.name("none"), s.c.GlobalHealthChecks())
	onlyRemoved(t, "snapshot", s.name("none"), s.c.Snapshots())
	if _, err := s.c.AggregatedBackendServices(ctx); err != nil {
		t.Error(err)
	}
	all, err := s.c.AggregatedAddresses(ctx)
	if err != nil || !slices.ContainsFunc(all, func(a *computepb.Address) bool { return a.GetName() == s.name("ip") }) {
		t.Errorf("the address is not in the list of all regions: %v", err)
	}
	disk, err := s.disks().get(ctx, s.name("pd"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.c.Disks(s.zone).SetLabels(ctx, s.name("pd"), disk.GetLabelFingerprint(), map[string]string{"suite": "2"}); err != nil {
		t.Error(err)
	}
	if err := s.c.Disks(s.zone).SetLabels(ctx, s.name("pd"), disk.GetLabelFingerprint(), map[string]string{"suite": "3"}); !gce.Stale(err) {
		t.Errorf("labels of a disk with an old fingerprint: %v, want stale", err)
	}
}

// onlyRemoved reads, removes and lists objects of a kind that others than hakube make.
func onlyRemoved[O any](t *testing.T, kind, none string, c interface {
	Get(context.Context, string) (O, error)
	Delete(context.Context, string) error
	List(context.Context) ([]O, error)
}) {
	t.Helper()
	if _, err := c.Get(t.Context(), none); !gce.IsNotFound(err) {
		t.Errorf("reading a %s that is not there: %v", kind, err)
	}
	if err := c.Delete(t.Context(), none); !gce.IsNotFound(err) {
		t.Errorf("deleting a %s that is not there: %v", kind, err)
	}
	if _, err := c.List(t.Context()); err != nil {
		t.Errorf("listing each %s: %v", kind, err)
	}
}
