package storage

import (
	"crypto/md5" //nolint:gosec // what the API has as checksum
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// An upload is contents on their way. Nobody sees them before they are whole.
type upload struct {
	given
	bucket     string
	conditions string // of the request that began it
	declared   struct{ MD5Hash, CRC32C string }

	mu   sync.Mutex // one piece at a time
	file *os.File
	md5  hash.Hash
	crc  hash.Hash32
	size int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (k *ask) begin(g given) (*upload, error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(k.dir, "part-*")
	if err != nil {
		return nil, err
	}
	return &upload{given: g, bucket: k.bucket, file: file, md5: md5.New(), crc: crc32.New(castagnoli)}, nil //nolint:gosec // as above
}

// add takes contents as far as they come.
func (u *upload) add(r io.Reader) error {
	n, err := io.Copy(io.MultiWriter(u.file, u.md5, u.crc), r)
	u.size += n
	return err
}

// discard forgets contents.
func (u *upload) discard() {
	_ = u.file.Close() // and what it has is not wanted
	_ = os.Remove(u.file.Name())
}

// writeObject begins an upload: in one piece, with or without what is said of the object
// before it, or one that goes by pieces.
func writeObject(k *ask) (any, error) {
	if k.query.Has("upload_id") { // Google's client for Go sends pieces so
		return resumeObject(k)
	}
	if err := k.mayWrite(); err != nil {
		return nil, err
	}
	g := given{Name: k.query.Get("name")}
	switch kind := k.query.Get("uploadType"); kind {
	case "media":
		g.ContentType = k.r.Header.Get("Content-Type")
		return k.whole(g, nil, k.r.Body)
	case "multipart":
		head, body, err := k.parts()
		if err != nil {
			return nil, err
		}
		return k.whole(g, head, body)
	case "resumable":
		return nil, k.open(g)
	default:
		return nil, problem.NotWritten("uploadType " + kind)
	}
}

// mayWrite refuses before anything is sent.
func (k *ask) mayWrite() error {
	return k.view("storage.objects.create", func(t *store.Tx, _ *bucket) error { return k.met(objectOf(t, k.bucket, k.query.Get("name"))) })
}

// parts are the two of a multipart request: what is said, and the contents.
func (k *ask) parts() (head []byte, body io.Reader, err error) {
	kind, rest, _ := strings.Cut(k.r.Header.Get("Content-Type"), ";")
	// gcloud has it in single quotes, which Google takes, and RFC 2045 does not know.
	boundary, ok := strings.CutPrefix(strings.TrimSpace(rest), "boundary=")
	if !ok || !strings.HasPrefix(kind, "multipart/") {
		return nil, nil, problem.Refuse("Malformed multipart body.")
	}
	all := multipart.NewReader(k.r.Body, strings.Trim(boundary, `'"`))
	first, err := all.NextRawPart()
	if err == nil {
		head, err = io.ReadAll(io.LimitReader(first, 1<<20))
	}
	if err != nil {
		return nil, nil, problem.Refuse("Malformed multipart body: %v", err)
	}
	second, err := all.NextRawPart()
	if err != nil {
		return nil, nil, problem.Refuse("Malformed multipart body: %v", err)
	}
	return head, second, nil
}

// says reads what a request says of an object.
func (u *upload) says(head []byte) error {
	if len(strings.TrimSpace(string(head))) == 0 {
		return nil
	}
	name := u.Name
	if err := errors.Join(json.Unmarshal(head, &u.given), json.Unmarshal(head, &u.declared)); err != nil {
		return problem.New(400, "parseError", "", "Parse Error: "+err.Error())
	}
	if name != "" {
		u.Name = name
	}
	return nil
}

func (k *ask) whole(g given, head []byte, body io.Reader) (any, error) {
	u, err := k.begin(g)
	if err != nil {
		return nil, err
	}
	err = u.says(head)
	if err == nil {
		err = u.add(body)
	}
	var o *object
	if err == nil {
		o, err = k.finish(u)
	}
	if err != nil {
		u.discard()
		return nil, err
	}
	return o.shown(k.host()), nil
}

// finish makes contents that are whole the object, if the conditions hold.
func (k *ask) finish(u *upload) (*object, error) {
	if u.Name == "" || len(u.Name) > 1024 || strings.ContainsAny(u.Name, "\r\n") {
		return nil, problem.New(400, "required", "", "Required")
	}
	o := &object{
		given: u.given, Bucket: k.bucket, Size: u.size, Made: k.s.Opts.Now(),
		MD5: base64.StdEncoding.EncodeToString(u.md5.Sum(nil)), CRC32C: base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, u.crc.Sum32())),
	}
	if d := u.declared.MD5Hash; d != "" && d != o.MD5 {
		return nil, problem.New(400, "invalid", "", fmt.Sprintf("Provided MD5 hash \"%s\" doesn't match calculated MD5 hash \"%s\".", d, o.MD5))
	}
	if d := u.declared.CRC32C; d != "" && d != o.CRC32C {
		return nil, problem.New(400, "invalid", "", fmt.Sprintf("Provided CRC32C \"%s\" doesn't match calculated CRC32C \"%s\".", d, o.CRC32C))
	}
	if err := errors.Join(u.file.Sync(), u.file.Close()); err != nil {
		return nil, err
	}
	return o, k.change("storage.objects.create", func(t *store.Tx, b *bucket) error {
		was := objectOf(t, b.Name, o.Name)
		if err := k.met(was); err != nil {
			return err
		}
		o.Generation, o.File = o.Made.UnixMicro(), t.ID()
		if was != nil {
			if err := k.may(t, b, "storage.objects.delete"); err != nil { // writing over is that as well
				return err
			}
			o.Generation = max(o.Generation, was.Generation+1)
			t.Then(func() { k.drop(was.File) })
		}
		if err := os.Rename(u.file.Name(), filepath.Join(k.dir, o.File)); err != nil {
			return err
		}
		return keep(t, objectRef(b.Name, o.Name), o)
	})
}

