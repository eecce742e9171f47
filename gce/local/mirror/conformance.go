package mirror

import "maps"

// Kubernetes' own end-to-end tests are of its own module: the tests, and the program that
// most of their pods run. Their images here are Debian's packages and that program, under
// the names the tests ask for; what is otherwise in the official ones is said beside each.

// upstreamPrograms are built from the modules of Kubernetes itself, where they can be, so
// that what they share with what machines run is compiled once.
func upstreamPrograms() component {
	return component{
		name: "conformance", args: kubernetes("kubernetes", "kubernetes", Kubernetes).args,
		programs: [][2]string{
			{"ginkgo", "github.com/onsi/ginkgo/v2/ginkgo"},
			{"agnhost", "k8s.io/kubernetes/test/images/agnhost"},
			{"nonewprivs", "k8s.io/kubernetes/test/images/nonewprivs"},
			{"sample-apiserver", "k8s.io/sample-apiserver"},
		},
		tests: [][2]string{{"e2e.test", "k8s.io/kubernetes/test/e2e"}},
	}
}

func ofUpstream() set {
	return set{programs: upstreamPrograms(), recipes: upstreamRecipes(), images: "conformance-images", what: "the images of Kubernetes' own tests", said: true}
}

// upstreamRecipes are the images that its conformance tests name (test/utils/image), and
// those of Services and volumes beside them.
func upstreamRecipes() []recipe {
	const tests = "e2e-test-images/"
	nonroot, nnp := shell(tests+"nonroot:1.5"), shell(tests+"nonewprivs:1.4")
	nonroot.user = "1234"
	// Who runs it is told to be root, where nothing forbids a program to get more than it has.
	nnp.component, nnp.program, nnp.path, nnp.cmd = "conformance", "nonewprivs", "usr/local/bin/nnp", []string{"nnp"}
	nnp.files[nnp.path] = setuid
	list := []recipe{
		agnhost(tests + "agnhost:2.63.0"), agnhost(tests + "agnhost:2.55"),
		picture(tests+"nautilus:1.8", "nautilus"), picture(tests+"kitten:1.8", "kitten"),
		shell(tests + "busybox:1.37.0-1"), nonroot, nnp,
		{
			ref: tests + "sample-apiserver:1.29.2", component: "conformance", program: "sample-apiserver", path: "sample-apiserver", certs: true,
			entrypoint: []string{"/sample-apiserver"},
		},
		{ref: "etcd:3.6.8-0", component: "etcd", program: "etcd", path: "usr/local/bin/etcd"},
		shell(tests+"glibc-dns-testing:2.0.0", "bind9-dnsutils", "libc-bin", "hostname", "curl"),
	}
	for _, version := range []string{"1.15-4", "1.27-0"} {
		nginx := samples()[0]
		nginx.ref = tests + "nginx:" + version
		list = append(list, nginx)
	}
	return list
}

// shell is an image with what busybox can do. The shell that is found by PATH is bash: those
// of Debian 12's busybox and dash drop variables that no shell could name, such as data-1,
// and tests of Secrets and ConfigMaps as environment look for such. /bin/sh is busybox's,
// by whose words a test knows that it could not write. Its wget crashes where it is told
// how long to wait, as tests of balancers do: there is GNU's,
// which is told to try once, as busybox's does: twenty tries take minutes where nobody answers.
func shell(ref string, packages ...string) recipe {
	return recipe{
		ref: ref, packages: append(packages, "busybox", "bash", "wget"), applets: true, cmd: []string{"sh"},
		files: map[string]string{"etc/os-release": notAlpine, "usr/local/bin/sh": "→ /bin/bash", "etc/wgetrc": "tries = 1\n"},
	}
}

// agnhost is the image of most pods. The official one has besides a CoreDNS, for tests of
// stub domains that are not of conformance.
func agnhost(ref string) recipe {
	r := shell(ref, "curl", "bind9-dnsutils", "bind9-host", "netcat-openbsd", "iproute2", "iperf", "libc-bin")
	r.component, r.program, r.path, r.certs = "conformance", "agnhost", "agnhost", true
	r.entrypoint, r.cmd = []string{"/agnhost"}, []string{"pause"}
	maps.Copy(r.files, map[string]string{
		"agnhost-2": "→ agnhost", "uploads": "/", "bin/nc": "→ nc.openbsd",
		// StatefulSets' pods are ready as long as the one is served, and lifecycle hooks call a server that has both.
		"localhost.crt": ofKubernetes + "test/images/agnhost/porter/localhost.crt",
		"localhost.key": ofKubernetes + "test/images/agnhost/porter/localhost.key",
		// A test of supplementary groups looks for these.
		"etc/passwd": common["etc/passwd"] + "user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n",
		"etc/group":  common["etc/group"] + "user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n",
	})
	return r
}

// picture is the image of a pod that serves a picture, and the file that says which one.
func picture(ref, name string) recipe {
	r := agnhost(ref)
	r.cmd = []string{"test-webserver"}
	for _, file := range []string{name + ".jpg", "data.json"} {
		r.files[file] = ofKubernetes + "test/images/" + name + "/html/" + file
	}
	return r
}

// notAlpine has the words by which a test of images as volumes knows the official image.
const notAlpine = `NAME="Debian GNU/Linux"
PRETTY_NAME="Debian GNU/Linux 12, in the place of Alpine Linux"
ID=debian
VERSION_ID="12"
`
