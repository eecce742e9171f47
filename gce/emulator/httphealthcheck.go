package emulator

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// httpHealthChecks are the legacy ones, which target pools take and nothing
// else. Nobody probes here, so changing one answers 501.
func httpHealthChecks() collection {
	return collection{
		resource: "httpHealthChecks", kind: "httpHealthChecks", item: "compute#httpHealthCheck",
		methods: map[string]handler{"insert": insertHTTPCheck, "delete": func(c *call) (obj, error) {
			return c.removal("httpHealthChecks", "http_health_check", httpCheckUser)
		}},
		works: map[string]work{
			"insert": {},
			"delete": {late: true, run: func(ctx context.Context, k *task) error {
				return k.remove(ctx, "http_health_check", httpCheckUser)
			}},
		},
	}
}

func insertHTTPCheck(c *call) (obj, error) {
	r := c.ref("httpHealthChecks", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		fill(o, obj{
			"kind": "compute#httpHealthCheck", "description": "", "host": "", "port": 80, "requestPath": "/",
			"checkIntervalSec": 5, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2,
		})
		if s := str(o, "requestPath"); !strings.HasPrefix(s, "/") {
			return invalid("resource.requestPath", s, "Must begin with '/'.")
		}
		for k, most := range map[string]int64{"port": 65535, "checkIntervalSec": 300, "timeoutSec": 300, "healthyThreshold": 10, "unhealthyThreshold": 10} {
			if n := num(o, k); n < 1 || n > most {
				return invalid("resource."+k, n, fmt.Sprintf("Must be between 1 and %d.", most))
			}
		}
		if num(o, "timeoutSec") > num(o, "checkIntervalSec") {
			return invalid("resource.timeoutSec", num(o, "timeoutSec"), "Timeout must not be greater than the check interval.")
		}
		_, err := c.create(t, "httpHealthChecks", o)
		return err
	})
}

// httpCheckUser is a target pool that has a health check.
func httpCheckUser(t *tx, r ref) ref {
	for _, o := range t.all(r.project(), "targetPools") {
		if slices.Contains(stringsOf(o, "healthChecks"), r.link()) {
			return toRef(str(o, "selfLink"))
		}
	}
	return ""
}
