// Package storage is Cloud Storage as far as backups take it: buckets with their policies,
// and objects that are written as a whole, read, listed and deleted, by the JSON API. What
// an object is is a document in the store, its contents are a file beside it.
//
// Why not a library: github.com/fsouza/fake-gcs-server comes with 26 modules and 256
// packages (Pub/Sub, Envoy's and OpenCensus among them), where this is a few hundred
// lines; and it knows no permissions, which are what a bucket of backups is about.
package storage

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"hakube/gce/emulator/internal/access"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A Service answers requests for buckets and their objects.
type Service struct {
	s   *api.Server
	dir string // of contents

	mu      sync.Mutex
	uploads map[string]*upload // that go by pieces; the end of the process ends them
}

// New takes up what is there. Contents of which no object is known are of uploads that a
// killed process had, and go.
func New(s *api.Server) (*Service, error) {
	v := &Service{s: s, dir: strings.TrimSuffix(s.Opts.Path, filepath.Ext(s.Opts.Path)) + ".contents", uploads: map[string]*upload{}}
	files, err := os.ReadDir(v.dir)
	if os.IsNotExist(err) {
		return v, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking at contents of objects: %w", err)
	}
	known := map[string]bool{}
	s.Store.View(func(t *store.Tx) {
		for _, b := range buckets(t) {
			for _, o := range objects(t, b.Name) {
				known[o.File] = true
			}
		}
	})
	for _, f := range files {
		if !known[f.Name()] {
			if err := os.Remove(filepath.Join(v.dir, f.Name())); err != nil {
				return nil, fmt.Errorf("removing contents of no object: %w", err)
			}
		}
	}
	return v, nil
}

// An ask is one request.
type ask struct {
	*Service
	w      http.ResponseWriter
	r      *http.Request
	by     *api.Caller
	query  url.Values
	bucket string
	object string
}

// A route is a method of the API. answer returns what is answered as JSON, nil where it
// answered itself.
type route struct {
	name   string // as gRPC names it, for who lacks a scope
	verb   string
	path   *regexp.Regexp
	reads  bool
	answer func(*ask) (any, error)
}

const (
	inStorage = `^/storage/v1/b`
	inBucket  = inStorage + `/([^/]+)`
	inObject  = inBucket + `/o/([^/]+)`
)

func at(s string) *regexp.Regexp { return regexp.MustCompile(s + "$") }

var routes = []route{
	{"CreateBucket", "POST", at(inStorage), false, createBucket},
	{"ListBuckets", "GET", at(inStorage), true, listBuckets},
	{"GetBucket", "GET", at(inBucket), true, getBucket},
	{"DeleteBucket", "DELETE", at(inBucket), false, deleteBucket},
	{"GetIamPolicy", "GET", at(inBucket + "/iam"), true, getPolicy},
	{"SetIamPolicy", "PUT", at(inBucket + "/iam"), false, setPolicy},
	{"TestIamPermissions", "GET", at(inBucket + "/iam/testPermissions"), true, testPermissions},
	{"ListObjects", "GET", at(inBucket + "/o"), true, listObjects},
	{"GetObject", "GET", at(`^(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)`), true, getObject},
	{"DeleteObject", "DELETE", at(inObject), false, deleteObject},
	{"WriteObject", "POST", at(`^(?:/resumable)?/upload/storage/v1/b/([^/]+)/o`), false, writeObject},
	{"WriteObject", "PUT", at(`^(?:/resumable)?/upload/storage/v1/b/([^/]+)/o`), false, resumeObject},
	{"CancelResumableWrite", "DELETE", at(`^(?:/resumable)?/upload/storage/v1/b/([^/]+)/o`), false, cancelWrite},
}

// Is tells whether a request is for this service.
func Is(path string) bool {
	for _, prefix := range []string{"/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/resumable/upload/storage/v1/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

// ServeHTTP answers one request; answer writes what is JSON.
func (v *Service) Serve(w http.ResponseWriter, r *http.Request, answer func(status int, body any)) {
	for _, m := range routes {
		found := m.path.FindStringSubmatch(r.URL.EscapedPath())
		if found == nil || m.verb != r.Method {
			continue
		}
		k := &ask{Service: v, w: w, r: r, by: api.CallerOf(r), query: r.URL.Query()}
		var err error
		for i, into := range []*string{&k.bucket, &k.object} {
			if err == nil && len(found) > i+1 {
				*into, err = url.PathUnescape(found[i+1])
			}
		}
		if err != nil {
			err = problem.Refuse("Reading the path: %v", err)
		} else {
			err = access.ScopedForStorage(k.by, m.name, m.reads)
		}
		var out any
		if err == nil {
			out, err = m.answer(k)
		}
		switch {
		case err != nil:
			p := problem.Of(err)
			answer(p.Status, p.Body())
		case out == nothing:
			w.WriteHeader(http.StatusNoContent)
		case out != nil:
			answer(http.StatusOK, out)
		}
		return
	}
	p := problem.NotWritten(r.Method + " https://storage.googleapis.com" + r.URL.Path)
	answer(p.Status, p.Body())
}

// nothing is an answer without a body.
var nothing = new(struct{})

// view reads, with the bucket that the request is about, which has to be there; the caller
// has to have a permission on it.
func (k *ask) view(permission string, f func(*store.Tx, *bucket) error) (err error) {
	k.s.Store.View(func(t *store.Tx) { err = k.in(t, permission, f) })
	return err
}

// change is view for what changes something.
func (k *ask) change(permission string, f func(*store.Tx, *bucket) error) error {
	return k.s.Store.Update(func(t *store.Tx) error { return k.in(t, permission, f) })
}

func (k *ask) in(t *store.Tx, permission string, f func(*store.Tx, *bucket) error) error {
	b := bucketOf(t, k.bucket)
	if b == nil {
		return problem.New(404, "notFound", "", "The specified bucket does not exist.")
	}
	if err := k.may(t, b, permission); err != nil {
		return err
	}
	return f(t, b)
}

// may refuses who has not got a permission by the project's policy, nor by the bucket's.
func (k *ask) may(t *store.Tx, b *bucket, permission string) error {
	if k.by == nil || permission == "" || access.Holds(t, b.Project, k.by.Email, permission, b.Policy) {
		return nil
	}
	on := "bucket"
	if strings.HasPrefix(permission, "storage.objects.") {
		on = "object"
	}
	return problem.New(403, "forbidden", "", fmt.Sprintf("%s does not have %s access to the Google Cloud Storage %s. Permission '%s' denied on resource (or it may not exist).", k.by.Email, permission, on, permission))
}

// kept turns a document of the store into a value.
func kept[T any](o doc.Obj) *T {
	if o == nil {
		return nil
	}
	v := new(T)
	if err := doc.Convert(o, v); err != nil {
		panic(fmt.Sprintf("what was kept of Cloud Storage: %v", err))
	}
	return v
}

// keep stores a value as a document.
func keep(t *store.Tx, at doc.Ref, v any) error {
	var o doc.Obj
	if err := doc.Convert(v, &o); err != nil {
		return err
	}
	t.Put(at, o)
	return nil
}
