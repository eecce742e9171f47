package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// underPolicy is a world in a new project of an organisation with one policy.
func underPolicy(t *testing.T, constraints ...string) (*world, *operator) {
	w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.NoDefaultNetwork, o.Policies = false, constraints })
	return w, w.operator(func(s *settings.Settings) { s.Multizone = true })
}

// TestPoliciesKept: what the organisation asks of machines and projects is how hakube
// makes them anyhow: create, replica and pool end valid.
func TestPoliciesKept(t *testing.T) {
	for i, constraint := range []string{"compute.requireShieldedVm", "compute.vmCanIpForward", "compute.skipDefaultNetworkCreation", "compute.disableGuestAttributesAccess", "compute.disableInstanceDataAccessApis"} {
		if testing.Short() && i%2 != 1 {
			continue
		}
		t.Run(constraint, func(t *testing.T) {
			t.Parallel()
			w, o := underPolicy(t, constraint)
			w.mustUp(o)
			w.mustUp(o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true }))
			w.mustUp(o.again(func(s *settings.Settings) { s.Zone, s.UseExistingMaster = "europe-west1-d", true }))
			if v, err := o.Validate(context.Background()); err != nil || !v.Valid {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
}

// TestPolicyRefuses: what hakube cannot do without is refused before anything is made,
// with the constraint and whom to ask.
func TestPolicyRefuses(t *testing.T) {
	for constraints, says := range map[string]string{
		"compute.vmExternalIpAccess": "instance kubernetes-master in europe-west1-b: the organisation (constraints/compute.vmExternalIpAccess) allows no external address for it",
		"compute.disableGuestAttributesAccess compute.disableInstanceDataAccessApis": "instance kubernetes-master in europe-west1-b: the organisation (constraints/compute.disableGuestAttributesAccess, constraints/compute.disableInstanceDataAccessApis) allows nobody to read guest attributes or serial output",
	} {
		t.Run(constraints, func(t *testing.T) {
			t.Parallel()
			w, o := underPolicy(t, strings.Fields(constraints)...)
			_, changes := w.counts(func() {
				_, err := o.Up(context.Background(), nil)
				var unchanged *Unchanged
				if err == nil || !errors.As(err, &unchanged) || !strings.Contains(err.Error(), says) {
					t.Fatalf("up: %v", err)
				}
				var no refusal.Blockers
				if !errors.As(err, &no) || !strings.Contains(no[0].Cure, "its administrator can except project local") {
					t.Errorf("cures of %+v", err)
				}
			})
			if changes != 0 {
				t.Errorf("%d changes were made", changes)
			}
		})
	}
}

// TestBalancerForbidden: a project that may have no balancer gets no second master, and
// that is told before anything is made or the address leaves the first one.
func TestBalancerForbidden(t *testing.T) {
	w, o := underPolicy(t, "compute.restrictLoadBalancerCreationForTypes")
	w.mustUp(o)
	second := o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true })
	_, changes := w.counts(func() {
		_, err := second.Up(context.Background(), nil)
		var unchanged *Unchanged
		if err == nil || !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "(constraints/compute.restrictLoadBalancerCreationForTypes) allows no forwarding rules of type EXTERNAL_NETWORK_TCP_UDP") {
			t.Errorf("up of a second master: %v", err)
		}
	})
	if changes != 0 {
		t.Errorf("%d changes were made", changes)
	}
	if v, err := o.Validate(context.Background()); err != nil || !v.Valid {
		t.Errorf("%+v, %v", v, err)
	}
}
