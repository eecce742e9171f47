package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCheck(t *testing.T) {
	for name, good := range map[string]bool{
		"debian-12":                       true,
		"debian-12-bookworm-v20260101":    true,
		"debian-120":                      false,
		"debian-11-bullseye-v20260101":    false,
		"cos-stable-121-18867-294-73":     false,
		"":                                false,
		"ubuntu-2404-noble-amd64-v202601": false,
	} {
		err := Check(name)
		if (err == nil) != good {
			t.Errorf("Check(%q) = %v", name, err)
		}
		var hinter interface{ Hint() string }
		if err != nil && !errors.As(err, &hinter) {
			t.Errorf("Check(%q) gives no hint", name)
		}
	}
}

func TestSettingsFollowTheHost(t *testing.T) {
	plain := host{}.settings()
	if len(plain) != 2 || strings.Contains(fmt.Sprint(plain), "oom") || strings.Contains(fmt.Sprint(plain), "failCgroupV1") {
		t.Errorf("a host that lacks nothing needs only kube-proxy's conntrack settings and the kubelet's evictions, got %v", plain)
	}
	poor := host{cgroup1: true, noSysResource: true}.settings()
	for name, want := range map[string]string{
		"/etc/hakube/kubelet.conf.d/10-host.conf": "failCgroupV1: false\noomScoreAdj: 0\n",
		"/etc/hakube/containerd.d/10-host.toml":   "restrict_oom_score_adj = true",
		"/etc/hakube/kube-proxy.conf":             "maxPerCore: 0\n  min: 0\noomScoreAdj: 0\n",
	} {
		if !strings.Contains(poor[name], want) {
			t.Errorf("%s is %q, want it to have %q", name, poor[name], want)
		}
	}
	if (host{}).hash() == (host{cgroup1: true}).hash() {
		t.Error("hosts with different settings share an image")
	}
}

func TestSourcesTakesOnlyDebianItself(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc/apt/sources.list.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "etc/apt", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := sources(root); got != nil {
		t.Errorf("no sources give %q", got)
	}
	put("sources.list", "# deb http://old.example bookworm main\n"+
		"deb http://near.example/debian bookworm main contrib # ours\n"+
		"deb-src http://near.example/debian bookworm main\n"+
		"deb http://near.example/debian trixie main\n")
	put("sources.list.d/docker.list", "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example bookworm stable main\n")
	put("sources.list.d/debian.sources", "Types: deb deb-src\nURIs: http://sec.example/\n# a remark\n"+
		"Suites: bookworm-security\n bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"+
		"Types: deb\nEnabled: no\nURIs: http://off.example/\nSuites: bookworm-updates\nComponents: main\n")
	want := []string{
		"deb http://near.example/debian bookworm main",
		"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://sec.example/ bookworm-security main",
	}
	if diff := cmp.Diff(want, sources(root)); diff != "" {
		t.Error(diff)
	}
}

// TestBuild builds the image for real, into the cache of whoever runs the
// test, so that it costs a minute once and nothing later.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("quick tests build no image: it takes a minute, and Debian's packages")
	}
	if os.Geteuid() != 0 {
		t.Skip("building a root file system needs root")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("mmdebstrap is not installed")
	}
	dir := os.Getenv("HAKUBE_CACHE_DIR")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			t.Skip(err)
		}
		dir = filepath.Join(user, "hakube")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	start := time.Now()
	rootfs, err := Build(ctx, Options{Dir: dir, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("image in %s after %s", rootfs, time.Since(start).Round(time.Millisecond))
	for _, name := range []string{"sbin/init", "usr/bin/google_guest_agent", "usr/bin/google_metadata_script_runner",
		"usr/sbin/sshd", "usr/bin/sudo", "usr/sbin/netplan", "lib/systemd/systemd-networkd", "lib/systemd/systemd-resolved",
		"lib/systemd/systemd-timesyncd", "usr/bin/unattended-upgrade", "usr/sbin/iptables", "etc/hakube/kubelet.conf.d", "etc/hakube/containerd.d", "etc/hakube/kube-proxy.conf"} {
		if _, err := os.Lstat(filepath.Join(rootfs, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"etc/ssh/ssh_host_ed25519_key", "etc/machine-id"} {
		if _, err := os.Lstat(filepath.Join(rootfs, name)); err == nil {
			t.Errorf("%s would be shared by all machines", name)
		}
	}
	for _, name := range []string{"usr/sbin/nft", "usr/sbin/conntrack"} {
		if _, err := os.Lstat(filepath.Join(rootfs, name)); err == nil {
			t.Errorf("%s is in no image of Google's", name)
		}
	}
	if to, err := os.Readlink(filepath.Join(rootfs, "etc/resolv.conf")); err != nil || to != resolvConf {
		t.Errorf("resolv.conf leads to %q, %v", to, err)
	}
	defs, err := os.ReadFile(filepath.Join(rootfs, "etc/login.defs"))
	for name, number := range accountNumbers {
		if !strings.Contains(string(defs), "\n"+name+"\t"+number+"\n") {
			t.Errorf("login.defs has not %s %s (%v)", name, number, err)
		}
	}
	if again, err := Build(ctx, Options{Dir: dir, Progress: func(s string) { t.Errorf("a cached image still says %q", s) }}); err != nil || again != rootfs {
		t.Errorf("building again: %q, %v", again, err)
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	_, err := Build(t.Context(), Options{Dir: dir})
	var hinter interface{ Hint() string }
	if !errors.As(err, &hinter) || hinter.Hint() == "" {
		t.Fatalf("Build without mmdebstrap: %v, want an error with a hint", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "image", "*.part"))
	if len(left) > 0 {
		t.Errorf("a build that failed left %v", left)
	}
}
