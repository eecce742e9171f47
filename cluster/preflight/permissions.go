package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/addons"
	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/snapshots"
	"hakube/cluster/task"
	"hakube/gce"
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
	if r.Replaces() || slices.ContainsFunc(r.Sized(), func(g task.PoolGroup) bool { return g.Size > 0 }) {
		ask = append(ask, "instanceGroupManagers.update")
	}
	if r.Mode.One && r.Balanced { // the group and the service may be there already
		ask = append(ask, "instanceGroups.update", "regionBackendServices.update", "instances.use", "instanceGroups.use")
	}
	if r.Snapshot != nil {
		ask = append(ask, "snapshots.useReadOnly")
	}
	return withLease(r, append(ask, snapshots.Needs(r)...))
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
// not got, and whether it may give machines their service accounts. The service that
// knows is not Compute Engine, and may
// be switched off in the project: then that is a warning, and what is
// withheld shows when it is needed.
func withheld(ctx context.Context, r *env.Env, names []string, given ...identity) (refusal.Blockers, error) {
	var ask []string
	for _, p := range names {
		if p = "compute." + p; !slices.Contains(ask, p) {
			ask = append(ask, p)
		}
	}
	if len(given) > 0 {
		ask = append(ask, actAs)
	}
	if len(ask) == 0 {
		return nil, nil
	}
	slices.Sort(ask)
	no, err := r.GCE.WithheldPermissions(ctx, ask...)
	if permanent(err) {
		r.Warn(fmt.Sprintf("whether the account may do all of it is not known beforehand: %v", err))
		return nil, nil
	}
	if err != nil || len(no) == 0 {
		return nil, err
	}
	var also refusal.Blockers
	if i := slices.Index(no, actAs); i >= 0 { // which is granted on the account itself, mostly
		no = slices.Delete(no, i, i+1)
		var checks []check
		for _, x := range given {
			checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) { return mayNotAct(ctx, r, x) })
		}
		if also, err = gather(ctx, checks...); err != nil || len(no) == 0 {
			return also, err
		}
	}
	var shares []share
	for _, p := range no {
		shares = add(shares, operatorRole(p), p)
	}
	return append(refusal.Blockers{{
		Why: "the account in use " + lackOf(r.Want.Project, shares),
		Cure: cure.Hint(fmt.Sprintf("%s has them, roles/compute.admin all that hakube takes, and whoever grants roles there can give it; who has which", rolesOf(shares)),
			cure.Grants(r.Want.Project)),
	}}, also...), nil
}

// A share is a role, and those of the permissions that lack which it gives.
type share struct {
	role        string
	permissions []string // with their service's name, none of them in another share
}

// add puts a permission to those of its role.
func add(all []share, role, permission string) []share {
	i := slices.IndexFunc(all, func(s share) bool { return s.role == role })
	if i < 0 {
		i, all = len(all), append(all, share{role: role})
	}
	all[i].permissions = append(all[i].permissions, permission)
	return all
}

// operatorRole is the role by which whoever runs hakube has a permission of Compute Engine
// and, of the three that the manual gives him, no more than that takes.
func operatorRole(permission string) string {
	switch kind, _, _ := strings.Cut(strings.TrimPrefix(permission, "compute."), "."); kind {
	case "firewalls":
		return "roles/compute.securityAdmin"
	case "addresses", "forwardingRules", "networks", "regionBackendServices", "regionHealthChecks", "subnetworks":
		return "roles/compute.networkAdmin"
	}
	return "roles/compute.instanceAdmin.v1"
}

// namedOneByOne is how many permissions a refusal names: of more nobody reads a list, and
// the roles that give them say as much.
const namedOneByOne = 4

// lackOf says what an account has not got.
func lackOf(project string, shares []share) string {
	var all, by []string
	for _, s := range shares {
		all = append(all, s.permissions...)
		by = append(by, fmt.Sprintf("%d of %s", len(s.permissions), s.role))
	}
	switch {
	case len(all) <= namedOneByOne:
		slices.Sort(all)
		return fmt.Sprintf("has not got on project %s: %s", project, strings.Join(all, ", "))
	case len(shares) == 1:
		return fmt.Sprintf("has not got on project %s %d permissions of %s", project, len(all), shares[0].role)
	}
	return fmt.Sprintf("has not got on project %s %d permissions: %s", project, len(all), strings.Join(by, ", "))
}

// rolesOf names the roles.
func rolesOf(shares []share) string {
	var names []string
	for _, s := range shares {
		names = append(names, s.role)
	}
	return strings.Join(names, " with ")
}

