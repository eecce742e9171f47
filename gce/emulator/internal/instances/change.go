package instances

import (
	"context"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

// alter is a change to an instance that takes hold at once.
func alter(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		return f(t, r, o)
	})
}

func setMetadata(c *api.Call) (doc.Obj, error) {
	return alter(c, func(_ *store.Tx, _ doc.Ref, o doc.Obj) error {
		m, err := identity.ReplaceMetadata(doc.Sub(o, "metadata"), c.Body)
		o["metadata"] = m
		return err
	})
}

func setTags(c *api.Call) (doc.Obj, error) {
	return alter(c, func(_ *store.Tx, _ doc.Ref, o doc.Obj) error {
		if doc.Str(c.Body, "fingerprint") != doc.Str(doc.Sub(o, "tags"), "fingerprint") {
			return problem.Stale("Supplied fingerprint does not match current tags fingerprint.")
		}
		tags := doc.Strings(c.Body, "items")
		o["tags"] = identity.NewTags(tags)
		return identity.CheckTags(tags, "resource.items")
	})
}

func setDeletionProtection(c *api.Call) (doc.Obj, error) {
	return alter(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		on := c.Query.Get("deletionProtection") == "" || c.Says("deletionProtection")
		if on && ofManagedGroup(t, r) {
			return problem.Refuse("Deletion protection cannot be applied to instance '%s', which is part of a managed instance group.", r)
		}
		o["deletionProtection"] = on
		return nil
	})
}

func ofManagedGroup(t *store.Tx, i doc.Ref) bool {
	for _, g := range t.All(i.Project(), "instanceGroupManagers") {
		if r := doc.RefOf(doc.Str(g, "selfLink")); r.Scope() == i.Scope() && t.Get(members.MemberRef(r, i.Name())) != nil {
			return true
		}
	}
	return false
}

// setServiceAccount gives a stopped machine another service account, or none.
func setServiceAccount(c *api.Call) (doc.Obj, error) {
	return alter(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		if doc.Str(o, "status") != "TERMINATED" {
			return problem.Refuse("The instance must be stopped before the service account can be changed.")
		}
		email, scopes := doc.Str(c.Body, "email"), doc.List(c.Body, "scopes")
		switch {
		case email == "" && len(scopes) > 0:
			return problem.Invalid("resource.email", email, "A service account must be specified with scopes.")
		case email == "":
			delete(o, "serviceAccounts")
			return nil
		}
		o["serviceAccounts"] = []any{doc.Obj{"email": accountOf(t, r.Project(), email), "scopes": append([]any{}, scopes...)}}
		return nil
	})
}

// accountOf is a service account by its address; "default" is the project's own.
func accountOf(t *store.Tx, project, email string) string {
	if email == "default" || email == "" {
		return doc.Str(projects.ProjectDoc(t, project), "defaultServiceAccount")
	}
	return email
}

func setMachineType(c *api.Call) (doc.Obj, error) {
	return alter(c, func(_ *store.Tx, r doc.Ref, o doc.Obj) error {
		if doc.Str(o, "status") != "TERMINATED" {
			return problem.Refuse("Instance must be stopped to change its machine type.")
		}
		m, err := machineTypeOf(r, doc.Str(c.Body, "machineType"), "resource.machineType")
		if err == nil {
			err = stillFits(o, m)
		}
		o["machineType"] = m.Link()
		return err
	})
}

// nicNamed finds a network interface of an instance.
func nicNamed(o doc.Obj, name string) (doc.Obj, error) {
	for _, nic := range doc.Objects(o, "networkInterfaces") {
		if doc.Str(nic, "name") == name {
			return nic, nil
		}
	}
	return nil, problem.Invalid("networkInterface", name, "The specified network interface does not exist.")
}

func addAccessConfig(c *api.Call) (doc.Obj, error) {
	return alter(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		nic, err := nicNamed(o, c.Query.Get("networkInterface"))
		if err != nil {
			return err
		}
		if len(doc.List(nic, "accessConfigs")) > 0 {
			return problem.Refuse("At most one access config currently supported.")
		}
		ac := doc.Clone(c.Body)
		nic["accessConfigs"] = []any{ac}
		if doc.Str(o, "status") == "TERMINATED" && doc.Str(ac, "natIP") == "" {
			// One of the pool comes with the start.
			doc.Fill(ac, doc.Obj{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT", "networkTier": "PREMIUM"})
			return nil
		}
		return newAccessConfig(c.S, t, r, ac, "resource.natIP")
	})
}

// deleteAccessConfig only checks: the address stays in use until the
// operation is done, so whoever takes it too early is told so.
func deleteAccessConfig(c *api.Call) (doc.Obj, error) {
	args := doc.Obj{"nic": c.Query.Get("networkInterface"), "config": c.Query.Get("accessConfig")}
	return c.Change(named(c), args, func(t *store.Tx) error {
		_, o, err := edited(c, t)
		if err != nil {
			return err
		}
		return configNamed(o, args, func(doc.Obj, doc.Obj) {})
	})
}

func configNamed(o, args doc.Obj, f func(nic, ac doc.Obj)) error {
	nic, err := nicNamed(o, doc.Str(args, "nic"))
	if err != nil {
		return err
	}
	for _, ac := range doc.Objects(nic, "accessConfigs") {
		if doc.Str(ac, "name") == doc.Str(args, "config") {
			f(nic, ac)
			return nil
		}
	}
	return problem.Invalid("accessConfig", doc.Str(args, "config"), "The specified access config does not exist.")
}

func dropAccessConfig(ctx context.Context, k *api.Job) error {
	err := k.Step("removed", func(t *store.Tx) error {
		o := t.Edit(k.Target)
		if o == nil {
			return problem.NotFound(k.Target)
		}
		return configNamed(o, k.Args, func(nic, ac doc.Obj) {
			networks.ReleaseExternal(t, k.Target, doc.Str(ac, "natIP"))
			delete(nic, "accessConfigs")
		})
	})
	if err != nil {
		return err
	}
	return k.S.Net.Apply(ctx)
}
