// Package addons has what runs in a cluster beside Kubernetes itself: a row an addon, with
// its version, its images and its manifests, which are in a directory of its name. It
// renders them and asks nobody; package live applies them, package status tells of them.
package addons

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

//go:embed */*.yaml
var manifests embed.FS

// An Addon is a row.
type Addon struct {
	Name      string
	Version   string
	Images    map[string]Image // by the name that the manifests call them
	Workloads []Workload       // whose pods tell whether it is well, in the order of the manifests
	Rights    []Rights         // of the masters' service account; none: it does not speak to Google
	Unbuilt   bool             // the embedded GCE's own mirror has no image of it
	Ends      bool             // its pods are to run as the one that goes (Values.Ending) before they go
	Slow      bool             // it is well long after it started, so it is applied before those that are not
}

// An Image is the official one. Machines that fetch from a mirror ask by the tag alone, as
// kubeadm does: a mirror's own build has another digest.
type Image struct {
	Ref, Digest string
	Undigested  string // why it is asked for by its tag alone: no digest could be found
}

// asked is how machines ask for it.
func (i Image) asked(mirror bool) string {
	if mirror || i.Digest == "" {
		return i.Ref
	}
	return i.Ref + "@" + i.Digest
}

// A Workload is a DaemonSet or a Deployment of the addon.
type Workload struct {
	Kind, Namespace, Name string
	OnNodes               bool // a cluster without nodes has no pod of it, and is well
	Writes                bool // it makes objects of Google's of its own accord
}

// All are the rows, in the order in which they are told of, and applied but for slow ones.
func All() []Addon {
	return []Addon{{
		Name: "cloud-controller", Version: "v28.2.1",
		Images: map[string]Image{"controller": {
			Ref:    "registry.k8s.io/cloud-provider-gcp/cloud-controller-manager:v28.2.1",
			Digest: "sha256:3c0a8ed7156af8c4a6ab559b98d45882d7447409ccd7bd13b746006bf21e4cfd",
		}},
		Workloads: []Workload{{Kind: "DaemonSet", Namespace: "kube-system", Name: "cloud-controller-manager", Writes: true}},
		Rights:    balancing,
	}, {
		Name: "volumes", Version: "v1.26.0", // the driver's: its manifests ask for it
		Images: volumeImages,
		Workloads: []Workload{
			{Kind: "DaemonSet", Namespace: "kube-system", Name: "csi-gce-pd-node", OnNodes: true},
			{Kind: "DaemonSet", Namespace: "kube-system", Name: "csi-gce-pd-controller", Writes: true},
		},
		Rights: storing,
	}, {
		Name: "metrics", Version: "v0.9.0",
		Images: map[string]Image{"server": { // of linux/amd64, as all machines are
			Ref:    "registry.k8s.io/metrics-server/metrics-server:v0.9.0",
			Digest: "sha256:25d291fde59974547bac6f07fa9d6cf6f5bedd1f19d60c893311c5e741e0a42f",
		}},
		Workloads: []Workload{{Kind: "Deployment", Namespace: "kube-system", Name: "metrics-server"}},
		Slow:      true, // it looks at the nodes a second time 15 s after the first
	}, {
		Name: "kube-network-policies", Version: "v0.8.0",
		Images: map[string]Image{"policies": {
			Ref:    "registry.k8s.io/networking/kube-network-policies:v0.8.0",
			Digest: "sha256:1098ef1f4597f14550654df8a658128d5654e0523dfec3c0660dccf5cc905263",
		}},
		Workloads: []Workload{{Kind: "DaemonSet", Namespace: "kube-system", Name: "kube-network-policies"}},
		Ends:      true,
	}, autoscaler}
}

// volumeImages are those of the disks' driver, and Kubernetes' own programs beside it.
var volumeImages = map[string]Image{
	"driver": {
		Ref:        "registry.k8s.io/cloud-provider-gcp/gcp-compute-persistent-disk-csi-driver:v1.26.0",
		Undigested: "the lists of published images that could be had end before it",
	},
	"provisioner": {
		Ref:    "registry.k8s.io/sig-storage/csi-provisioner:v6.3.0",
		Digest: "sha256:a4b0b1a37605b7b04a293e136edf7006ec1786a8eb3f4e5a945f81d667dcc371",
	},
	"attacher": {
		Ref:    "registry.k8s.io/sig-storage/csi-attacher:v4.12.0",
		Digest: "sha256:b9dc9a714a484ccdeeb6f86d88d4db9b7a5ecfc5a55da6db3a60bb3fa33c278a",
	},
	"resizer": {
		Ref:    "registry.k8s.io/sig-storage/csi-resizer:v2.2.0",
		Digest: "sha256:a2d40c1c3ccb0c48b467125a6652c4dd5dcbf0d295641c9989581cfc690f6cf3",
	},
	"snapshotter": {
		Ref:    "registry.k8s.io/sig-storage/csi-snapshotter:v8.6.0",
		Digest: "sha256:42af0929bcd60a43499825c078a60ff0534e08af8fbeb283aa391be40feb9f3e",
	},
	"snapshots": {
		Ref:    "registry.k8s.io/sig-storage/snapshot-controller:v8.6.0",
		Digest: "sha256:d1ab1b095eb81ce689abc8b8094badc4c4ea657051749014a631f8cca876a620",
	},
	"registrar": {
		Ref:    "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.17.0",
		Digest: "sha256:f9de845b170155199f2a2a3f9531cf13d78e31235e9db6b6582a8b0db0a50dad",
	},
}