func permanent(err error) bool {
	var closed interface{ Permanent() bool }
	return errors.As(err, &closed) && closed.Permanent()
}

// actAs lets an account give machines another one.
const actAs = "iam.serviceAccounts.actAs"

// An identity is a service account that machines are made with.
type identity struct {
	account  settings.Account
	of       string // "masters"
	variable string // that says it
}

// identities are those of the machines and templates that are to be made.
func identities(r *task.Task, missing []inventory.Object) (list []identity) {
	s := r.Want.Settings
	if makes(missing, inventory.Instance) && s.MasterAccount != settings.NoAccount {
		list = append(list, identity{s.MasterAccount, "masters", "HAKUBE_MASTER_SERVICE_ACCOUNT"})
	}
	if makes(missing, inventory.InstanceTemplate) && s.NodeAccount != settings.NoAccount && len(s.NodeScopes) > 0 {
		list = append(list, identity{s.NodeAccount, "nodes", "KUBE_GCE_NODE_SERVICE_ACCOUNT"})
	}
	return list
}

func makes(missing []inventory.Object, k inventory.Kind) bool {
	return slices.ContainsFunc(missing, func(o inventory.Object) bool { return o.Kind == k })
}

// address is the account's, "" where it is the project's default one and there is none,
// which is said elsewhere (withoutDefaultAccount).
func (x identity) address(ctx context.Context, r *env.Env) (string, error) {
	if x.account != "default" {
		return string(x.account), nil
	}
	p, err := r.GCE.GetProject(ctx)
	return p.GetDefaultServiceAccount(), err
}

// mayNotAct asks on the account itself whether it may be given to machines. Otherwise
// Compute Engine says no when the network, the address and the disk were made.
func mayNotAct(ctx context.Context, r *env.Env, x identity) (refusal.Blockers, error) {
	email, err := x.address(ctx, r)
	if err != nil || email == "" {
		return nil, err
	}
	no, err := x.withheld(ctx, r, email)
	switch {
	case gce.IsNotFound(err):
		return x.unknown(ctx, r, email)
	case permanent(err):
		r.Warn(fmt.Sprintf("whether the account in use may give %s the service account %s is not known beforehand: %v", x.of, email, err))
		return nil, nil
	case err != nil || len(no) == 0:
		return nil, err
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("the account in use has not got %s on service account %s, which %s are to have (%s)", actAs, email, x.of, x.variable),
		Cure: cure.Hint("roles/iam.serviceAccountUser on it has that, and whoever grants roles there can give it; who has which", cure.AccountGrants(email)),
	}}, nil
}

// withheld asks for actAs on the account.
func (x identity) withheld(ctx context.Context, r *env.Env, email string) ([]string, error) {
	home := "-"
	if x.account == "default" {
		home = r.Want.Project
	}
	return r.GCE.WithheldOnAccount(ctx, home, email, actAs)
}

// unknown refuses an account that is none. Where that cannot be asked nothing is said.
func (x identity) unknown(ctx context.Context, r *env.Env, email string) (refusal.Blockers, error) {
	_, err := x.withheld(ctx, r, email)
	if !gce.IsNotFound(err) {
		if permanent(err) {
			err = nil
		}
		return nil, err
	}
	return refusal.Blockers{{
		Why:  fmt.Sprintf("%s=%s: there is no such service account", x.variable, x.account),
		Cure: cure.Hint("name another one; those of the project", cure.ServiceAccounts(r.Want.Project)),
	}}, nil
}

// A wish is what machines do at Google as their service account, and need for it.
type wish struct {
	identity
	why       string // they need it: "addons volumes need them"
	rights    []addons.Rights
	elsewhere string // where else it may be granted; "" is nowhere else in the project
}

// puller is what a node's service account pulls private images with.
var puller = []addons.Rights{{Role: "roles/artifactregistry.reader", Permissions: []string{"artifactregistry.repositories.downloadArtifacts"}}}

