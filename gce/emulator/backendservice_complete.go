package emulator

import (
	"fmt"
	"slices"
)

// completeService checks a backend service and fills in what it leaves to
// Google. Of all kinds there are, this one is behind a passthrough balancer.
func completeService(t *tx, r ref, o obj) error {
	for k, v := range o {
		switch k {
		case "kind", "id", "creationTimestamp", "selfLink", "name", "description", "region", "fingerprint", "backends", "healthChecks",
			"loadBalancingScheme", "protocol", "sessionAffinity", "timeoutSec", "connectionDraining", "port", "portName":
		case "logConfig":
			if flag(sub(o, k), "enable") {
				return notWritten("backend services with a log")
			}
		default:
			l, isList := v.([]any)
			if b, ok := v.(bool); ok && !b || isList && len(l) == 0 || v == "" || v == float64(0) {
				continue // as it is without
			}
			return notWritten("backend services with " + k)
		}
	}
	fill(o, obj{
		"kind": "compute#backendService", "description": "", "loadBalancingScheme": "EXTERNAL", "protocol": "TCP", "sessionAffinity": "NONE",
		"timeoutSec": 30, "connectionDraining": obj{},
	})
	placed(r, o)
	fill(sub(o, "connectionDraining"), obj{"drainingTimeoutSec": 0})
	if s := str(o, "loadBalancingScheme"); s != "EXTERNAL" {
		return notWritten("backend services of scheme " + s)
	}
	if p := str(o, "protocol"); p != "TCP" && p != "UDP" {
		return notWritten("backend services of protocol " + p)
	}
	switch s := str(o, "sessionAffinity"); s {
	case "NONE", "CLIENT_IP", "CLIENT_IP_PROTO", "CLIENT_IP_PORT_PROTO":
	default:
		return invalid("resource.sessionAffinity", s, "Session affinity must be NONE, CLIENT_IP, CLIENT_IP_PROTO or CLIENT_IP_PORT_PROTO for a backend service of an external passthrough load balancer.")
	}
	if n := num(sub(o, "connectionDraining"), "drainingTimeoutSec"); n < 0 || n > 3600 {
		return invalid("resource.connectionDraining.drainingTimeoutSec", n, "Must be between 0 and 3600.")
	}
	if err := completeServiceCheck(t, r, o); err != nil {
		return err
	}
	return completeBackends(t, r, o)
}

func completeServiceCheck(t *tx, r ref, o obj) error {
	checks := stringsOf(o, "healthChecks")
	if len(checks) > 1 {
		return invalid("resource.healthChecks", len(checks), "At most one health check can be specified.")
	}
	if len(checks) == 0 {
		if len(list(o, "backends")) > 0 {
			return missing("resource.healthChecks")
		}
		return nil
	}
	h := parse(checks[0], r.project(), r.scope(), "healthChecks")
	if h == "" || h.scope() != r.scope() {
		return invalid("resource.healthChecks[0]", checks[0], "The health check must be one of region '"+r.place()+"'.")
	}
	if t.get(h) == nil {
		return notFound(h)
	}
	o["healthChecks"] = []any{h.link()}
	return nil
}

func completeBackends(t *tx, r ref, o obj) error {
	var seen []ref
	network := ""
	for i, b := range objects(o, "backends") {
		field := fmt.Sprintf("resource.backends[%d].", i)
		for k, v := range b {
			switch {
			case k == "group" || k == "balancingMode" || k == "description" || k == "failover" && v == false || v == float64(0):
			default:
				return notWritten("backends with " + k)
			}
		}
		fill(b, obj{"balancingMode": "CONNECTION"})
		if m := str(b, "balancingMode"); m != "CONNECTION" {
			return invalid(field+"balancingMode", m, "Balancing mode must be CONNECTION for a backend service of an external passthrough load balancer.")
		}
		s := str(b, "group")
		g := parse(s, r.project(), "", "instanceGroups")
		if g == "" || t.get(g) == nil {
			return invalid(field+"group", s, "The referenced instance group resource cannot be found.")
		}
		if g.project() != r.project() || g.region() != r.place() {
			return invalid(field+"group", s, "The instance group is not in the region of the backend service.")
		}
		if slices.Contains(seen, g) {
			return invalid(field+"group", s, "Duplicate instance groups in backend service.")
		}
		seen = append(seen, g)
		if n := str(t.get(g), "network"); n != "" {
			if network != "" && n != network {
				return invalid(field+"group", s, "All instance groups of the backend service must be in the same network.")
			}
			network = n
		}
		b["group"] = g.link()
	}
	return nil
}
