package emulator

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// alter is a change to an instance that takes hold at once.
func (c *call) alter(f func(t *tx, r ref, o obj) error) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		r, o, err := c.edited(t)
		if err != nil {
			return err
		}
		return f(t, r, o)
	})
}

func setMetadata(c *call) (obj, error) {
	return c.alter(func(_ *tx, _ ref, o obj) error {
		m, err := replaceMetadata(sub(o, "metadata"), c.body)
		o["metadata"] = m
		return err
	})
}

func setTags(c *call) (obj, error) {
	return c.alter(func(_ *tx, _ ref, o obj) error {
		if str(c.body, "fingerprint") != str(sub(o, "tags"), "fingerprint") {
			return stale("Supplied fingerprint does not match current tags fingerprint.")
		}
		tags := stringsOf(c.body, "items")
		o["tags"] = newTags(tags)
		return checkTags(tags, "resource.items")
	})
}

func setDeletionProtection(c *call) (obj, error) {
	return c.alter(func(t *tx, r ref, o obj) error {
		on := !strings.EqualFold(c.query.Get("deletionProtection"), "false") // gcloud says False
		if on && ofManagedGroup(t, r) {
			return refuse("Deletion protection cannot be applied to instance '%s', which is part of a managed instance group.", r)
		}
		o["deletionProtection"] = on
		return nil
	})
}

func ofManagedGroup(t *tx, i ref) bool {
	for _, g := range t.all(i.project(), "instanceGroupManagers") {
		if r := toRef(str(g, "selfLink")); r.scope() == i.scope() && t.get(memberRef(r, i.name())) != nil {
			return true
		}
	}
	return false
}

func setMachineType(c *call) (obj, error) {
	return c.alter(func(_ *tx, r ref, o obj) error {
		if str(o, "status") != "TERMINATED" {
			return refuse("Instance must be stopped to change its machine type.")
		}
		m, err := machineTypeOf(r, str(c.body, "machineType"), "resource.machineType")
		o["machineType"] = m.link()
		return err
	})
}

// nicNamed finds a network interface of an instance.
func nicNamed(o obj, name string) (obj, error) {
	for _, nic := range objects(o, "networkInterfaces") {
		if str(nic, "name") == name {
			return nic, nil
		}
	}
	return nil, invalid("networkInterface", name, "The specified network interface does not exist.")
}

func addAccessConfig(c *call) (obj, error) {
	return c.alter(func(t *tx, r ref, o obj) error {
		nic, err := nicNamed(o, c.query.Get("networkInterface"))
		if err != nil {
			return err
		}
		if len(list(nic, "accessConfigs")) > 0 {
			return refuse("At most one access config currently supported.")
		}
		ac := clone(c.body)
		nic["accessConfigs"] = []any{ac}
		if str(o, "status") == "TERMINATED" && str(ac, "natIP") == "" {
			// One of the pool comes with the start.
			fill(ac, obj{"kind": "compute#accessConfig", "type": "ONE_TO_ONE_NAT", "name": "External NAT", "networkTier": "PREMIUM"})
			return nil
		}
		return c.s.newAccessConfig(t, r, ac, "resource.natIP")
	})
}

// deleteAccessConfig only checks: the address stays in use until the
// operation is done, so whoever takes it too early is told so.
func deleteAccessConfig(c *call) (obj, error) {
	args := obj{"nic": c.query.Get("networkInterface"), "config": c.query.Get("accessConfig")}
	return c.change(c.named(), args, func(t *tx) error {
		_, o, err := c.edited(t)
		if err != nil {
			return err
		}
		return configNamed(o, args, func(obj, obj) {})
	})
}

func configNamed(o, args obj, f func(nic, ac obj)) error {
	nic, err := nicNamed(o, str(args, "nic"))
	if err != nil {
		return err
	}
	for _, ac := range objects(nic, "accessConfigs") {
		if str(ac, "name") == str(args, "config") {
			f(nic, ac)
			return nil
		}
	}
	return invalid("accessConfig", str(args, "config"), "The specified access config does not exist.")
}

func dropAccessConfig(ctx context.Context, k *task) error {
	err := k.step("removed", func(t *tx) error {
		o := t.edit(k.Target)
		if o == nil {
			return notFound(k.Target)
		}
		return configNamed(o, k.Args, func(nic, ac obj) {
			releaseExternal(t, k.Target, str(ac, "natIP"))
			delete(nic, "accessConfigs")
		})
	})
	if err != nil {
		return err
	}
	return k.s.network.apply(ctx)
}

// attachDisk and detachDisk need a stopped machine: the one behind the API
// gets its disks when it starts.
func attachDisk(c *call) (obj, error) {
	return c.alter(func(t *tx, r ref, o obj) error {
		if has(c.body, "initializeParams") {
			return notWritten("instances.attachDisk with initializeParams")
		}
		if err := c.s.stopped(o, "instances.attachDisk"); err != nil {
			return err
		}
		devices := map[string]bool{}
		for _, a := range objects(o, "disks") {
			devices[str(a, "deviceName")] = true
		}
		a := clone(c.body)
		if flag(a, "boot") && len(list(o, "disks")) > 0 {
			return invalid("resource.boot", true, "The instance has a boot disk.")
		}
		if err := c.s.attach(t, r, a, len(list(o, "disks")), devices, "resource"); err != nil {
			return err
		}
		o["disks"] = append(list(o, "disks"), a)
		return nil
	})
}

// stopped refuses what the backend could only do at the next start. Without a
// backend there is no difference.
func (s *Server) stopped(o obj, what string) error {
	if _, none := s.opts.Backend.(nothing); none || str(o, "status") == "TERMINATED" {
		return nil
	}
	return notWritten(what + " of an instance that runs")
}

func detachDisk(c *call) (obj, error) {
	return c.alter(func(t *tx, r ref, o obj) error {
		if err := c.s.stopped(o, "instances.detachDisk"); err != nil {
			return err
		}
		a, i, err := attachedAs(o, c.query.Get("deviceName"))
		if err != nil {
			return err
		}
		if disk := t.edit(toRef(str(a, "source"))); disk != nil {
			disk["users"] = without(list(disk, "users"), r.link())
			if len(list(disk, "users")) == 0 {
				delete(disk, "users")
			}
			disk["lastDetachTimestamp"] = stamp(c.s.opts.Now())
		}
		l := list(o, "disks")
		o["disks"] = append(append([]any{}, l[:i]...), l[i+1:]...)
		return nil
	})
}

func setDiskAutoDelete(c *call) (obj, error) {
	return c.alter(func(_ *tx, _ ref, o obj) error {
		a, _, err := attachedAs(o, c.query.Get("deviceName"))
		if err != nil {
			return err
		}
		a["autoDelete"], err = strconv.ParseBool(c.query.Get("autoDelete"))
		return err
	})
}

func attachedAs(o obj, device string) (obj, int, error) {
	for i, a := range objects(o, "disks") {
		if str(a, "deviceName") == device {
			return a, i, nil
		}
	}
	return nil, 0, invalid("deviceName", device, fmt.Sprintf("No disk is attached as '%s'.", device))
}
