package gce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/compute/apiv1/computepb"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
	"google.golang.org/protobuf/proto"
)

// failed turns what a REST client returned into an Error.
func (c *Client) failed(w call, err error) *Error {
	e := &Error{Err: err}
	var ours *Error
	var answer *googleapi.Error
	var token *auth.Error
	var wire *url.Error
	var refused *oauth2.RetrieveError
	var cert *tls.CertificateVerificationError
	switch {
	case err == nil:
	case errors.As(err, &ours):
		*e = *ours
	case errors.As(err, &answer):
		decodeAnswer(e, answer)
	case errors.As(err, &token) && token.Response != nil && !token.Temporary(),
		errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500:
		e.Reason, e.Message = reasonCredentials, "the credentials are not accepted: "+firstLine(err)
	case errors.Is(err, proto.Error):
		e.Reason, e.Message = reasonNotGoogle, "the answer cannot be read: "+firstLine(err)
	case errors.Is(err, context.Canceled):
	case errors.As(err, &cert):
		e.Reason, e.Message = reasonNotGoogle, cert.Error()
	case errors.As(err, &wire), errors.Is(err, context.DeadlineExceeded), isCut(err):
		e.Class, e.again, e.Reason = Later, againCut, reasonCut
		if wire != nil {
			e.Message = wire.Err.Error() // without the URL
			if u, perr := url.Parse(wire.URL); perr == nil && !strings.Contains(e.Message, u.Host) {
				e.Message = u.Host + ": " + e.Message
			}
		}
	}
	e.Verb, e.Object = w.verb, w.object()
	e.project, e.loopback = c.options.Project, strings.Contains(c.options.Endpoint, "://127.")
	if e.Class == No {
		e = e.judge(w.name)
	}
	return e
}

// decodeAnswer fills e from an answer with an error status.
func decodeAnswer(e *Error, g *googleapi.Error) {
	e.Code, e.Message, e.Err = g.Code, g.Message, g
	e.after = g.Header.Get("Retry-After")
	if len(g.Errors) > 0 {
		e.Reason = g.Errors[0].Reason
		if e.Message == "" {
			e.Message = g.Errors[0].Message
		}
	}
	for _, d := range g.Details {
		d, ok := d.(map[string]any)
		if kind, _ := d["@type"].(string); !ok || !strings.HasSuffix(kind, "google.rpc.ErrorInfo") {
			continue
		}
		e.details = map[string]string{}
		if meta, ok := d["metadata"].(map[string]any); ok {
			for k, v := range meta {
				e.details[k] = fmt.Sprint(v)
			}
		}
		e.details["reason"], _ = d["reason"].(string)
		if e.Reason == "" || e.Reason == "forbidden" {
			e.Reason = e.details["reason"]
		}
	}
	if e.Message != "" || len(g.Errors) > 0 {
		return
	}
	// Not the API's JSON: a proxy, a captive portal, a front end's page.
	e.Reason, e.Err = reasonNotGoogle, nil
	switch to := g.Header.Get("Location"); {
	case to != "":
		e.Message = fmt.Sprintf("HTTP %d, a redirect to %s, where Compute Engine sends none", g.Code, to)
	default:
		e.Message = fmt.Sprintf("HTTP %d without Compute Engine's error message", g.Code) + title(g.Body)
	}
}

// decodeOperation returns the error an operation ended with, nil when it
// succeeded. The error field alone decides: httpErrorStatusCode is not always
// set with it, and apiv1's own Wait looks at nothing else.
func decodeOperation(op *computepb.Operation) *Error {
	all := op.GetError().GetErrors()
	code := int(op.GetHttpErrorStatusCode())
	if op.GetError() == nil && code < 400 {
		return nil
	}
	e := &Error{Code: code, Operation: op.GetName(), Message: op.GetHttpErrorMessage()}
	if len(all) > 0 {
		e.decode(all)
	}
	return e
}

// AttemptError is why a managed group could not make its machine when it last
// tried, nil if it could. The group tries again by itself.
func (c *Client) AttemptError(m *computepb.ManagedInstance) error {
	all := m.GetLastAttempt().GetErrors().GetErrors()
	if len(all) == 0 {
		return nil
	}
	e := &Error{Verb: "creating", Object: "instance " + Base(m.GetInstance()), project: c.options.Project}
	e.decode(all)
	return e.judge(Base(m.GetInstance()))
}

// decode fills e from the errors of an operation, of which the first counts.
func (e *Error) decode(all []*computepb.Errors) {
	e.Reason = all[0].GetCode()
	var messages []string
	for _, x := range all {
		if m := x.GetMessage(); m != "" {
			messages = append(messages, m)
		}
	}
	if len(messages) > 0 {
		e.Message = strings.Join(messages, "; ")
	}
	e.details = map[string]string{}
	for _, d := range all[0].GetErrorDetails() {
		if i := d.GetErrorInfo(); i != nil {
			maps.Copy(e.details, i.GetMetadatas())
			e.details["reason"] = i.GetReason()
		}
		if q := d.GetQuotaInfo(); q != nil {
			e.details["quota"], e.details["metric"] = q.GetLimitName(), q.GetMetricName()
			e.details["limit"] = fmt.Sprintf("%g", q.GetLimit())
		}
	}
}

var titleTag = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// title returns the title of a web page as `: "title"`, or nothing.
func title(body string) string {
	m := titleTag.FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return fmt.Sprintf(": %q", strings.Join(strings.Fields(m[1]), " "))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
