// Package console is the embedded GCE for people: one page, behind the daemon's gate, that
// shows what is there and what goes on. It looks through the API's own eyes and
// changes nothing; that it looks is not counted.
package console

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"hakube/gce/emulator"
)

// Path is where the page is, on the endpoint of the API.
const Path = "/console/"

//go:embed page
var files embed.FS

// Handler serves the page. about is what the daemon knows of itself.
func Handler(api *emulator.Server, about About) http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the name of an embedded directory
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+Path, http.StripPrefix(Path, http.FileServerFS(page)))
	mux.HandleFunc("GET "+Path+"data", func(w http.ResponseWriter, r *http.Request) {
		reply(w, look(api, about, filterOf(r.URL.Query().Get("filter"))))
	})
	mux.HandleFunc("GET "+Path+"serial", func(w http.ResponseWriter, r *http.Request) { serial(w, r, api) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Nothing from elsewhere, nothing inline: what machines print is only ever text.
		w.Header().Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// tail is how much of a console is shown when it is opened, in bytes.
const tail = 16 << 10

// serial is what a machine printed from byte start on; without start its tail.
func serial(w http.ResponseWriter, r *http.Request, api *emulator.Server) {
	q := r.URL.Query()
	path := "projects/" + url.PathEscape(q.Get("project")) + "/zones/" + url.PathEscape(q.Get("zone")) + "/instances/" + url.PathEscape(q.Get("name")) + "/serialPort"
	start, from := q.Get("start"), ""
	if start != "" {
		from = "?start=" + url.QueryEscape(start)
	}
	out, err := api.Ask(http.MethodGet, path+from, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	text, next := str(out, "contents"), str(out, "next")
	if start == "" && len(text) > tail {
		text = strings.ToValidUTF8(text[len(text)-tail:], "")
	}
	n, _ := strconv.ParseInt(next, 10, 64) // a number, as the API documents it
	reply(w, map[string]any{"text": text, "next": n})
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // who asked may be gone; there is nobody to tell then
}
