package instances

import (
	"context"
	"errors"
	"fmt"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// attachDisk gives a machine a disk. The disk is the machine's at once, so that
// nobody else can have it; the guest sees it when the operation is done.
func attachDisk(c *api.Call) (doc.Obj, error) {
	args := doc.Obj{}
	return c.Change(named(c), args, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		if err := settled(r, o); err != nil {
			return err
		}
		devices := map[string]bool{}
		for _, a := range doc.Objects(o, "disks") {
			devices[doc.Str(a, "deviceName")] = true
		}
		a := doc.Clone(c.Body)
		if doc.Bool(a, "boot") && len(doc.List(o, "disks")) > 0 {
			return problem.Invalid("resource.boot", true, "The instance has a boot disk.")
		}
		if over := tooManyDisks(r, o); over != "" {
			args["fault"] = doc.Obj{"code": "LIMIT_EXCEEDED", "message": over, "status": 403}
			return nil
		}
		if err := attach(c.S, t, r, a, freeIndex(o), devices, "resource"); err != nil {
			return err
		}
		o["disks"] = append(doc.List(o, "disks"), a)
		args["attachment"] = a["deviceName"]
		return nil
	})
}

// tooManyDisks is what Google says of one disk more than the machine's type takes, "" if
// it takes it.
func tooManyDisks(r doc.Ref, o doc.Obj) string {
	m, ok := catalog.MachineIn(r.Place(), doc.RefOf(doc.Str(o, "machineType")).Name())
	if !ok || len(doc.List(o, "disks")) < m.MostDisks() {
		return ""
	}
	return fmt.Sprintf("Exceeded limit 'maximum_persistent_disks' on resource '%s'. Limit: %d", r, m.MostDisks())
}

// freeIndex is the first index that no disk of an instance has.
func freeIndex(o doc.Obj) int {
	used := map[int64]bool{}
	for _, a := range doc.Objects(o, "disks") {
		used[doc.Num(a, "index")] = true
	}
	for i := 0; ; i++ {
		if !used[int64(i)] {
			return i
		}
	}
}

// settled refuses a change of the disks of a machine that is neither stopped nor
// running.
func settled(r doc.Ref, o doc.Obj) error {
	if s := doc.Str(o, "status"); s != "TERMINATED" && s != "RUNNING" {
		return problem.NotReady(r)
	}
	return nil
}

// plug is the work of attachDisk. A disk that the machine cannot have is let go.
func plug(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	m, ok := machine.At(k.S, k.Target)
	if !ok {
		return problem.NotFound(k.Target)
	}
	device := doc.Str(k.Args, "attachment")
	if doc.Str(o, "status") != "RUNNING" {
		return nil // it finds the disk when it starts
	}
	a, found := attachmentAs(m, device)
	if !found {
		return nil // detached by the next operation before a restart, and this one is repeated
	}
	err := k.S.Opts.Backend.AttachDisk(ctx, m, a)
	if err != nil && ctx.Err() == nil {
		return errors.Join(err, k.Step("undone", func(t *store.Tx) error { return release(k.S, t, k.Target, device) }))
	}
	return err
}

func attachmentAs(m backend.Machine, device string) (backend.Attachment, bool) {
	for _, a := range m.Disks {
		if a.Device == device {
			return a, true
		}
	}
	return backend.Attachment{}, false
}

// detachDisk only checks: the disk is the machine's until the operation is done.
func detachDisk(c *api.Call) (doc.Obj, error) {
	device := c.Query.Get("deviceName")
	return c.Change(named(c), doc.Obj{"attachment": device}, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		if err := settled(r, o); err != nil {
			return err
		}
		a, _, err := attachedAs(o, device)
		if err == nil && doc.Bool(a, "boot") && doc.Str(o, "status") != "TERMINATED" {
			return problem.Refuse("The boot disk of instance '%s' cannot be detached while it is running: stop the instance first.", r)
		}
		return err
	})
}

// unplug is the work of detachDisk. Google pulls out a disk that the guest has
// mounted; here it stays, and the operation says so.
func unplug(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	m, ok := machine.At(k.S, k.Target)
	if !ok {
		return problem.NotFound(k.Target)
	}
	device := doc.Str(k.Args, "attachment")
	a, found := attachmentAs(m, device)
	if found && doc.Str(o, "status") == "RUNNING" {
		left := m
		left.Disks = nil
		for _, d := range m.Disks {
			if d.Device != device {
				left.Disks = append(left.Disks, d)
			}
		}
		var inUse backend.InUseError
		if err := k.S.Opts.Backend.DetachDisk(ctx, left, a); errors.As(err, &inUse) {
			return problem.New(400, "resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE",
				fmt.Sprintf("The disk resource '%s' is attached to '%s', and %v. Nothing was changed.", doc.RefIn(a.Project, "zones/"+a.Zone, "disks", a.Name), k.Target, inUse))
		} else if err != nil {
			return err
		}
	}
	return k.Step("detached", func(t *store.Tx) error { return release(k.S, t, k.Target, device) })
}

// release takes a disk from an instance. One that has gone already is no error.
func release(s *api.Server, t *store.Tx, r doc.Ref, device string) error {
	o := t.Edit(r)
	a, i, err := attachedAs(o, device)
	if err != nil {
		return nil
	}
	if disk := t.Edit(doc.RefOf(doc.Str(a, "source"))); disk != nil {
		disk["users"] = doc.Without(doc.List(disk, "users"), r.Link())
		if len(doc.List(disk, "users")) == 0 {
			delete(disk, "users")
		}
		disk["lastDetachTimestamp"] = doc.Stamp(s.Opts.Now())
	}
	l := doc.List(o, "disks")
	o["disks"] = append(append([]any{}, l[:i]...), l[i+1:]...)
	return nil
}

func setDiskAutoDelete(c *api.Call) (doc.Obj, error) {
	return alter(c, func(_ *store.Tx, _ doc.Ref, o doc.Obj) error {
		a, _, err := attachedAs(o, c.Query.Get("deviceName"))
		if err != nil {
			return err
		}
		a["autoDelete"] = c.Says("autoDelete")
		return err
	})
}

func attachedAs(o doc.Obj, device string) (doc.Obj, int, error) {
	for i, a := range doc.Objects(o, "disks") {
		if doc.Str(a, "deviceName") == device {
			return a, i, nil
		}
	}
	return nil, 0, problem.Invalid("deviceName", device, fmt.Sprintf("No disk is attached as '%s'.", device))
}
