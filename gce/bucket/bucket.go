// Package bucket keeps objects in a bucket of Cloud Storage: each is written once, as a
// whole, and never over another one.
//
// It is built on google.golang.org/api/storage/v1, Google's generated client of the JSON
// API, which is of a module that package gce needs anyway. cloud.google.com/go/storage,
// which is built on it too, brings 226 packages more into a program, among them gRPC's
// xDS with Envoy's API and an exporter of metrics, and nothing that is needed here.
package bucket

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what the API has as checksum
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	storage "google.golang.org/api/storage/v1"

	"hakube/gce"
)

// A Bucket is one of Google's, which may be anybody's.
type Bucket struct {
	Name   string
	client *gce.Client
}

// Of is the bucket of the name.
func Of(c *gce.Client, name string) Bucket { return Bucket{name, c} }

// An Object is what a bucket says of one.
type Object struct {
	Name       string
	Bytes      int64
	Made       time.Time
	Generation int64 // of this one among all of the name
}

// ErrExists is told when there is an object of the name already, which is left as it is.
var ErrExists = errors.New("there is an object of that name")

// moveLimit is how long contents may be on their way.
const moveLimit = 2 * time.Hour

// chunk is what is sent at once, and again when its answer is lost.
const chunk = 16 << 20

func (b Bucket) ask(ctx context.Context, x gce.Beside, do func(context.Context, *storage.Service) error) error {
	return b.client.Elsewhere(ctx, x, "/storage/v1/", func(ctx context.Context, options ...option.ClientOption) error {
		rest, err := storage.NewService(ctx, options...)
		if err != nil {
			return err
		}
		return do(ctx, rest)
	})
}

func (b Bucket) url(name string) string { return "gs://" + b.Name + "/" + name }

// Missing tells whether err says that there is no such bucket.
func Missing(err error) bool {
	var e *gce.Error
	return errors.As(err, &e) && e.Code == 404 && strings.Contains(e.Message, "bucket does not exist")
}

// Forbidden tells whether err says that the account may not do it.
func Forbidden(err error) bool {
	var e *gce.Error
	return errors.As(err, &e) && e.Code == 403 && strings.Contains(e.Message, "storage.")
}

// Withheld returns those of the permissions that the account has not got on the bucket.
// It needs none for that. (https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions)
func (b Bucket) Withheld(ctx context.Context, permissions ...string) (list []string, err error) {
	err = b.ask(ctx, gce.Beside{Verb: "reading", Noun: "permissions on bucket", Name: b.Name}, func(ctx context.Context, rest *storage.Service) error {
		granted, err := rest.Buckets.TestIamPermissions(b.Name, permissions).Context(ctx).Do()
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(slices.Clone(permissions), func(p string) bool { return slices.Contains(granted.Permissions, p) })
		return nil
	})
	return list, err
}

// Held are the roles that a member of the bucket's policy has on it.
func (b Bucket) Held(ctx context.Context, member string) (roles []string, err error) {
	err = b.ask(ctx, gce.Beside{Verb: "reading", Noun: "policy of bucket", Name: b.Name}, func(ctx context.Context, rest *storage.Service) error {
		policy, err := rest.Buckets.GetIamPolicy(b.Name).Context(ctx).Do()
		if err != nil {
			return err
		}
		roles = nil
		for _, x := range policy.Bindings {
			if slices.ContainsFunc(x.Members, func(m string) bool { return strings.EqualFold(m, member) }) {
				roles = append(roles, x.Role)
			}
		}
		return nil
	})
	return roles, err
}

// List returns the objects whose names begin with prefix, sorted by name, those in what
// looks like directories below it left out.
func (b Bucket) List(ctx context.Context, prefix string) (all []Object, err error) {
	err = b.ask(ctx, gce.Beside{Verb: "listing", Noun: "objects of bucket", Name: b.Name, Limit: 3 * time.Minute}, func(ctx context.Context, rest *storage.Service) error {
		all = nil
		return rest.Objects.List(b.Name).Prefix(prefix).Delimiter("/").Fields("nextPageToken", "items(name,size,timeCreated,generation)").Pages(ctx, func(page *storage.Objects) error {
			for _, o := range page.Items {
				all = append(all, object(o))
			}
			return nil
		})
	})
	return all, err
}

func object(o *storage.Object) Object {
	made, _ := time.Parse(time.RFC3339, o.TimeCreated) // Google's own form
	return Object{o.Name, int64(o.Size), made, o.Generation}
}

// Stat returns what is known of an object.
func (b Bucket) Stat(ctx context.Context, name string) (Object, error) {
	o, err := b.stat(ctx, name)
	if err != nil {
		return Object{}, err
	}
	return object(o), nil
}

