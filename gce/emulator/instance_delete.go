package emulator

import (
	"context"
	"slices"
)

func deleteInstance(c *call) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		r := t.find(c.target("instances"))
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if flag(o, "deletionProtection") {
			return refuse("Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. The resource: '%s' is protected.'.", r)
		}
		leave(t, r, o)
		return nil
	})
}

// leave marks an instance as being deleted.
func leave(t *tx, r ref, o obj) {
	t.put(r.note("leaving"), obj{"id": o["id"]})
	if str(o, "status") == "RUNNING" {
		o["status"] = "STOPPING"
	}
}

func takeDown(ctx context.Context, k *task) error { return k.s.discard(ctx, k, false) }

// discard removes an instance with its machine and those disks that go with
// it; disks made for an instance that never came to be go in any case.
func (s *Server) discard(ctx context.Context, k *task, failed bool) error {
	r := k.Target
	m, ok := s.machine(r)
	if !ok && !k.passed("removed") {
		return notFound(r)
	}
	if ok && !k.passed("removed") {
		if err := s.opts.Backend.Stop(ctx, m, !failed); err != nil && !failed {
			return err
		}
	}
	err := k.step("removed", func(t *tx) error {
		o := t.get(r)
		var drop []any
		for _, a := range objects(o, "disks") {
			d := toRef(str(a, "source"))
			disk := t.edit(d)
			if disk == nil {
				continue
			}
			if flag(a, "autoDelete") || failed && slices.Contains(list(k.Args, "made"), any(string(d))) {
				drop = append(drop, string(d))
				disk["status"] = "DELETING"
			}
			disk["users"] = without(list(disk, "users"), r.link())
			if len(list(disk, "users")) == 0 {
				delete(disk, "users")
			}
			disk["lastDetachTimestamp"] = stamp(s.opts.Now())
		}
		releaseAll(t, r, o)
		dismissAll(t, r)
		t.delete(r)
		t.delete(r.note("leaving"))
		t.delete(r.note("guest"))
		k.Args["disks"] = drop
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range stringsOf(k.Args, "disks") {
		o := s.store.read(ref(d))
		if o == nil {
			continue
		}
		if err := s.opts.Backend.DeleteDisk(ctx, diskOf(ref(d), o)); err != nil {
			return err
		}
		if err := s.store.update(func(t *tx) error {
			t.delete(ref(d))
			return nil
		}); err != nil {
			return err
		}
	}
	return s.network.apply(ctx)
}

// releaseAll frees the reserved addresses an instance has.
func releaseAll(t *tx, r ref, o obj) {
	for _, nic := range objects(o, "networkInterfaces") {
		for _, ac := range objects(nic, "accessConfigs") {
			releaseExternal(t, r, str(ac, "natIP"))
		}
		releaseInternal(t, r, nic)
	}
}

// releaseInternal frees a reserved internal address.
func releaseInternal(t *tx, r ref, nic obj) {
	if a := reservedInside(t, toRef(str(nic, "subnetwork")), str(nic, "networkIP")); a != "" {
		unuse(t, a, r)
	}
}

// reservedInside finds the address object that holds an internal IP address.
func reservedInside(t *tx, subnet ref, ip string) (r ref) {
	t.each(subnet.project(), "addresses", func(o obj) {
		if str(o, "address") == ip && str(o, "subnetwork") == subnet.link() {
			r = toRef(str(o, "selfLink"))
		}
	})
	return r
}
