package emulator

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/projects"
)

// TestPolicies: each of the organisation's policies refuses what it is about, in
// Google's words, with nothing made; the same is made where it does not hold, and
// what it is not about where it does.
func TestPolicies(t *testing.T) {
	external := []any{doc.Obj{"accessConfigs": []any{doc.Obj{}}}}
	inside := []any{doc.Obj{"network": "global/networks/default", "subnetwork": regionW + "subnetworks/s"}}
	bare := func(more doc.Obj) doc.Obj {
		o := instance("vm", doc.Obj{"networkInterfaces": inside})
		delete(o, "canIpForward")
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	rule := doc.Obj{"name": "vm", "loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "ports": []any{"443"}, "backendService": regionW + "backendServices/service"}
	for _, c := range []struct {
		constraint, says string
		at               string
		bad, good        doc.Obj
	}{
		{"compute.requireShieldedVm", "Secure Boot is not enabled in the 'shielded_instance_config' field", zoneB + "instances", bare(nil), bare(doc.Obj{"shieldedInstanceConfig": doc.Obj{"enableSecureBoot": true}})},
		{"compute.vmCanIpForward", "Enabling IP forwarding is not allowed for projects/p/zones/europe-west1-b/instances/vm", zoneB + "instances", bare(doc.Obj{"canIpForward": true}), bare(nil)},
		{"compute.vmExternalIpAccess", "Add instance projects/p/zones/europe-west1-b/instances/vm to the constraint to use external IP", zoneB + "instances",
			bare(doc.Obj{"networkInterfaces": []any{doc.Obj{"subnetwork": regionW + "subnetworks/s", "accessConfigs": external[0].(doc.Obj)["accessConfigs"]}}}), bare(nil)},
		{"compute.restrictLoadBalancerCreationForTypes", "Forwarding Rule projects/p/regions/europe-west1/forwardingRules/vm of type EXTERNAL_NETWORK_TCP_UDP is not allowed", regionW + "forwardingRules", rule, nil},
	} {
		t.Run(c.constraint, func(t *testing.T) {
			for _, holds := range []bool{true, false} {
				w := newWorld(t, func(o *api.Options) {
					if holds {
						o.Policies = []string{c.constraint}
					}
				})
				w.subnet()
				w.made("POST", regionW+"healthChecks", doc.Obj{"name": "check", "type": "TCP", "tcpHealthCheck": doc.Obj{"port": 443}})
				w.made("POST", regionW+"backendServices", doc.Obj{"name": "service", "protocol": "TCP", "loadBalancingScheme": "EXTERNAL", "healthChecks": []any{regionW + "healthChecks/check"}})
				if !holds {
					w.made("POST", c.at, c.bad)
					continue
				}
				before := len(w.s.Snapshot())
				said := w.refused(412, "conditionNotMet", "POST", c.at, c.bad)
				if !strings.HasPrefix(said, "Constraint constraints/"+c.constraint+" violated for project ") || !strings.Contains(said, c.says) {
					t.Errorf("said %q", said)
				}
				if now := len(w.s.Snapshot()); now != before {
					t.Errorf("%d objects, and there were %d", now, before)
				}
				if c.good != nil {
					w.made("POST", c.at, c.good)
				}
			}
		})
	}
	t.Run("address added later", func(t *testing.T) {
		w := newWorld(t, func(o *api.Options) { o.Policies = []string{"compute.vmExternalIpAccess"} })
		w.subnet()
		w.made("POST", zoneB+"instances", bare(nil))
		w.refused(412, "conditionNotMet", "POST", zoneB+"instances/vm/addAccessConfig?networkInterface=nic0", doc.Obj{})
		w.made("POST", zoneB+"instances/vm/setTags", doc.Obj{"items": []any{"a"}, "fingerprint": doc.Sub(w.get(zoneB+"instances/vm"), "tags")["fingerprint"]})
	})
	t.Run("guest attributes", func(t *testing.T) {
		w := newWorld(t, func(o *api.Options) { o.Policies = []string{"compute.disableGuestAttributesAccess"} })
		w.subnet()
		w.made("POST", zoneB+"instances", bare(nil))
		said := w.refused(412, "conditionNotMet", "GET", zoneB+"instances/vm/getGuestAttributes?queryPath=a/", nil)
		if !strings.HasPrefix(said, "Constraint constraints/compute.disableGuestAttributesAccess violated for project ") || strings.Contains(said, "See") {
			t.Errorf("said %q", said) // Google says no more
		}
		w.get(zoneB + "instances/vm/serialPort")
	})
	t.Run("serial output", func(t *testing.T) {
		w := newWorld(t, func(o *api.Options) { o.Policies = []string{"compute.disableInstanceDataAccessApis"} })
		w.subnet()
		w.made("POST", zoneB+"instances", bare(nil))
		w.refused(412, "conditionNotMet", "GET", zoneB+"instances/vm/serialPort", nil)
	})
	t.Run("managed group", func(t *testing.T) {
		w := newWorld(t, func(o *api.Options) { o.Policies = []string{"compute.requireShieldedVm"} })
		w.subnet()
		w.template("tmpl")
		w.made("POST", zoneB+"instanceGroupManagers", doc.Obj{"name": "g", "targetSize": 1, "instanceTemplate": "global/instanceTemplates/tmpl"})
		w.made("POST", zoneB+"instanceGroupManagers/g/resize?size=2", nil) // done when each has had its attempt
		_, rows := w.send("POST", zoneB+"instanceGroupManagers/g/listManagedInstances", doc.Obj{})
		for _, m := range doc.Objects(rows, "managedInstances") {
			errs := doc.Objects(doc.Sub(doc.Sub(m, "lastAttempt"), "errors"), "errors")
			if len(errs) != 1 || doc.Str(errs[0], "code") != "CONDITION_NOT_MET" {
				t.Errorf("member %v", m)
			}
		}
	})
	t.Run("no default network", func(t *testing.T) {
		w := newWorld(t, func(o *api.Options) {
			o.NoDefaultNetwork, o.Policies = false, []string{"compute.skipDefaultNetworkCreation"}
		})
		w.refused(404, "notFound", "GET", "projects/p/global/networks/default", nil)
	})
	if err := projects.CheckPolicies([]string{"compute.none"}); err == nil || !strings.Contains(err.Error(), "compute.requireShieldedVm") {
		t.Errorf("a policy there is not: %v", err)
	}
}
