package gce

import (
	"fmt"
	"regexp"
	"strings"

	"hakube/scripts/cure"
)

// quotaMetric is in all of Google's sentences about quotas.
var quotaMetric = regexp.MustCompile(`Quota '([A-Z0-9_]+)' exceeded`)

var constraint = regexp.MustCompile(`constraints/[A-Za-z0-9.]*[A-Za-z0-9]`)

// Hint says in a line what a person can do about the error, "" when there is
// nothing to say beyond the error itself.
func (e *Error) Hint() string {
	switch {
	case e.is(reasonNoProject):
		return cure.Hint("set PROJECT to one of these", cure.Projects())
	case e.Code == 401 && strings.Contains(e.Message, "embedded GCE"): // it takes its token from the file that hakube does
		return cure.Hint("have it read its token again", cure.LocalStop(""), cure.LocalStart())
	case e.is(reasonNoCredentials), e.is(reasonCredentials), e.Code == 401:
		return cure.Hints(cure.Hint("log in", cure.Login()), cure.Hint("or try it without Google", cure.Same().With("KUBERNETES_PROVIDER", "local")))
	case e.is(reasonNotGoogle):
		return "something between here and Compute Engine answers in its place; look at HTTPS_PROXY and NO_PROXY"
	case e.is(reasonCut) && e.loopback:
		return cure.Hint("see whether the embedded GCE runs", cure.LocalStatus())
	case e.is(reasonCut):
		return "look at this machine's network and HTTPS_PROXY; running the same command again goes on from here"
	case e.is(reasonLimit):
		return "running the same command again looks how it ended and goes on from there"
	case e.is("accessNotConfigured", "SERVICE_DISABLED") && !e.billing():
		service := e.details["service"]
		if service == "" {
			service = "compute.googleapis.com"
		}
		return cure.Hint("switch it on, which takes a minute or two to be known everywhere", cure.EnableService(service, e.project))
	case e.billing():
		return "link a billing account: https://console.cloud.google.com/billing/linkedaccount?project=" + e.project
	case e.stockOut():
		return e.stockOutHint()
	case e.is("rateLimitExceeded", "userRateLimitExceeded"):
		return "the project's calls per minute are used up, perhaps by something else; run the same command again in a minute"
	case e.quota():
		return e.quotaHint()
	case e.forbiddenByOrganisation():
		return fmt.Sprintf("the organisation's policy %s forbids it; its administrator can except project %s",
			constraint.FindString(e.Message), e.project)
	case e.is("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"):
		return cure.Hint("the credentials in use were not given for this, whatever roles their account has: a machine's reach as far as its scopes, "+
			"which can be set while it is stopped (cloud-platform is all); or log in", cure.Login())
	case e.is("forbidden", "IAM_PERMISSION_DENIED", "requiredPermission") || e.Code == 403:
		return e.permissionHint()
	case e.protected() != "":
		return "if it may go: " + e.protected()
	case e.stale():
		return "somebody else changed it at the same moment; running the same command again reads it anew and goes on from here"
	case e.is("resourceNotReady"):
		return "it, or something it needs, is still being made or changed; running the same command again goes on from here"
	case e.inUse():
		return "what still uses it has to go or let go first; running the same command again goes on from here"
	case e.Class == Later:
		return "Compute Engine has trouble just now; running the same command again goes on from here"
	}
	return ""
}

var protectedMachine = regexp.MustCompile(`protected against deletion.*/zones/([a-z0-9-]+)/instances/([a-z0-9-]+)`)

// protected is the command that ends the protection of a machine which is deleted
// for nobody, "" when that is not what the error is about.
func (e *Error) protected() string {
	m := protectedMachine.FindStringSubmatch(e.Message)
	if m == nil {
		return ""
	}
	return cure.Hint("if it may go", cure.Unprotect(m[2], m[1]))
}

func (e *Error) stockOutHint() string {
	where, what := "the zone", "such machines"
	if z := e.details["zone"]; z != "" {
		where = z
	}
	if t := e.details["vmType"]; t != "" {
		what = t
	}
	hint := fmt.Sprintf("%s has no %s left now; run it again later, or take another zone (KUBE_GCE_ZONE) or machine type (MASTER_SIZE, NODE_SIZE)", where, what)
	if _, others, _ := NoStock(e); len(others) > 0 {
		hint += "; Google has some in " + strings.Join(others, ", ")
	}
	return hint
}

func (e *Error) quotaHint() string {
	what := "the quota"
	if q := e.details["quota"]; q != "" {
		what = fmt.Sprintf("the quota %s (now %s)", q, e.details["limit"])
	} else if m := quotaMetric.FindStringSubmatch(e.Message); m != nil {
		what = "the quota " + m[1]
	}
	return fmt.Sprintf("ask for more of %s at https://console.cloud.google.com/iam-admin/quotas?project=%s, or make fewer or smaller machines (NUM_NODES, NODE_SIZE)", what, e.project)
}

func (e *Error) permissionHint() string {
	role := "roles/compute.admin"
	if strings.Contains(e.Message, "iam.serviceAccounts.actAs") || strings.Contains(e.Message, "serviceAccountUser") {
		role = "roles/iam.serviceAccountUser"
	}
	return cure.Hint(fmt.Sprintf("the account in use may not do this in project %s; %s has the permission, and whoever grants roles there can give it; who has which", e.project, role),
		cure.Grants(e.project))
}
