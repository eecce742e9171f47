package emulator

import (
	"fmt"
	"net/netip"
)

func insertInstance(c *call) (obj, error) {
	r := c.ref("instances", str(c.body, "name"))
	args := obj{}
	return c.change(r, args, func(t *tx) error {
		o := clone(c.body)
		if source := c.query.Get("sourceInstanceTemplate"); source != "" {
			template := parse(source, c.project(), "global", "instanceTemplates")
			if t.get(template) == nil {
				return notFound(template)
			}
			o = fromTemplate(t.get(template))
			merge(o, c.body)
		}
		made, err := c.s.newInstance(t, r, o)
		args["made"] = made
		return err
	})
}

// newInstance checks an instance, gives it addresses and disks, and stores it
// as PROVISIONING. It returns the disks it made; the work of an insert makes
// them real.
func (s *Server) newInstance(t *tx, r ref, o obj) (made []any, err error) {
	if r.name() == "" {
		return nil, missing("resource.name")
	}
	if t.get(r) != nil {
		return nil, exists(r)
	}
	for _, k := range []string{"sourceMachineImage", "guestAccelerators", "resourcePolicies", "instanceEncryptionKey"} {
		if l, ok := o[k].([]any); has(o, k) && (!ok || len(l) > 0) {
			return nil, notWritten("instances.insert with " + k)
		}
	}
	now := stamp(s.opts.Now())
	size, err := machineTypeOf(r, str(o, "machineType"), "resource.machineType")
	if err != nil {
		return nil, err
	}
	o["machineType"] = size.link()
	if err := completeIdentity(o); err != nil {
		return nil, err
	}
	fill(o, obj{
		"kind": "compute#instance", "description": "", "canIpForward": false, "deletionProtection": false,
		"scheduling": obj{}, "shieldedInstanceConfig": obj{"enableSecureBoot": false, "enableVtpm": true, "enableIntegrityMonitoring": true},
	})
	if err := checkScheduling(sub(o, "scheduling"), "resource.scheduling"); err != nil {
		return nil, err
	}
	fill(sub(o, "scheduling"), obj{"onHostMaintenance": "MIGRATE", "automaticRestart": true, "preemptible": false, "provisioningModel": "STANDARD"})
	for _, sa := range objects(o, "serviceAccounts") {
		if str(sa, "email") == "default" || str(sa, "email") == "" {
			sa["email"] = str(projectDoc(t, r.project()), "defaultServiceAccount")
		}
	}
	o["id"], o["name"], o["selfLink"], o["zone"] = t.id(), r.name(), r.link(), zoneLink(r.project(), r.place())
	o["status"], o["creationTimestamp"], o["lastStartTimestamp"] = "PROVISIONING", now, now
	o["cpuPlatform"], o["startRestricted"] = "Intel Skylake", false
	o["fingerprint"] = fingerprint(o["id"])
	if made, err = s.newDisks(t, r, o); err != nil {
		return nil, err
	}
	if err := s.newNICs(t, r, o); err != nil {
		return nil, err
	}
	t.put(r, o)
	return made, nil
}

// completeIdentity checks metadata, tags and labels and gives them fingerprints.
func completeIdentity(o obj) error {
	metadata, err := checkMetadata(sub(o, "metadata"))
	if err != nil {
		return err
	}
	o["metadata"] = metadata
	tags := stringsOf(sub(o, "tags"), "items")
	if err := checkTags(tags, "resource.tags.items"); err != nil {
		return err
	}
	o["tags"] = newTags(tags)
	if err := checkLabels(sub(o, "labels")); err != nil {
		return err
	}
	o["labelFingerprint"] = fingerprint(o["labels"])
	return nil
}

func machineTypeOf(r ref, s, field string) (ref, error) {
	if s == "" {
		return "", missing(field)
	}
	m := parse(s, r.project(), r.scope(), "machineTypes")
	if _, ok := machineSize(m.name()); !ok || m.scope() != r.scope() {
		return "", invalid(field, s, "The referenced machine type does not exist in zone '"+r.place()+"'.")
	}
	return m, nil
}

