package doc

import (
	"strings"
	"testing"
)

// TestFingerprintAlphabet is gcloud's: it reads and writes no other.
func TestFingerprintAlphabet(t *testing.T) {
	for i := range 100 {
		if f := Fingerprint(i); strings.ContainsAny(f, "+/") {
			t.Fatalf("fingerprint %s", f)
		}
	}
}
