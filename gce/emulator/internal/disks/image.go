package disks

import (
	"context"
	"errors"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// images are Google's own, and those that somebody made of a disk: copies of it, as
// snapshots are, behind the API too.
func images() api.Collection {
	return api.Collection{
		Resource: "images", Kind: "images", Item: "compute#image",
		Methods: map[string]api.Handler{
			"get":           func(c *api.Call) (doc.Obj, error) { return catalog.ImageNamed(c, c.Params["image"]) },
			"getFromFamily": func(c *api.Call) (doc.Obj, error) { return catalog.ImageNamed(c, "family/"+c.Params["family"]) },
			"list":          listImages, "insert": insertImage, "delete": deleteCopy("images"), "setLabels": identity.LabelsSetter("images"),
		},
		Works: map[string]api.Work{"insert": {Run: takeImage}, "delete": {Run: dropCopy}, "setLabels": {}},
		Lacks: map[string][]string{"insert": {
			"rawDisk.source: raw disks", "sourceImage", "sourceSnapshot", "imageEncryptionKey", "sourceDiskEncryptionKey", "sourceImageEncryptionKey",
			"sourceSnapshotEncryptionKey", "shieldedInstanceInitialState",
		}},
	}
}

func listImages(c *api.Call) (doc.Obj, error) {
	var all []doc.Obj
	var err error
	c.S.Store.View(func(t *store.Tx) { all, err = catalog.Images(t, c.Project()) })
	if err != nil {
		return nil, err
	}
	return c.Page("compute#imageList", doc.Base+"projects/"+c.Project()+"/global/images", all)
}

// insertImage makes an image of a disk. One that a machine has is copied only by
// force, since the machine may be writing to it.
func insertImage(c *api.Call) (doc.Obj, error) {
	if _, err := snapshotter(c.S); err != nil {
		return nil, err
	}
	r := c.Ref("images", doc.Str(c.Body, "name"))
	force := c.Says("forceCreate")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if !doc.Has(o, "sourceDisk") {
			return problem.Missing("resource.sourceDisk")
		}
		disk := doc.ParseRef(doc.Str(o, "sourceDisk"), c.Project(), "", "disks")
		d := t.Get(disk)
		switch {
		case disk == "":
			return problem.Invalid("resource.sourceDisk", doc.Str(o, "sourceDisk"), "The URL is malformed.")
		case d == nil:
			return problem.NotFound(disk)
		case doc.Str(d, "status") != "READY":
			return problem.NotReady(disk)
		}
		for _, user := range doc.Strings(d, "users") {
			if doc.Str(t.Get(doc.RefOf(user)), "status") != "TERMINATED" && !force {
				return problem.InUse("disk", disk, doc.RefOf(user))
			}
		}
		o["kind"], o["status"], o["sourceType"] = "compute#image", "PENDING", "RAW"
		o["sourceDisk"], o["sourceDiskId"], o["diskSizeGb"] = disk.Link(), d["id"], d["sizeGb"]
		o["labelFingerprint"] = doc.Fingerprint(o["labels"])
		doc.Fill(o, doc.Obj{"rawDisk": doc.Obj{"containerType": "TAR", "source": ""}, "storageLocations": []any{disk.Region()}, "archiveSizeBytes": "0"})
		for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
			doc.Fill(o, doc.Obj{k: d[k]})
		}
		_, err := c.Create(t, "images", doc.Clone(o))
		return err
	})
}

// takeImage is the work behind it. One that cannot be made goes away.
func takeImage(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	disk := doc.RefOf(doc.Str(o, "sourceDisk"))
	d := k.S.Store.Read(disk)
	b, err := snapshotter(k.S)
	switch {
	case o == nil:
		return problem.NotFound(k.Target)
	case err != nil:
	case d == nil:
		err = problem.NotFound(disk)
	default:
		err = b.CreateSnapshot(ctx, copyOf(k.Target, o), DiskOf(disk, d))
	}
	if err != nil && ctx.Err() != nil {
		return err // the next process does it
	}
	if err != nil {
		return errors.Join(err, k.S.Store.Update(func(t *store.Tx) error { t.Delete(k.Target); return nil }))
	}
	return k.Step("made", func(t *store.Tx) error {
		if o := t.Edit(k.Target); o != nil {
			o["status"] = "READY"
		}
		return nil
	})
}

// copyOf is an image or a snapshot as the backend knows it: ids are of no two objects.
func copyOf(r doc.Ref, o doc.Obj) backend.Snapshot {
	return backend.Snapshot{Project: r.Project(), Name: r.Name(), ID: doc.ID(o)}
}
