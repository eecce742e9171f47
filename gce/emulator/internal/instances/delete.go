package instances

import (
	"context"
	"slices"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/disks"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/members"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func deleteInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r := t.Find(c.Target("instances"))
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if doc.Bool(o, "deletionProtection") {
			return problem.Refuse("Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. The resource: '%s' is protected.'.", r)
		}
		Leave(t, r, o)
		return nil
	})
}

// Leave marks an instance as being deleted.
func Leave(t *store.Tx, r doc.Ref, o doc.Obj) {
	t.Put(r.Note("leaving"), doc.Obj{"id": o["id"]})
	if doc.Str(o, "status") == "RUNNING" {
		o["status"] = "STOPPING"
	}
}

func takeDown(ctx context.Context, k *api.Job) error { return discard(ctx, k.S, k, false) }

// discard removes an instance with its machine and those disks that go with
// it; disks made for an instance that never came to be go in any case.
func discard(ctx context.Context, s *api.Server, k *api.Job, failed bool) error {
	r := k.Target
	m, ok := machine.At(s, r)
	if !ok && !k.Took("removed") {
		return problem.NotFound(r)
	}
	if ok && !k.Took("removed") {
		if err := s.Opts.Backend.Stop(ctx, m, !failed); err != nil && !failed {
			return err
		}
	}
	err := k.Step("removed", func(t *store.Tx) error {
		o := t.Get(r)
		var drop []any
		for _, a := range doc.Objects(o, "disks") {
			d := doc.RefOf(doc.Str(a, "source"))
			disk := t.Edit(d)
			if disk == nil {
				continue
			}
			if doc.Bool(a, "autoDelete") || failed && slices.Contains(doc.List(k.Args, "made"), any(string(d))) {
				drop = append(drop, string(d))
				disk["status"] = "DELETING"
			}
			disk["users"] = doc.Without(doc.List(disk, "users"), r.Link())
			if len(doc.List(disk, "users")) == 0 {
				delete(disk, "users")
			}
			disk["lastDetachTimestamp"] = doc.Stamp(s.Opts.Now())
		}
		releaseAll(t, r, o)
		members.DismissAll(t, r)
		t.Delete(r)
		t.Delete(r.Note("leaving"))
		t.Delete(r.Note("guest"))
		k.Args["disks"] = drop
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range doc.Strings(k.Args, "disks") {
		o := s.Store.Read(doc.Ref(d))
		if o == nil {
			continue
		}
		if err := s.Opts.Backend.DeleteDisk(ctx, disks.DiskOf(doc.Ref(d), o)); err != nil {
			return err
		}
		if err := s.Store.Update(func(t *store.Tx) error {
			disks.Forget(t, doc.Ref(d))
			return nil
		}); err != nil {
			return err
		}
	}
	return s.Net.Apply(ctx)
}

// releaseAll frees the reserved addresses an instance has.
func releaseAll(t *store.Tx, r doc.Ref, o doc.Obj) {
	for _, nic := range doc.Objects(o, "networkInterfaces") {
		for _, ac := range doc.Objects(nic, "accessConfigs") {
			networks.ReleaseExternal(t, r, doc.Str(ac, "natIP"))
		}
		networks.ReleaseInternal(t, r, nic)
	}
}
