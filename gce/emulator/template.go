package emulator

import (
	"context"
	"fmt"
	"slices"
)

func instanceTemplates() collection {
	return collection{
		resource: "instanceTemplates", kind: "instanceTemplates", item: "compute#instanceTemplate",
		methods: map[string]handler{"insert": insertTemplate, "delete": deleteTemplate},
		works:   map[string]work{"insert": {}, "delete": {run: dropTemplate}},
	}
}

func insertTemplate(c *call) (obj, error) {
	if has(c.body, "sourceInstance") {
		return nil, notWritten("instanceTemplates.insert with sourceInstance")
	}
	r := c.ref("instanceTemplates", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		props := sub(o, "properties")
		if props == nil {
			return missing("resource.properties")
		}
		if err := completeProperties(t, c.project(), props); err != nil {
			return err
		}
		fill(o, obj{"kind": "compute#instanceTemplate", "description": ""})
		_, err := c.create(t, "instanceTemplates", o)
		return err
	})
}

// completeProperties checks what does not depend on the zone, in which a
// machine is made from the template later.
func completeProperties(t *tx, project string, props obj) error {
	if m := str(props, "machineType"); !machineNamed(m) {
		return invalid("resource.properties.machineType", m, "Must be the name of a machine type.")
	}
	if err := completeIdentity(props); err != nil {
		return err
	}
	delete(props, "labelFingerprint") // a template has none
	disks := objects(props, "disks")
	if len(disks) == 0 || !flag(disks[0], "boot") {
		return invalid("resource.properties.disks", "", "Boot disk must be the first disk of the template.")
	}
	for i, d := range disks {
		field := fmt.Sprintf("resource.properties.disks[%d]", i)
		params := sub(d, "initializeParams")
		if params == nil {
			return notWritten("instance templates with existing disks")
		}
		if source := str(params, "sourceImage"); source != "" && imageOf(source, project) == nil {
			return &problem{404, "notFound", "RESOURCE_NOT_FOUND", "The resource '" + string(toRef(source)) + "' was not found"}
		}
		if has(params, "diskName") {
			return invalid(field+".initializeParams.diskName", params["diskName"], "Disk name cannot be specified in an instance template.")
		}
		fill(d, obj{"mode": "READ_WRITE", "type": "PERSISTENT", "autoDelete": false, "deviceName": fmt.Sprintf("persistent-disk-%d", i)})
		d["kind"], d["index"] = "compute#attachedDisk", i
	}
	nics := objects(props, "networkInterfaces")
	if len(nics) != 1 {
		return invalid("resource.properties.networkInterfaces", len(nics), "Exactly one network interface is supported.")
	}
	nic := nics[0]
	network, err := networkOf(t, project, str(nic, "network"), "resource.properties.networkInterfaces[0].network")
	if s := str(nic, "subnetwork"); s != "" {
		r := parse(s, project, "", "subnetworks")
		o := t.get(r)
		if o == nil {
			return invalid("resource.properties.networkInterfaces[0].subnetwork", s, "The referenced subnetwork resource cannot be found.")
		}
		if network, err = toRef(str(o, "network")), nil; has(nic, "network") && parse(str(nic, "network"), project, "global", "networks") != network {
			return invalid("resource.properties.networkInterfaces[0].subnetwork", s, "The subnetwork is not of the network.")
		}
		nic["subnetwork"] = r.link()
	}
	if err != nil {
		return err
	}
	nic["kind"], nic["name"], nic["network"] = "compute#networkInterface", "nic0", network.link()
	for _, ac := range objects(nic, "accessConfigs") {
		fill(ac, obj{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT", "networkTier": "PREMIUM"})
		if has(ac, "natIP") {
			return refuse("An instance template cannot have a static external address.")
		}
	}
	fill(props, obj{"canIpForward": false, "scheduling": obj{}})
	if err := checkScheduling(sub(props, "scheduling"), "resource.properties.scheduling"); err != nil {
		return err
	}
	fill(sub(props, "scheduling"), obj{"onHostMaintenance": "MIGRATE", "automaticRestart": true, "preemptible": false, "provisioningModel": "STANDARD"})
	return nil
}

func machineNamed(s string) bool {
	_, ok := machineSize(ref("/" + s).name())
	return ok
}

// fromTemplate is an instance as its template describes it.
func fromTemplate(o obj) obj {
	out := clone(sub(o, "properties"))
	for _, nic := range objects(out, "networkInterfaces") {
		delete(nic, "name")
	}
	return out
}

func deleteTemplate(c *call) (obj, error) {
	r := c.target("instanceTemplates")
	return c.change(r, nil, func(t *tx) error {
		if t.get(r) == nil {
			return notFound(r)
		}
		if by := templateUser(t, r); by != "" {
			return inUse("instance_template", r, by)
		}
		return nil
	})
}

func templateUser(t *tx, r ref) ref {
	for _, o := range t.all(r.project(), "instanceGroupManagers") {
		used := str(o, "instanceTemplate") == r.link() || slices.ContainsFunc(objects(o, "versions"), func(v obj) bool {
			return str(v, "instanceTemplate") == r.link()
		})
		if used {
			return toRef(str(o, "selfLink"))
		}
	}
	return ""
}

func dropTemplate(_ context.Context, k *task) error {
	return k.step("removed", func(t *tx) error {
		if t.get(k.Target) == nil {
			return notFound(k.Target)
		}
		if by := templateUser(t, k.Target); by != "" {
			return inUse("instance_template", k.Target, by)
		}
		t.delete(k.Target)
		return nil
	})
}
