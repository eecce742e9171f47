package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"hakube/gce"
	"hakube/gce/bucket"
)

// How long backups are kept: each of the last hour, one an hour for a week, one a day for
// ninety days.
const (
	keepAll    = time.Hour
	keepHourly = 7 * 24 * time.Hour
	keepDaily  = 90 * 24 * time.Hour
)

// Surplus are those of a cluster's backups that nobody has to keep: of each hour, and of
// each day (UTC), the last stays, and so does the newest, however old it is. What was not
// verified, or is another cluster's, is none of them: a person may want to look at it.
func Surplus(list []Listed, cluster string) (surplus []Listed) {
	list = slices.DeleteFunc(slices.Clone(list), func(x Listed) bool { return !x.Verified || x.Cluster != cluster })
	slices.SortStableFunc(list, func(a, b Listed) int { return b.made().Compare(a.made()) })
	kept := map[string]bool{}
	for i, x := range list {
		age, of := time.Duration(*x.Age)*time.Second, ""
		switch {
		case i == 0 || age < keepAll:
			of = x.Where
		case age < keepHourly:
			of = x.made().UTC().Format("2006-01-02T15")
		case age < keepDaily:
			of = x.made().UTC().Format(time.DateOnly)
		}
		if of == "" || kept[of] {
			surplus = append(surplus, x)
		}
		kept[of] = true
	}
	return surplus
}

// Remove deletes backups that were listed, as they were listed: one that is another by now
// stays. It says of which it has seen the end.
func Remove(ctx context.Context, c *gce.Client, list []Listed) (gone []Listed, err error) {
	for _, x := range list {
		if err := x.remove(ctx, c); err != nil {
			return gone, fmt.Errorf("removing the backup %s: %w", x.Where, err)
		}
		gone = append(gone, x)
	}
	return gone, nil
}

func (l Listed) remove(ctx context.Context, c *gce.Client) error {
	if !InBucket(l.Where) {
		if err := os.Remove(l.Where); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	name, object, _ := strings.Cut(strings.TrimPrefix(l.Where, "gs://"), "/")
	b := inBucket{bucket.Of(c, name), ""}
	err := b.bucket.Delete(ctx, bucket.Object{Name: object, Generation: l.generation})
	if gce.IsNotFound(err) && !bucket.Missing(err) {
		return nil
	}
	return b.told(err)
}