func (b Bucket) stat(ctx context.Context, name string) (o *storage.Object, err error) {
	err = b.ask(ctx, gce.Beside{Verb: "reading", Noun: "object", Name: b.url(name)}, func(ctx context.Context, rest *storage.Service) (err error) {
		o, err = rest.Objects.Get(b.Name, name).Context(ctx).Do()
		return err
	})
	return o, err
}

// Put writes an object that must not be there: it is there as a whole or not at all. One
// that is there with the same contents was written by a try whose answer was lost.
func (b Bucket) Put(ctx context.Context, name, kind string, from io.ReadSeeker) error {
	sum := md5.New() //nolint:gosec // as above
	if _, err := from.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(sum, from); err != nil {
		return err
	}
	digest := base64.StdEncoding.EncodeToString(sum.Sum(nil))
	err := b.ask(ctx, gce.Beside{Verb: "writing", Noun: "object", Name: b.url(name), Limit: moveLimit, Changes: true}, func(ctx context.Context, rest *storage.Service) error {
		if _, err := from.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := rest.Objects.Insert(b.Name, &storage.Object{Name: name, ContentType: kind, Md5Hash: digest}).IfGenerationMatch(0).
			Media(from, googleapi.ContentType(kind), googleapi.ChunkSize(chunk)).Context(ctx).Do()
		return err
	})
	var e *gce.Error
	if !errors.As(err, &e) || e.Code != 412 {
		return err
	}
	there, err := b.stat(ctx, name)
	if err == nil && there.Md5Hash != digest {
		err = fmt.Errorf("writing object %s: %w, of %s, and it is left as it is", b.url(name), ErrExists, there.TimeCreated)
	}
	return err
}

// Get reads all of an object, and fails if that is not what was written.
func (b Bucket) Get(ctx context.Context, o Object, to io.WriteSeeker) error {
	return b.ask(ctx, gce.Beside{Verb: "reading", Noun: "object", Name: b.url(o.Name), Limit: moveLimit}, func(ctx context.Context, rest *storage.Service) error {
		if _, err := to.Seek(0, io.SeekStart); err != nil {
			return err
		}
		answer, err := rest.Objects.Get(b.Name, o.Name).Generation(o.Generation).Context(ctx).Download()
		if err != nil {
			return worded(err)
		}
		defer func() { _ = answer.Body.Close() }() // it was only read
		sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		n, err := io.Copy(io.MultiWriter(to, sum), answer.Body)
		if err == nil && n != o.Bytes {
			err = io.ErrUnexpectedEOF
		}
		if want := checksum(answer.Header.Values("X-Goog-Hash")); err == nil && want != "" && want != base64.StdEncoding.EncodeToString(sum.Sum(nil)) {
			err = fmt.Errorf("what came is not what is there: its CRC32C is not %s", want)
		}
		return err
	})
}

// worded is a refusal to send contents in Google's words, which the client leaves in the
// answer's body.
func worded(err error) error {
	var g *googleapi.Error
	if !errors.As(err, &g) || g.Message != "" || g.Body == "" {
		return err
	}
	return googleapi.CheckResponse(&http.Response{StatusCode: g.Code, Header: g.Header, Body: io.NopCloser(strings.NewReader(g.Body))})
}

// checksum is the CRC32C that an answer says it has, "" if it says none.
func checksum(headers []string) string {
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(part), "crc32c="); ok {
			return sum
		}
	}
	return ""
}

// Delete removes an object, if it is still the one that was listed.
func (b Bucket) Delete(ctx context.Context, o Object) error {
	return b.ask(ctx, gce.Beside{Verb: "deleting", Noun: "object", Name: b.url(o.Name), Changes: true}, func(ctx context.Context, rest *storage.Service) error {
		return rest.Objects.Delete(b.Name, o.Name).Generation(o.Generation).Context(ctx).Do()
	})
}

// Section reads a part of an object: n bytes, or fewer at its end.
func (b Bucket) Section(ctx context.Context, o Object, from, n int64) (part []byte, err error) {
	err = b.ask(ctx, gce.Beside{Verb: "reading", Noun: "object", Name: b.url(o.Name)}, func(ctx context.Context, rest *storage.Service) error {
		get := rest.Objects.Get(b.Name, o.Name).Generation(o.Generation).Context(ctx)
		get.Header().Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-"+strconv.FormatInt(from+n-1, 10))
		answer, err := get.Download()
		if err != nil {
			return worded(err)
		}
		defer func() { _ = answer.Body.Close() }() // it was only read
		var into bytes.Buffer
		_, err = io.Copy(&into, io.LimitReader(answer.Body, n))
		part = into.Bytes()
		return err
	})
	return part, err
}
