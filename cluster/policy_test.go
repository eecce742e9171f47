package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"

	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// underPolicy is a world in a new project of an organisation with one policy.
func underPolicy(t *testing.T, constraint string) (*world, *operator) {
	w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.NoDefaultNetwork, o.Policies = false, []string{constraint} })
	return w, w.operator(func(s *settings.Settings) { s.Multizone = true })
}

// TestPoliciesKept: what the organisation asks of machines and projects is how hakube
// makes them anyhow: create, replica and pool end valid.
func TestPoliciesKept(t *testing.T) {
	for _, constraint := range []string{"compute.requireShieldedVm", "compute.vmCanIpForward", "compute.skipDefaultNetworkCreation"} {
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

// TestPolicyRefuses: what hakube cannot do without is told with Google's sentence and
// whom to ask, at once and not after a wait.
func TestPolicyRefuses(t *testing.T) {
	for constraint, says := range map[string]string{
		"compute.vmExternalIpAccess":           "Add instance projects/local/zones/europe-west1-b/instances/kubernetes-master to the constraint",
		"compute.disableGuestAttributesAccess": "Access to guest attributes is disabled",
	} {
		t.Run(constraint, func(t *testing.T) {
			t.Parallel()
			_, o := underPolicy(t, constraint)
			_, err := o.Up(context.Background(), nil)
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "not within") {
				t.Fatalf("up: %v", err)
			}
			if hint := hintOf(err); !strings.Contains(hint, "constraints/"+constraint+" forbids it; its administrator can except project local") {
				t.Errorf("hint %q", hint)
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
		if err == nil || !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "allows no forwarding rules of type EXTERNAL_NETWORK_TCP_UDP (constraints/compute.restrictLoadBalancerCreationForTypes)") {
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