// Named is the row of the name.
func Named(name string) (Addon, bool) {
	for _, a := range All() {
		if a.Name == name {
			return a, true
		}
	}
	return Addon{}, false
}

// Values are what manifests are told of the cluster.
type Values struct {
	Project, Network, Subnetwork, NodeTag, Cluster string
	Prefix                                         string // what Google's objects are labelled with
	Mirror                                         bool   // machines fetch from a mirror
	SignKubelets                                   bool   // kubelets' certificates are the cluster's
	Ending                                         bool   // the addon is about to go
	Sized                                          []Sized
	ScaleDown                                      bool // the cluster autoscaler also takes nodes away
}

// An Object is one of Kubernetes' as the API takes it.
type Object struct {
	Path string // "/apis/apps/v1/namespaces/kube-system/daemonsets/x"
	JSON []byte
}

// Set is an addon as it should be in a cluster.
type Set struct {
	Addon
	Objects []Object
	Digest  string // of all of them: another one means that something is to be applied
}

// For renders the addon's manifests.
func (a Addon) For(v Values) (Set, error) {
	files, err := fs.Glob(manifests, a.Name+"/*.yaml")
	if err != nil || len(files) == 0 {
		return Set{}, fmt.Errorf("addon %s has no manifests: %w", a.Name, err)
	}
	s, sum := Set{Addon: a}, sha256.New()
	for _, file := range files { // Glob sorts
		text, err := a.render(file, v)
		if err != nil {
			return Set{}, err
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			o, err := objectOf(document)
			if err != nil {
				return Set{}, fmt.Errorf("addon %s, %s: %w", a.Name, path.Base(file), err)
			}
			s.Objects = append(s.Objects, o)
			fmt.Fprintf(sum, "%s %s\n", o.Path, o.JSON)
		}
	}
	s.Digest = hex.EncodeToString(sum.Sum(nil))[:16]
	return s, nil
}

// render fills in what the manifest leaves open.
func (a Addon) render(file string, v Values) (string, error) {
	text, err := manifests.ReadFile(file)
	if err != nil {
		return "", err
	}
	t, err := template.New(file).Option("missingkey=error").Funcs(template.FuncMap{"image": func(name string) (string, error) {
		i, ok := a.Images[name]
		if !ok {
			return "", fmt.Errorf("addon %s has no image %q", a.Name, name)
		}
		return i.asked(v.Mirror), nil
	}}).Parse(string(text))
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

// objectOf reads one document.
func objectOf(document string) (Object, error) {
	text, err := yaml.YAMLToJSONStrict([]byte(document))
	if err != nil {
		return Object{}, err
	}
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Namespace, Name string }
	}
	if err := yaml.Unmarshal(text, &head); err != nil {
		return Object{}, err
	}
	p, err := PathOf(head.APIVersion, head.Kind, head.Metadata.Namespace, head.Metadata.Name)
	return Object{Path: p, JSON: text}, err
}

// plurals are the kinds that manifests have, as the API's paths call them.
var plurals = map[string]string{
	"APIService": "apiservices", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "ConfigMap": "configmaps",
	"CSIDriver": "csidrivers", "CustomResourceDefinition": "customresourcedefinitions", "DaemonSet": "daemonsets", "Deployment": "deployments",
	"Namespace": "namespaces", "PodDisruptionBudget": "poddisruptionbudgets", "PriorityClass": "priorityclasses", "Role": "roles",
	"RoleBinding": "rolebindings", "Service": "services", "ServiceAccount": "serviceaccounts", "StorageClass": "storageclasses",
	"VolumeSnapshotClass": "volumesnapshotclasses",
}

// PathOf is where the API has an object.
func PathOf(version, kind, namespace, name string) (string, error) {
	plural, ok := plurals[kind]
	if !ok || version == "" || name == "" {
		return "", fmt.Errorf("%s %s %q is no object of an addon", version, kind, name)
	}
	p := "/apis/" + version
	if !strings.Contains(version, "/") {
		p = "/api/" + version
	}
	if namespace != "" {
		p += "/namespaces/" + namespace
	}
	return p + "/" + plural + "/" + name, nil
}

// Stays tells whether what is at a path stays when its addon goes: with the definition of a
// kind would go all that users made of that kind.
func Stays(path string) bool { return strings.Contains(path, "/customresourcedefinitions/") }

// Missing says what is missing of the first workload that misses something, "" if none
// does. rollout asks for one.
func (a Addon) Missing(rollout func(Workload) (missing string, err error)) (string, error) {
	for _, w := range a.Workloads {
		if missing, err := rollout(w); err != nil || missing != "" {
			return w.Name + ": " + missing, err
		}
	}
	return "", nil
}

// Path is where the API has the workload.
func (w Workload) Path() string {
	return "/apis/apps/v1/namespaces/" + w.Namespace + "/" + plurals[w.Kind] + "/" + w.Name
}
