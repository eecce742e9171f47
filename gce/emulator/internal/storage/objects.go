package storage

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// An object is what is kept of one; an object is never changed, but another takes its place.
type object struct {
	given
	Bucket     string    `json:"bucket"`
	Generation int64     `json:"generation,string"`
	Size       int64     `json:"size,string"`
	MD5        string    `json:"md5Hash"`
	CRC32C     string    `json:"crc32c"`
	Made       time.Time `json:"made"`
	File       string    `json:"file"` // of its contents
}

// given is what is said of an object when it is written.
type given struct {
	Name               string            `json:"name"`
	ContentType        string            `json:"contentType,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	CustomTime         string            `json:"customTime,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
}

// A shownObject is one as the API answers it.
// (https://cloud.google.com/storage/docs/json_api/v1/objects)
type shownObject struct {
	Kind      string `json:"kind"`
	ID        string `json:"id"`
	SelfLink  string `json:"selfLink"`
	MediaLink string `json:"mediaLink"`
	given
	Bucket       string `json:"bucket"`
	Generation   int64  `json:"generation,string"`
	Meta         string `json:"metageneration"`
	StorageClass string `json:"storageClass"`
	Size         int64  `json:"size,string"`
	MD5          string `json:"md5Hash"`
	CRC32C       string `json:"crc32c"`
	Etag         string `json:"etag"`
	Created      string `json:"timeCreated"`
	Updated      string `json:"updated"`
	ClassUpdated string `json:"timeStorageClassUpdated"`
}

func (o *object) shown(host string) shownObject {
	path := o.Bucket + "/o/" + url.PathEscape(o.Name)
	return shownObject{
		Kind: "storage#object", ID: fmt.Sprintf("%s/%s/%d", o.Bucket, o.Name, o.Generation), SelfLink: base + path, given: o.given,
		MediaLink: fmt.Sprintf("%s/download/storage/v1/b/%s?generation=%d&alt=media", host, path, o.Generation),
		Bucket:    o.Bucket, Generation: o.Generation, Meta: "1", StorageClass: "STANDARD", Size: o.Size, MD5: o.MD5, CRC32C: o.CRC32C,
		Etag:    base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, o.Generation, 36)),
		Created: stamp(o.Made), Updated: stamp(o.Made), ClassUpdated: stamp(o.Made),
	}
}

// host is where whoever asks has reached this service.
func (k *ask) host() string {
	if k.by != nil { // machines came by Google's name
		return "https://storage.googleapis.com"
	}
	return "http://" + k.r.Host
}

func objectsIn(bucket string) string { return "~objects/" + bucket }

func objectRef(bucket, name string) doc.Ref {
	return doc.Ref(objectsIn(bucket) + "/" + base64.RawURLEncoding.EncodeToString([]byte(name)))
}

func objectOf(t *store.Tx, bucket, name string) *object {
	return kept[object](t.Get(objectRef(bucket, name)))
}

