// Package disks has disks and their snapshots.
package disks

import (
	"cmp"
	"context"
	"strconv"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/identity"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

func disks() api.Collection {
	return api.Collection{
		Resource: "disks", Kind: "disks", Item: "compute#disk",
		Methods: map[string]api.Handler{"insert": insertDisk, "delete": deleteDisk, "createSnapshot": createSnapshot, "setLabels": identity.LabelsSetter("disks"),
			"addResourcePolicies": addPolicies, "removeResourcePolicies": removePolicies, "resize": resizeDisk, "update": updateDisk},
		Works: map[string]api.Work{
			"insert":    {Run: makeDisk},
			"delete":    {Run: dropDisk},
			"setLabels": {}, "createSnapshot": {Run: takeSnapshot}, "resize": {Run: growDisk}, "update": {Run: growDisk}, "addResourcePolicies": {}, "removeResourcePolicies": {},
		},
		Lacks: map[string][]string{
			"insert": {"sourceInstantSnapshot", "sourceStorageObject", "replicaZones", "diskEncryptionKey",
				"accessMode!READ_WRITE_SINGLE", "storagePool", "asyncPrimaryDisk", "provisionedIops", "provisionedThroughput", "enableConfidentialCompute",
				"type=" + catalog.OtherDisks},
			"createSnapshot": snapshotLacks,
			"update":         {"+name", "+sizeGb", "+licenses", "+architecture", "+labels", "+description", "+zone", "+type"},
		},
	}
}

func insertDisk(c *api.Call) (doc.Obj, error) {
	r := c.Ref("disks", doc.Str(c.Body, "name"))
	return c.Change(r, nil, func(t *store.Tx) error {
		o := doc.Clone(c.Body)
		if q := c.Query.Get("sourceImage"); q != "" {
			o["sourceImage"] = q
		}
		return NewDisk(c.S, t, r, o)
	})
}

// maxSize of a disk, in GB.
const maxSize = 65536

// NewDisk checks and stores a disk that is still to be made.
func NewDisk(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	if r.Name() == "" {
		return problem.Missing("resource.name")
	}
	if t.Get(r) != nil {
		return problem.Exists(r)
	}
	kind := doc.Str(o, "type")
	if kind == "" {
		kind = "pd-standard"
	}
	k := doc.ParseRef(kind, r.Project(), r.Scope(), "diskTypes")
	size := int64(0)
	for _, d := range catalog.DiskKinds {
		if k.Name() == d.Name {
			size = d.Size
		}
	}
	if size == 0 || k.Place() != r.Place() {
		return problem.Invalid("resource.type", kind, "The referenced disk type does not exist in zone '"+r.Place()+"'.")
	}
	if source := doc.Str(o, "sourceImage"); source != "" {
		image, err := catalog.ImageOf(t, source, r.Project())
		if err != nil {
			return err
		}
		if doc.Str(image, "status") != "READY" {
			return problem.NotReady(doc.RefOf(doc.Str(image, "selfLink")))
		}
		size = doc.Num(image, "diskSizeGb")
		o["sourceImage"], o["sourceImageId"] = image["selfLink"], image["id"]
		for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
			doc.Fill(o, doc.Obj{k: image[k]})
		}
		if asked := doc.Num(o, "sizeGb"); asked != 0 && asked < size {
			return problem.Invalid("resource.sizeGb", asked, "Requested disk size cannot be smaller than the image size ("+doc.Decimal(size)+" GB)")
		}
	}
	if doc.Str(o, "sourceSnapshot") != "" {
		if _, err := snapshotter(s); err != nil {
			return err
		}
		var err error
		if size, err = ofSnapshot(t, r, o); err != nil {
			return err
		}
	}
	if doc.Str(o, "sourceDisk") != "" {
		if _, err := snapshotter(s); err != nil {
			return err
		}
		var err error
		if size, err = ofDisk(t, r, o, k); err != nil {
			return err
		}
	}
	if asked := doc.Num(o, "sizeGb"); asked != 0 {
		size = asked
	}
	if size < 1 || size > maxSize {
		return problem.Invalid("resource.sizeGb", size, "Must be between 1 and "+doc.Decimal(maxSize)+".")
	}
	o["sizeGb"], o["type"] = doc.Decimal(size), k.Link()
	doc.Fill(o, doc.Obj{"kind": "compute#disk", "physicalBlockSizeBytes": "4096", "enableConfidentialCompute": false, "satisfiesPzi": false})
	o["id"], o["name"], o["creationTimestamp"], o["selfLink"] = t.ID(), r.Name(), doc.Stamp(s.Opts.Now()), r.Link()
	o["zone"], o["status"], o["labelFingerprint"] = doc.ZoneLink(r.Project(), r.Place()), "CREATING", doc.Fingerprint(o["labels"])
	delete(o, "users")
	if err := havePolicies(s, t, r, o, doc.Strings(o, "resourcePolicies")); err != nil {
		return err
	}
	t.Put(r, o)
	return nil
}

