package projects

import (
	"fmt"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Policies of the organisation that a project can be in: what a request may not ask
// for, and Google's sentence. They hold for what is made and asked from now on; what
// is there stays.

// An asked is what a policy judges: an object as a change would leave it.
type asked struct {
	method string // "instances.insert"; that of a managed group's machine too
	r      doc.Ref
	o      doc.Obj
}

// A policy says why something is forbidden, "" if it is not.
type policy struct {
	constraint string
	forbids    func(asked) string
}

// untold is a refusal of which Google says no more than that.
const untold = " "

const (
	noGuestAttributes = "compute.disableGuestAttributesAccess"
	noInstanceData    = "compute.disableInstanceDataAccessApis"
	noDefaultNetwork  = "compute.skipDefaultNetworkCreation"
)

var policies = []policy{
	{"compute.requireShieldedVm", func(a asked) string {
		if a.method != "instances.insert" || doc.Bool(doc.Sub(a.o, "shieldedInstanceConfig"), "enableSecureBoot") {
			return ""
		}
		return "Secure Boot is not enabled in the 'shielded_instance_config' field."
	}},
	{"compute.vmCanIpForward", func(a asked) string {
		if a.method != "instances.insert" || !doc.Bool(a.o, "canIpForward") {
			return ""
		}
		return fmt.Sprintf("Enabling IP forwarding is not allowed for %s.", a.r)
	}},
	{"compute.vmExternalIpAccess", func(a asked) string {
		external := a.method == "instances.addAccessConfig"
		for _, nic := range doc.Objects(a.o, "networkInterfaces") {
			external = external || a.method == "instances.insert" && len(doc.List(nic, "accessConfigs")) > 0
		}
		if !external {
			return ""
		}
		return fmt.Sprintf("Add instance %s to the constraint to use external IP with it.", a.r)
	}},
	{"compute.restrictLoadBalancerCreationForTypes", func(a asked) string {
		if a.method != "forwardingRules.insert" {
			return ""
		}
		kind := "EXTERNAL_NETWORK_TCP_UDP"
		if doc.Str(a.o, "loadBalancingScheme") == "INTERNAL" {
			kind = "INTERNAL_TCP_UDP"
		}
		return fmt.Sprintf("Forwarding Rule %s of type %s is not allowed.", a.r, kind)
	}},
	{noGuestAttributes, func(a asked) string {
		if a.method != "instances.getGuestAttributes" {
			return ""
		}
		return untold
	}},
	{noInstanceData, func(a asked) string {
		if a.method != "instances.getSerialPortOutput" {
			return ""
		}
		return untold
	}},
	{noDefaultNetwork, func(asked) string { return "" }}, // it forbids nothing: there is none
}

// Constraints are the names of all policies there are.
func Constraints() (names []string) {
	for _, p := range policies {
		names = append(names, p.constraint)
	}
	return names
}

// DefaultNetwork reports whether new projects have one.
func DefaultNetwork(s *api.Server) bool {
	return !s.Opts.NoDefaultNetwork && !slices.Contains(s.Opts.Policies, noDefaultNetwork)
}

// Forbidden is why the organisation does not allow a change, or a look, that leaves o.
func Forbidden(s *api.Server, method string, r doc.Ref, o doc.Obj) error {
	for _, p := range policies {
		if !slices.Contains(s.Opts.Policies, p.constraint) {
			continue
		}
		why := p.forbids(asked{method, r, o})
		if why == "" {
			continue
		}
		said := fmt.Sprintf("Constraint constraints/%s violated for project %d.", p.constraint, ProjectNumber(r.Project()))
		if why != untold {
			said += " " + why + " See https://cloud.google.com/resource-manager/docs/organization-policy/org-policy-constraints for more information."
		}
		return problem.Stale(said)
	}
	return nil
}

// RefuseForbidden makes a change that a policy forbids fail, before anything of it is
// kept.
func RefuseForbidden(c *api.Call, t *store.Tx, target doc.Ref, prepare func(*store.Tx) error) error {
	if len(c.S.Opts.Policies) == 0 {
		return nil
	}
	trial := t.Trial()
	if err := prepare(trial); err != nil {
		return err
	}
	return Forbidden(c.S, c.Method.ID, target, trial.Get(target))
}

// CheckPolicies says which of some names is no policy there is.
func CheckPolicies(names []string) error {
	for _, name := range names {
		if !slices.Contains(Constraints(), name) {
			return fmt.Errorf("no policy %q: there are %s", name, strings.Join(Constraints(), ", "))
		}
	}
	return nil
}
