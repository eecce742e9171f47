package balancers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// httpHealthChecks are the legacy ones, which target pools and managed groups take, and nothing else.
func httpHealthChecks() api.Collection {
	return api.Collection{
		Resource: "httpHealthChecks", Kind: "httpHealthChecks", Item: "compute#httpHealthCheck",
		Methods: map[string]api.Handler{
			"insert": insertHTTPCheck, "patch": changeHTTPCheck, "update": changeHTTPCheck,
			"delete": func(c *api.Call) (doc.Obj, error) {
				return c.Removal("httpHealthChecks", "http_health_check", httpCheckUser)
			},
		},
		Works: map[string]api.Work{
			"insert": {}, "patch": {Run: api.Synced}, "update": {Run: api.Synced},
			"delete": {Late: true, Run: func(ctx context.Context, k *api.Job) error {
				return k.Remove(ctx, "http_health_check", httpCheckUser)
			}},
		},
	}
}

func insertHTTPCheck(c *api.Call) (doc.Obj, error) {
	r := c.Ref("httpHealthChecks", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if err := completeHTTPCheck(o); err != nil {
			return err
		}
		_, err := c.Create(t, "httpHealthChecks", o)
		return err
	})
}

// changeHTTPCheck is patch, which keeps what is not named, and update, which resets it.
func changeHTTPCheck(c *api.Call) (doc.Obj, error) {
	return changed(c, c.Target("httpHealthChecks"), func(_, o doc.Obj) error { return completeHTTPCheck(o) })
}

// completeHTTPCheck checks a legacy check and fills in what it leaves to Google.
func completeHTTPCheck(o doc.Obj) error {
	doc.Fill(o, doc.Obj{
		"kind": "compute#httpHealthCheck", "description": "", "host": "", "port": 80, "requestPath": "/",
		"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2,
	})
	if s := doc.Str(o, "requestPath"); !strings.HasPrefix(s, "/") {
		return problem.Invalid("resource.requestPath", s, "Must begin with '/'.")
	}
	for k, most := range map[string]int64{"port": 65535, "checkIntervalSec": 300, "timeoutSec": 300, "healthyThreshold": 10, "unhealthyThreshold": 10} {
		if n := doc.Num(o, k); n < 1 || n > most {
			return problem.Invalid("resource."+k, n, fmt.Sprintf("Must be between 1 and %d.", most))
		}
	}
	if doc.Num(o, "timeoutSec") > doc.Num(o, "checkIntervalSec") {
		return problem.Invalid("resource.timeoutSec", doc.Num(o, "timeoutSec"), "Timeout must not be greater than the check interval.")
	}
	return nil
}

// httpCheckOf is a legacy check as the network behind the API probes with it.
func httpCheckOf(o doc.Obj) backend.HealthCheck {
	return probing(o, backend.HealthCheck{Protocol: "HTTP", Port: int(doc.Num(o, "port")), Path: doc.Str(o, "requestPath"), Host: doc.Str(o, "host")})
}

// httpCheckUser is a target pool, or a managed group, that has a health check.
func httpCheckUser(t *store.Tx, r doc.Ref) doc.Ref {
	if by := healingUser(t, r); by != "" {
		return by
	}
	for _, o := range t.All(r.Project(), "targetPools") {
		if slices.Contains(doc.Strings(o, "healthChecks"), r.Link()) {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	return ""
}