// open begins an upload that goes by pieces, and says where they go.
func (k *ask) open(g given) error {
	head, err := io.ReadAll(io.LimitReader(k.r.Body, 1<<20))
	if err != nil {
		return problem.Refuse("Reading request: %v", err)
	}
	g.ContentType = k.r.Header.Get("X-Upload-Content-Type")
	u, err := k.begin(g)
	if err == nil {
		err = u.says(head)
	}
	if err != nil {
		return err
	}
	u.conditions = k.r.URL.RawQuery
	id := rand.Text()
	k.mu.Lock()
	k.uploads[id] = u
	k.mu.Unlock()
	k.w.Header().Set("Location", fmt.Sprintf("%s%s?uploadType=resumable&upload_id=%s", k.host(), k.r.URL.EscapedPath(), id))
	k.w.Header().Set("X-GUploader-UploadID", id)
	k.w.WriteHeader(http.StatusOK)
	return nil
}

// session is the upload that a request goes on with. There is none any more after the end
// of the process, as Google has none after a week.
func (k *ask) session() (id string, u *upload, err error) {
	id = k.query.Get("upload_id")
	k.mu.Lock()
	defer k.mu.Unlock()
	if u = k.uploads[id]; u == nil || u.bucket != k.bucket {
		return "", nil, problem.New(404, "notFound", "", "No such upload session")
	}
	return id, u, nil
}

// resumeObject takes the next piece of an upload, or says how much there is of it.
func resumeObject(k *ask) (any, error) {
	id, u, err := k.session()
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	from, total, err := contentRange(k.r.Header.Get("Content-Range"), u.size, k.r.ContentLength)
	if err != nil {
		return nil, err
	}
	if from > u.size { // a piece is missing: who sends learns what is here
		return nil, k.more(u)
	}
	if from >= 0 {
		if _, err := io.CopyN(io.Discard, k.r.Body, u.size-from); err != nil && err != io.EOF { // sent again
			return nil, problem.Refuse("Reading request: %v", err)
		}
		if err := u.add(k.r.Body); err != nil {
			return nil, problem.Refuse("Reading request: %v", err)
		}
	}
	if total < 0 || u.size < total {
		return nil, k.more(u)
	}
	k.forget(id)
	k.r.URL.RawQuery = u.conditions
	k.query = k.r.URL.Query()
	o, err := k.finish(u)
	if err != nil {
		u.discard()
		return nil, err
	}
	return o.shown(k.host()), nil
}

func (k *ask) forget(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.uploads, id)
}

// more says that an upload is not at its end, as clients want it: some cannot take 308,
// which is a redirect elsewhere.
func (k *ask) more(u *upload) error {
	if u.size > 0 {
		k.w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.size-1))
	}
	if k.r.Header.Get("X-GUploader-No-308") == "yes" {
		k.w.Header().Set("X-HTTP-Status-Code-Override", "308")
		k.w.WriteHeader(http.StatusOK)
		return nil
	}
	k.w.WriteHeader(http.StatusPermanentRedirect)
	return nil
}

// contentRange is where a piece begins, -1 of none, and how much there is in all, -1 where
// that is not known yet. Without the header it is all that is left.
func contentRange(text string, size, length int64) (from, total int64, err error) {
	if text == "" {
		return size, size + max(length, 0), nil
	}
	bad := problem.New(400, "invalid", "", "Failed to parse Content-Range header.")
	span, all, ok := strings.Cut(strings.TrimPrefix(text, "bytes "), "/")
	if !ok {
		return 0, 0, bad
	}
	total = -1
	if all != "*" {
		if total, err = strconv.ParseInt(all, 10, 64); err != nil {
			return 0, 0, bad
		}
	}
	if span == "*" {
		return -1, total, nil
	}
	begin, _, _ := strings.Cut(span, "-")
	if from, err = strconv.ParseInt(begin, 10, 64); err != nil {
		return 0, 0, bad
	}
	return from, total, nil
}

func cancelWrite(k *ask) (any, error) {
	id, u, err := k.session()
	if err != nil {
		return nil, err
	}
	k.forget(id)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.discard()
	k.w.WriteHeader(499) // as Google answers it
	return nil, nil
}