// objects are all of a bucket, sorted by name.
func objects(t *store.Tx, bucket string) (all []*object) {
	for _, o := range t.List(objectsIn(bucket)) {
		all = append(all, kept[object](o))
	}
	slices.SortFunc(all, func(a, b *object) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// met refuses a request whose conditions do not hold for what there is, which may be nil.
func (k *ask) met(is *object) error {
	generation, meta := int64(0), int64(0)
	if is != nil {
		generation, meta = is.Generation, 1
	}
	for name, holds := range map[string]func(n int64) bool{
		"ifGenerationMatch":        func(n int64) bool { return n == generation },
		"ifGenerationNotMatch":     func(n int64) bool { return n != generation },
		"ifMetagenerationMatch":    func(n int64) bool { return n == meta },
		"ifMetagenerationNotMatch": func(n int64) bool { return n != meta },
	} {
		text := k.query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return problem.New(400, "invalid", "", fmt.Sprintf("Invalid value for %s: '%s'", name, text))
		}
		if !holds(n) {
			return problem.Stale("At least one of the pre-conditions you specified did not hold.")
		}
	}
	return nil
}

// found is the object of a request.
func (k *ask) found(t *store.Tx) (*object, error) {
	o := objectOf(t, k.bucket, k.object)
	if g := k.query.Get("generation"); o == nil || g != "" && g != strconv.FormatInt(o.Generation, 10) {
		return nil, problem.New(404, "notFound", "", fmt.Sprintf("No such object: %s/%s", k.bucket, k.object))
	}
	return o, k.met(o)
}

func getObject(k *ask) (any, error) {
	var o *object
	var file *os.File
	media := k.query.Get("alt") == "media"
	err := k.view("storage.objects.get", func(t *store.Tx, _ *bucket) (err error) {
		if o, err = k.found(t); err == nil && media {
			file, err = os.Open(filepath.Join(k.dir, o.File)) // while nobody can replace it
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !media {
		return o.shown(k.host()), nil
	}
	defer func() { _ = file.Close() }() // only read
	h := k.w.Header()
	h.Set("Content-Type", cmp.Or(o.ContentType, "application/octet-stream"))
	h.Set("X-Goog-Generation", strconv.FormatInt(o.Generation, 10))
	h.Set("X-Goog-Metageneration", "1")
	h.Set("X-Goog-Storage-Class", "STANDARD")
	h.Set("X-Goog-Stored-Content-Length", strconv.FormatInt(o.Size, 10))
	h.Set("X-Goog-Hash", "crc32c="+o.CRC32C+",md5="+o.MD5)
	h.Set("X-Content-Type-Options", "nosniff")
	if o.ContentEncoding != "" {
		h.Set("Content-Encoding", o.ContentEncoding)
	}
	http.ServeContent(k.w, k.r, "", o.Made, file)
	return nil, nil
}

func deleteObject(k *ask) (any, error) {
	err := k.change("storage.objects.delete", func(t *store.Tx, b *bucket) error {
		o, err := k.found(t)
		if err != nil {
			return err
		}
		t.Delete(objectRef(b.Name, o.Name))
		t.Then(func() { k.drop(o.File) })
		return nil
	})
	return nothing, err
}

// drop removes contents that nothing needs any more. What is left of them goes when the
// service is next taken up.
func (v *Service) drop(file string) {
	if err := os.Remove(filepath.Join(v.dir, file)); err != nil {
		v.s.Opts.Log.Warn("removing the contents of an object", "error", err)
	}
}

// mostListed is how many objects a page has at most.
const mostListed = 1000

func listObjects(k *ask) (any, error) {
	out := struct {
		Kind     string        `json:"kind"`
		Next     string        `json:"nextPageToken,omitempty"`
		Prefixes []string      `json:"prefixes,omitempty"`
		Items    []shownObject `json:"items,omitempty"`
	}{Kind: "storage#objects"}
	for _, name := range []string{"matchGlob", "filter"} {
		if k.query.Get(name) != "" {
			return nil, problem.NotWritten("listing objects by " + name)
		}
	}
	after, err := base64.URLEncoding.DecodeString(k.query.Get("pageToken"))
	if err != nil {
		return nil, problem.New(400, "invalid", "", "Invalid page token")
	}
	most, _ := strconv.Atoi(k.query.Get("maxResults"))
	if most < 1 || most > mostListed {
		most = mostListed
	}
	prefix, delimiter := k.query.Get("prefix"), k.query.Get("delimiter")
	from, to := k.query.Get("startOffset"), k.query.Get("endOffset")
	err = k.view("storage.objects.list", func(t *store.Tx, b *bucket) error {
		last := ""
		for _, o := range objects(t, b.Name) {
			if !strings.HasPrefix(o.Name, prefix) || o.Name < from || to != "" && o.Name >= to {
				continue
			}
			as, folded := o.Name, false
			if head, _, ok := strings.Cut(o.Name[len(prefix):], delimiter); ok && delimiter != "" {
				as, folded = prefix+head+delimiter, true
			}
			if as <= string(after) || folded && as == last {
				continue
			}
			if len(out.Items)+len(out.Prefixes) == most {
				out.Next = base64.URLEncoding.EncodeToString([]byte(last))
				return nil
			}
			if last = as; folded {
				out.Prefixes = append(out.Prefixes, as)
			} else {
				out.Items = append(out.Items, o.shown(k.host()))
			}
		}
		return nil
	})
	return out, err
}
