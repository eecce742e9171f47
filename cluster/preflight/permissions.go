package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// neededToMake are the permissions that making all of it takes, and those for
// what is there and is changed on the way.
func neededToMake(r *task.Task, missing []inventory.Object) (ask []string) {
	for _, o := range missing {
		ask = append(ask, o.Kind.Row().ToMake...)
	}
	if len(starting(r)) > 0 {
		ask = append(ask, "instances.start")
	}
	for _, g := range r.Sized() {
		if g.Size > 0 || r.Replaces() {
			ask = append(ask, "instanceGroupManagers.update")
		}
	}
	if r.Mode.One && r.Balanced { // the group and the service may be there already
		ask = append(ask, "instanceGroups.update", "regionBackendServices.update", "instances.use", "instanceGroups.use")
	}
	return withLease(r, ask)
}

// neededToRemove are the permissions that taking all of it away takes.
func neededToRemove(r *task.Task, gone []inventory.Object) (ask []string) {
	for _, o := range gone {
		ask = append(ask, o.Kind.Row().ToGo...)
	}
	if r.Mode.One && r.Have.Holder.Rule != "" {
		ask = append(ask, "instanceGroups.update", "regionBackendServices.update")
		if !r.Balanced { // the address goes back to the master that stays
			ask = append(ask, "instances.addAccessConfig", "instances.deleteAccessConfig", "addresses.use", "subnetworks.useExternalIp")
		}
	}
	return withLease(r, ask)
}

// withLease adds what taking the lease of a cluster takes that has an address.
func withLease(r *task.Task, ask []string) []string {
	if len(ask) > 0 && (r.Have.Holder.IP != "" || len(r.Have.Of(inventory.Address)) > 0) {
		ask = append(ask, "addresses.setLabels")
	}
	return ask
}

// withheld asks which of the permissions (without "compute.") the account has
// not got. The service that knows is not Compute Engine, and may
// be switched off in the project: then that is a warning, and what is
// withheld shows when it is needed.
func withheld(ctx context.Context, r *env.Env, names []string) (refusal.Blockers, error) {
	var ask []string
	for _, p := range names {
		if p = "compute." + p; !slices.Contains(ask, p) {
			ask = append(ask, p)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	slices.Sort(ask)
	no, err := r.GCE.WithheldPermissions(ctx, ask...)
	var closed interface{ Permanent() bool }
	if errors.As(err, &closed) && closed.Permanent() {
		r.Warn(fmt.Sprintf("whether the account may do all of it is not known beforehand: %v", err))
		return nil, nil
	}
	if err != nil || len(no) == 0 {
		return nil, err
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("the account in use has not got on project %s: %s", r.Want.Project, strings.Join(no, ", ")),
		Cure: cure.Hint("roles/compute.admin has them, and whoever grants roles there can give it; who has which", cure.Grants(r.Want.Project)),
	}}, nil
}
