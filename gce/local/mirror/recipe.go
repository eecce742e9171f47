package mirror

import "strings"

// A recipe is an image that is made here.
type recipe struct {
	ref        string   // as asked of the registry: "kube-proxy:v1.36.3"
	component  string   // whose program it holds, "" for none
	program    string   //
	path       string   // of the program in the image
	packages   []string // of Debian, below the program
	bare       bool     // nothing but the program
	certs      bool     // certificate authorities, for those who call others by TLS
	applets    bool     // links for all that busybox can do
	user       string   // "" is root
	entrypoint []string
	cmd        []string
	files      map[string]string // text files; a value "→ x" is a link to x, "/" a directory, ofKubernetes and setuid say more
	over       map[string]string // text files that the official image gets too: what the embedded GCE's machines need of it
}

// official is the image's home.
func (r recipe) official() string {
	if strings.HasPrefix(r.ref, "zalando/") {
		return "ghcr.io/" + r.ref
	}
	return "registry.k8s.io/" + r.ref
}

// recipes are the images Kubernetes needs, with programs where the official
// ones have them: kubeadm's manifests find them by PATH.
func recipes() []recipe {
	return append(besideRecipes(Pause, "coredns", CoreDNS), kubernetesRecipes("kubernetes", Kubernetes)...)
}

// besideRecipes are the images that kubeadm names beside those of its own version.
func besideRecipes(pause, component, coredns string) []recipe {
	return []recipe{
		{ref: "pause:" + pause, program: "pause", path: "pause", bare: true, user: "65535:65535", entrypoint: []string{"/pause"}},
		{ref: "coredns/coredns:" + coredns, component: component, program: "coredns", path: "coredns", certs: true, entrypoint: []string{"/coredns"}},
	}
}

// kubernetesRecipes are the images of Kubernetes' own programs, out of a component.
func kubernetesRecipes(component, version string) (list []recipe) {
	for _, p := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		r := recipe{ref: p + ":" + version, component: component, program: p, path: "usr/local/bin/" + p, certs: p != "kube-proxy"}
		if p == "kube-proxy" {
			r.packages = []string{"nftables", "iptables", "ipset", "conntrack", "kmod", "netbase"}
			r.files = iptablesLinks()
		}
		list = append(list, r)
	}
	return list
}

// ofKubernetes begins a text file's value that is a path in Kubernetes' module: the file has
// what that one has.
const ofKubernetes = "← "

// setuid is what files say of the program's path when whoever runs it is to be its owner, root.
const setuid = "+s"

// iptablesLinks are what Debian's update-alternatives would have made.
func iptablesLinks() map[string]string {
	links := map[string]string{}
	for _, p := range []string{"iptables", "ip6tables"} {
		for _, verb := range []string{"", "-save", "-restore"} {
			links["usr/sbin/"+p+verb] = "→ xtables-nft-multi"
		}
	}
	return links
}

// samples are images for trying a cluster, made of Debian's packages. nginx
// says "Welcome to nginx!" by the page that Debian ships; it has a shell, as the official one has.
func samples() []recipe {
	return []recipe{
		{
			ref: "library/nginx:latest", packages: []string{"nginx-light", "busybox"}, applets: true, cmd: []string{"nginx", "-g", "daemon off;"},
			files: map[string]string{
				"etc/nginx/nginx.conf":     nginxConfig,
				"var/log/nginx/access.log": "→ /dev/stdout",
				"var/log/nginx/error.log":  "→ /dev/stderr",
				"run":                      "/",
			},
		},
		// Not busybox-static: it looks names up by libraries it does not bring, and
		// crashes without them.
		{ref: "library/busybox:latest", packages: []string{"busybox"}, applets: true, cmd: []string{"sh"}},
	}
}

const nginxConfig = `user nobody nogroup;
worker_processes 1;
error_log stderr notice;
pid /run/nginx.pid;
events { worker_connections 512; }
http {
	include /etc/nginx/mime.types;
	access_log /dev/stdout;
	server {
		listen 80;
		location / { root /usr/share/nginx/html; index index.html; }
	}
}
`

// common are the files of every image that is not bare. Users are Debian's.
var common = map[string]string{
	"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n" +
		"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	"etc/group":         "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
	"etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	"root":              "/",
}
