package emulator

import (
	"context"
	"strings"
)

func instances() collection {
	return collection{
		resource: "instances", kind: "instances", item: "compute#instance",
		methods: map[string]handler{
			"insert": insertInstance, "delete": deleteInstance,
			"start": startInstance, "stop": stopInstance, "reset": resetInstance,
			"setMetadata": setMetadata, "setTags": setTags, "setLabels": labelsSetter("instances"),
			"setDeletionProtection": setDeletionProtection, "setMachineType": setMachineType,
			"addAccessConfig": addAccessConfig, "deleteAccessConfig": deleteAccessConfig,
			"attachDisk": attachDisk, "detachDisk": detachDisk, "setDiskAutoDelete": setDiskAutoDelete,
			"simulateMaintenanceEvent": simulateMaintenanceEvent,
			"getSerialPortOutput":      getSerialPortOutput, "getGuestAttributes": getGuestAttributes,
		},
		works: map[string]work{
			// A machine boots at the end of its operation: until then Google looks for a place for it.
			"insert": {run: bringUp, late: true}, "delete": {run: takeDown},
			"start": {run: bringUp, late: true}, "stop": {run: shutDown}, "reset": {run: reboot},
			"setMetadata": {}, "setLabels": {}, "setDeletionProtection": {}, "setMachineType": {},
			"setTags":            {run: synced},
			"addAccessConfig":    {run: synced, late: true},
			"deleteAccessConfig": {run: dropAccessConfig, late: true},
			"attachDisk":         {}, "detachDisk": {}, "setDiskAutoDelete": {},
			"simulateMaintenanceEvent": {run: maintain},
			// Operations of the system; nobody can ask for them.
			"preempted": {run: shutDown}, "terminateOnHostMaintenance": {run: evacuate}, "migrateOnHostMaintenance": {},
		},
	}
}

// edited finds the instance a call is about, for a change to it.
func (c *call) edited(t *tx) (ref, obj, error) {
	r := t.find(c.target("instances"))
	o := t.edit(r)
	if o == nil {
		return r, nil, notFound(r)
	}
	if t.get(r.note("leaving")) != nil {
		return r, nil, notReady(r)
	}
	return r, o, nil
}

// bringUp is the work of insert and start: disks, machine, network. If the
// machine of a new instance cannot be made, the instance goes away with the
// disks made for it, as at Google when a zone is full.
func bringUp(ctx context.Context, k *task) error {
	err := k.s.boot(ctx, k.Target)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !strings.HasSuffix(k.Method, ".insert") {
		k.s.fell(ctx, k.Target)
		return err
	}
	if e := k.s.discard(ctx, k, true); e != nil {
		k.s.opts.Log.Error("clearing away a failed instance", "instance", string(k.Target), "error", e)
	}
	return err
}

func (s *Server) boot(ctx context.Context, r ref) error {
	o := s.store.read(r)
	if o == nil {
		return notFound(r)
	}
	for _, a := range objects(o, "disks") {
		if err := s.realDisk(ctx, toRef(str(a, "source"))); err != nil {
			return err
		}
	}
	if err := s.setStatus(r, "STAGING", "PROVISIONING"); err != nil {
		return err
	}
	m, ok := s.machine(r)
	if !ok {
		return notFound(r)
	}
	s.ended.Delete(m.MachineKey)
	if err := s.opts.Backend.Start(ctx, m); err != nil {
		return err
	}
	if err := s.setStatus(r, "RUNNING", "STAGING", "PROVISIONING"); err != nil {
		return err
	}
	if _, dead := s.ended.LoadAndDelete(m.MachineKey); dead {
		s.exited(m.MachineKey)
	}
	return s.network.apply(ctx)
}

// setStatus moves an instance from one of the states named; in any other it stays.
func (s *Server) setStatus(r ref, to string, from ...string) error {
	return s.store.update(func(t *tx) error {
		for _, f := range from {
			if str(t.get(r), "status") == f {
				t.edit(r)["status"] = to
			}
		}
		return nil
	})
}

func startInstance(c *call) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		r, o, err := c.edited(t)
		if err != nil {
			return err
		}
		switch str(o, "status") {
		case "TERMINATED":
		case "STOPPING":
			return notReady(r)
		default:
			return nil // runs already: the operation succeeds, as at Google
		}
		o["status"], o["lastStartTimestamp"] = "PROVISIONING", stamp(c.s.opts.Now())
		return c.s.nameEphemeral(t, r, o)
	})
}

