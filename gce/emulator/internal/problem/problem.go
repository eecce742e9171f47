// Package problem has the errors of the API in its own words.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"hakube/gce/emulator/internal/doc"
)

// A Problem is an error as the API answers it, at once or in an operation.
type Problem struct {
	Status  int
	Reason  string // of the answer: notFound, alreadyExists, …
	Code    string // of an operation: RESOURCE_NOT_FOUND, …
	Message string
	// Canonical is the "status" that Google's newer services, and the front end that
	// all of them share, add: PERMISSION_DENIED.
	Canonical string
	Details   []any
	// First is the message in the list, where it is another one.
	First string
}

// New is a problem that has no words of its own below.
func New(status int, reason, code, message string) *Problem {
	return &Problem{Status: status, Reason: reason, Code: code, Message: message}
}

func (p *Problem) Error() string { return p.Message }

// Body is the error answer. "status" came with newer services and is absent
// from compute's older ones; clients read errors[0].reason.
func (p *Problem) Body() doc.Obj {
	first := doc.Obj{"message": Short(cmp.Or(p.First, p.Message)), "domain": p.domain(), "reason": p.Reason}
	if p.Status == http.StatusPreconditionFailed { // as googleapis/google-cloud-go#7802 has it
		first["location"], first["locationType"] = "If-Match", "header"
	}
	body := doc.Obj{"code": float64(p.Status), "message": Short(p.Message), "errors": []any{first}}
	if p.Canonical != "" {
		body["status"] = p.Canonical
	}
	if p.Details != nil {
		body["details"] = p.Details
	}
	return doc.Obj{"error": body}
}

// Short cuts what a message says of a value as large as a request may be.
func Short(message string) string {
	const most = 2000
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "…"
}

func (p *Problem) domain() string {
	if p.Reason == "rateLimitExceeded" || p.Reason == "quotaExceeded" {
		return "usageLimits"
	}
	return "global"
}

// NotFound is what there is not.
func NotFound(r doc.Ref) *Problem {
	return New(404, "notFound", "RESOURCE_NOT_FOUND", fmt.Sprintf("The resource '%s' was not found", r))
}

// Exists is what there is already.
func Exists(r doc.Ref) *Problem {
	return New(409, "alreadyExists", "RESOURCE_ALREADY_EXISTS", fmt.Sprintf("The resource '%s' already exists", r))
}

// InUse is what something else needs. Health checks and who uses them are named in a
// form of their own.
func InUse(noun string, r, by doc.Ref) *Problem {
	if noun == "health_check" {
		return New(400, "resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
			fmt.Sprintf("The %s resource '%s' is already being used by '%s'", noun, typed(r, "HEALTH_CHECK"), typed(by, "BACKEND_SERVICE")))
	}
	return New(400, "resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
		fmt.Sprintf("The %s resource '%s' is already being used by '%s'", noun, r, by))
}

// typed is "REGION:us-central1/PROJECT:123/HEALTH_CHECK:x".
func typed(r doc.Ref, kind string) string {
	scope := "GLOBAL:global"
	if strings.HasPrefix(r.Scope(), "regions/") {
		scope = "REGION:" + r.Place()
	}
	return scope + "/PROJECT:" + doc.NumberOf("project "+r.Project()) + "/" + kind + ":" + r.Name()
}

// NotReady is what is on its way, or on its way out.
func NotReady(r doc.Ref) *Problem {
	return New(400, "resourceNotReady", "RESOURCE_NOT_READY", fmt.Sprintf("The resource '%s' is not ready", r))
}

// Stale is a fingerprint of an older state.
func Stale(message string) *Problem {
	return New(412, "conditionNotMet", "CONDITION_NOT_MET", message)
}

// Invalid is a value that a field cannot have.
func Invalid(field string, value any, why string) *Problem {
	return New(400, "invalid", "INVALID_FIELD_VALUE", fmt.Sprintf("Invalid value for field '%s': '%v'. %s", field, value, why))
}

// Missing is a field that has to be there.
func Missing(field string) *Problem {
	return New(400, "required", "REQUIRED_FIELD_MISSING", fmt.Sprintf("Required field '%s' not specified", field))
}

// Refuse is a request that is wrong in another way.
func Refuse(format string, args ...any) *Problem {
	return New(400, "badRequest", "BAD_REQUEST", fmt.Sprintf(format, args...))
}

// NotWritten is what the embedded GCE does not do. Its status is one that nobody
// tries again: clients take 501 for a fault that passes, gcloud for half a minute,
// and 404 would say that an object is not there.
func NotWritten(id string) *Problem {
	return New(400, "notImplemented", "NOT_IMPLEMENTED", fmt.Sprintf("%s is not written in hakube's embedded GCE", id))
}

// Exhausted is a pool with nothing left in it.
func Exhausted(metric, where string) *Problem {
	return New(403, "quotaExceeded", "QUOTA_EXCEEDED", fmt.Sprintf("Quota '%s' exceeded. Limit: %s", metric, where))
}

// Of makes any error one the API can answer. What is not ours is an
// internal error, with its text: the reader is the owner of this machine.
func Of(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return New(500, "backendError", "INTERNAL_ERROR", "Internal error: "+err.Error())
}

// HTTPMessage is how operations spell a status: "BAD REQUEST".
func HTTPMessage(status int) string { return strings.ToUpper(http.StatusText(status)) }

// Fault is the problem as a job keeps it.
func (p *Problem) Fault(details []any) doc.Obj {
	return doc.Obj{"code": p.Code, "message": p.Message, "status": p.Status, "details": details}
}
