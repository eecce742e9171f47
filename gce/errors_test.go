package gce

import (
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
)

func TestAnswers(t *testing.T) {
	page := func(status int, header ...string) http.HandlerFunc {
		return answer(status, "<!DOCTYPE html><html><head><title>Sign in\n to WiFi</title></head></html>",
			append([]string{"Content-Type", "text/html; charset=utf-8"}, header...)...)
	}
	for _, tt := range []struct {
		name  string
		step  http.HandlerFunc
		class Class
		text  string
		hint  string
	}{
		{
			"absent", refusal(404, "notFound", "The resource 'projects/p/global/networks/n' was not found"),
			Gone, "reading network n: The resource 'projects/p/global/networks/n' was not found", "",
		},
		{
			"the project is absent", refusal(404, "notFound", "The resource 'projects/p' was not found"),
			No, "The resource 'projects/p' was not found", "",
		},
		{"a page 404", page(404), No, `HTTP 404 without Compute Engine's error message: "Sign in to WiFi"`, "HTTPS_PROXY"},
		{"a page 200", page(200), No, `answered with a web page: "Sign in to WiFi"`, "HTTPS_PROXY"},
		{"a redirect", page(302, "Location", "https://login.example.com/"), No, "HTTP 302, a redirect to https://login.example.com/", "HTTPS_PROXY"},
		{"no JSON", ok("not found"), No, "the answer cannot be read", "HTTPS_PROXY"},
		{"JSON of something else", answer(404, `{"detail":"no"}`), No, "HTTP 404 without", "HTTPS_PROXY"},
		{"not written in the emulator", refusal(501, "notImplemented", "not written"), No, "not written", ""},
		{
			"API off", answer(403, `{"error":{"code":403,"message":"Compute Engine API has not been used in project 123 before or it is disabled.","status":"PERMISSION_DENIED",
			"errors":[{"message":"x","domain":"usageLimits","reason":"accessNotConfigured"}],
			"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com","metadata":{"service":"compute.googleapis.com"}}]}}`),
			No, "has not been used", "gcloud services enable compute.googleapis.com --project=p",
		},
		{
			"API off, details only", answer(403, `{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED",
			"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","metadata":{}}]}}`),
			No, "m", "gcloud services enable",
		},
		{
			"permission", refusal(403, "forbidden", "Required 'compute.networks.get' permission for 'projects/p/global/networks/n'"),
			No, "compute.networks.get", "roles/compute.admin",
		},
		{
			"protected", refusal(400, "badRequest", "Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. The resource: 'projects/p/zones/z-b/instances/m' is protected.'."),
			No, "protected", "gcloud compute instances update m --zone=z-b --no-deletion-protection",
		},
		{"not logged in", refusal(401, "authError", "Invalid Credentials"), No, "Invalid Credentials", "gcloud auth application-default login"},
		{"another token", refusal(401, "authError", "Request had invalid authentication credentials. Expected the token in the embedded GCE's state directory"), No, "invalid authentication", "\thakube local stop\n\thakube local start"},
		{
			"organisation", refusal(412, "conditionNotMet", "Constraint constraints/compute.restrictVpcPeering violated for projects/p."),
			No, "Constraint", "organisation's policy constraints/compute.restrictVpcPeering",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, tt.step)
			_, err := s.Networks().Get(t.Context(), "n")
			if err == nil || ClassOf(err) != tt.class || IsNotFound(err) != (tt.class == Gone) {
				t.Fatalf("got %v of class %s, want %s", err, ClassOf(err), tt.class)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q, want %q in it", err, tt.text)
			}
			if h := hintOf(err); !strings.Contains(h, tt.hint) || tt.hint == "" && h != "" {
				t.Errorf("hint %q, want %q in it", h, tt.hint)
			}
			words := strings.ReplaceAll(hintOf(err), "\n\t", "") // a command is on a line of its own
			if strings.Count(words, "\n") > 1 || strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q %q", err, hintOf(err))
			}
			if len(s.seen) != 1 {
				t.Errorf("calls %q, want one", s.seen)
			}
		})
	}
}

