package scripts

import (
	"embed"
	"fmt"
	"regexp"
	"strings"
)

// What is sent over ssh, `sudo -n bash -s -- args` with the script on stdin.
// Each begins with a line `# hakube: <name>`, answers on stdout only, says on
// stderr why it cannot, and may be run twice.
var (
	//go:embed etcd-status.sh
	// EtcdStatus prints what a master's members know of both rings, as JSON.
	EtcdStatus string

	//go:embed admin-kubeconfig.sh
	// AdminKubeconfig prints the cluster administrator's kubeconfig.
	AdminKubeconfig string

	//go:embed pod-routes.sh
	// PodRoutes prints which machines keep what is sent to their pods.
	PodRoutes string

	//go:embed diagnose.sh
	// Diagnose prints a page of text: why is this machine not up.
	Diagnose string
)

//go:embed startup/*.sh
var startup embed.FS

// MaxMetadataValue is what one metadata value may hold on Google, in bytes.
const MaxMetadataValue = 256 << 10

// Startup returns the startup-script. It is the same for masters and nodes. The programs that
// a master makes backups with are in it, and nobody else has to have them.
func Startup() string {
	return functions + program("backup_program", Backup) + program("keep_backups_program", keepBackups) +
		concat(func(file string) bool { return file == lastFile })
}

// lastFile begins.
const lastFile = "99-run.sh"

// program is a function that prints a program.
func program(name, text string) string {
	return name + "() {\n\tcat <<'HAKUBE-PROGRAM'\n" + strings.TrimSuffix(text, "\n") + "\nHAKUBE-PROGRAM\n}\n\n"
}

//go:embed keep-backups.sh
var keepBackups string

// concat joins the files of startup/ that want takes, in the order of their names.
func concat(want func(name string) bool) string {
	entries, err := startup.ReadDir("startup")
	if err != nil {
		panic(err) // embedded: cannot be absent
	}
	var b strings.Builder
	for _, e := range entries {
		if !want(e.Name()) {
			continue
		}
		text, err := startup.ReadFile("startup/" + e.Name())
		if err != nil {
			panic(err)
		}
		b.WriteString(strings.TrimPrefix(string(text), "# shellcheck shell=bash\n"))
		b.WriteByte('\n')
	}
	return b.String()
}

var version = regexp.MustCompile(`(?m)^([A-Z]+)_VERSION=(\S+)`)

// Versions returns what the startup-script installs: containerd, runc, cni,
// etcd, pause, and kubernetes when the metadata names none. The numbers are
// those of the download's name, so kubernetes has a leading v and the others
// do not.
func Versions() map[string]string {
	text, err := startup.ReadFile("startup/05-versions.sh")
	if err != nil {
		panic(err)
	}
	versions := map[string]string{}
	for _, m := range version.FindAllStringSubmatch(string(text), -1) {
		versions[strings.ToLower(m[1])] = m[2]
	}
	return versions
}

// Name returns the name a script says it has in its line `# hakube: <name>`,
// which is how a model guest knows what it is asked.
func Name(script string) (string, error) {
	for line := range strings.Lines(script) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "# hakube: "); ok {
			return name, nil
		}
		if !strings.HasPrefix(line, "#") {
			break
		}
	}
	return "", fmt.Errorf("finding the name of a script: no line `# hakube: <name>` before its first command")
}
