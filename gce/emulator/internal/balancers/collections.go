package balancers

import "hakube/gce/emulator/internal/api"

// Collections are rules, services, checks, pools and instance groups.
func Collections() []api.Collection {
	return []api.Collection{
		healthChecks(), regionHealthChecks(), backendServices(), regionBackendServices(), forwardingRules(), globalForwardingRules(),
		httpHealthChecks(), targetPools(), instanceGroups(),
	}
}
