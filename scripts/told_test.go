package scripts

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConsoleTells: what the script prints is what is read back, whatever else is on the
// console, and as often as a console forgets.
func TestConsoleTells(t *testing.T) {
	g := newGuest(t)
	console := filepath.Join(g.dir, "console")
	read := func(path string) map[string]string {
		text, err := os.ReadFile(console)
		if err != nil {
			t.Fatal(err)
		}
		return Told(strings.ReplaceAll(string(text), "\n", "\r\n"), path)
	}
	for name, text := range map[string]string{"console": "[    1.000000] no end of line", "ssh_host_ed25519_key.pub": "ssh-ed25519 AAAAC3Nza root@x\n"} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const header = "HOST_KEYS=$TEST_DIR; systemctl() { :; }; put() { local f=$1; f=${f/#\\/usr/$TEST_DIR/usr}; f=${f/#\\/etc/$TEST_DIR/etc}; mkdir -p \"${f%/*}\"; cat >\"$f\"; }\n"
	g.server.Close() // nobody hears of guest attributes
	g.want("hakube: mounting: the disk's name\n", header+`sleep() { :; }; phase "mounting: the disk's name" 0 2>/dev/null`)
	want := map[string]string{"hostkeys/ssh-ed25519": "AAAAC3Nza"}
	if got := read("hostkeys/"); !maps.Equal(got, want) {
		t.Errorf("host keys %q, want %q", got, want)
	}
	if got := read("hakube/phase"); got["hakube/phase"] != "mounting: the disk's name" {
		t.Errorf("phase %q", got)
	}
	if err := os.WriteFile(console, []byte("all of it was pushed out\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g.want("", header+`keep_telling; bash "$TEST_DIR/usr/local/sbin/hakube-tells"`)
	if got := read("hostkeys/"); !maps.Equal(got, want) {
		t.Errorf("host keys after an hour %q, want %q", got, want)
	}
	if got := read("hakube/"); got["hakube/phase"] != "mounting: the disk's name" {
		t.Errorf("phase after an hour %q", got)
	}
	g.want("", `rm "$CONSOLE"; tell_console a/b c`) // a machine without the port
	if _, err := os.Stat(console); err == nil {
		t.Error("a file was made where there is no serial port")
	}
}

// TestTold: damaged lines, those of others and those of an earlier boot do not count.
func TestTold(t *testing.T) {
	const start = "[    0.000000] Linux version 6.1.0-40-cloud-amd64 (debian-kernel@lists.debian.org)\n"
	key := Tell("b1", "hostkeys/ssh-rsa", "AAAA")
	for name, test := range map[string]struct{ console, path, want string }{
		"one":                           {key + "\n", "hostkeys/", "hostkeys/ssh-rsa=AAAA"},
		"without its end":               {key[:len(key)-1] + "\n", "hostkeys/", ""},
		"another value":                 {strings.Replace(key, "AAAA", "BBBB", 1) + "\n", "hostkeys/", ""},
		"printed into":                  {key[:40] + "[   77.1] eth0: up\n" + key[40:] + "\n", "hostkeys/", ""},
		"after somebody's words":        {"login: " + key + "\n", "hostkeys/", ""},
		"the script's own log":          {"startup-script: " + key + "\n", "hostkeys/", ""},
		"another name":                  {key + "\n", "hakube/", ""},
		"no part of a name":             {Tell("b1", "hakube/phases", "x") + "\n", "hakube/phase", ""},
		"the last word":                 {Tell("b1", "hakube/phase", "starting etcd") + "\n" + Tell("b1", "hakube/phase", "running") + "\n", "hakube/phase", "hakube/phase=running"},
		"a new boot, by its kernel":     {Tell("b1", "hakube/phase", "running") + "\n" + start, "hakube/phase", ""},
		"a new boot, by its word":       {Tell("b1", "hakube/phase", "running") + "\n" + Tell("b2", "hostkeys/ssh-rsa", "AAAA") + "\n", "hakube/phase", ""},
		"a kernel that somebody quotes": {key + "\nhe said [    0.000000] Linux version 6\n", "hostkeys/", "hostkeys/ssh-rsa=AAAA"},
	} {
		got := ""
		for k, v := range Told(start+test.console, test.path) {
			got += k + "=" + v
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
