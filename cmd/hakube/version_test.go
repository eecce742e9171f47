package main

import (
	"runtime/debug"
	"testing"
)

// TestVersion: a release has its tag, what "go install" built has what the go
// command recorded, and whatever else says that it is no release.
func TestVersion(t *testing.T) {
	at := func(version, revision string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: revision}}}
	}
	for _, x := range []struct {
		linked       string
		info         *debug.BuildInfo
		name, commit string
	}{
		{"v0.1.0", at("(devel)", "0123abc"), "v0.1.0", "0123abc"},
		{"", at("v0.1.1-0.20261128133000-0123abc", "0123abc"), "v0.1.1-0.20261128133000-0123abc", "0123abc"},
		{"", at("(devel)", ""), "unreleased", ""},
		{"", nil, "unreleased", ""},
	} {
		if name, commit := built(x.linked, x.info); name != x.name || commit != x.commit {
			t.Errorf("built(%q, %+v) is %q, %q; not %q, %q", x.linked, x.info, name, commit, x.name, x.commit)
		}
	}
}
