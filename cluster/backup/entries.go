package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/gce/bucket"
)

// An entry is what a place has, before it was looked into.
type entry struct {
	where string
	bytes int64
	by    time.Time // it was made then or before
	open  func(context.Context) (io.ReaderAt, func(), error)

	generation int64 // of the object
}

func entriesOf(ctx context.Context, c *gce.Client, place string) ([]entry, error) {
	if InBucket(place) {
		name, prefix := split(place)
		return inBucket{bucket.Of(c, name), prefix}.entries(ctx)
	}
	files, err := os.ReadDir(place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &refusal.Refused{Why: fmt.Sprintf("there is no directory %s", place)}
	}
	if err != nil {
		return nil, fmt.Errorf("looking for backups: %w", err)
	}
	var list []entry
	for _, f := range files {
		if f.IsDir() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("looking for backups: %w", err)
		}
		path := filepath.Join(place, f.Name())
		list = append(list, entry{where: path, bytes: info.Size(), by: within(f.Name(), info.ModTime()), open: func(context.Context) (io.ReaderAt, func(), error) {
			file, err := os.Open(path)
			if err != nil {
				return nil, nil, err
			}
			return file, func() { _ = file.Close() }, nil // only read
		}})
	}
	return list, nil
}

// within is the time that a name of hakube's says, or else that at which it was written.
func within(name string, written time.Time) time.Time {
	stamp, _, _ := strings.Cut(name, ".")
	if made, err := time.Parse(stampForm, stamp); err == nil && strings.HasSuffix(name, suffix) {
		return made
	}
	return written
}

func (b inBucket) entries(ctx context.Context) (list []entry, err error) {
	objects, err := b.bucket.List(ctx, b.prefix)
	if err != nil {
		return nil, b.told(err)
	}
	for _, o := range objects {
		if strings.HasSuffix(o.Name, "/") { // what Google's console makes for a directory
			continue
		}
		list = append(list, entry{where: "gs://" + b.bucket.Name + "/" + o.Name, bytes: o.Bytes, generation: o.Generation, by: within(strings.TrimPrefix(o.Name, b.prefix), o.Made), open: func(ctx context.Context) (io.ReaderAt, func(), error) {
			return &window{ctx: ctx, of: b, object: o}, func() {}, nil
		}})
	}
	return list, nil
}

// A window reads parts of an object, of which the last stays in mind.
type window struct {
	ctx    context.Context //nolint:containedctx // io.ReaderAt has none
	of     inBucket
	object bucket.Object
	from   int64
	part   []byte
}

// windowSize has a record, and all of a small backup, at once.
const windowSize = 64 << 10

func (w *window) ReadAt(p []byte, from int64) (n int, err error) {
	if from >= w.object.Bytes {
		return 0, io.EOF
	}
	if from < w.from || from+int64(len(p)) > w.from+int64(len(w.part)) {
		if w.part, err = w.of.bucket.Section(w.ctx, w.object, from, max(windowSize, int64(len(p)))); err != nil {
			w.part = nil
			return 0, w.of.told(err)
		}
		w.from = from
	}
	if n = copy(p, w.part[from-w.from:]); n < len(p) {
		err = io.EOF
	}
	return n, err
}
