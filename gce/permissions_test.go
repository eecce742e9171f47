package gce

import "testing"

// TestDenied: a list policy speaks of values one by one, of groups of them, or of all.
func TestDenied(t *testing.T) {
	for policy, want := range map[string]bool{
		`{}`:                                   false,
		`{"booleanPolicy":{"enforced":true}}`:  false,
		`{"listPolicy":{"allValues":"ALLOW"}}`: false,
		`{"listPolicy":{"allValues":"DENY"}}`:  true,
		`{"listPolicy":{"deniedValues":["INTERNAL_TCP_UDP"]}}`:                                    false,
		`{"listPolicy":{"deniedValues":["is:EXTERNAL_NETWORK_TCP_UDP"]}}`:                         true,
		`{"listPolicy":{"deniedValues":["in:EXTERNAL"]}}`:                                         true,
		`{"listPolicy":{"allowedValues":["in:INTERNAL"]}}`:                                        true,
		`{"listPolicy":{"allowedValues":["in:INTERNAL","EXTERNAL_NETWORK_TCP_UDP"]}}`:             false,
		`{"listPolicy":{"allowedValues":["in:EXTERNAL"],"deniedValues":["EXTERNAL_HTTP_HTTPS"]}}`: false,
	} {
		denied, err := play(t, ok(policy)).Denied(t.Context(), "constraints/compute.restrictLoadBalancerCreationForTypes", "EXTERNAL_NETWORK_TCP_UDP")
		if err != nil || denied != want {
			t.Errorf("%s: %v, %v; want %v", policy, denied, err, want)
		}
	}
}