func TestListIsNeverGone(t *testing.T) {
	s := play(t, refusal(404, "notFound", "The resource 'projects/p/zones/z' was not found"))
	if _, err := s.Disks("z").List(t.Context()); err == nil || IsNotFound(err) {
		t.Errorf("got %v, want an error that does not read as absent", err)
	}
}

// What an object refers to may be missing; that is not the object being gone.
func TestInsertReferringToSomethingAbsent(t *testing.T) {
	s := play(t, refusal(404, "notFound", "The resource 'projects/p/global/networks/n' was not found"))
	if err := s.Firewalls().Insert(t.Context(), &computepb.Firewall{Name: new("f")}); err == nil || IsNotFound(err) {
		t.Errorf("got %v", err)
	}
}

func TestAlreadyStaleAndInUse(t *testing.T) {
	s := play(t, refusal(409, "alreadyExists", "The resource 'projects/p/global/networks/n' already exists"))
	if err := s.Networks().Insert(t.Context(), &computepb.Network{Name: new("n")}); ClassOf(err) != Already {
		t.Errorf("got %v, want Already", err)
	}
	s = play(t, refusal(412, "conditionNotMet", "Labels fingerprint either invalid or resource labels have changed"))
	if err := s.Addresses().SetLabels(t.Context(), "a", "f", nil); !Stale(err) || ClassOf(err) != No {
		t.Errorf("got %v, want stale", err)
	}
	s = play(t, ok(`{"name":"o","status":"DONE","error":{"errors":[{"code":"CONDITION_NOT_MET","message":"Supplied fingerprint does not match current metadata fingerprint."}]}}`))
	if err := s.Instances("z").SetMetadata(t.Context(), "i", nil); !Stale(err) {
		t.Errorf("got %v, want stale", err)
	}
	s = play(t, refusal(400, "invalid", "Invalid value for field 'resource.IPAddress': '198.51.100.7'. Specified IP address is in-use and would result in a conflict."))
	if err := s.Addresses().Delete(t.Context(), "a"); !InUse(err) || ClassOf(err) != Later {
		t.Errorf("got %v, want in use", err)
	}
}

func TestGuestAttributes(t *testing.T) {
	s := play(t, refusal(404, "notFound", "The resource 'hakube/' of type 'Guest Attribute' was not found."))
	got, err := s.Instances("z").GuestAttributes(t.Context(), "i", "hakube/")
	if err != nil || len(got) != 0 {
		t.Errorf("got %v and %v, want nothing and no error", got, err)
	}
	s = play(t, ok(`{"queryPath":"hakube/","queryValue":{"items":[{"namespace":"hakube","key":"phase","value":"running"}]}}`))
	if got, err = s.Instances("z").GuestAttributes(t.Context(), "i", "hakube/"); got["hakube/phase"] != "running" {
		t.Errorf("got %v and %v", got, err)
	}
	s = play(t, refusal(404, "notFound", "The resource 'projects/p/zones/z/instances/i' was not found"))
	if _, err = s.Instances("z").GuestAttributes(t.Context(), "i", "hakube/"); !IsNotFound(err) {
		t.Errorf("got %v, want the instance to be gone", err)
	}
}

// TestConsoleNotReady: of a machine that does not run Google has no output, which is not
// waited for; and a console is read to its end, page by page.
func TestConsoleNotReady(t *testing.T) {
	s := play(t, refusal(400, "resourceNotReady", "The resource 'projects/p/zones/z/instances/i' is not ready"))
	if text, err := s.Instances("z").Console(t.Context(), "i"); text != "" || err != nil || len(s.seen) != 1 {
		t.Errorf("got %q and %v after %d calls", text, err, len(s.seen))
	}
	s = play(t, ok(`{"contents":"a\n","next":"2"}`), ok(`{"contents":"b","start":"2","next":"3"}`), ok(`{"contents":"","start":"3","next":"3"}`))
	if text, err := s.Instances("z").Console(t.Context(), "i"); text != "a\nb" || err != nil || len(s.seen) != 3 {
		t.Errorf("got %q and %v after %d calls", text, err, len(s.seen))
	}
}

func TestNoNameIsNoCall(t *testing.T) {
	s := play(t, ok(done))
	if err := s.Networks().Delete(t.Context(), ""); err == nil || len(s.seen) != 0 {
		t.Errorf("got %v after %d calls", err, len(s.seen))
	}
}
