package mirror

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"strings"
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

// Pins of the modules to build. They end in .in, because a directory with a
// go.mod of its own could not be embedded.
//
//go:embed build/*/*.in
var pins embed.FS

// A component is one project's programs.
type component struct {
	name string
	pins string   // the component whose modules these are, "" for its own
	args []string // to go build
	// libraries are Debian packages to compile with. Any means cgo.
	libraries []string
	// programs are what to build: the file's name and the package.
	programs [][2]string
	// tests are programs too, which are a package's tests.
	tests [][2]string
	// mains are programs whose source is here, beside the pins: NAME.go.in.
	mains []string
	// patches are modules with a file of ours, which the pins have in a directory beside them.
	patches []patch
	// assets are the official files: what is fetched, or made of the programs.
	assets []asset
}

// A patch is a module in which one file is another one, SOURCE.in beside the pins.
type patch struct{ module, version, dir, file, source string }

// An asset is one official file.
type asset struct {
	url  string
	sums string // URL of its checksums
	// members of an archive: directory inside it, and programs. Without, the
	// asset is the one program itself.
	dir      string
	programs []string
}

// releases is where Kubernetes' programs are, of all versions.
const releases = "https://dl.k8s.io/release/"

func released(version string) string { return releases + version + "/bin/linux/" + arch + "/" }

var k8s = released(Kubernetes)

func components() []component {
	github := "https://github.com/"
	containerd := github + "containerd/containerd/releases/download/v" + Containerd + "/containerd-" + Containerd + "-linux-" + arch + ".tar.gz"
	cni := github + "containernetworking/plugins/releases/download/v" + CNI + "/cni-plugins-linux-" + arch + "-v" + CNI + ".tgz"
	etcd := github + "etcd-io/etcd/releases/download/v" + Etcd + "/"
	runc := github + "opencontainers/runc/releases/download/v" + Runc + "/"
	plugins := "github.com/containernetworking/plugins/plugins/"
	return []component{
		kubernetes("kubernetes", "kubernetes", Kubernetes),
		{
			name: "etcd",
			programs: [][2]string{
				{"etcd", "go.etcd.io/etcd/server/v3"}, {"etcdctl", "go.etcd.io/etcd/etcdctl/v3"}, {"etcdutl", "go.etcd.io/etcd/etcdutl/v3"},
			},
			assets: []asset{{
				url: etcd + "etcd-v" + Etcd + "-linux-" + arch + ".tar.gz", sums: etcd + "SHA256SUMS",
				dir: "etcd-v" + Etcd + "-linux-" + arch, programs: []string{"etcd", "etcdctl", "etcdutl"},
			}},
		},
		{
			name: "containerd",
			args: []string{"-ldflags=-s -w -X github.com/containerd/containerd/v2/version.Version=v" + Containerd},
			programs: [][2]string{
				{"containerd", "github.com/containerd/containerd/v2/cmd/containerd"},
				{"containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
				{"ctr", "github.com/containerd/containerd/v2/cmd/ctr"},
			},
			assets: []asset{{url: containerd, sums: containerd + ".sha256sum", dir: "bin", programs: []string{"containerd", "containerd-shim-runc-v2", "ctr"}}},
		},
		{
			// cgo, because runc enters namespaces before Go's runtime starts; static,
			// since the guest's C library need not be the host's; seccomp, or
			// containers that ask for it do not start, and kubeadm's all do.
			name: "runc", libraries: []string{"libseccomp-dev"},
			args:     []string{"-tags=seccomp,netgo,osusergo", "-ldflags=-s -w -extldflags=-static"},
			programs: [][2]string{{"runc", "github.com/opencontainers/runc"}},
			assets:   []asset{{url: runc + "runc." + arch, sums: runc + "runc.sha256sum", programs: []string{"runc"}}},
		},
		{
			name: "cni",
			args: []string{"-ldflags=-s -w -X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v" + CNI},
			programs: [][2]string{
				{"bridge", plugins + "main/bridge"}, {"loopback", plugins + "main/loopback"}, {"ptp", plugins + "main/ptp"},
				{"host-local", plugins + "ipam/host-local"}, {"portmap", plugins + "meta/portmap"},
			},
			assets: []asset{{url: cni, sums: cni + ".sha256", dir: ".", programs: []string{"bridge", "loopback", "ptp", "host-local", "portmap"}}},
		},
		coredns("coredns"),
	}
}

// coredns of one version or the other: the pins that it is named by say which.
func coredns(name string) component {
	return component{name: name, programs: [][2]string{{"coredns", "github.com/coredns/coredns"}}}
}

// kubernetes' version is in variables that its own build sets (hack/lib/version.sh).
func kubernetes(name, pins, version string) component {
	minor := strings.Split(version, ".")[1]
	flags := "-s -w"
	for _, p := range []string{"k8s.io/component-base/version.", "k8s.io/client-go/pkg/version."} {
		flags += " -X " + p + "gitVersion=" + version + " -X " + p + "gitMajor=1 -X " + p + "gitMinor=" + minor + " -X " + p + "gitTreeState=clean -X " + p + "gitCommit=unknown"
	}
	c := component{name: name, pins: pins, args: []string{"-ldflags=" + flags}}
	for _, program := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubeadm", "kubectl"} {
		c.programs = append(c.programs, [2]string{program, "k8s.io/kubernetes/cmd/" + program})
	}
	for _, program := range []string{"kubelet", "kubeadm", "kubectl"} {
		c.assets = append(c.assets, asset{url: released(version) + program, sums: released(version) + program + ".sha256", programs: []string{program}})
	}
	return c
}

// pinFiles are the names of the files that pin a component's modules.
var pinFiles = []string{"go.mod", "go.sum", "tools.go"}

// pinned are the files that pin the component's modules, by their real names.
func (c component) pinned() (map[string][]byte, error) {
	of := cmp.Or(c.pins, c.name)
	files := map[string][]byte{}
	for _, name := range pinFiles {
		b, err := fs.ReadFile(pins, path.Join("build", of, name+".in"))
		if err != nil {
			return nil, fmt.Errorf("reading pins of %s: %w", c.name, err)
		}
		files[name] = b
	}
	for _, name := range c.mains {
		b, err := fs.ReadFile(pins, path.Join("build", of, name+".go.in"))
		if err != nil {
			return nil, fmt.Errorf("reading the source of %s: %w", name, err)
		}
		files[path.Join(name, "main.go")] = b
	}
	for _, p := range c.patches {
		b, err := fs.ReadFile(pins, path.Join("build", of, p.source+".in"))
		if err != nil {
			return nil, fmt.Errorf("reading what is other in %s: %w", p.module, err)
		}
		files[path.Join(p.dir, p.file)] = b
	}
	return files, nil
}
