package image

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestArchive: machines get packages of the archives this host uses, and nothing of
// any other host, or of the same one beside them.
func TestArchive(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Host+r.URL.Path)
	}))
	t.Cleanup(origin.Close)
	proxy := httptest.NewServer(archiveOf([]string{"deb [signed-by=/k.gpg] " + origin.URL + "/debian bookworm main", "deb https://other.example/debian bookworm main"}))
	t.Cleanup(proxy.Close)
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(at)}}
	host := strings.TrimPrefix(origin.URL, "http://")
	for target, want := range map[string]string{
		origin.URL + "/debian/dists/bookworm/InRelease": host + "/debian/dists/bookworm/InRelease",
		origin.URL + "/secret":                          "",
		origin.URL + "/debianx/y":                       "",
		origin.URL + "/debian/%2e%2e/secret":            "",
		"http://169.254.169.254/computeMetadata/v1/":    "",
		"http://other.example/debian/dists":             "",
	} {
		answer, err := client.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if want == "" && answer.StatusCode != http.StatusForbidden || want != "" && string(text) != want {
			t.Errorf("%s: %s, %q, %v, want %q", target, answer.Status, text, err, want)
		}
	}
	// What is meant for the proxy itself is none of an archive either.
	rec := httptest.NewRecorder()
	archiveOf(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "http://archive.example/debian/x", nil))
	if rec.Code != http.StatusForbidden {
		t.Errorf("a POST is answered with %d", rec.Code)
	}
}
