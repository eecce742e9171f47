package balancers

import (
	"fmt"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// serviceLacks is what no change to a backend service follows.
var serviceLacks = []string{
	"+name", "+description", "+region", "+fingerprint", "+backends", "+healthChecks", "+loadBalancingScheme", "+protocol", "+sessionAffinity",
	"+timeoutSec", "+connectionDraining", "+port", "+portName", "+logConfig", "logConfig.enable: a log", "loadBalancingScheme!EXTERNAL|INTERNAL", "protocol!TCP|UDP|UNSPECIFIED",
	"backends.failover", "backends.capacityScaler", "backends.maxConnections", "backends.maxConnectionsPerEndpoint", "backends.maxConnectionsPerInstance",
	"backends.maxRate", "backends.maxRatePerEndpoint", "backends.maxRatePerInstance", "backends.maxUtilization", "backends.maxInFlightRequests",
	"backends.customMetrics", "backends.preference", "backends.trafficDuration",
}

// serviceShown is what a backend service has that nobody gave and that means nothing
// here: Google answers it, and clients send it back.
var serviceShown = doc.Obj{
	"affinityCookieTtlSec": 0,
	"iap": doc.Obj{
		"enabled": false, "oauth2ClientId": "",
		"oauth2ClientSecretSha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", // of no text
	},
}

// internal is the scheme of a balancer that the machines of one network call.
const internal = "INTERNAL"

// completeService checks a backend service and fills in what it leaves to
// Google. Of all kinds there are, this one is behind a passthrough balancer.
func completeService(t *store.Tx, r doc.Ref, o doc.Obj) error {
	doc.Fill(o, doc.Obj{
		"kind": "compute#backendService", "description": "", "loadBalancingScheme": "EXTERNAL", "protocol": "TCP", "sessionAffinity": "NONE",
		"timeoutSec": 30, "connectionDraining": doc.Obj{},
	})
	doc.Fill(o, serviceShown)
	api.Placed(r, o)
	doc.Fill(doc.Sub(o, "connectionDraining"), doc.Obj{"drainingTimeoutSec": 0})
	affinities := []string{"NONE", "CLIENT_IP", "CLIENT_IP_PROTO", "CLIENT_IP_PORT_PROTO"}
	if doc.Str(o, "loadBalancingScheme") == internal {
		affinities = append(affinities, "CLIENT_IP_NO_DESTINATION")
		doc.Fill(o, doc.Obj{"subsetting": doc.Obj{"policy": "NONE"}})
	}
	if s := doc.Str(o, "sessionAffinity"); !slices.Contains(affinities, s) {
		return problem.Invalid("resource.sessionAffinity", s, "Session affinity must be one of "+strings.Join(affinities, ", ")+" for a backend service of such a passthrough load balancer.")
	}
	if n := doc.Num(doc.Sub(o, "connectionDraining"), "drainingTimeoutSec"); n < 0 || n > 3600 {
		return problem.Invalid("resource.connectionDraining.drainingTimeoutSec", n, "Must be between 0 and 3600.")
	}
	if err := completeServiceCheck(t, r, o); err != nil {
		return err
	}
	return completeBackends(t, r, o)
}

func completeServiceCheck(t *store.Tx, r doc.Ref, o doc.Obj) error {
	checks := doc.Strings(o, "healthChecks")
	if len(checks) > 1 {
		return problem.Invalid("resource.healthChecks", len(checks), "At most one health check can be specified.")
	}
	if len(checks) == 0 {
		if len(doc.List(o, "backends")) > 0 {
			return problem.Missing("resource.healthChecks")
		}
		return nil
	}
	h := doc.ParseRef(checks[0], r.Project(), r.Scope(), "healthChecks")
	if h == "" || h.Scope() != r.Scope() && (h.Scope() != "global" || doc.Str(o, "loadBalancingScheme") != internal) {
		return problem.Invalid("resource.healthChecks[0]", checks[0], "The health check must be one of region '"+r.Place()+"', or for an internal load balancer a global one.")
	}
	if t.Get(h) == nil {
		return problem.NotFound(h)
	}
	o["healthChecks"] = []any{h.Link()}
	return nil
}

func completeBackends(t *store.Tx, r doc.Ref, o doc.Obj) error {
	var seen []doc.Ref
	network := ""
	for i, b := range doc.Objects(o, "backends") {
		field := fmt.Sprintf("resource.backends[%d].", i)
		doc.Fill(b, doc.Obj{"balancingMode": "CONNECTION"})
		if m := doc.Str(b, "balancingMode"); m != "CONNECTION" {
			return problem.Invalid(field+"balancingMode", m, "Balancing mode must be CONNECTION for a backend service of a passthrough load balancer.")
		}
		s := doc.Str(b, "group")
		g := doc.ParseRef(s, r.Project(), "", "instanceGroups")
		if g == "" || t.Get(g) == nil {
			return problem.Invalid(field+"group", s, "The referenced instance group resource cannot be found.")
		}
		if g.Project() != r.Project() || g.Region() != r.Place() {
			return problem.Invalid(field+"group", s, "The instance group is not in the region of the backend service.")
		}
		if slices.Contains(seen, g) {
			return problem.Invalid(field+"group", s, "Duplicate instance groups in backend service.")
		}
		seen = append(seen, g)
		if n := doc.Str(t.Get(g), "network"); n != "" {
			if network != "" && n != network {
				return problem.Invalid(field+"group", s, "All instance groups of the backend service must be in the same network.")
			}
			network = n
		}
		b["group"] = g.Link()
	}
	return nil
}
