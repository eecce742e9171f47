package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFresh holds the embedded document to the one in the module, and to the
// size it may add to the binary.
func TestFresh(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "google.golang.org/api/compute/v1").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "compute-api.json"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := subset(raw)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../compute.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("compute.json.gz is not what go generate makes")
	}
	if len(got) > 60<<10 {
		t.Errorf("%d bytes", len(got))
	}
}
