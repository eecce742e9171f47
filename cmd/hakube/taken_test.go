package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hakube/gce/local/mirror"
)

// TestTakenIsTrue asks Kubernetes' own programs, and the types of their configurations, whether
// scripts/testdata/taken.txt is true of each minor: as far as those versions are in the cache.
func TestTakenIsTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("the programs of three minors take seconds")
	}
	text, err := os.ReadFile("../../scripts/testdata/taken.txt")
	must(t, err)
	cache, err := mirror.CacheDir()
	must(t, err)
	for _, version := range mirror.Versions() {
		t.Run(version, func(t *testing.T) {
			bin, err := mirror.CachedPrograms(t.Context(), mirror.Options{Dir: cache}, version)
			must(t, err)
			if bin == "" {
				t.Skipf("Kubernetes %s was not built here: hakube local prepare --kubernetes=%s does", version, version)
			}
			asked := &takers{t: t, bin: bin, version: version, said: map[string]string{}}
			minor := version[:strings.LastIndex(version, ".")]
			rows := 0
			for line := range strings.Lines(string(text)) {
				what, by, ok := strings.Cut(strings.TrimSpace(line), ": ")
				if !ok || strings.HasPrefix(what, "Which ") {
					continue
				}
				says := ""
				for _, m := range strings.Fields(by) {
					if m == minor || strings.HasPrefix(m, minor+"-") {
						says = m
					}
				}
				if what == "minors" {
					if says == "" {
						t.Fatalf("the table is not of %s", minor)
					}
					continue
				}
				rows++
				if is := asked.take(what, minor); is != says {
					t.Errorf("%s: the table says %q, and it is %q", what, says, is)
				}
			}
			if rows < 80 {
				t.Errorf("the table has %d rows", rows)
			}
		})
	}
}

// takers are the programs of a version.
type takers struct {
	t            *testing.T
	bin, version string
	said         map[string]string // their help, and types
}

// take is what the table is to say of the minor: nothing of what it does not take.
func (x *takers) take(what, minor string) string {
	program, rest, _ := strings.Cut(what, " ")
	if strings.Contains(program, "/") {
		if !regexp.MustCompile(`json:"` + regexp.QuoteMeta(rest) + `[",]`).MatchString(x.types(program)) {
			return ""
		}
		return minor
	}
	command, option, isOption := strings.Cut(what, " --")
	help := x.help(command)
	if !isOption {
		if !regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(command) + `\s`).MatchString(help) {
			return ""
		}
		return minor
	}
	line := regexp.MustCompile(`(?m)^\s+(?:-[a-z], )?--` + regexp.QuoteMeta(option) + `\b.*(?:\n\s{10,}[^-\s].*)*`).FindString(help)
	switch {
	case line == "":
		return ""
	case strings.Contains(line, "DEPRECATED"):
		return minor + "-deprecated"
	}
	return minor
}

// help is what a program or a command of it says of itself.
func (x *takers) help(command string) string {
	if x.said[command] == "" {
		args := strings.Fields(command)
		out, err := exec.Command(filepath.Join(x.bin, args[0]), append(args[1:], "--help")...).CombinedOutput()
		if err != nil {
			x.t.Fatalf("%s --help: %v\n%s", command, err, out)
		}
		x.said[command] = string(out)
	}
	return x.said[command]
}

// types are the source of a configuration's, out of the module that the programs were built of.
func (x *takers) types(api string) string {
	module, path := "k8s.io/kubernetes@"+x.version, "cmd/kubeadm/app/apis/kubeadm/"
	of := "k8s.io/%@v0" + strings.TrimPrefix(x.version, "v1")
	switch {
	case strings.HasPrefix(api, "kubelet."):
		module, path = strings.Replace(of, "%", "kubelet", 1), "config/"
	case strings.HasPrefix(api, "kubeproxy."):
		module, path = strings.Replace(of, "%", "kube-proxy", 1), "config/"
	}
	if x.said[api] == "" {
		modules, err := exec.Command("go", "env", "GOMODCACHE").Output()
		must(x.t, err)
		dir := filepath.Join(strings.TrimSpace(string(modules)), module, path)
		for _, at := range []string{api[strings.Index(api, "/")+1:], "../bootstraptoken/v1"} { // the second is part of kubeadm's first
			text, err := os.ReadFile(filepath.Join(dir, at, "types.go"))
			if err != nil && !strings.HasPrefix(at, "..") {
				x.t.Skipf("the module that it was built of is here no more: %v", err)
			}
			x.said[api] += string(text)
		}
	}
	return x.said[api]
}
