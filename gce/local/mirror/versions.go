package mirror

import (
	"os"
	"path/filepath"
	"runtime"
)

// Versions of everything, as the startup script asks for them
// (scripts/startup/05-versions.sh); a test there keeps the two equal.
const (
	Kubernetes = "v1.36.3"
	Etcd       = "3.6.8"
	Containerd = "2.2.9"
	Runc       = "1.5.2"
	CNI        = "1.9.1"
	Pause      = "3.10.2"  // kubeadm's constants for 1.36
	CoreDNS    = "v1.14.2" // the same
)

// arch is the machines' architecture: the host's.
const arch = runtime.GOARCH

// CacheDir is where artefacts that take long to make are kept, this package's
// and the guest image: $HAKUBE_CACHE_DIR, or hakube in the user's cache.
func CacheDir() (string, error) {
	if d := os.Getenv("HAKUBE_CACHE_DIR"); d != "" {
		return filepath.Abs(d)
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(d, "hakube"), nil
}
