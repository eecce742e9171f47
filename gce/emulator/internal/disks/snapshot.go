package disks

import (
	"context"
	"errors"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func snapshots() api.Collection {
	return api.Collection{
		Resource: "snapshots", Kind: "snapshots", Item: "compute#snapshot",
		Methods: map[string]api.Handler{"insert": insertSnapshot, "delete": deleteCopy("snapshots"), "setLabels": identity.LabelsSetter("snapshots")},
		Works:   map[string]api.Work{"insert": {Run: takeSnapshot}, "delete": {Run: dropCopy}, "setLabels": {}},
		Lacks:   map[string][]string{"insert": snapshotLacks},
	}
}

// snapshotLacks is what no way to make a snapshot follows.
var snapshotLacks = []string{"snapshotEncryptionKey", "sourceDiskEncryptionKey", "sourceInstantSnapshot", "snapshotType!STANDARD"}

// snapshotter is the backend, if it can.
func snapshotter(s *api.Server) (backend.Snapshotter, error) {
	b, ok := s.Opts.Backend.(backend.Snapshotter)
	if !ok {
		return nil, problem.NotWritten("snapshots of these machines' disks")
	}
	return b, nil
}

func insertSnapshot(c *api.Call) (doc.Obj, error) {
	disk := doc.ParseRef(doc.Str(c.Body, "sourceDisk"), c.Project(), "", "disks")
	if disk == "" {
		return nil, problem.Invalid("resource.sourceDisk", doc.Str(c.Body, "sourceDisk"), "The URL is malformed.")
	}
	return keepSnapshot(c, doc.RefIn(c.Project(), "global", "snapshots", doc.Str(c.Body, "name")), disk)
}

// createSnapshot is a method of disks: its operation is the disk's.
func createSnapshot(c *api.Call) (doc.Obj, error) {
	return keepSnapshot(c, c.Target("disks"), c.Target("disks"))
}

// snapshot keeps a copy of a disk under the name in the body.
func keepSnapshot(c *api.Call, target, disk doc.Ref) (doc.Obj, error) {
	if _, err := snapshotter(c.S); err != nil {
		return nil, err
	}
	name := doc.Str(c.Body, "name")
	if name == "" {
		return nil, problem.Missing("resource.name")
	}
	r := doc.RefIn(c.Project(), "global", "snapshots", name)
	return c.Change(target, doc.Obj{"snapshot": string(r)}, func(t *store.Tx) error {
		d := t.Get(disk)
		switch {
		case d == nil:
			return problem.NotFound(disk)
		case t.Get(r) != nil:
			return problem.Exists(r)
		case doc.Str(d, "status") != "READY":
			return problem.NotReady(disk)
		}
		completeSnapshot(c.S, t, r, disk, d, doc.Clone(c.Body))
		return nil
	})
}

// completeSnapshot stores a snapshot that is still to be made.
func completeSnapshot(s *api.Server, t *store.Tx, r, disk doc.Ref, d, o doc.Obj) {
	o["id"], o["creationTimestamp"], o["selfLink"], o["status"] = t.ID(), doc.Stamp(s.Opts.Now()), r.Link(), "CREATING"
	o["sourceDisk"], o["sourceDiskId"], o["diskSizeGb"] = disk.Link(), d["id"], d["sizeGb"]
	o["labelFingerprint"] = doc.Fingerprint(o["labels"])
	doc.Fill(o, doc.Obj{
		"kind": "compute#snapshot", "snapshotType": "STANDARD", "storageLocations": []any{disk.Region()}, "autoCreated": false,
		"creationSizeBytes": "0", "downloadBytes": "0", "storageBytes": "0", "storageBytesStatus": "UP_TO_DATE",
	})
	for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
		doc.Fill(o, doc.Obj{k: d[k]})
	}
	t.Put(r, o)
}

// takeSnapshot is the work behind it. One that cannot be made goes away.
func takeSnapshot(ctx context.Context, k *api.Job) error {
	r := doc.Ref(doc.Str(k.Args, "snapshot"))
	o := k.S.Store.Read(r)
	if o == nil {
		return problem.NotFound(r)
	}
	disk := doc.RefOf(doc.Str(o, "sourceDisk"))
	d := k.S.Store.Read(disk)
	b, err := snapshotter(k.S)
	switch {
	case err != nil:
	case d == nil:
		err = problem.NotFound(disk)
	default:
		err = b.CreateSnapshot(ctx, copyOf(r, o), DiskOf(disk, d))
	}
	if err != nil && ctx.Err() != nil {
		return err // the next process does it
	}
	if err != nil {
		return errors.Join(err, k.S.Store.Update(func(t *store.Tx) error { t.Delete(r); return nil }))
	}
	return k.Step("made", func(t *store.Tx) error {
		if o := t.Edit(r); o != nil {
			o["status"] = "READY"
		}
		return nil
	})
}

// deleteCopy takes a snapshot or an image away. It may be asked for though disks were
// made of it: they are copies again.
func deleteCopy(kind string) api.Handler {
	return func(c *api.Call) (doc.Obj, error) {
		r := c.Target(kind)
		return c.Change(r, nil, func(t *store.Tx) error {
			o := t.Edit(r)
			switch {
			case o == nil:
				return problem.NotFound(r)
			case doc.Str(o, "status") != "READY":
				return problem.NotReady(r)
			}
			o["status"] = "DELETING"
			return nil
		})
	}
}

func dropCopy(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	if o == nil {
		return problem.NotFound(k.Target)
	}
	b, err := snapshotter(k.S)
	if err != nil {
		return err
	}
	if err := b.DeleteSnapshot(ctx, copyOf(k.Target, o)); err != nil {
		return err
	}
	return k.Step("removed", func(t *store.Tx) error { t.Delete(k.Target); return nil })
}

// ofSnapshot fills in what a disk that is made from a snapshot has from it,
// and returns the size it has at least.
func ofSnapshot(t *store.Tx, r doc.Ref, o doc.Obj) (int64, error) {
	const field = "resource.sourceSnapshot"
	s := doc.ParseRef(doc.Str(o, "sourceSnapshot"), r.Project(), "global", "snapshots")
	from := t.Get(s)
	switch {
	case s == "":
		return 0, problem.Invalid(field, doc.Str(o, "sourceSnapshot"), "The URL is malformed.")
	case from == nil:
		return 0, problem.NotFound(s)
	case doc.Str(from, "status") != "READY":
		return 0, problem.NotReady(s)
	}
	size := doc.Num(from, "diskSizeGb")
	if asked := doc.Num(o, "sizeGb"); asked != 0 && asked < size {
		return 0, problem.Invalid("resource.sizeGb", asked, "Requested disk size cannot be smaller than the snapshot size ("+doc.Decimal(size)+" GB)")
	}
	o["sourceSnapshot"], o["sourceSnapshotId"] = s.Link(), from["id"]
	for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
		doc.Fill(o, doc.Obj{k: from[k]})
	}
	return size, nil
}
