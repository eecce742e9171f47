package instances

import (
	"context"
	"fmt"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func instanceTemplates() api.Collection {
	return api.Collection{
		Resource: "instanceTemplates", Kind: "instanceTemplates", Item: "compute#instanceTemplate",
		Methods: map[string]api.Handler{"insert": insertTemplate, "delete": deleteTemplate},
		Works:   map[string]api.Work{"insert": {}, "delete": {Run: dropTemplate}},
		Lacks:   map[string][]string{"insert": append([]string{"sourceInstance", "properties.disks.source: existing disks"}, machineLacks("properties.")...)},
	}
}

func insertTemplate(c *api.Call) (doc.Obj, error) {
	r := c.Ref("instanceTemplates", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		props := doc.Sub(o, "properties")
		if props == nil {
			return problem.Missing("resource.properties")
		}
		if err := completeProperties(t, c.Project(), props); err != nil {
			return err
		}
		doc.Fill(o, doc.Obj{"kind": "compute#instanceTemplate", "description": ""})
		_, err := c.Create(t, "instanceTemplates", o)
		return err
	})
}

// completeProperties checks what does not depend on the zone, in which a
// machine is made from the template later.
func completeProperties(t *store.Tx, project string, props doc.Obj) error {
	if m := doc.Str(props, "machineType"); !machineNamed(m) {
		return problem.Invalid("resource.properties.machineType", m, "Must be the name of a machine type.")
	}
	tags := props["tags"]
	if err := identity.CompleteIdentity(props); err != nil {
		return err
	}
	delete(props, "labelFingerprint") // a template has none, and no tags when none were given
	if delete(props, "tags"); tags != nil {
		props["tags"] = tags
	}
	disks := doc.Objects(props, "disks")
	if len(disks) == 0 || !doc.Bool(disks[0], "boot") {
		return problem.Invalid("resource.properties.disks", "", "Boot disk must be the first disk of the template.")
	}
	for i, d := range disks {
		field := fmt.Sprintf("resource.properties.disks[%d]", i)
		params := doc.Sub(d, "initializeParams")
		if params == nil {
			return problem.Invalid(field+".initializeParams", "", "A disk of a template is described by initializeParams.")
		}
		if source := doc.Str(params, "sourceImage"); source != "" {
			if _, err := catalog.ImageOf(t, source, project); err != nil {
				return err
			}
		}
		if doc.Has(params, "diskName") {
			return problem.Invalid(field+".initializeParams.diskName", params["diskName"], "Disk name cannot be specified in an instance template.")
		}
		doc.Fill(d, doc.Obj{"mode": "READ_WRITE", "type": "PERSISTENT", "autoDelete": false, "deviceName": fmt.Sprintf("persistent-disk-%d", i)})
		d["kind"], d["index"] = "compute#attachedDisk", i
	}
	nics := doc.Objects(props, "networkInterfaces")
	if len(nics) != 1 {
		return problem.Invalid("resource.properties.networkInterfaces", len(nics), "Exactly one network interface is supported.")
	}
	nic := nics[0]
	network, err := networks.NetworkOf(t, project, doc.Str(nic, "network"), "resource.properties.networkInterfaces[0].network")
	if s := doc.Str(nic, "subnetwork"); s != "" {
		r := doc.ParseRef(s, project, "", "subnetworks")
		o := t.Get(r)
		if o == nil {
			return problem.Invalid("resource.properties.networkInterfaces[0].subnetwork", s, "The referenced subnetwork resource cannot be found.")
		}
		if network, err = doc.RefOf(doc.Str(o, "network")), nil; doc.Has(nic, "network") && doc.ParseRef(doc.Str(nic, "network"), project, "global", "networks") != network {
			return problem.Invalid("resource.properties.networkInterfaces[0].subnetwork", s, "The subnetwork is not of the network.")
		}
		nic["subnetwork"] = r.Link()
	}
	if err != nil {
		return err
	}
	nic["kind"], nic["name"], nic["network"] = "compute#networkInterface", "nic0", network.Link()
	for _, ac := range doc.Objects(nic, "accessConfigs") {
		doc.Fill(ac, doc.Obj{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT", "networkTier": "PREMIUM"})
		if doc.Has(ac, "natIP") {
			return problem.Refuse("An instance template cannot have a static external address.")
		}
	}
	doc.Fill(props, doc.Obj{"scheduling": doc.Obj{}})
	if err := checkScheduling(doc.Sub(props, "scheduling"), "resource.properties.scheduling"); err != nil {
		return err
	}
	doc.Fill(doc.Sub(props, "scheduling"), doc.Obj{"onHostMaintenance": "MIGRATE", "automaticRestart": true, "preemptible": false, "provisioningModel": "STANDARD"})
	return nil
}

func machineNamed(s string) bool {
	_, ok := catalog.MachineSize(doc.Ref("/" + s).Name())
	return ok
}

// FromTemplate is an instance as its template describes it.
func FromTemplate(o doc.Obj) doc.Obj {
	out := doc.Clone(doc.Sub(o, "properties"))
	for _, nic := range doc.Objects(out, "networkInterfaces") {
		delete(nic, "name")
	}
	return out
}

func deleteTemplate(c *api.Call) (doc.Obj, error) {
	r := c.Target("instanceTemplates")
	return c.Change(r, nil, func(t *store.Tx) error {
		if t.Get(r) == nil {
			return problem.NotFound(r)
		}
		if by := templateUser(t, r); by != "" {
			return problem.InUse("instance_template", r, by)
		}
		return nil
	})
}

func templateUser(t *store.Tx, r doc.Ref) doc.Ref {
	for _, o := range t.All(r.Project(), "instanceGroupManagers") {
		used := doc.Str(o, "instanceTemplate") == r.Link() || slices.ContainsFunc(doc.Objects(o, "versions"), func(v doc.Obj) bool {
			return doc.Str(v, "instanceTemplate") == r.Link()
		})
		if used {
			return doc.RefOf(doc.Str(o, "selfLink"))
		}
	}
	return ""
}

func dropTemplate(_ context.Context, k *api.Job) error {
	return k.Step("removed", func(t *store.Tx) error {
		if t.Get(k.Target) == nil {
			return problem.NotFound(k.Target)
		}
		if by := templateUser(t, k.Target); by != "" {
			return problem.InUse("instance_template", k.Target, by)
		}
		t.Delete(k.Target)
		return nil
	})
}
