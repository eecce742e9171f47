package emulator

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A problem is an error as the API answers it, at once or in an operation.
type problem struct {
	Status  int
	Reason  string // of the answer: notFound, alreadyExists, …
	Code    string // of an operation: RESOURCE_NOT_FOUND, …
	Message string
}

func (p *problem) Error() string { return p.Message }

// body is the error answer. "status" came with newer services and is absent
// from compute's older ones; clients read errors[0].reason.
func (p *problem) body() obj {
	return obj{"error": obj{
		"code":    float64(p.Status),
		"message": short(p.Message),
		"errors":  []any{obj{"message": short(p.Message), "domain": p.domain(), "reason": p.Reason}},
	}}
}

// short cuts what a message says of a value as large as a request may be.
func short(message string) string {
	const most = 2000
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "…"
}

func (p *problem) domain() string {
	if p.Reason == "rateLimitExceeded" || p.Reason == "quotaExceeded" {
		return "usageLimits"
	}
	return "global"
}

func notFound(r ref) *problem {
	return &problem{404, "notFound", "RESOURCE_NOT_FOUND", fmt.Sprintf("The resource '%s' was not found", r)}
}

func exists(r ref) *problem {
	return &problem{409, "alreadyExists", "RESOURCE_ALREADY_EXISTS", fmt.Sprintf("The resource '%s' already exists", r)}
}

func inUse(noun string, r, by ref) *problem {
	return &problem{400, "resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
		fmt.Sprintf("The %s resource '%s' is already being used by '%s'", noun, r, by)}
}

func notReady(r ref) *problem {
	return &problem{400, "resourceNotReady", "RESOURCE_NOT_READY", fmt.Sprintf("The resource '%s' is not ready", r)}
}

func stale(message string) *problem {
	return &problem{412, "conditionNotMet", "CONDITION_NOT_MET", message}
}

func invalid(field string, value any, why string) *problem {
	return &problem{400, "invalid", "INVALID_FIELD_VALUE", fmt.Sprintf("Invalid value for field '%s': '%v'. %s", field, value, why)}
}

func missing(field string) *problem {
	return &problem{400, "required", "REQUIRED_FIELD_MISSING", fmt.Sprintf("Required field '%s' not specified", field)}
}

func refuse(format string, args ...any) *problem {
	return &problem{400, "badRequest", "BAD_REQUEST", fmt.Sprintf(format, args...)}
}

func notWritten(id string) *problem {
	return &problem{501, "notImplemented", "NOT_IMPLEMENTED", fmt.Sprintf("%s is not written in hakube's embedded GCE", id)}
}

func exhausted(metric, where string) *problem {
	return &problem{403, "quotaExceeded", "QUOTA_EXCEEDED", fmt.Sprintf("Quota '%s' exceeded. Limit: %s", metric, where)}
}

// asProblem makes any error one the API can answer. What is not ours is an
// internal error, with its text: the reader is the owner of this machine.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{500, "backendError", "INTERNAL_ERROR", "Internal error: " + err.Error()}
}

// httpMessage is how operations spell a status: "BAD REQUEST".
func httpMessage(status int) string { return strings.ToUpper(http.StatusText(status)) }
