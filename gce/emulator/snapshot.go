package emulator

import (
	"context"
	"errors"
	"strings"
)

// A Snapshotter is a [Backend] that can keep copies of disks. One that is none
// has no snapshots: they are answered 501.
type Snapshotter interface {
	// CreateSnapshot copies what is on d now, as it would be found after the
	// machine lost its power. Made already it is left as it is.
	CreateSnapshot(ctx context.Context, s Snapshot, d Disk) error
	// DeleteSnapshot removes the copy; disks made of it stay.
	DeleteSnapshot(ctx context.Context, s Snapshot) error
}

// A Snapshot is the copy of a disk.
type Snapshot struct {
	Project, Name string
	ID            uint64
}

func snapshots() collection {
	return collection{
		resource: "snapshots", kind: "snapshots", item: "compute#snapshot",
		methods: map[string]handler{"insert": insertSnapshot, "delete": deleteSnapshot, "setLabels": labelsSetter("snapshots")},
		works:   map[string]work{"insert": {run: takeSnapshot}, "delete": {run: dropSnapshot}, "setLabels": {}},
	}
}

// snapshotter is the backend, if it can.
func (s *Server) snapshotter() (Snapshotter, error) {
	b, ok := s.opts.Backend.(Snapshotter)
	if !ok {
		return nil, notWritten("snapshots of these machines' disks")
	}
	return b, nil
}

func insertSnapshot(c *call) (obj, error) {
	disk := parse(str(c.body, "sourceDisk"), c.project(), "", "disks")
	if disk == "" {
		return nil, invalid("resource.sourceDisk", str(c.body, "sourceDisk"), "The URL is malformed.")
	}
	return c.snapshot(in(c.project(), "global", "snapshots", str(c.body, "name")), disk)
}

// createSnapshot is a method of disks: its operation is the disk's.
func createSnapshot(c *call) (obj, error) {
	return c.snapshot(c.target("disks"), c.target("disks"))
}

// snapshot keeps a copy of a disk under the name in the body.
func (c *call) snapshot(target, disk ref) (obj, error) {
	for _, k := range []string{"snapshotEncryptionKey", "sourceDiskEncryptionKey", "sourceInstantSnapshot"} {
		if has(c.body, k) {
			return nil, notWritten(c.method.ID + " with " + k)
		}
	}
	if q := c.query.Get("guestFlush"); q != "" && !strings.EqualFold(q, "false") {
		return nil, notWritten(c.method.ID + " with guestFlush")
	}
	if _, err := c.s.snapshotter(); err != nil {
		return nil, err
	}
	name := str(c.body, "name")
	if name == "" {
		return nil, missing("resource.name")
	}
	r := in(c.project(), "global", "snapshots", name)
	return c.change(target, obj{"snapshot": string(r)}, func(t *tx) error {
		d := t.get(disk)
		switch {
		case d == nil:
			return notFound(disk)
		case t.get(r) != nil:
			return exists(r)
		case str(d, "status") != "READY":
			return notReady(disk)
		}
		if err := checkLabels(sub(c.body, "labels")); err != nil {
			return err
		}
		o := clone(c.body)
		o["id"], o["creationTimestamp"], o["selfLink"], o["status"] = t.id(), stamp(c.s.opts.Now()), r.link(), "CREATING"
		o["sourceDisk"], o["sourceDiskId"], o["diskSizeGb"] = disk.link(), d["id"], d["sizeGb"]
		o["labelFingerprint"] = fingerprint(o["labels"])
		fill(o, obj{
			"kind": "compute#snapshot", "snapshotType": "STANDARD", "storageLocations": []any{disk.region()}, "autoCreated": false,
			"creationSizeBytes": "0", "downloadBytes": "0", "storageBytes": "0", "storageBytesStatus": "UP_TO_DATE",
		})
		for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
			fill(o, obj{k: d[k]})
		}
		t.put(r, o)
		return nil
	})
}

// takeSnapshot is the work behind it. One that cannot be made goes away.
func takeSnapshot(ctx context.Context, k *task) error {
	r := ref(str(k.Args, "snapshot"))
	o := k.s.store.read(r)
	if o == nil {
		return notFound(r)
	}
	disk := toRef(str(o, "sourceDisk"))
	d := k.s.store.read(disk)
	b, err := k.s.snapshotter()
	switch {
	case err != nil:
	case d == nil:
		err = notFound(disk)
	default:
		err = b.CreateSnapshot(ctx, snapshotOf(r, o), diskOf(disk, d))
	}
	if err != nil && ctx.Err() != nil {
		return err // the next process does it
	}
	if err != nil {
		return errors.Join(err, k.s.store.update(func(t *tx) error { t.delete(r); return nil }))
	}
	return k.step("made", func(t *tx) error {
		if o := t.edit(r); o != nil {
			o["status"] = "READY"
		}
		return nil
	})
}

func snapshotOf(r ref, o obj) Snapshot {
	return Snapshot{Project: r.project(), Name: r.name(), ID: ident(o)}
}

// deleteSnapshot may be asked for though disks were made of it: they are copies.
func deleteSnapshot(c *call) (obj, error) {
	r := c.target("snapshots")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		switch {
		case o == nil:
			return notFound(r)
		case str(o, "status") != "READY":
			return notReady(r)
		}
		o["status"] = "DELETING"
		return nil
	})
}

func dropSnapshot(ctx context.Context, k *task) error {
	o := k.s.store.read(k.Target)
	if o == nil {
		return notFound(k.Target)
	}
	b, err := k.s.snapshotter()
	if err != nil {
		return err
	}
	if err := b.DeleteSnapshot(ctx, snapshotOf(k.Target, o)); err != nil {
		return err
	}
	return k.step("removed", func(t *tx) error { t.delete(k.Target); return nil })
}

// ofSnapshot fills in what a disk that is made from a snapshot has from it,
// and returns the size it has at least.
func ofSnapshot(t *tx, r ref, o obj) (int64, error) {
	const field = "resource.sourceSnapshot"
	s := parse(str(o, "sourceSnapshot"), r.project(), "global", "snapshots")
	from := t.get(s)
	switch {
	case s == "":
		return 0, invalid(field, str(o, "sourceSnapshot"), "The URL is malformed.")
	case from == nil:
		return 0, notFound(s)
	case str(from, "status") != "READY":
		return 0, notReady(s)
	}
	size := num(from, "diskSizeGb")
	if asked := num(o, "sizeGb"); asked != 0 && asked < size {
		return 0, invalid("resource.sizeGb", asked, "Requested disk size cannot be smaller than the snapshot size ("+decimal(size)+" GB)")
	}
	o["sourceSnapshot"], o["sourceSnapshotId"] = s.link(), from["id"]
	return size, nil
}
