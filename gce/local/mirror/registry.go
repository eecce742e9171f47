package mirror

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Handler serves /HOST/PATH as https://HOST/PATH would be, and /v2/ as the
// registry of all images.
func (m *Mirror) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the mirror is for reading only", http.StatusMethodNotAllowed)
			return
		}
		for _, l := range []*late{m.addons, m.ingress, m.upstream} {
			if l.has(r.URL.Path) {
				l.ServeHTTP(w, r)
				return
			}
		}
		trees, images := m.findOthers()
		if r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") {
			images.ServeHTTP(w, r)
			return
		}
		for _, tree := range trees {
			if serveFile(w, r, http.Dir(tree)) {
				return
			}
		}
		http.Error(w, "not in the mirror: "+r.URL.Path, http.StatusNotFound)
	})
}

// serveFile tells false if there is no such file in the tree.
func serveFile(w http.ResponseWriter, r *http.Request, tree http.Dir) bool {
	f, err := tree.Open(r.URL.Path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", info.ModTime(), f)
	return true
}

// registry serves image layouts by the OCI distribution protocol, reading only.
// It stands for every registry at once: a request's ?ns= is not looked at, as
// the names of its images do not collide.
type registry struct {
	tags  map[string]v1.Descriptor // "kube-proxy:v1.36.3"
	blobs []string                 // directories of blobs
}

func openRegistry(layouts ...string) (*registry, error) {
	r := &registry{tags: map[string]v1.Descriptor{}}
	for _, dir := range layouts {
		b, err := os.ReadFile(filepath.Join(dir, "index.json"))
		if err != nil {
			return nil, fmt.Errorf("opening images: %w", err)
		}
		var index v1.IndexManifest
		if err := json.Unmarshal(b, &index); err != nil {
			return nil, fmt.Errorf("reading images in %s: %w", dir, err)
		}
		for _, d := range index.Manifests {
			r.tags[d.Annotations[refName]] = d
		}
		r.blobs = append(r.blobs, filepath.Join(dir, "blobs", "sha256"))
	}
	return r, nil
}

var registryPath = regexp.MustCompile(`^/v2/([a-z0-9._/-]+)/(manifests|blobs)/([A-Za-z0-9._:-]+)$`)

const sha256Prefix = "sha256:"

func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if req.URL.Path == "/v2/" || req.URL.Path == "/v2" {
		return
	}
	m := registryPath.FindStringSubmatch(req.URL.Path)
	if m == nil {
		unknown(w, "NAME_UNKNOWN", req.URL.Path)
		return
	}
	repository, what, digest := m[1], m[2], m[3]
	media := "application/octet-stream"
	if what == "manifests" {
		media = "application/vnd.docker.distribution.manifest.v2+json"
		for tag, d := range r.tags {
			if tag == repository+":"+digest || strings.HasPrefix(tag, repository+":") && d.Digest.String() == digest {
				digest, media = d.Digest.String(), string(d.MediaType)
				break
			}
		}
	}
	hex, ok := strings.CutPrefix(digest, sha256Prefix)
	if !ok || !hexDigest.MatchString(hex) {
		unknown(w, "MANIFEST_UNKNOWN", repository+":"+digest)
		return
	}
	for _, dir := range r.blobs {
		f, err := os.Open(filepath.Join(dir, hex))
		if err != nil {
			continue
		}
		defer func() { _ = f.Close() }() // only read
		info, err := f.Stat()
		if err != nil {
			break
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Docker-Content-Digest", digest)
		http.ServeContent(w, req, "", info.ModTime(), f)
		return
	}
	unknown(w, "BLOB_UNKNOWN", repository+"@"+digest)
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func unknown(w http.ResponseWriter, code, what string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"not in the mirror","detail":%q}]}`+"\n", code, what)
}
