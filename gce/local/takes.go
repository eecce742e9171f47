package local

import (
	"fmt"

	"hakube/gce/local/image"
	"hakube/gce/local/mirror"
	"hakube/scripts/cure"
)

// Takes says what the first start with real machines takes; nothing when that
// was done before.
func Takes() ([]string, error) {
	if err := able(); err != nil {
		return nil, err
	}
	cache, err := mirror.CacheDir()
	if err != nil {
		return nil, noHome("cache", err, "HAKUBE_CACHE_DIR")
	}
	if image.Cached(image.Options{Dir: cache}) && mirror.Begun(mirror.Options{Dir: cache}) {
		return nil, nil
	}
	if err := lacking(cache, thisHost); err != nil {
		return nil, err
	}
	return []string{
		"real machines take a daemon that runs as root, and a network of its own in this machine's kernel, until it is stopped",
		fmt.Sprintf("what they boot and run is made first, once: about 13 minutes on two CPUs where it cannot be downloaded, and 3 GB of disk in %s", cache),
		cure.Hint("model machines take neither", cure.LocalModel()),
	}, nil
}
