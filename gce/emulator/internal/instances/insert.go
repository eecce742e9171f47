package instances

import (
	"fmt"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/disks"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
	"hakube/gce/emulator/internal/store"
)

func insertInstance(c *api.Call) (doc.Obj, error) {
	r := c.Ref("instances", doc.Str(c.Body, "name"))
	args := doc.Obj{}
	return c.Change(r, args, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if source := c.Query.Get("sourceInstanceTemplate"); source != "" {
			template := doc.ParseRef(source, c.Project(), "global", "instanceTemplates")
			if t.Get(template) == nil {
				return problem.NotFound(template)
			}
			o = FromTemplate(t.Get(template))
			doc.Merge(o, c.Body)
		}
		made, err := NewInstance(c.S, t, r, o)
		args["made"] = made
		if globalName(t, r, o) != "" { // as recorded, without a code
			args["warnings"] = []any{doc.Obj{"message": "You are creating a global DNS VM. VM instances using global DNS are vulnerable to cross-regional outages. To reduce the risk of widespread service disruption, use zonal DNS instead. Learn more at https://cloud.google.com/compute/docs/networking/zonal-dns"}}
		}
		return err
	})
}

// globalName is the setting by which an instance has a DNS name without its zone, ""
// if it has one with it.
func globalName(t *store.Tx, r doc.Ref, o doc.Obj) string {
	s := projects.DNSSetting(t, r.Project(), identity.MetadataMap(doc.Sub(o, "metadata")))
	if strings.HasPrefix(s, "Global") {
		return s
	}
	return ""
}

// NewInstance checks an instance, gives it addresses and disks, and stores it
// as PROVISIONING. It returns the disks it made; the work of an insert makes
// them real.
func NewInstance(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) (made []any, err error) {
	if r.Name() == "" {
		return nil, problem.Missing("resource.name")
	}
	if t.Get(r) != nil {
		return nil, problem.Exists(r)
	}
	now := doc.Stamp(s.Opts.Now())
	size, err := machineTypeOf(r, doc.Str(o, "machineType"), "resource.machineType")
	if err != nil {
		return nil, err
	}
	o["machineType"] = size.Link()
	if err := identity.CompleteIdentity(o); err != nil {
		return nil, err
	}
	doc.Fill(o, doc.Obj{
		"kind": "compute#instance", "satisfiesPzi": false, "canIpForward": false, "deletionProtection": false,
		"scheduling": doc.Obj{}, "shieldedInstanceConfig": doc.Obj{}, "shieldedInstanceIntegrityPolicy": doc.Obj{"updateAutoLearnPolicy": true},
	})
	doc.Fill(doc.Sub(o, "shieldedInstanceConfig"), doc.Obj{"enableSecureBoot": false, "enableVtpm": true, "enableIntegrityMonitoring": true})
	delete(o, "params") // of the request
	if err := checkScheduling(doc.Sub(o, "scheduling"), "resource.scheduling"); err != nil {
		return nil, err
	}
	doc.Fill(doc.Sub(o, "scheduling"), doc.Obj{"onHostMaintenance": "MIGRATE", "automaticRestart": true, "preemptible": false, "provisioningModel": "STANDARD"})
	if err := newAccelerators(r, o); err != nil {
		return nil, err
	}
	for _, sa := range doc.Objects(o, "serviceAccounts") {
		sa["email"] = accountOf(t, r.Project(), doc.Str(sa, "email"))
	}
	o["id"], o["name"], o["selfLink"], o["zone"] = t.ID(), r.Name(), r.Link(), doc.ZoneLink(r.Project(), r.Place())
	o["status"], o["creationTimestamp"], o["lastStartTimestamp"] = "PROVISIONING", now, now
	o["resourceStatus"] = doc.Obj{"scheduling": doc.Obj{}}
	if global := globalName(t, r, o); global != "" {
		o["resourceStatus"] = doc.Obj{"scheduling": doc.Obj{}, "effectiveInstanceMetadata": doc.Obj{"vmDnsSettingMetadataValue": global}}
	}
	o["cpuPlatform"], o["startRestricted"] = "Intel Skylake", false
	o["fingerprint"] = doc.Fingerprint(o["id"])
	if made, err = newDisks(s, t, r, o); err != nil {
		return nil, err
	}
	if err := newNICs(s, t, r, o); err != nil {
		return nil, err
	}
	t.Put(r, o)
	return made, nil
}

func machineTypeOf(r doc.Ref, s, field string) (doc.Ref, error) {
	if s == "" {
		return "", problem.Missing(field)
	}
	m := doc.ParseRef(s, r.Project(), r.Scope(), "machineTypes")
	if _, ok := catalog.MachineIn(r.Place(), m.Name()); !ok || m.Scope() != r.Scope() {
		return "", problem.Invalid(field, s, "Machine type with name '"+m.Name()+"' does not exist in zone '"+r.Place()+"'.")
	}
	return m, nil
}

