package emulator

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Health checks are in the project or in a region; balancers here take the
// latter only, as Google's regional ones do.

func healthChecks() collection       { return checks("healthChecks") }
func regionHealthChecks() collection { return checks("regionHealthChecks") }

func checks(resource string) collection {
	return collection{
		resource: resource, kind: "healthChecks", item: "compute#healthCheck",
		methods: map[string]handler{"insert": insertCheck, "delete": deleteCheck, "patch": changeCheck, "update": changeCheck},
		works: map[string]work{
			"insert": {}, "patch": {run: synced}, "update": {run: synced},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "health_check", checkUser)
			}},
		},
	}
}

// checkSections are the kinds of probe there are here: the field of each, its
// port and whether it asks for a path.
var checkSections = map[string]struct {
	field string
	port  int
	path  bool
}{
	"HTTP":  {"httpHealthCheck", 80, true},
	"HTTPS": {"httpsHealthCheck", 443, true},
	"TCP":   {"tcpHealthCheck", 80, false},
}

func insertCheck(c *call) (obj, error) {
	r := c.ref("healthChecks", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if err := completeCheck(o); err != nil {
			return err
		}
		placed(r, o)
		_, err := c.create(t, "healthChecks", o)
		return err
	})
}

// placed says in which region an object is, if it is in one.
func placed(r ref, o obj) {
	delete(o, "region")
	if strings.HasPrefix(r.scope(), "regions/") {
		o["region"] = regionLink(r.project(), r.place())
	}
}

// changeCheck is patch, which keeps what is not named, and update, which
// resets it. With another type goes the section of the old one.
func changeCheck(c *call) (obj, error) {
	r := c.target("healthChecks")
	return c.change(r, nil, func(t *tx) error {
		old := t.get(r)
		if old == nil {
			return notFound(r)
		}
		if err := immutable(old, c.body, "name"); err != nil {
			return err
		}
		o := clone(c.body)
		if strings.HasSuffix(c.method.ID, ".patch") {
			o = clone(old)
			merge(o, c.body)
			if was := str(old, "type"); was != str(o, "type") {
				delete(o, checkSections[was].field)
			}
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "name"} {
			o[k] = old[k]
		}
		if err := completeCheck(o); err != nil {
			return err
		}
		placed(r, o)
		t.put(r, o)
		return nil
	})
}

func deleteCheck(c *call) (obj, error) {
	return c.removal("healthChecks", "health_check", checkUser)
}

// removal accepts a delete of what nothing uses; the work looks again.
func (c *call) removal(kind, noun string, user func(*tx, ref) ref) (obj, error) {
	r := c.target(kind)
	return c.change(r, nil, func(t *tx) error {
		if t.get(r) == nil {
			return notFound(r)
		}
		if by := user(t, r); by != "" {
			return inUse(noun, r, by)
		}
		return nil
	})
}

// checkUser is a backend service that probes with a health check.
func checkUser(t *tx, r ref) ref {
	for _, o := range t.all(r.project(), "backendServices") {
		for _, h := range stringsOf(o, "healthChecks") {
			if toRef(h) == r {
				return toRef(str(o, "selfLink"))
			}
		}
	}
	return ""
}

// completeCheck checks a health check and fills in what it leaves to Google.
func completeCheck(o obj) error {
	if str(o, "type") == "" {
		return missing("resource.type")
	}
	kind, ok := checkSections[str(o, "type")]
	if !ok {
		return notWritten("health checks of type " + str(o, "type"))
	}
	for k := range o {
		if strings.HasSuffix(k, "HealthCheck") && k != kind.field {
			return invalid("resource."+k, "", "The field does not go with a health check of type "+str(o, "type")+".")
		}
	}
	if len(list(o, "sourceRegions")) > 0 {
		return notWritten("health checks with sourceRegions")
	}
	fill(o, obj{
		"kind": "compute#healthCheck", "checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2,
		"description": "", "logConfig": obj{"enable": false}, kind.field: obj{},
	})
	for k, most := range map[string]int64{"checkIntervalSec": 300, "timeoutSec": 300, "healthyThreshold": 10, "unhealthyThreshold": 10} {
		if n := num(o, k); n < 1 || n > most {
			return invalid("resource."+k, n, fmt.Sprintf("Must be between 1 and %d.", most))
		}
	}
	if num(o, "timeoutSec") > num(o, "checkIntervalSec") {
		return invalid("resource.timeoutSec", num(o, "timeoutSec"), "Timeout must not be greater than the check interval.")
	}
	probe, field := sub(o, kind.field), "resource."+kind.field
	for k, v := range probe {
		switch k {
		case "port":
			if n := number(v); n < 1 || n > 65535 {
				return invalid(field+".port", n, "Must be between 1 and 65535.")
			}
		case "requestPath":
			if s, _ := v.(string); !strings.HasPrefix(s, "/") {
				return invalid(field+".requestPath", v, "Must begin with '/'.")
			}
		case "portSpecification":
			if v != "USE_FIXED_PORT" {
				return notWritten("health checks with " + fmt.Sprint(v))
			}
		case "proxyHeader":
			if v != "NONE" {
				return notWritten("health checks with a proxy header")
			}
		default: // host, request, response, portName, …
			if v != "" {
				return notWritten("health checks with " + k)
			}
		}
	}
	fill(probe, obj{"port": kind.port, "proxyHeader": "NONE"})
	if kind.path {
		fill(probe, obj{"requestPath": "/"})
	}
	return nil
}

// checkOf is a health check as the network behind the API probes with it.
func checkOf(o obj) HealthCheck {
	probe := sub(o, checkSections[str(o, "type")].field)
	seconds := func(key string) time.Duration { return time.Duration(num(o, key)) * time.Second }
	return HealthCheck{
		Protocol: str(o, "type"), Port: int(num(probe, "port")), Path: str(probe, "requestPath"),
		Interval: seconds("checkIntervalSec"), Timeout: seconds("timeoutSec"),
		Healthy: int(num(o, "healthyThreshold")), Unhealthy: int(num(o, "unhealthyThreshold")),
	}
}
