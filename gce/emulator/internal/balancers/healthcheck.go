package balancers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Health checks are in the project or in a region; external balancers take the
// latter only, as Google's do, internal ones both.

func healthChecks() api.Collection       { return checks("healthChecks") }
func regionHealthChecks() api.Collection { return checks("regionHealthChecks") }

func checks(resource string) api.Collection {
	return api.Collection{
		Resource: resource, Kind: "healthChecks", Item: "compute#healthCheck",
		Methods: map[string]api.Handler{"insert": insertCheck, "delete": deleteCheck, "patch": changeCheck, "update": changeCheck},
		Lacks:   map[string][]string{"insert": checkLacks, "patch": checkLacks, "update": checkLacks},
		Works: map[string]api.Work{
			"insert": {}, "patch": {Run: api.Synced}, "update": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "health_check", checkUser)
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

func insertCheck(c *api.Call) (doc.Obj, error) {
	r := c.Ref("healthChecks", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := completeCheck(o); err != nil {
			return err
		}
		api.Placed(r, o)
		_, err := c.Create(t, "healthChecks", o)
		return err
	})
}

// changeCheck is patch, which keeps what is not named, and update, which
// resets it. With another type goes the section of the old one.
func changeCheck(c *api.Call) (doc.Obj, error) {
	r := c.Target("healthChecks")
	return changed(c, r, func(old, o doc.Obj) error {
		if was := doc.Str(old, "type"); patches(c) && was != doc.Str(o, "type") {
			delete(o, checkSections[was].field)
		}
		if err := completeCheck(o); err != nil {
			return err
		}
		api.Placed(r, o)
		return nil
	})
}

// changed changes a check of either kind, of which the name stays: by a patch, or to
// what the body says and nothing else. complete has a say in what it becomes.
func changed(c *api.Call, r doc.Ref, complete func(old, o doc.Obj) error) (doc.Obj, error) {
	return c.Change(r, nil, func(t *store.Tx) error {
		old := t.Get(r)
		if old == nil {
			return problem.NotFound(r)
		}
		if err := api.Immutable(old, c.Body, "name"); err != nil {
			return err
		}
		o := doc.Clone(c.Body)
		if patches(c) {
			o = doc.Clone(old)
			doc.Merge(o, c.Body)
		}
		for _, k := range []string{"id", "creationTimestamp", "selfLink", "name"} {
			o[k] = old[k]
		}
		if err := complete(old, o); err != nil {
			return err
		}
		t.Put(r, o)
		return nil
	})
}

// patches tells whether a call changes only what it names.
func patches(c *api.Call) bool { return strings.HasSuffix(c.Method.ID, ".patch") }

func deleteCheck(c *api.Call) (doc.Obj, error) {
	return c.Removal("healthChecks", "health_check", checkUser)
}

// checkUser is a backend service, or a managed group, that probes with a health check.
func checkUser(t *store.Tx, r doc.Ref) doc.Ref {
	if by := healingUser(t, r); by != "" {
		return by
	}
	for _, o := range t.All(r.Project(), "backendServices") {
		for _, h := range doc.Strings(o, "healthChecks") {
			if doc.RefOf(h) == r {
				return doc.RefOf(doc.Str(o, "selfLink"))
			}
		}
	}
	return ""
}

// checkLacks is what no change to a health check follows.
var checkLacks = func() []string {
	out := []string{"type!TCP|HTTP|HTTPS", "sourceRegions", "logConfig.enable: a log"}
	for _, k := range checkSections {
		out = append(out, k.field+".portSpecification!USE_FIXED_PORT", k.field+".proxyHeader!NONE: a proxy header", k.field+".portName", k.field+".response")
		if !k.path {
			out = append(out, k.field+".request")
		}
	}
	slices.Sort(out)
	return out
}()

// completeCheck checks a health check and fills in what it leaves to Google.
func completeCheck(o doc.Obj) error {
	if doc.Str(o, "type") == "" {
		return problem.Missing("resource.type")
	}
	kind, ok := checkSections[doc.Str(o, "type")]
	if !ok {
		return problem.Invalid("resource.type", doc.Str(o, "type"), "Unknown value.")
	}
	for k := range o {
		if strings.HasSuffix(k, "HealthCheck") && k != kind.field {
			return problem.Invalid("resource."+k, "", "The field does not go with a health check of type "+doc.Str(o, "type")+".")
		}
	}
	doc.Fill(o, doc.Obj{
		"kind": "compute#healthCheck", "checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2,
		kind.field: doc.Obj{},
	})
	for k, most := range map[string]int64{"checkIntervalSec": 300, "timeoutSec": 300, "healthyThreshold": 10, "unhealthyThreshold": 10} {
		if n := doc.Num(o, k); n < 1 || n > most {
			return problem.Invalid("resource."+k, n, fmt.Sprintf("Must be between 1 and %d.", most))
		}
	}
	if doc.Num(o, "timeoutSec") > doc.Num(o, "checkIntervalSec") {
		return problem.Invalid("resource.timeoutSec", doc.Num(o, "timeoutSec"), "Timeout must not be greater than the check interval.")
	}
	probe, field := doc.Sub(o, kind.field), "resource."+kind.field
	for k, v := range probe {
		switch k {
		case "port":
			if n := doc.Number(v); n < 1 || n > 65535 {
				return problem.Invalid(field+".port", n, "Must be between 1 and 65535.")
			}
		case "requestPath":
			if s, _ := v.(string); !strings.HasPrefix(s, "/") {
				return problem.Invalid(field+".requestPath", v, "Must begin with '/'.")
			}
		}
	}
	doc.Fill(probe, doc.Obj{"port": kind.port, "proxyHeader": "NONE"})
	if kind.path {
		doc.Fill(probe, doc.Obj{"requestPath": "/"})
	}
	return nil
}

// checkOf is a health check as the network behind the API probes with it.
func checkOf(o doc.Obj) backend.HealthCheck {
	probe := doc.Sub(o, checkSections[doc.Str(o, "type")].field)
	return probing(o, backend.HealthCheck{
		Protocol: doc.Str(o, "type"), Port: int(doc.Num(probe, "port")), Path: doc.Str(probe, "requestPath"), Host: doc.Str(probe, "host"),
	})
}

// probing adds to a check what all kinds of them say in the same way.
func probing(o doc.Obj, c backend.HealthCheck) backend.HealthCheck {
	seconds := func(key string) time.Duration { return time.Duration(doc.Num(o, key)) * time.Second }
	c.Interval, c.Timeout = seconds("checkIntervalSec"), seconds("timeoutSec")
	c.Healthy, c.Unhealthy = int(doc.Num(o, "healthyThreshold")), int(doc.Num(o, "unhealthyThreshold"))
	return c
}
