package disks

import (
	"context"
	"errors"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A disk that is made of another one, in the same zone and of the same type, holds
// what that one did when its machine would have lost its power then.
// (https://cloud.google.com/compute/docs/disks/create-disk-from-source)

// ofDisk fills in what a disk that is made from another has from it, and returns the
// size it has at least.
func ofDisk(t *store.Tx, r doc.Ref, o doc.Obj, kind doc.Ref) (int64, error) {
	const field = "resource.sourceDisk"
	s := doc.ParseRef(doc.Str(o, "sourceDisk"), r.Project(), r.Scope(), "disks")
	from := t.Get(s)
	switch {
	case doc.Str(o, "sourceImage") != "" || doc.Str(o, "sourceSnapshot") != "":
		return 0, problem.Refuse("A disk is made of one source: an image, a snapshot or a disk.")
	case s == "":
		return 0, problem.Invalid(field, doc.Str(o, "sourceDisk"), "The URL is malformed.")
	case s.Scope() != r.Scope():
		return 0, problem.Invalid(field, doc.Str(o, "sourceDisk"), "The source disk must be in zone '"+r.Place()+"'.")
	case from == nil:
		return 0, problem.NotFound(s)
	case doc.Str(from, "status") != "READY":
		return 0, problem.NotReady(s)
	case doc.RefOf(doc.Str(from, "type")) != kind:
		return 0, problem.Invalid("resource.type", doc.Str(o, "type"), "The type must be that of the source disk.")
	}
	size := doc.Num(from, "sizeGb")
	if asked := doc.Num(o, "sizeGb"); asked != 0 && asked < size {
		return 0, problem.Invalid("resource.sizeGb", asked, "Requested disk size cannot be smaller than the size of the source disk ("+doc.Decimal(size)+" GB)")
	}
	o["sourceDisk"], o["sourceDiskId"] = s.Link(), from["id"]
	for _, k := range []string{"licenses", "licenseCodes", "guestOsFeatures", "architecture"} {
		doc.Fill(o, doc.Obj{k: from[k]})
	}
	return size, nil
}

// cloneDisk makes a disk of a copy that is taken for it alone, under its own id, and
// goes again. All of it can be repeated.
func cloneDisk(ctx context.Context, s *api.Server, r doc.Ref, o doc.Obj, d backend.Disk) error {
	b, err := snapshotter(s)
	if err != nil {
		return err
	}
	source := doc.RefOf(doc.Str(o, "sourceDisk"))
	from := s.Store.Read(source)
	if from == nil {
		return problem.NotFound(source)
	}
	kept := copyOf(r, o)
	err = b.CreateSnapshot(ctx, kept, DiskOf(source, from))
	if err == nil {
		err = s.Opts.Backend.CreateDisk(ctx, d)
	}
	if err != nil && ctx.Err() != nil {
		return err // the next process goes on with the copy
	}
	return errors.Join(err, b.DeleteSnapshot(ctx, kept))
}
