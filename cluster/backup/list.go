package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/gce"
)

// A Listed is a backup in a place, or what is there that is none that can be read.
type Listed struct {
	Where    string     `json:"where"`
	Bytes    int64      `json:"bytes"`
	Cluster  string     `json:"cluster"`
	MadeAt   *time.Time `json:"madeAt"`
	Age      *int64     `json:"age"` // seconds
	Main     *int64     `json:"main"`
	Events   *int64     `json:"events"`
	Verified bool       `json:"verified"`
	Why      string     `json:"why"` // it is not

	generation int64 // of the object
}

// List looks into all that a place has, the newest first. Of each it reads its record and
// what is around it, a few kilobytes without a key: whether it is whole to the last byte is
// known when it is restored.
func List(ctx context.Context, c *gce.Client, place string, now time.Time) ([]Listed, error) {
	entries, err := entriesOf(ctx, c, place)
	if err != nil {
		return nil, err
	}
	list := make([]Listed, len(entries))
	several, ctx := errgroup.WithContext(ctx)
	several.SetLimit(8)
	for i, e := range entries {
		several.Go(func() (err error) {
			list[i], err = e.look(ctx, now)
			return err
		})
	}
	if err := several.Wait(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b Listed) int { return b.made().Compare(a.made()) })
	return list, nil
}

func (l Listed) made() time.Time {
	if l.MadeAt == nil {
		return time.Time{}
	}
	return *l.MadeAt
}

// Newest is the newest verified backup that a place has of a cluster (PROJECT/PREFIX), nil
// if it has none. It looks into no more than it has to.
func Newest(ctx context.Context, c *gce.Client, place, cluster string, now time.Time) (best *Listed, err error) {
	entries, err := entriesOf(ctx, c, place)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.by.Compare(a.by) })
	for _, e := range entries {
		if best != nil && !e.by.After(best.made()) {
			break
		}
		x, err := e.look(ctx, now)
		if err != nil {
			return nil, err
		}
		if x.Verified && x.Cluster == cluster && (best == nil || x.made().After(best.made())) {
			best = &x
		}
	}
	return best, nil
}

// look reads the record. What is no backup, or a damaged one, is told in what is listed;
// an error is one of reading.
func (e entry) look(ctx context.Context, now time.Time) (Listed, error) {
	l := Listed{Where: e.where, Bytes: e.bytes, generation: e.generation}
	file, done, err := e.open(ctx)
	if err == nil {
		defer done()
	}
	from := &reading{ReaderAt: file}
	var r Record
	if err == nil {
		r, err = glance(e.where, from, e.bytes)
	}
	if from.err != nil {
		err = from.err
	}
	var damaged *Damaged
	var refused *refusal.Refused
	switch {
	case gce.IsNotFound(err) || errors.Is(err, fs.ErrNotExist):
		l.Why = "it went while it was looked at"
	case errors.Is(err, fs.ErrPermission):
		l.Why = err.Error()
	case from.err != nil:
		return l, from.err
	case errors.As(err, &damaged):
		l.Why = "damaged: " + strings.Join(damaged.Parts, ", ")
	case errors.As(err, &refused):
		l.Why = strings.TrimPrefix(strings.TrimSuffix(refused.Why, ". Nothing was changed"), e.where+" ")
	case err != nil:
		return l, err
	}
	if err != nil {
		return l, nil
	}
	made, age := r.Made.Time(), int64(now.Sub(r.Made.Time()).Seconds())
	main, events := r.Rings[rings.Names[0]].Revision, r.Rings[rings.Names[1]].Revision
	l.Cluster, l.MadeAt, l.Age, l.Main, l.Events, l.Verified = r.Cluster, &made, &age, &main, &events, true
	return l, nil
}

// A reading remembers why it failed, which the reader of an archive keeps to itself.
type reading struct {
	io.ReaderAt
	err error
}

func (r *reading) ReadAt(p []byte, from int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, from)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// glance reads a backup's record, and sees that all parts are there, in their order and to
// their ends, and that the record is the one that the backup was tried with: none is
// written before that.
func glance(name string, from io.ReaderAt, size int64) (Record, error) {
	var record, sums []byte
	archive := tar.NewReader(io.NewSectionReader(from, 0, size)) // which skips contents without reading them
	for i, part := range parts {
		h, err := archive.Next()
		switch {
		case i == 0 && (err != nil || h.Name != part):
			return Record{}, &refusal.Refused{Why: name + " is no backup of hakube's"}
		case err != nil || h.Name != part:
			return Record{}, &Damaged{name, []string{part + " is missing or cut off"}}
		}
		if part != RecordPart && part != sumsPart {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, 1<<20))
		if err != nil || int64(len(text)) != h.Size {
			return Record{}, &Damaged{name, []string{part + " is cut off"}}
		}
		if part == RecordPart {
			record = text
		} else {
			sums = text
		}
	}
	sum := sha256.New()
	_, _ = sum.Write(record) // a hash takes all
	if !strings.Contains("\n"+string(sums), "\n"+hexOf(sum)+"  "+RecordPart+"\n") {
		return Record{}, &Damaged{name, []string{RecordPart + " is not what " + sumsPart + " says of it"}}
	}
	return recordIn(name, strings.NewReader(string(record)))
}
