package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// all are the scripts as machines get them.
var all = map[string]string{
	"startup-script":   Startup(),
	"etcd-status":      EtcdStatus,
	"admin-kubeconfig": AdminKubeconfig,
	"diagnose":         Diagnose,
	"pod-routes":       PodRoutes,

	"etcd-member":        EtcdMember,
	"etcd-space":         EtcdSpace,
	"export-keys":        ExportKeys,
	"import-keys":        mustImport(),
	"start-etcd":         StartEtcd,
	"join-control-plane": JoinControlPlane,
	"retire":             Retire,
	"tend-machine":       TendMachine,
	"drill":              Drill,
	"backup":             Backup,
	"restore":            Restore,

	"rotate-certificates": RotateCertificates,
	"encryption-key":      EncryptionKey([]byte("x")),
	"authority":           Authority([]byte("x"), []byte("y")),
	"etcd-authority":      EtcdAuthority([]byte("x"), []byte("y")),
	"service-account-key": ServiceAccountKey([]byte("x")),
	"old-secrets":         OldSecrets,
	"keep-rings":          KeepRings,
	"versions":            LookVersions,
	"settle-version":      SettleVersion,
	"settle-address":      SettleAddress,
}

func mustImport() string {
	text, err := ImportKeys([]byte(`{"version":"v1.36.3","files":{"etcd/pki/ca.key":"QQ=="}}`))
	if err != nil {
		panic(err)
	}
	return text
}

func TestEachScriptSaysItsName(t *testing.T) {
	for want, text := range all {
		got, err := Name(text)
		if err != nil || got != want {
			t.Errorf("Name = %q, %v, want %q", got, err, want)
		}
		if !strings.HasPrefix(text, "#!/usr/bin/env bash\n") {
			t.Errorf("%s does not begin with bash's #! line", want)
		}
	}
	if name, err := Name("#!/bin/sh\necho\n# hakube: late\n"); err == nil {
		t.Errorf("Name = %q, want an error for a name after the first command", name)
	}
}

func TestStartupFitsIntoMetadata(t *testing.T) {
	if n := len(Startup()); n > MaxMetadataValue {
		t.Errorf("the startup-script has %d bytes, more than the %d of a metadata value", n, MaxMetadataValue)
	}
}

func TestVersions(t *testing.T) {
	versions := Versions()
	for _, name := range []string{"containerd", "runc", "cni", "etcd", "pause", "kubernetes"} {
		if versions[name] == "" {
			t.Errorf("no version of %s in %v", name, versions)
		}
	}
}

// The mirror of the embedded GCE has one version of each, and it may not import
// this package, so its constants are read.
func TestMirrorHasOurVersions(t *testing.T) {
	text, err := os.ReadFile("../gce/local/mirror/component.go")
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\s+([A-Z][A-Za-z]+)\s*= "(\S+)"`).FindAllStringSubmatch(string(text), -1) {
		theirs[strings.ToLower(m[1])] = m[2]
	}
	for name, version := range Versions() {
		if theirs[name] != version {
			t.Errorf("the startup-script wants %s %s, the mirror has %q", name, version, theirs[name])
		}
	}
}

func TestShellcheck(t *testing.T) {
	if testing.Short() {
		t.Skip("make check has make lint beside its tests, which reads the same files")
	}
	tool, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed: apt-get install shellcheck")
	}
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			// A file and not stdin, so that what it prints has a name.
			file := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"--shell=bash", file}
			if strings.Contains(text, "answer_with() {") && name != "startup-script" {
				args = append(args, "--exclude=SC2317") // it has functions it does not call
			}
			if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
