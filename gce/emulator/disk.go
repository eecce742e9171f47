package emulator

import (
	"context"
	"strconv"
	"strings"
)

func disks() collection {
	return collection{
		resource: "disks", kind: "disks", item: "compute#disk",
		methods: map[string]handler{"insert": insertDisk, "delete": deleteDisk, "createSnapshot": createSnapshot, "setLabels": labelsSetter("disks")},
		works: map[string]work{
			"insert":    {run: makeDisk},
			"delete":    {run: dropDisk},
			"setLabels": {}, "createSnapshot": {run: takeSnapshot},
		},
	}
}

func insertDisk(c *call) (obj, error) {
	for _, k := range []string{"sourceDisk", "sourceInstantSnapshot", "sourceStorageObject", "replicaZones", "diskEncryptionKey"} {
		if has(c.body, k) {
			return nil, notWritten("disks.insert with " + k)
		}
	}
	r := c.ref("disks", str(c.body, "name"))
	return c.change(r, nil, func(t *tx) error {
		o := clone(c.body)
		if q := c.query.Get("sourceImage"); q != "" {
			o["sourceImage"] = q
		}
		return c.s.newDisk(t, r, o)
	})
}

// newDisk checks and stores a disk that is still to be made.
func (s *Server) newDisk(t *tx, r ref, o obj) error {
	if r.name() == "" {
		return missing("resource.name")
	}
	if t.get(r) != nil {
		return exists(r)
	}
	kind := str(o, "type")
	if kind == "" {
		kind = "pd-standard"
	}
	k := parse(kind, r.project(), r.scope(), "diskTypes")
	size := int64(0)
	for _, d := range diskKinds {
		if k.name() == d.name {
			size = d.size
		}
	}
	if size == 0 || k.place() != r.place() {
		return invalid("resource.type", kind, "The referenced disk type does not exist in zone '"+r.place()+"'.")
	}
	if source := str(o, "sourceImage"); source != "" {
		image := imageOf(source, r.project())
		if image == nil {
			return &problem{404, "notFound", "RESOURCE_NOT_FOUND", "The resource '" + string(toRef(source)) + "' was not found"}
		}
		size = num(image, "diskSizeGb")
		o["sourceImage"], o["sourceImageId"] = image["selfLink"], image["id"]
		for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
			fill(o, obj{k: image[k]})
		}
		if asked := num(o, "sizeGb"); asked != 0 && asked < size {
			return invalid("resource.sizeGb", asked, "Requested disk size cannot be smaller than the image size ("+decimal(size)+" GB)")
		}
	}
	if has(o, "sourceSnapshot") {
		if _, err := s.snapshotter(); err != nil {
			return err
		}
		var err error
		if size, err = ofSnapshot(t, r, o); err != nil {
			return err
		}
	}
	if asked := num(o, "sizeGb"); asked != 0 {
		size = asked
	}
	if size < 1 || size > 65536 {
		return invalid("resource.sizeGb", size, "Must be between 1 and 65536.")
	}
	o["sizeGb"], o["type"] = decimal(size), k.link()
	fill(o, obj{"kind": "compute#disk", "physicalBlockSizeBytes": "4096", "enableConfidentialCompute": false, "satisfiesPzs": false})
	o["id"], o["name"], o["creationTimestamp"], o["selfLink"] = t.id(), r.name(), stamp(s.opts.Now()), r.link()
	o["zone"], o["status"], o["labelFingerprint"] = zoneLink(r.project(), r.place()), "CREATING", fingerprint(o["labels"])
	delete(o, "users")
	t.put(r, o)
	return nil
}

// diskOf is a stored disk as the backend knows it.
func diskOf(r ref, o obj) Disk {
	d := Disk{Project: r.project(), Zone: r.place(), Name: r.name(), ID: ident(o), SizeGB: num(o, "sizeGb")}
	if image := str(o, "sourceImage"); image != "" {
		d.Image = toRef(image).name()
	}
	if id := str(o, "sourceSnapshotId"); id != "" {
		d.Snapshot, _ = strconv.ParseUint(id, 10, 64)
	}
	return d
}

// makeDisk is the work of an insert. A disk that cannot be made goes away.
func makeDisk(ctx context.Context, k *task) error {
	return k.s.realDisk(ctx, k.Target)
}

// realDisk makes a disk that is CREATING, and forgets it if that fails.
func (s *Server) realDisk(ctx context.Context, r ref) error {
	o := s.store.read(r)
	if o == nil {
		return notFound(r)
	}
	if str(o, "status") != "CREATING" {
		return nil
	}
	if err := s.opts.Backend.CreateDisk(ctx, diskOf(r, o)); err != nil {
		if ctx.Err() == nil {
			_ = s.store.update(func(t *tx) error { t.delete(r); return nil })
		}
		return err
	}
	return s.store.update(func(t *tx) error {
		if o := t.edit(r); o != nil {
			o["status"] = "READY"
		}
		return nil
	})
}

func deleteDisk(c *call) (obj, error) {
	r := c.target("disks")
	return c.change(r, nil, func(t *tx) error {
		o := t.edit(r)
		if o == nil {
			return notFound(r)
		}
		if l := stringsOf(o, "users"); len(l) > 0 {
			return inUse("disk", r, toRef(l[0]))
		}
		o["status"] = "DELETING" // from here on nothing can attach it
		return nil
	})
}

func dropDisk(ctx context.Context, k *task) error {
	o := k.s.store.read(k.Target)
	if o == nil {
		return notFound(k.Target)
	}
	if err := k.s.opts.Backend.DeleteDisk(ctx, diskOf(k.Target, o)); err != nil {
		return err
	}
	return k.step("removed", func(t *tx) error { t.delete(k.Target); return nil })
}

// labelsSetter is setLabels of any collection: compare the fingerprint and swap,
// at once, so that two callers cannot both win.
func labelsSetter(kind string) handler {
	return func(c *call) (obj, error) {
		r := c.ref(kind, c.params["resource"])
		if c.params["resource"] == "" {
			r = c.target(kind)
		}
		return c.change(r, nil, func(t *tx) error {
			r := t.find(r)
			o := t.edit(r)
			if o == nil {
				return notFound(r)
			}
			if str(c.body, "labelFingerprint") != str(o, "labelFingerprint") {
				return stale("Labels fingerprint either invalid or resource labels have changed")
			}
			if err := checkLabels(sub(c.body, "labels")); err != nil {
				return err
			}
			o["labels"] = c.body["labels"]
			if len(sub(c.body, "labels")) == 0 {
				delete(o, "labels")
			}
			o["labelFingerprint"] = fingerprint(o["labels"])
			return nil
		})
	}
}

func checkLabels(labels obj) error {
	if len(labels) > 64 {
		return invalid("resource.labels", len(labels), "At most 64 labels are allowed.")
	}
	for k, v := range labels {
		s, _ := v.(string)
		if len(k) == 0 || len(k) > 63 || k[0] < 'a' || k[0] > 'z' || !labelText(k) {
			return invalid("resource.labels", k, "Label keys must start with a lowercase letter and hold only lowercase letters, digits, _ and -, at most 63.")
		}
		if len(s) > 63 || !labelText(s) {
			return invalid("resource.labels", s, "Label values hold only lowercase letters, digits, _ and -, at most 63.")
		}
	}
	return nil
}

// labelText allows what ASCII labels may hold; Google allows letters of other
// scripts besides.
func labelText(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c < 128
	})
}