// newDisks attaches the disks of a new instance and makes those it describes.
func (s *Server) newDisks(t *tx, r ref, o obj) (made []any, err error) {
	attached := objects(o, "disks")
	if len(attached) == 0 {
		return nil, invalid("resource.disks", "", "Instance must have at least one disk.")
	}
	if !flag(attached[0], "boot") {
		return nil, invalid("resource.disks[0].boot", "", "Boot disk must be the first disk attached to the instance.")
	}
	devices := map[string]bool{}
	for i, a := range attached {
		field := fmt.Sprintf("resource.disks[%d]", i)
		if i > 0 && flag(a, "boot") {
			return nil, invalid(field+".boot", true, "Boot disk must be the first disk attached to the instance.")
		}
		params := sub(a, "initializeParams")
		if params != nil {
			if has(a, "source") {
				return nil, invalid(field, "", "Disk must have either a source or initializeParams.")
			}
			d, err := s.diskFor(t, r, a, params, i)
			if err != nil {
				return nil, err
			}
			made = append(made, string(d))
			a["source"] = d.link()
		}
		if err := s.attach(t, r, a, i, devices, field); err != nil {
			return nil, err
		}
	}
	o["disks"] = attached
	return made, nil
}

// diskFor makes the disk that initializeParams describe.
func (s *Server) diskFor(t *tx, r ref, a, params obj, i int) (ref, error) {
	name := str(params, "diskName")
	switch {
	case name != "":
	case i == 0:
		name = r.name()
	case has(a, "deviceName"):
		name = str(a, "deviceName")
	default:
		name = fmt.Sprintf("%s-%d", r.name(), i)
	}
	if !tagText.MatchString(name) {
		return "", invalid(fmt.Sprintf("resource.disks[%d].initializeParams.diskName", i), name, "Must be a match of regex '[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?'")
	}
	d := r.within("disks", name)
	o := obj{"name": name}
	for from, to := range map[string]string{
		"sourceImage": "sourceImage", "diskType": "type", "diskSizeGb": "sizeGb",
		"labels": "labels", "description": "description",
	} {
		if has(params, from) {
			o[to] = params[from]
		}
	}
	if has(params, "sourceSnapshot") {
		return "", notWritten("instances.insert with sourceSnapshot")
	}
	if !has(params, "diskSizeGb") && has(a, "diskSizeGb") {
		o["sizeGb"] = a["diskSizeGb"]
	}
	return d, s.newDisk(t, d, plain(o).(obj))
}

// attach connects a disk that is in the store to an instance.
func (s *Server) attach(t *tx, r ref, a obj, index int, devices map[string]bool, field string) error {
	if str(a, "type") == "SCRATCH" {
		return notWritten("local SSDs")
	}
	d := parse(str(a, "source"), r.project(), r.scope(), "disks")
	if d == "" {
		return invalid(field+".source", str(a, "source"), "A disk needs a source or initializeParams.")
	}
	if d.scope() != r.scope() || d.project() != r.project() {
		return invalid(field+".source", str(a, "source"), "The disk is not in the zone of the instance.")
	}
	disk := t.edit(d)
	if disk == nil {
		return notFound(d)
	}
	fill(a, obj{"mode": "READ_WRITE"})
	if status := str(disk, "status"); status != "READY" && status != "CREATING" {
		return notReady(d)
	}
	if users := stringsOf(disk, "users"); len(users) > 0 && (str(a, "mode") == "READ_WRITE" || !readOnlyUsers(t, d, users)) {
		return inUse("disk", d, toRef(users[0]))
	}
	fill(a, obj{"deviceName": fmt.Sprintf("persistent-disk-%d", index), "autoDelete": false, "boot": false})
	device := str(a, "deviceName")
	if devices[device] {
		return invalid(field+".deviceName", device, "The device name is already being used by another disk of the instance.")
	}
	devices[device] = true
	delete(a, "initializeParams")
	delete(a, "forceAttach")
	a["kind"], a["type"], a["index"], a["source"], a["interface"] = "compute#attachedDisk", "PERSISTENT", index, d.link(), "SCSI"
	a["diskSizeGb"] = str(disk, "sizeGb")
	for _, k := range []string{"licenses", "guestOsFeatures", "architecture"} {
		if has(disk, k) {
			a[k] = disk[k]
		}
	}
	disk["users"] = append(append([]any{}, list(disk, "users")...), r.link())
	disk["lastAttachTimestamp"] = stamp(s.opts.Now())
	return nil
}