// wishesOf are those of machines that are to be made, and of masters that get an addon.
func wishesOf(r *task.Task, missing []inventory.Object) (list []wish) {
	s := r.Want.Settings
	switched := slices.ContainsFunc(r.Unwritten(), func(n task.Note) bool {
		return n.Variable == "HAKUBE_ADDONS" || n.Variable == "KUBE_ENABLE_CLUSTER_AUTOSCALER"
	})
	if s.MasterAccount != settings.NoAccount && (switched || makes(missing, inventory.Instance)) {
		w := wish{identity: identity{s.MasterAccount, "masters", "HAKUBE_MASTER_SERVICE_ACCOUNT"}}
		var names []string
		for _, name := range s.AddonsOn() {
			if a, ok := addons.Named(name); ok && len(a.Rights) > 0 {
				names = append(names, name)
				w.rights = append(w.rights, a.Rights...)
			}
		}
		if w.why = "addons " + strings.Join(names, ", ") + " need them"; len(names) > 0 {
			list = append(list, w)
		}
	}
	if bool(s.AuthProvider) && s.Says("ENABLE_AUTH_PROVIDER_GCP") && s.NodeAccount != settings.NoAccount && makes(missing, inventory.InstanceTemplate) {
		list = append(list, wish{
			identity{s.NodeAccount, "nodes", "KUBE_GCE_NODE_SERVICE_ACCOUNT"}, "kubelets pull private images by it (ENABLE_AUTH_PROVIDER_GCP)", puller, "a repository, ",
		})
	}
	return list
}

// unable is what service accounts of machines have not got by the project's policy and
// need. Where it cannot be looked at, or may be granted elsewhere, that is a warning: who
// asks is another account than the one that is asked about, which is the only one to be told.
func unable(ctx context.Context, r *task.Task, missing []inventory.Object) (no refusal.Blockers, err error) {
	for _, w := range wishesOf(r, missing) {
		email, err := w.address(ctx, r.Env)
		if err != nil {
			return nil, err
		}
		if email == "" {
			continue
		}
		found, err := w.lacks(ctx, r.Env, email)
		if permanent(err) {
			r.Warn(fmt.Sprintf("whether the service account %s of %s has the roles it needs is not known beforehand: %v", email, w.of, err))
			continue
		}
		if err != nil {
			return nil, err
		}
		no = append(no, found...)
	}
	return no, nil
}

// lacks warns, or refuses where it is certain.
func (w wish) lacks(ctx context.Context, r *env.Env, email string) (refusal.Blockers, error) {
	has, sure, err := heldBy(ctx, r, email)
	if err != nil {
		return nil, err
	}
	shares := w.shares(has)
	if len(shares) == 0 {
		return nil, nil
	}
	if sure && w.elsewhere == "" {
		above, err := r.GCE.Above(ctx)
		if err != nil && !permanent(err) {
			return nil, err
		}
		sure = err == nil && !above
	}
	// One that is not there has nothing either, and nothing can be given to it.
	if no, err := w.unknown(ctx, r, email); err != nil || len(no) > 0 {
		return no, err
	}
	var grants []cure.Command
	for _, x := range shares {
		grants = append(grants, cure.Grant(r.Want.Project, email, x.role))
	}
	why := fmt.Sprintf("the service account %s of %s %s; %s", email, w.of, lackOf(r.Want.Project, shares), w.why)
	if !sure || w.elsewhere != "" {
		r.Warn(cure.Hint(why+"; unless "+w.elsewhere+"a folder, an organisation, a group or a condition grants that, give it", grants...))
		return nil, nil
	}
	return refusal.Blockers{{Why: why, Cure: cure.Hint("whoever grants roles there can give it those that have them", grants...)}}, nil
}

// shares are the roles that give what is wished for and is not held, each once: two addons
// may need the same.
func (w wish) shares(has map[string]bool) (all []share) {
	given := map[string]bool{}
	for _, x := range w.rights {
		for _, p := range x.Permissions {
			if !has[p] && !given[p] {
				given[p], all = true, add(all, x.Role, p)
			}
		}
	}
	return all
}

// heldBy are the permissions that a service account has by the project's policy. It is not
// sure where the account may have others as one of many.
func heldBy(ctx context.Context, r *env.Env, email string) (has map[string]bool, sure bool, err error) {
	policy, err := r.GCE.Bindings(ctx)
	if err != nil {
		return nil, false, err
	}
	has, sure = map[string]bool{}, true
	for _, b := range policy {
		if !slices.ContainsFunc(b.Members, func(m string) bool { return strings.EqualFold(m, "serviceAccount:"+email) }) {
			sure = sure && !slices.ContainsFunc(b.Members, many)
			continue
		}
		list, err := r.GCE.RolePermissions(ctx, b.Role)
		if err != nil {
			return nil, false, err
		}
		for _, p := range list { // under a condition too: that is not judged here, and mostly meant for this
			has[p] = true
		}
	}
	return has, sure, nil
}

// many tells of a member of a policy whether it stands for several: a group, a domain,
// everybody.
func many(member string) bool {
	kind, _, _ := strings.Cut(member, ":")
	return !slices.Contains([]string{"user", "serviceAccount", "deleted"}, kind)
}
