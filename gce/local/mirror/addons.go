package mirror

import "path"

// Versions of what addons run, as package addons asks for them (cluster/addons/addons.go); a
// test keeps the two equal.
const (
	// CloudController is the release of Google's cloud controller whose provider is the
	// newest module there is (k8s.io/cloud-provider-gcp/providers v0.28.2). Here it is built
	// over k8s.io/cloud-provider of Kubernetes' own version.
	CloudController = "v28.2.1"

	// The driver's own manifests ask for this image; built is the nearest module there is.
	DiskDriver       = "v1.26.0"
	DiskDriverModule = "v1.28.1"

	Provisioner = "v6.3.0"
	Attacher    = "v4.12.0"
	Resizer     = "v2.2.0"
	Snapshotter = "v8.6.0"
	Registrar   = "v2.17.0" // of the image; built is a program of ours

	MetricsServer   = "v0.9.0"
	NetworkPolicies = "v0.8.0"

	// Skipper is the Ingress controller of cluster/addons/examples/ingress, which users
	// apply themselves.
	Skipper = "v0.27.54"
)

// addonPrograms are built from one set of modules, so that what they share, Kubernetes'
// client above all, is compiled once.
func addonPrograms() component {
	const csi, metrics = "github.com/kubernetes-csi/", "sigs.k8s.io/metrics-server/cmd/metrics-server"
	c := component{
		name: "addons", args: []string{"-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=" + CloudController},
		programs: [][2]string{
			{"gce-pd-csi-driver", "sigs.k8s.io/gcp-compute-persistent-disk-csi-driver/cmd/gce-pd-csi-driver"},
			{"csi-provisioner", csi + "external-provisioner/v6/cmd/csi-provisioner"},
			{"csi-attacher", csi + "external-attacher/v4/cmd/csi-attacher"},
			{"csi-resizer", csi + "external-resizer/v2/cmd/csi-resizer"},
			{"csi-snapshotter", csi + "external-snapshotter/v8/cmd/csi-snapshotter"},
			{"snapshot-controller", csi + "external-snapshotter/v8/cmd/snapshot-controller"},
			{"csi-node-driver-registrar", "./csi-node-driver-registrar"},
			{"cloud-controller-manager", "./cloud-controller-manager"}, {"metrics-server", metrics},
			{"netpol", "sigs.k8s.io/kube-network-policies/cmd"},
		},
		patches: []patch{{"github.com/google/nftables", "v0.3.0", "nftables", "expr/queue.go", "nftables-queue.go"}},
		mains:   []string{"cloud-controller-manager", "csi-node-driver-registrar"},
	}
	// Each of volumes' says its version, and the driver ends without one.
	for i, version := range []string{DiskDriverModule, Provisioner, Attacher, Resizer, Snapshotter, Snapshotter} {
		c.args = append(c.args, "-ldflags="+c.programs[i][1]+"=-s -w -X main.version="+version)
	}
	// That of all others is in a library, where metrics-server looks for its own.
	c.args = append(c.args, "-ldflags="+metrics+"=-s -w -X k8s.io/component-base/version.gitVersion="+MetricsServer)
	return c
}

// addonRecipes are the images of addons, under their official names.
func addonRecipes() []recipe {
	list := []recipe{{
		ref: "cloud-provider-gcp/gcp-compute-persistent-disk-csi-driver:" + DiskDriver, component: "addons", program: "gce-pd-csi-driver",
		path: "gce-pd-csi-driver", certs: true, entrypoint: []string{"/gce-pd-csi-driver"},
		packages: []string{"bash", "dash", "coreutils", "e2fsprogs", "xfsprogs", "util-linux", "mount", "udev", "kmod"},
		over:     map[string]string{"lib/udev_containerized/scsi_id": serial, "lib/udev_containerized/google_nvme_id": noNVMe},
	}}
	for _, p := range [][2]string{
		{"cloud-provider-gcp/cloud-controller-manager", CloudController},
		{"sig-storage/csi-provisioner", Provisioner}, {"sig-storage/csi-attacher", Attacher}, {"sig-storage/csi-resizer", Resizer},
		{"sig-storage/csi-snapshotter", Snapshotter}, {"sig-storage/snapshot-controller", Snapshotter}, {"sig-storage/csi-node-driver-registrar", Registrar},
		{"metrics-server/metrics-server", MetricsServer},
	} {
		program := path.Base(p[0])
		list = append(list, recipe{ref: p[0] + ":" + p[1], component: "addons", program: program, path: program, certs: true, entrypoint: []string{"/" + program}})
	}
	return append(list, recipe{ref: "networking/kube-network-policies:" + NetworkPolicies, component: "addons", program: "netpol", path: "bin/netpol", certs: true, cmd: []string{"/bin/netpol"}})
}

// ingressProgram has modules of its own: what it shares with addons is little.
func ingressProgram() component {
	return component{name: "skipper", programs: [][2]string{{"skipper", "./skipper"}}, mains: []string{"skipper"}}
}

func ingressRecipes() []recipe {
	return []recipe{{ref: "zalando/skipper:" + Skipper, component: "skipper", program: "skipper", path: "usr/bin/skipper", certs: true, cmd: []string{"/usr/bin/skipper"}}}
}

// The driver asks a disk itself which one it is, by programs of the image. A disk of the
// embedded GCE is no SCSI disk and has no page 0x83: its name is in the link beside it,
// which only the embedded GCE makes. The official image has bash and no sh or readlink.
const (
	serial = `#!/bin/bash
for a; do
	case $a in --device=*) device=${a#--device=} ;; esac
done
for link in /dev/disk/by-id/scsi-0Google_PersistentDisk_*; do
	[ "$link" -ef "$device" ] || continue
	echo "0Google  PersistentDisk  ${link#*_PersistentDisk_}"
	exit
done
echo "$device is no disk of this machine" >&2
exit 1
`
	noNVMe = "#!/bin/bash\necho there are no NVMe disks here >&2\nexit 1\n"
)
