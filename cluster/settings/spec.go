package settings

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/refusal"
)

// A Spec is what should be: the settings with every default filled in and
// every name built. It is a plain value and asks nobody.
// It is never changed: whoever learns more makes another one of it.
type Spec struct {
	Settings   Settings
	Names      Names
	Mark       Mark
	Project    string
	Zone       string // "" only when removing
	Home       string // the zone of the first master
	MasterType string
	Mirror     string // "" is the official places
	Context    string // of the kubeconfig
	Kubeconfig string // a list of files, as in KUBECONFIG
	Login      string // the operator's line in ssh-keys: "me:ssh-rsa AAAA… me"

	template string          // what the zone's nodes are made from; "" is what the first pool is
	changes  bool            // the zone's pool, to that template
	taken    map[string]bool // variables that are not set and were read back from what is there

	there     Releases // versions of Kubernetes where machines fetch from by default
	ownMirror string   // that place
}

// An Operator is who works on the cluster, from where.
type Operator struct {
	Login         string // the line in ssh-keys: "me:ssh-rsa AAAA… me"; "" for who only looks
	Kubeconfig    string // a list of files, as in KUBECONFIG; "" is what the settings say
	MirrorDefault string // where machines fetch from when KUBE_MIRROR is not set
	Versions      Releases
}

// SpecOf fills in every default and builds every name. It never fails: what contradicts
// itself was refused when the settings were loaded.
func SpecOf(s Settings, by Operator) Spec {
	if !s.Says("NUM_NODES") {
		s.NumNodes = Count(s.Within(int(s.NumNodes)))
	}
	sp := Spec{
		Settings: s,
		Names:    NamesOf(&s),
		Mark:     Mark{Project: string(s.Project), Cluster: string(s.Prefix), Multizone: bool(s.Multizone)},
		Project:  string(s.Project),
		Zone:     string(s.Zone),
		Home:     string(s.Zone),
		Mirror:   cmp.Or(string(s.Mirror), by.MirrorDefault),
		Context:  cmp.Or(string(s.OverrideName), string(s.Project)+"_"+string(s.Prefix)),
	}
	sp.MasterType = cmp.Or(string(s.MasterSize), masterTypeFor(s.Most()))
	sp.Kubeconfig = cmp.Or(by.Kubeconfig, string(s.Kubeconfig))
	sp.Login = by.Login
	sp.there, sp.ownMirror = by.Versions, by.MirrorDefault
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

// NodeTemplate is the name of what the zone's nodes are made from.
func (s *Spec) NodeTemplate() string { return cmp.Or(s.template, s.Names.Template()) }

// Pool is the pool that a command is about.
func (s *Spec) Pool() PoolID { return PoolID{s.Zone, s.Names.Pool} }

// ChangesPool tells whether somebody has set what makes another template of the pool's.
func (s *Spec) ChangesPool() bool { return s.changes }

// URLs, as the API takes them: without a host, from the project on.

// Global is the URL of an object of the project that is in no region.
func (s *Spec) Global(kind, name string) string {
	return "projects/" + s.Project + "/global/" + kind + "/" + name
}

// Zonal is the URL of an object in a zone.
func (s *Spec) Zonal(zone, kind, name string) string {
	return "projects/" + s.Project + "/zones/" + zone + "/" + kind + "/" + name
}

// Regional is the URL of an object in a region.
func (s *Spec) Regional(region, kind, name string) string {
	return "projects/" + s.Project + "/regions/" + region + "/" + kind + "/" + name
}

// Image is the boot image of masters or nodes: the newest of Debian 12 unless
// one is named.
func Image(owner, name Name) string {
	if name == "" {
		return "projects/" + string(owner) + "/global/images/family/" + ImageFamily
	}
	return "projects/" + string(owner) + "/global/images/" + string(name)
}

const ImageFamily = "debian-12"

// ID is the cluster's name as its masters' disks have it.
func (s *Spec) ID() string { return s.Project + "/" + s.Names.Prefix }

// Labels are a courtesy to people who filter by them; the mark is what counts.
func (s *Spec) Labels() map[string]string { return map[string]string{Label: s.Names.Prefix} }

// A Difference is a setting an object was made with another value of.
type Difference struct{ Variable, Was, Want string }

// Drift refuses an object that differs from what somebody set in a way that cannot
// be changed on it; nil when nothing differs. What nobody set is as it is.
func (s *Spec) Drift(object string, all ...Difference) error {
	var was []string
	for _, d := range all {
		if d.Was != d.Want && s.Settings.Says(d.Variable) {
			was = append(was, fmt.Sprintf("%s=%s (now it is %s)", d.Variable, cmp.Or(d.Was, `""`), cmp.Or(d.Want, `""`)))
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

// Recorded is what of a cluster stands in its masters' metadata and machines, and goes with
// them; zone is the first master's.
func (s *Spec) Recorded(zone string) map[string]string {
	all := map[string]string{"KUBE_GCE_ZONE": zone}
	for _, f := range Fields() {
		if name := f.Tag.Get("envconfig"); Classes[name].Recorded && (s.Settings.BackupEvery != 0 || !slices.Contains(OfSchedule[1:], name)) {
			all[name] = s.Settings.TextOf(f)
		}
	}
	return all
}
