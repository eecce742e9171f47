package disks

import (
	"context"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// resizeDisk makes a disk larger, whether a machine has it or not.
func resizeDisk(c *api.Call) (doc.Obj, error) {
	return changeDisk(c, func(t *store.Tx, r doc.Ref, o doc.Obj) error {
		if !doc.Has(c.Body, "sizeGb") {
			return problem.Missing("resource.sizeGb")
		}
		return larger(t, o, doc.Num(c.Body, "sizeGb"))
	})
}

func changeDisk(c *api.Call, f func(t *store.Tx, r doc.Ref, o doc.Obj) error) (doc.Obj, error) {
	r := c.Target("disks")
	return c.Change(r, nil, func(t *store.Tx) error {
		o := t.Edit(r)
		switch {
		case o == nil:
			return problem.NotFound(r)
		case doc.Str(o, "status") != "READY":
			return problem.NotReady(r)
		}
		return f(t, r, o)
	})
}

// larger sets the size of a disk, which machines that have it show as well.
func larger(t *store.Tx, o doc.Obj, size int64) error {
	if old := doc.Num(o, "sizeGb"); size <= old {
		return problem.Invalid("sizeGb", size, "New disk size '"+doc.Decimal(size)+"' must be larger than existing size '"+doc.Decimal(old)+"'.")
	}
	if size > maxSize {
		return problem.Invalid("sizeGb", size, "Must be between 1 and "+doc.Decimal(maxSize)+".")
	}
	o["sizeGb"] = doc.Decimal(size)
	for _, user := range doc.Strings(o, "users") {
		for _, a := range doc.Objects(t.Edit(doc.RefOf(user)), "disks") {
			if doc.Str(a, "source") == doc.Str(o, "selfLink") {
				a["diskSizeGb"] = o["sizeGb"]
			}
		}
	}
	return nil
}

// updateDisk changes those fields of a disk that the request names: by a mask, or
// else by having them.
func updateDisk(c *api.Call) (doc.Obj, error) {
	mask := map[string]bool{}
	for _, m := range append([]string{c.Query.Get("updateMask"), c.Query.Get("paths")}, c.Query["paths"]...) {
		for _, name := range strings.Split(m, ",") {
			mask[name] = true
		}
	}
	delete(mask, "")
	return changeDisk(c, func(t *store.Tx, _ doc.Ref, o doc.Obj) error {
		if err := api.Immutable(o, c.Body, "name", "type"); err != nil {
			return err
		}
		byMask := len(mask) > 0
		for _, k := range []string{"sizeGb", "licenses", "architecture", "labels", "description"} {
			named := mask[k]
			delete(mask, k)
			if byMask && !named || !byMask && !doc.Has(c.Body, k) {
				continue
			}
			if k != "sizeGb" {
				delete(o, k)
				doc.Merge(o, doc.Obj{k: c.Body[k]})
			} else if size := doc.Num(c.Body, "sizeGb"); size != doc.Num(o, "sizeGb") {
				if err := larger(t, o, size); err != nil {
					return err
				}
			}
		}
		for _, other := range doc.SortedKeys(mask) {
			return problem.Invalid("updateMask", other, "The field cannot be updated.")
		}
		o["labelFingerprint"] = doc.Fingerprint(o["labels"])
		return nil
	})
}

// growDisk makes the disk behind the API as large as it says.
func growDisk(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	if o == nil {
		return problem.NotFound(k.Target)
	}
	return k.S.Opts.Backend.GrowDisk(ctx, DiskOf(k.Target, o))
}
