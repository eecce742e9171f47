package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"hakube/gce"
	"hakube/gce/bucket"
)

// A Target is where a backup is to be kept: a file, or under a name that says when and of
// which cluster in a directory or a bucket.
type Target interface {
	fmt.Stringer
	// Check refuses what could not be kept there, before it is made.
	Check(context.Context) error
	part() (*os.File, error)                               // what is to become it; its name may be removed at any time
	keep(context.Context, *File) (where string, err error) // as a whole, over nothing
}

// suffix ends the names of backups in places.
const suffix = ".hakube-backup"

// stampForm is how such a name begins.
const stampForm = "20060102T150405Z"

// nameOf is that of a backup in a place: names sort by time.
func nameOf(r Record) string {
	return r.Made.Time().Format(stampForm) + "." + strings.ReplaceAll(r.Cluster, "/", ".") + suffix
}

// InBucket tells whether a place is one of Cloud Storage.
func InBucket(place string) bool { return strings.HasPrefix(place, "gs://") }

// To is the target that a place or the path of a file is.
func To(c *gce.Client, place string) Target {
	if InBucket(place) {
		name, prefix := split(place)
		return inBucket{bucket.Of(c, name), prefix}
	}
	if info, err := os.Stat(place); err == nil && info.IsDir() {
		return inDir(place)
	}
	return asFile(place)
}

// split parts gs://bucket/prefix; the prefix ends with a slash if it is not empty.
func split(place string) (name, prefix string) {
	name, prefix, _ = strings.Cut(strings.TrimPrefix(place, "gs://"), "/")
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	return name, prefix
}

type asFile string

func (f asFile) String() string              { return string(f) }
func (f asFile) Check(context.Context) error { return nil } // by the words of the command
func (f asFile) part() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(string(f)), "."+filepath.Base(string(f))+".*")
}

func (f asFile) keep(_ context.Context, made *File) (string, error) {
	// A link is made over nothing; a file system that has none has to be looked at before.
	err := os.Link(made.file.Name(), string(f))
	if err != nil && !errors.Is(err, fs.ErrExist) {
		if _, there := os.Lstat(string(f)); there != nil {
			return string(f), os.Rename(made.file.Name(), string(f))
		}
		err = fs.ErrExist
	}
	if err != nil {
		return "", fmt.Errorf("%s is there by now, and is left as it is", f)
	}
	return string(f), nil
}

type inDir string

func (d inDir) String() string              { return string(d) }
func (d inDir) Check(context.Context) error { return nil } // it is there
func (d inDir) part() (*os.File, error)     { return os.CreateTemp(string(d), ".hakube-backup.*") }
func (d inDir) keep(ctx context.Context, made *File) (string, error) {
	return asFile(filepath.Join(string(d), nameOf(made.Record))).keep(ctx, made)
}

type inBucket struct {
	bucket bucket.Bucket
	prefix string
}

func (b inBucket) String() string          { return "gs://" + path.Join(b.bucket.Name, b.prefix) }
func (b inBucket) part() (*os.File, error) { return os.CreateTemp("", "hakube-backup-*") } // encrypted, as all of a backup is

// Check asks for the bucket, and for what writing to it takes.
func (b inBucket) Check(ctx context.Context) error {
	lacks, err := b.bucket.Withheld(ctx, "storage.objects.create", "storage.objects.get")
	if err != nil {
		return b.told(err)
	}
	if len(lacks) > 0 {
		return b.forbidden(strings.Join(lacks, " and "), nil)
	}
	return nil
}

func (b inBucket) keep(ctx context.Context, made *File) (string, error) {
	name := b.prefix + nameOf(made.Record)
	if err := b.bucket.Put(ctx, name, "application/x-tar", made.file); err != nil {
		return "", b.told(err)
	}
	return "gs://" + b.bucket.Name + "/" + name, nil
}