func readOnlyUsers(t *tx, d ref, users []string) bool {
	for _, u := range users {
		for _, a := range objects(t.get(toRef(u)), "disks") {
			if str(a, "source") == d.link() && str(a, "mode") != "READ_ONLY" {
				return false
			}
		}
	}
	return true
}

// newNICs gives a new instance its network interface and addresses.
func (s *Server) newNICs(t *tx, r ref, o obj) error {
	nics := objects(o, "networkInterfaces")
	if len(nics) == 0 {
		return invalid("resource.networkInterfaces", "", "At least one network interface is required.")
	}
	if len(nics) > 1 {
		return notWritten("instances.insert with several network interfaces")
	}
	nic, field := nics[0], "resource.networkInterfaces[0]"
	if has(nic, "ipv6AccessConfigs") || has(nic, "networkAttachment") || str(nic, "stackType") != "" && str(nic, "stackType") != "IPV4_ONLY" {
		return notWritten("instances.insert with IPv6 or a network attachment")
	}
	subnet, err := subnetworkOf(t, r.project(), r.region(), str(nic, "subnetwork"), str(nic, "network"), field+".subnetwork")
	if err != nil {
		return err
	}
	nic["kind"], nic["name"], nic["subnetwork"], nic["network"] = "compute#networkInterface", "nic0", subnet.link(), str(t.get(subnet), "network")
	nic["stackType"] = "IPV4_ONLY"
	if err := claimInternal(t, r, subnet, nic, field+".networkIP"); err != nil {
		return err
	}
	for i, a := range objects(nic, "aliasIpRanges") {
		at := fmt.Sprintf("%s.aliasIpRanges[%d]", field, i)
		p, err := aliasRange(t, subnet, str(a, "ipCidrRange"), str(a, "subnetworkRangeName"), at)
		if err != nil {
			return err
		}
		a["ipCidrRange"] = p.String()
	}
	configs := objects(nic, "accessConfigs")
	if len(configs) > 1 {
		return invalid(field+".accessConfigs", len(configs), "At most one access config currently supported.")
	}
	for _, ac := range configs {
		if err := s.newAccessConfig(t, r, ac, field+".accessConfigs[0].natIP"); err != nil {
			return err
		}
	}
	nic["fingerprint"] = fingerprint(nic["networkIP"], nic["aliasIpRanges"], o["id"])
	return nil
}

// claimInternal gives a NIC the internal address it asks for (also one that is
// reserved for this), or a free one.
func claimInternal(t *tx, r, subnet ref, nic obj, field string) error {
	want := str(nic, "networkIP")
	if want != "" {
		if _, err := netip.ParseAddr(want); err != nil {
			if a := t.get(parse(want, r.project(), "regions/"+r.region(), "addresses")); a != nil {
				want = str(a, "address")
			}
		}
		if a := reservedInside(t, subnet, want); a != "" {
			if by := addressUser(t.get(a)); by != "" {
				return inUse("address", a, by)
			}
			use(t, a, r)
			nic["networkIP"] = want
			return nil
		}
	}
	a, err := internalAddress(t, subnet, want, field)
	nic["networkIP"] = a.String()
	return err
}

// newAccessConfig completes an access config and claims its address.
func (s *Server) newAccessConfig(t *tx, r ref, ac obj, field string) error {
	fill(ac, obj{"type": "ONE_TO_ONE_NAT", "name": "External NAT"})
	if str(ac, "type") != "ONE_TO_ONE_NAT" {
		return notWritten("access configs of type " + str(ac, "type"))
	}
	fill(ac, obj{"networkTier": "PREMIUM"})
	ac["kind"] = "compute#accessConfig"
	ip, err := s.claimExternal(t, r, str(ac, "natIP"), field)
	ac["natIP"] = ip
	return err
}
