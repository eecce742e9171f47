package mirror

import (
	"net/http"
	"strings"
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
		if m.late.has(r.URL.Path) {
			m.late.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") {
			m.registry.ServeHTTP(w, r)
			return
		}
		for _, tree := range m.trees {
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
