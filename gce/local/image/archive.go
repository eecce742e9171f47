package image

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Archive is the proxy that apt on machines asks (files/etc/apt): it hands on what is
// wanted of the archives that this host has its own Debian packages from, by http, and
// nothing else. So a script that installs a package is met here as at Google, and a
// source that cannot be reached, such as Google's own, is one that is broken.
func Archive() http.Handler { return archiveOf(sources("/")) }

func archiveOf(lines []string) http.Handler {
	var from []*url.URL
	for _, line := range lines {
		for _, word := range strings.Fields(line) {
			if u, err := url.Parse(word); err == nil && u.Scheme == "http" && u.Host != "" {
				from = append(from, u)
			}
		}
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.Host = r.In.URL.Host },
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: 30 * time.Second},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			http.Error(w, "asking "+r.URL.Host+" from the host: "+err.Error(), http.StatusBadGateway)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := slices.ContainsFunc(from, func(u *url.URL) bool {
			return r.URL.Scheme == "http" && r.URL.Host == u.Host && strings.HasPrefix(r.URL.Path, strings.TrimSuffix(u.Path, "/")+"/") && !strings.Contains(r.URL.Path, "..")
		})
		if !known || r.Method != http.MethodGet && r.Method != http.MethodHead {
			http.Error(w, "this host has no Debian packages from "+r.Host, http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}
