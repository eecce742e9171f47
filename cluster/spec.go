package cluster

import (
	"cmp"
	"fmt"
	"hakube/cluster/refusal"
	"strings"
)

// A spec is what should be: the settings with every default filled in and
// every name built. It is a plain value and asks nobody.
type spec struct {
	settings   Settings
	names      Names
	mark       Mark
	project    string
	zone       string // "" only when removing
	home       string // the zone of the first master
	masterType string
	mirror     string // "" is the official places
	context    string // of the kubeconfig
	kubeconfig string // a list of files, as in KUBECONFIG
	login      string // the operator's line in ssh-keys: "me:ssh-rsa AAAA… me"
}

// An operator is who works on the cluster, from where.
type operatorOf struct {
	login         string // the line in ssh-keys: "me:ssh-rsa AAAA… me"; "" for who only looks
	kubeconfig    string // a list of files, as in KUBECONFIG; "" is what the settings say
	mirrorDefault string // where machines fetch from when KUBE_MIRROR is not set
}

func specOf(s Settings, by operatorOf) spec {
	sp := spec{
		settings: s,
		names:    NamesOf(&s),
		mark:     Mark{Project: string(s.Project), Cluster: string(s.Prefix), Multizone: bool(s.Multizone)},
		project:  string(s.Project),
		zone:     string(s.Zone),
		home:     string(s.Zone),
		mirror:   cmp.Or(string(s.Mirror), by.mirrorDefault),
		context:  cmp.Or(string(s.OverrideName), string(s.Project)+"_"+string(s.Prefix)),
	}
	sp.masterType = cmp.Or(string(s.MasterSize), masterTypeFor(int(s.NumNodes)))
	sp.kubeconfig = cmp.Or(by.kubeconfig, string(s.Kubeconfig))
	sp.login = by.login
	return sp
}

// masterTypeFor is kube-up's ladder, from e2-standard-2 up: a control plane
// with two etcd rings does not fit into one CPU.
func masterTypeFor(nodes int) string {
	switch {
	case nodes <= 10:
		return "e2-standard-2"
	case nodes <= 100:
		return "e2-standard-4"
	case nodes <= 250:
		return "e2-standard-8"
	case nodes <= 500:
		return "e2-standard-16"
	}
	return "e2-standard-32"
}

// URLs, as the API takes them: without a host, from the project on.

func (s *spec) global(kind, name string) string {
	return "projects/" + s.project + "/global/" + kind + "/" + name
}

func (s *spec) zonal(zone, kind, name string) string {
	return "projects/" + s.project + "/zones/" + zone + "/" + kind + "/" + name
}

func (s *spec) regional(region, kind, name string) string {
	return "projects/" + s.project + "/regions/" + region + "/" + kind + "/" + name
}

// image is the boot image of masters or nodes: the newest of Debian 12 unless
// one is named.
func image(owner, name Name) string {
	if name == "" {
		return "projects/" + string(owner) + "/global/images/family/" + imageFamily
	}
	return "projects/" + string(owner) + "/global/images/" + string(name)
}

const imageFamily = "debian-12"

// labels are a courtesy to people who filter by them; the mark is what counts.
func (s *spec) labels() map[string]string { return map[string]string{Label: s.names.Prefix} }

// A difference is a setting an object was made with another value of.
type difference struct{ variable, was, want string }

// drift refuses an object that differs from what somebody set in a way that cannot
// be changed on it; nil when nothing differs. What nobody set is as it is.
func (s *spec) drift(object string, all ...difference) error {
	var was []string
	for _, d := range all {
		if d.was != d.want && s.settings.says(d.variable) {
			was = append(was, fmt.Sprintf("%s=%s (now it is %s)", d.variable, cmp.Or(d.was, `""`), cmp.Or(d.want, `""`)))
		}
	}
	if len(was) == 0 {
		return nil
	}
	return &refusal.Refused{
		Why:  fmt.Sprintf("%s was made with %s", object, strings.Join(was, ", ")),
		Cure: "use the value it was made with, or take the cluster down first: this cannot be changed on what exists",
	}
}