// DiskOf is a stored disk as the backend knows it. One that was made of somebody's own
// image holds what that does, and boots if the first in the line was an image of
// Google's: then it has that one's licenses.
func DiskOf(r doc.Ref, o doc.Obj) backend.Disk {
	d := backend.Disk{Project: r.Project(), Zone: r.Place(), Name: r.Name(), ID: doc.ID(o), SizeGB: doc.Num(o, "sizeGb")}
	copied := doc.Str(o, "sourceSnapshotId")
	if doc.Has(o, "sourceDiskId") {
		copied = doc.Str(o, "id") // of the copy that is taken for it alone
	}
	if image := doc.RefOf(doc.Str(o, "sourceImage")); image != "" {
		d.Image = image.Name()
		if image.Project() == r.Project() {
			copied = doc.Str(o, "sourceImageId")
		}
	}
	if copied != "" {
		d.Snapshot, _ = strconv.ParseUint(copied, 10, 64)
		if d.Image == "" && doc.Has(o, "licenses") {
			d.Image = cmp.Or(doc.RefOf(doc.Str(o, "sourceSnapshot")), doc.RefOf(doc.Str(o, "sourceDisk"))).Name()
		} else if !doc.Has(o, "licenses") {
			d.Image = ""
		}
	}
	return d
}

// makeDisk is the work of an insert. A disk that cannot be made goes away.
func makeDisk(ctx context.Context, k *api.Job) error {
	return RealDisk(ctx, k.S, k.Target)
}

// RealDisk makes a disk that is CREATING, and forgets it if that fails.
func RealDisk(ctx context.Context, s *api.Server, r doc.Ref) error {
	o := s.Store.Read(r)
	if o == nil {
		return problem.NotFound(r)
	}
	if doc.Str(o, "status") != "CREATING" {
		return nil
	}
	create := s.Opts.Backend.CreateDisk
	if doc.Has(o, "sourceDiskId") {
		create = func(ctx context.Context, d backend.Disk) error { return cloneDisk(ctx, s, r, o, d) }
	}
	if err := create(ctx, DiskOf(r, o)); err != nil {
		if ctx.Err() == nil {
			_ = s.Store.Update(func(t *store.Tx) error { t.Delete(r); return nil })
		}
		return err
	}
	return s.Store.Update(func(t *store.Tx) error {
		if o := t.Edit(r); o != nil {
			o["status"] = "READY"
		}
		return nil
	})
}

func deleteDisk(c *api.Call) (doc.Obj, error) {
	r := c.Target("disks")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil {
			return problem.NotFound(r)
		}
		if l := doc.Strings(o, "users"); len(l) > 0 {
			return problem.InUse("disk", r, doc.RefOf(l[0]))
		}
		o["status"] = "DELETING" // from here on nothing can attach it
		return nil
	})
}

// Forget removes a disk that is gone behind the API.
func Forget(t *store.Tx, r doc.Ref) {
	t.Delete(r)
	t.Delete(scheduled(r))
}

func dropDisk(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	if o == nil {
		return problem.NotFound(k.Target)
	}
	if err := k.S.Opts.Backend.DeleteDisk(ctx, DiskOf(k.Target, o)); err != nil {
		return err
	}
	return k.Step("removed", func(t *store.Tx) error { Forget(t, k.Target); return nil })
}