// newDisks attaches the disks of a new instance and makes those it describes.
func newDisks(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) (made []any, err error) {
	attached := doc.Objects(o, "disks")
	if len(attached) == 0 {
		return nil, problem.Invalid("resource.disks", "", "Instance must have at least one disk.")
	}
	if !doc.Bool(attached[0], "boot") {
		return nil, problem.Invalid("resource.disks[0].boot", "", "Boot disk must be the first disk attached to the instance.")
	}
	devices := map[string]bool{}
	for i, a := range attached {
		field := fmt.Sprintf("resource.disks[%d]", i)
		if i > 0 && doc.Bool(a, "boot") {
			return nil, problem.Invalid(field+".boot", true, "Boot disk must be the first disk attached to the instance.")
		}
		params := doc.Sub(a, "initializeParams")
		if params != nil {
			if doc.Has(a, "source") {
				return nil, problem.Invalid(field, "", "Disk must have either a source or initializeParams.")
			}
			d, err := diskFor(s, t, r, a, params, i)
			if err != nil {
				return nil, err
			}
			made = append(made, string(d))
			a["source"] = d.Link()
		}
		if err := attach(s, t, r, a, i, devices, field); err != nil {
			return nil, err
		}
	}
	o["disks"] = attached
	return made, nil
}

// diskFor makes the disk that initializeParams describe.
func diskFor(s *api.Server, t *store.Tx, r doc.Ref, a, params doc.Obj, i int) (doc.Ref, error) {
	name := doc.Str(params, "diskName")
	switch {
	case name != "":
	case i == 0:
		name = r.Name()
	case doc.Has(a, "deviceName"):
		name = doc.Str(a, "deviceName")
	default:
		name = fmt.Sprintf("%s-%d", r.Name(), i)
	}
	if !identity.TagText.MatchString(name) {
		return "", problem.Invalid(fmt.Sprintf("resource.disks[%d].initializeParams.diskName", i), name, "Must be a match of regex '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?'")
	}
	d := r.Within("disks", name)
	o := doc.Obj{"name": name}
	for from, to := range map[string]string{
		"sourceImage": "sourceImage", "diskType": "type", "diskSizeGb": "sizeGb",
		"labels": "labels", "description": "description", "sourceSnapshot": "sourceSnapshot",
	} {
		if doc.Has(params, from) {
			o[to] = params[from]
		}
	}
	if !doc.Has(params, "diskSizeGb") && doc.Has(a, "diskSizeGb") {
		o["sizeGb"] = a["diskSizeGb"]
	}
	return d, disks.NewDisk(s, t, d, doc.Plain(o).(doc.Obj))
}

// attach connects a disk that is in the store to an instance.
func attach(s *api.Server, t *store.Tx, r doc.Ref, a doc.Obj, index int, devices map[string]bool, field string) error {
	d := doc.ParseRef(doc.Str(a, "source"), r.Project(), r.Scope(), "disks")
	if d == "" {
		return problem.Invalid(field+".source", doc.Str(a, "source"), "A disk needs a source or initializeParams.")
	}
	if d.Scope() != r.Scope() || d.Project() != r.Project() {
		return problem.Invalid(field+".source", doc.Str(a, "source"), "The disk is not in the zone of the instance.")
	}
	disk := t.Edit(d)
	if disk == nil {
		return problem.NotFound(d)
	}
	doc.Fill(a, doc.Obj{"mode": "READ_WRITE"})
	if status := doc.Str(disk, "status"); status != "READY" && status != "CREATING" {
		return problem.NotReady(d)
	}
	if users := doc.Strings(disk, "users"); len(users) > 0 && (doc.Str(a, "mode") == "READ_WRITE" || !readOnlyUsers(t, d, users)) {
		return problem.InUse("disk", d, doc.RefOf(users[0]))
	}
	doc.Fill(a, doc.Obj{"deviceName": fmt.Sprintf("persistent-disk-%d", index), "autoDelete": false, "boot": false})
	device := doc.Str(a, "deviceName")
	if devices[device] {
		return problem.Invalid(field+".deviceName", device, "The device name is already being used by another disk of the instance.")
	}
	devices[device] = true
	delete(a, "initializeParams")
	delete(a, "forceAttach")
	a["kind"], a["type"], a["index"], a["source"], a["interface"] = "compute#attachedDisk", "PERSISTENT", index, d.Link(), "SCSI"
	a["diskSizeGb"] = doc.Str(disk, "sizeGb")
	for _, k := range []string{"licenses", "guestOsFeatures", "architecture"} {
		if doc.Has(disk, k) {
			a[k] = disk[k]
		}
	}
	disk["users"] = append(append([]any{}, doc.List(disk, "users")...), r.Link())
	disk["lastAttachTimestamp"] = doc.Stamp(s.Opts.Now())
	return nil
}

func readOnlyUsers(t *store.Tx, d doc.Ref, users []string) bool {
	for _, u := range users {
		for _, a := range doc.Objects(t.Get(doc.RefOf(u)), "disks") {
			if doc.Str(a, "source") == d.Link() && doc.Str(a, "mode") != "READ_ONLY" {
				return false
			}
		}
	}
	return true
}
