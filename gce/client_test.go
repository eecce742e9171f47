package gce

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"http://127.0.0.1:1":                 "http://127.0.0.1:1",
		"http://127.0.0.1:1/":                "http://127.0.0.1:1",
		"http://127.0.0.1:1/compute/v1/":     "http://127.0.0.1:1",
		"https://compute.googleapis.com":     "https://compute.googleapis.com",
		"https://compute.googleapis.com////": "https://compute.googleapis.com",
	} {
		if got, err := endpoint(in); got != want || err != nil {
			t.Errorf("endpoint(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"127.0.0.1:1", "localhost:1", "ftp://x", "http://"} {
		if got, err := endpoint(in); err == nil {
			t.Errorf("endpoint(%q) = %q, want an error", in, got)
		}
	}
}

func TestRegionAndBase(t *testing.T) {
	for in, want := range map[string]string{
		"europe-west1-b": "europe-west1", "us-central1-a": "us-central1", "europe-west1": "", "x": "", "": "",
	} {
		if got := Region(in); got != want {
			t.Errorf("Region(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Base("https://www.googleapis.com/compute/v1/projects/p/zones/z1"); got != "z1" {
		t.Errorf("Base = %q", got)
	}
	if got := Base("z1"); got != "z1" {
		t.Errorf("Base = %q", got)
	}
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "absent.json"))
	begin := time.Now()
	_, err := New(t.Context(), Options{Project: "p"})
	if err == nil || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v, want one line", err)
	}
	if h := hintOf(err); !strings.Contains(h, "gcloud auth application-default login") || !strings.Contains(h, "KUBERNETES_PROVIDER=local") {
		t.Errorf("hint %q", h)
	}
	if d := time.Since(begin); d > 30*time.Second {
		t.Errorf("took %s", d)
	}
}

func TestNoProject(t *testing.T) {
	_, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1"})
	if err == nil || !strings.Contains(hintOf(err), "PROJECT") {
		t.Errorf("got %v with hint %q", err, hintOf(err))
	}
}

func TestGcloudProject(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "active_config"), "work\n")
	write(filepath.Join(dir, "configurations", "config_work"), "[compute]\nproject = wrong\n\n[core]\naccount = a@example.com\n# project = commented\nproject = at-work\n")
	write(filepath.Join(dir, "configurations", "config_play"), "[core]\nproject=at-play\n")
	write(filepath.Join(home, ".config", "gcloud", "configurations", "config_default"), "[core]\nproject: at-home\n")
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"CLOUDSDK_CORE_PROJECT": "direct", "CLOUDSDK_CONFIG": dir}, "direct"},
		{map[string]string{"CLOUDSDK_CONFIG": dir}, "at-work"},
		{map[string]string{"CLOUDSDK_CONFIG": dir, "CLOUDSDK_ACTIVE_CONFIG_NAME": "play"}, "at-play"},
		{map[string]string{"CLOUDSDK_CONFIG": dir, "CLOUDSDK_ACTIVE_CONFIG_NAME": "absent"}, ""},
		{map[string]string{}, "at-home"},
		{map[string]string{"CLOUDSDK_CONFIG": home}, ""},
	} {
		got := gcloudProject(func(k string) string { return tt.env[k] }, func() (string, error) { return home, nil })
		if got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.env, got, tt.want)
		}
	}
}
