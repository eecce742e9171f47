package backup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"hakube/cluster/refusal"
	"hakube/gce"
	"hakube/gce/bucket"
	"hakube/scripts/cure"
)

// role is what a bucket of backups takes of whoever writes, lists and reads them.
const role = "roles/storage.objectAdmin"

// told is an error of a bucket with what helps.
func (b inBucket) told(err error) error {
	switch {
	case bucket.Missing(err):
		return &refusal.Refused{
			Why:  fmt.Sprintf("there is no bucket %s. Nothing was changed", b.bucket.Name),
			Cure: cure.Hint("make it where the cluster would not be lost with it", cure.MakeBucket(b.bucket.Name, "EU")),
		}
	case bucket.Forbidden(err):
		return b.forbidden("what that takes", err)
	}
	return err
}

func (b inBucket) forbidden(what string, err error) error {
	why := fmt.Sprintf("the account in use has not got %s on bucket %s, which %s has. Nothing was changed", what, b.bucket.Name, role)
	if err != nil {
		why += ": " + err.Error()
	}
	return &refusal.Refused{Why: why, Cure: cure.Hint("whoever owns the bucket can give it", cure.GrantOnBucket(b.bucket.Name, "user:YOU@EXAMPLE.COM", role))}
}

// Fetch brings a backup out of a bucket into a file of this machine, encrypted as it is,
// which whoever called removes.
func Fetch(ctx context.Context, c *gce.Client, from string) (file string, err error) {
	name, object, _ := strings.Cut(strings.TrimPrefix(from, "gs://"), "/")
	b := inBucket{bucket.Of(c, name), path.Dir(object)}
	is, err := b.bucket.Stat(ctx, object)
	if gce.IsNotFound(err) && !bucket.Missing(err) {
		return "", &refusal.Refused{Why: fmt.Sprintf("there is no backup %s. Nothing was changed", from)}
	}
	if err != nil {
		return "", b.told(err)
	}
	to, err := b.part()
	if err != nil {
		return "", fmt.Errorf("making a file for the backup: %w", err)
	}
	if err = errors.Join(b.bucket.Get(ctx, is, to), to.Close()); err != nil {
		return "", errors.Join(b.told(err), os.Remove(to.Name()))
	}
	return to.Name(), nil
}