// nameEphemeral gives access configs without a reserved address one of the
// pool, as each start does.
func (s *Server) nameEphemeral(t *tx, r ref, o obj) error {
	for _, nic := range objects(o, "networkInterfaces") {
		for _, ac := range objects(nic, "accessConfigs") {
			if str(ac, "natIP") == "" {
				ip, err := s.claimExternal(t, r, "", "")
				if err != nil {
					return err
				}
				ac["natIP"] = ip
				t.put(r, o) // the next search must see it
			}
		}
	}
	return nil
}

func stopInstance(c *call) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		_, o, err := c.edited(t)
		if err != nil {
			return err
		}
		if str(o, "status") == "RUNNING" {
			o["status"] = "STOPPING"
		}
		return nil
	})
}

func shutDown(ctx context.Context, k *task) error {
	r := k.Target
	o := k.s.store.read(r)
	if o == nil {
		return notFound(r)
	}
	if str(o, "status") == "TERMINATED" {
		return nil
	}
	if err := k.s.setStatus(r, "STOPPING", "RUNNING"); err != nil {
		return err
	}
	m, _ := k.s.machine(r)
	if err := k.s.opts.Backend.Stop(ctx, m, true); err != nil {
		return err
	}
	k.s.halted(r)
	return k.s.network.apply(ctx)
}

// halted makes an instance TERMINATED: its addresses that are not reserved
// are let go.
func (s *Server) halted(r ref) {
	err := s.store.update(func(t *tx) error {
		o := t.edit(r)
		if o == nil || str(o, "status") == "TERMINATED" {
			return nil
		}
		o["status"], o["lastStopTimestamp"] = "TERMINATED", stamp(s.opts.Now())
		for _, nic := range objects(o, "networkInterfaces") {
			for _, ac := range objects(nic, "accessConfigs") {
				if reservedAs(t, str(ac, "natIP")) == "" {
					delete(ac, "natIP")
				}
			}
		}
		return nil
	})
	if err != nil {
		s.opts.Log.Error("noting that a machine ended", "instance", string(r), "error", err)
	}
}

// exited is told by the backend that a machine ended by itself.
func (s *Server) exited(key MachineKey) {
	s.spawn(func() {
		r := in(key.Project, "zones/"+key.Zone, "instances", key.Name)
		o := s.store.read(r)
		if o == nil || ident(o) != key.ID {
			return
		}
		switch str(o, "status") {
		case "RUNNING":
		case "STAGING":
			s.ended.Store(key, true) // before Start returned: boot looks
			return
		default:
			return // we end it ourselves
		}
		s.halted(r)
		s.network.request()
		s.groups.wake()
	})
}

func resetInstance(c *call) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		r, o, err := c.edited(t)
		if err == nil && str(o, "status") != "RUNNING" {
			return notReady(r)
		}
		return err
	})
}

// reboot pulls the plug and starts again.
func reboot(ctx context.Context, k *task) error {
	m, ok := k.s.machine(k.Target)
	if !ok {
		return notFound(k.Target)
	}
	if !k.passed("stopped") {
		if err := k.s.setStatus(k.Target, "STAGING", "RUNNING"); err != nil {
			return err
		}
		if err := k.s.opts.Backend.Stop(ctx, m, false); err != nil {
			return err
		}
		if err := k.step("stopped", func(*tx) error { return nil }); err != nil {
			return err
		}
	}
	if err := k.s.boot(ctx, k.Target); err != nil {
		if ctx.Err() == nil {
			k.s.fell(ctx, k.Target)
		}
		return err
	}
	return nil
}

// fell clears up after a machine that could not be started.
func (s *Server) fell(ctx context.Context, r ref) {
	if m, ok := s.machine(r); ok {
		if err := s.opts.Backend.Stop(ctx, m, false); err != nil {
			s.opts.Log.Error("clearing up after a machine that did not start", "instance", string(r), "error", err)
		}
	}
	s.halted(r)
	s.network.request()
}

// named is the instance a call names, by its name even when called by number.
func (c *call) named() (r ref) {
	c.s.store.view(func(t *tx) { r = t.find(c.target("instances")) })
	return r
}
