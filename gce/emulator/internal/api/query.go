package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/discovery"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// A query parameter does what the document says of it, or the request is refused: one
// that is passed over makes a list that is not what was asked for, or a change that
// did half. Most are read by what they are about, by their name in quotes; here are
// those that nothing reads. TestEveryParameter holds each of the document to this.

// Idle are parameters that say how something is done which there is not: no machine
// has a local disk that could be kept, and none ends other than by its guest's own
// shutdown. Of returnPartialSuccess older documents say that a scope which cannot be
// read is left out; all can be read.
var Idle = []string{"discardLocalSsd", "noGracefulShutdown", "returnPartialSuccess"}

// NotWritten are parameters whose meaning nothing behind the API follows, with the
// values that ask for nothing.
var NotWritten = map[string][]string{
	"drainTimeoutSeconds":       {"0"},
	"forceAttach":               {"false"},
	"guestFlush":                {"false"},
	"serviceProjectNumber":      {"0"},
	"sourceMachineImage":        {},
	"view":                      {"BASIC", "FORWARDING_RULE_VIEW_UNSPECIFIED"},
	"views":                     {"DEFAULT"},
	"withExtendedNotifications": {"false"},
}

// ofEveryMethod are the parameters of no method and all, with the values that do what
// an answer here is. A key, a quota's user and the like are for who counts requests;
// enumerations are strings at Compute Engine, also for who wants numbers.
var ofEveryMethod = map[string][]string{
	"alt": {"json"}, "$alt": {"json", "json;enum-encoding=int"}, "callback": {}, "uploadType": {}, "upload_protocol": {}, "$.xgafv": {"1"},
	"access_token": nil, "fields": nil, "key": nil, "oauth_token": nil, "prettyPrint": {"true", "false"}, "quotaUser": nil, "trace": nil, "userIp": nil,
	"clientOperationId": nil, "returnPartialSuccess": {"true", "false"}, // of older documents
}

// understood refuses a query with what would be passed over.
func understood(m *discovery.Method, query url.Values) error {
	for _, name := range doc.SortedKeys(query) {
		values, idle := NotWritten[name]
		if m.Parameters[name] == nil {
			if values, idle = ofEveryMethod[name]; !idle {
				return problem.Refuse("Invalid JSON payload received. Unknown name %q: Cannot bind query parameter. Field '%s' could not be found in request message.", name, name)
			}
			if idle = values != nil; !idle {
				continue
			}
		} else if len(query[name]) > 1 && !m.Parameters[name].Repeated {
			return problem.Invalid(name, strings.Join(query[name], ","), "The parameter cannot be repeated.")
		}
		for _, v := range query[name] {
			if idle && v != "" && !slices.Contains(values, v) && !slices.Contains(values, strings.ToLower(v)) {
				return problem.NotWritten(m.ID + " with " + name + "=" + v)
			}
		}
	}
	return nil
}

// Says reports whether a boolean of the query is true. Clients write it as their
// languages do: true, True, 1.
func (c *Call) Says(name string) bool {
	yes, _ := strconv.ParseBool(strings.ToLower(c.Query.Get(name))) // it was looked at before
	return yes
}
