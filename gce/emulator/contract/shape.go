package contract

import (
	"fmt"
	"net/http"
	"strings"
)

// errorShape checks an error as all of Google's JSON services answer it
// (https://cloud.google.com/compute/docs/troubleshooting/troubleshoot-api-errors):
// clients read error.code, error.message and the reason of the first of
// error.errors. The discovery document does not describe it.
func errorShape(status int, doc map[string]any) error {
	e, ok := doc["error"].(map[string]any)
	switch {
	case status < 400:
		return fmt.Errorf("status %d", status)
	case !ok || len(doc) != 1:
		return fmt.Errorf("an error answer is {\"error\": …}")
	case e["code"] != float64(status):
		return fmt.Errorf("error.code is %v", e["code"])
	case !filled(e, "message"):
		return fmt.Errorf("error.message is not there")
	}
	for k := range e {
		switch k {
		case "code", "message", "errors", "status", "details":
		default:
			return fmt.Errorf("error.%s is no field of an error", k)
		}
	}
	return all("error.errors", e["errors"], "message", "domain", "reason")
}

// operationShape checks what the document cannot say of an operation: which
// fields come with which state.
func operationShape(o map[string]any) error {
	for _, k := range []string{"id", "name", "operationType", "targetLink", "status", "insertTime", "selfLink"} {
		if !filled(o, k) {
			return fmt.Errorf("an operation without %s", k)
		}
	}
	done := o["status"] == "DONE"
	switch {
	case done != filled(o, "endTime"):
		return fmt.Errorf("an operation has endTime when it is DONE, and only then")
	case done && o["progress"] != 100.0:
		return fmt.Errorf("an operation that is DONE with progress %v", o["progress"])
	case o["error"] == nil:
		return nil
	case !done:
		return fmt.Errorf("an operation with an error that is not DONE")
	}
	// Google's client for Go takes the operation for a success without it.
	code, _ := o["httpErrorStatusCode"].(float64)
	if text, _ := o["httpErrorMessage"].(string); code < 400 || text != strings.ToUpper(http.StatusText(int(code))) {
		return fmt.Errorf("an operation with an error has httpErrorStatusCode %v and httpErrorMessage %q", o["httpErrorStatusCode"], text)
	}
	e, _ := o["error"].(map[string]any)
	return all("error.errors", e["errors"], "code", "message")
}

// all checks that v is a list, not empty, of objects with these strings.
func all(what string, v any, fields ...string) error {
	l, _ := v.([]any)
	if len(l) == 0 {
		return fmt.Errorf("%s is empty", what)
	}
	for i, e := range l {
		for _, f := range fields {
			if o, _ := e.(map[string]any); !filled(o, f) {
				return fmt.Errorf("%s[%d].%s is not there", what, i, f)
			}
		}
	}
	return nil
}

func filled(o map[string]any, key string) bool {
	s, _ := o[key].(string)
	return s != ""
}
