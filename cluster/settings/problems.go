package settings

import (
	"fmt"
	"maps"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strings"

	"hakube/cluster/refusal"
	"hakube/scripts/cure"
)

// DefaultKubeVersion is the Kubernetes version of clusters for which nobody names one, and the
// one that the embedded GCE's own mirror always has.
const DefaultKubeVersion = "v1.36.3"

// minors of Kubernetes v1 that clusters are made of, and brought to: what scripts write was held
// to what each of them takes (scripts TestTakenByAllMinors).
var minors = []string{"35", "36", "37"}

// Supported refuses a version of another minor.
func (v Version) Supported() refusal.Blockers {
	if slices.Contains(minors, strings.Split(string(v), ".")[1]) {
		return nil
	}
	return refusal.Blockers{refusal.Because("%s=%q: hakube makes clusters of v1.%s, and brings them to those", OfVersion, v, strings.Join(minors, ", v1."))}
}

// MachineBits is the length of the range of pods' addresses one machine gets.
const MachineBits = 24

// problems is what only the fields together tell. Fields in bad did not parse
// and are not asked.
func (s *Settings) problems(verb Verb, bad map[string]bool) []string {
	var p []string
	say := func(format string, a ...any) { p = append(p, fmt.Sprintf(format, a...)) }

	if bool(s.UseExistingMaster && s.ReplicateMaster) && verb.chooses() {
		say("KUBE_USE_EXISTING_MASTER=true and KUBE_REPLICATE_EXISTING_MASTER=true contradict each other: the first adds nodes, the second a master")
	}
	switch verb {
	case Up:
		if s.Spans() {
			p = append(p, s.spanProblems(bad)...)
		}
		if s.Zone == "" && !bad["Zone"] && !bad["Zones"] && !bad["MasterZones"] {
			say("KUBE_GCE_ZONE is not set: name the zone to bring up, such as europe-west1-b")
		}
		switch {
		case bool(s.UseExistingMaster && s.ReplicateMaster):
		case bool(s.UseExistingMaster && !s.CreateNodes) && !bad["CreateNodes"]:
			say("KUBE_USE_EXISTING_MASTER=true and KUBE_CREATE_NODES=false contradict each other: the first adds nodes, the second makes none")
		}
	case Down:
		switch {
		case bool(s.UseExistingMaster && !s.DeleteNodes) && !bad["DeleteNodes"]:
			say("KUBE_USE_EXISTING_MASTER=true and KUBE_DELETE_NODES=false contradict each other: the first removes a node pool, the second keeps it")
		case bool(s.UseExistingMaster) && s.Zone == "" && !bad["Zone"]:
			say("KUBE_USE_EXISTING_MASTER=true removes the pool of one zone: name it with KUBE_GCE_ZONE")
		case s.Pool != "" && !bool(s.UseExistingMaster) && bool(s.DeleteNodes) && !bad["DeleteNodes"] && !bad["UseExistingMaster"]:
			say("HAKUBE_POOL=%q names a pool, and this removes the whole cluster: KUBE_USE_EXISTING_MASTER=true removes the pool only, and without HAKUBE_POOL all goes", s.Pool)
		case !bool(s.DeleteNodes) && !bad["DeleteNodes"] && s.Zone == "" && !bad["Zone"]:
			say("KUBE_DELETE_NODES=false removes a master of one zone: name it with KUBE_GCE_ZONE")
		}
	}
	if s.ReplicaName != "" && verb.chooses() && (verb == Up || bool(s.DeleteNodes)) && !bad["DeleteNodes"] {
		say("KUBE_REPLICA_NAME=%q is for down with KUBE_DELETE_NODES=false only", s.ReplicaName)
	}
	if s.Project == "" && !bad["Project"] && !bad["Provider"] {
		say("PROJECT is not set, and gcloud has no configured project")
	}
	if _, err := os.UserHomeDir(); err != nil && s.Kubeconfig == "" && !bad["Kubeconfig"] && verb != StatusVerb && verb != BackupVerb && verb != Down {
		say("KUBECONFIG is not set, and neither is HOME: name the file that the cluster is written to")
	}
	if !bool(s.EnableAliases) && !bad["EnableAliases"] {
		say("KUBE_GCE_ENABLE_IP_ALIASES=false is not supported: pods always get alias IP ranges")
	}
	if !bool(s.CustomNetwork) && !bad["CustomNetwork"] {
		say("CREATE_CUSTOM_NETWORK=false is not supported: a network hakube makes has no automatic subnetworks")
	}
	if s.Subnetwork != "" && s.SubnetAlias != "" && s.Subnetwork != s.SubnetAlias {
		say("KUBE_GCE_IP_ALIAS_SUBNETWORK=%q and SUBNETWORK=%q name two subnetworks", s.Subnetwork, s.SubnetAlias)
	}
	if s.PreemptibleNode && s.SpotNode {
		say("PREEMPTIBLE_NODE=true and HAKUBE_SPOT_NODE=true contradict each other: a machine is one or the other")
	}
	if s.Surge < 1 && !bad["Surge"] {
		say("HAKUBE_SURGE=%d: one new node is there before an old one goes, at least", s.Surge)
	}
	if s.MaxPerGroup < 1 && !bad["MaxPerGroup"] {
		say("MAX_INSTANCES_PER_MIG=%d: a group has room for one machine at least", s.MaxPerGroup)
	}
	if s.CertDays > maxCertDays && !bad["CertDays"] {
		say("HAKUBE_CERTIFICATE_DAYS=%d: the cluster's authority itself lives 3650 days", s.CertDays)
	}
	p = append(p, s.nameProblems(bad)...)
	if verb != Up {
		return p
	}
	// What nobody set may be otherwise where there is a cluster already: that is
	// judged when it is known.
	unset := maps.Clone(bad)
	for _, f := range Fields() {
		unset[f.Name] = bad[f.Name] || !s.given[f.Tag.Get("envconfig")]
	}
	return append(p, s.rangeProblems(unset)...)
}

// Clashes is what is wrong with settings of which each is right by itself, once
// those that nobody set are known.
func (s *Spec) Clashes() (u refusal.Blockers) {
	if no := s.notThere(); no != nil {
		u = append(u, no)
	}
	for _, text := range append(s.Settings.nameProblems(nil), s.Settings.rangeProblems(map[string]bool{"DNSServer": true})...) {
		u = append(u, &refusal.Refused{Why: text})
	}
	return u
}

// Releases are versions of Kubernetes that there are without a mirror of one's own.
type Releases struct {
	Has   []string // of an embedded GCE, by now
	Makes []string // that it can be given
}

// notThere refuses a version that the embedded GCE has not, where machines fetch from that.
func (s *Spec) notThere() *refusal.Refused {
	to, has := string(s.Settings.KubeVersion), s.there.Has
	if s.Settings.Provider != Local || s.Settings.Mirror != "" && string(s.Settings.Mirror) != s.ownMirror {
		return nil
	}
	if len(has) == 0 {
		has = []string{DefaultKubeVersion}
	}
	if slices.Contains(has, to) {
		return nil
	}
	no := &refusal.Refused{Why: fmt.Sprintf("%s=%q: the embedded GCE has %s", OfVersion, to, strings.Join(has, ", "))}
	if slices.Contains(s.there.Makes, to) {
		no.Cure = cure.Hint("have it made, once, about 20 minutes where it is built from source", cure.LocalPrepare(to))
		return no
	}
	no.Cure = "for another version set KUBE_MIRROR"
	if len(s.there.Makes) > 0 {
		no.Cure = "it can be given " + strings.Join(s.there.Makes, ", ") + "; " + no.Cure
	}
	return no
}

// maxCertDays is how long kubeadm's authority lives.
const maxCertDays = 3650

// maxName is Compute Engine's limit for names.
const maxName = 63

// LongNames are the complaints about names that grow too long.
func (s *Settings) LongNames() []string { return s.nameProblems(nil) }

// nameProblems reports names that grow too long, once for each setting.
func (s *Settings) nameProblems(bad map[string]bool) []string {
	if bad["Prefix"] || bad["ClusterName"] || bad["NodePrefix"] || bad["Network"] || bad["NumNodes"] || bad["MaxPerGroup"] {
		return nil
	}
	names := NamesOf(s)
	if bad != nil { // those that do not follow from what is set may be others
		for variable, name := range map[string]*string{"NODE_INSTANCE_PREFIX": &names.Node, "CLUSTER_NAME": &names.Cluster, "KUBE_GCE_IP_ALIAS_SUBNETWORK": &names.Subnet} {
			if !s.Says(variable) {
				*name = ""
			}
		}
	}
	longest := ""
	for _, n := range names.all(s.Groups()) {
		if len(n) > len(longest) {
			longest = n
		}
	}
	if len(longest) <= maxName {
		return nil
	}
	if without := len(longest) - len(s.Pool) - 1; s.Pool != "" && without <= maxName && strings.Contains(longest, "-"+string(s.Pool)+"-") {
		return []string{fmt.Sprintf("HAKUBE_POOL=%q is too long: %q has %d characters, Compute Engine's limit is %d", s.Pool, longest, len(longest), maxName)}
	}
	return []string{fmt.Sprintf("KUBE_GCE_INSTANCE_PREFIX=%q is too long: %q has %d characters, Compute Engine's limit is %d; use at most %d for the prefix",
		s.Prefix, longest, len(longest), maxName, max(1, len(s.Prefix)-(len(longest)-maxName)))}
}

// Groups is how many managed groups a zone's pool needs.
func (s *Settings) Groups() int {
	return max(1, (s.Most()+int(s.MaxPerGroup)-1)/max(1, int(s.MaxPerGroup)))
}

// rangeProblems reports ranges that overlap or are too small.
func (s *Settings) rangeProblems(bad map[string]bool) []string {
	var p []string
	ranges := []struct {
		field, name string
		prefix      netip.Prefix
	}{
		{"ClusterRange", "CLUSTER_IP_RANGE", s.ClusterRange.Prefix},
		{"ServiceRange", "SERVICE_CLUSTER_IP_RANGE", s.ServiceRange.Prefix},
		{"NodeRange", "NODE_IP_RANGE", s.NodeRange.Prefix},
	}
	for i, a := range ranges {
		for _, b := range ranges[i+1:] {
			if !bad[a.field] && !bad[b.field] && a.prefix.Overlaps(b.prefix) {
				p = append(p, fmt.Sprintf("%s=%s and %s=%s overlap", a.name, a.prefix, b.name, b.prefix))
			}
		}
	}
	machines := s.Most() + 1
	if !bad["ClusterRange"] && !bad["NumNodes"] {
		if room := Subranges(s.ClusterRange.Prefix, MachineBits); machines > room {
			p = append(p, fmt.Sprintf("CLUSTER_IP_RANGE=%s has room for %d machines, a /%d each; NUM_NODES=%d and a master need %d",
				s.ClusterRange, room, MachineBits, s.NumNodes, machines))
		}
	}
	// Compute Engine keeps four addresses of each subnetwork for itself.
	if !bad["NodeRange"] && !bad["NumNodes"] {
		if room := Subranges(s.NodeRange.Prefix, 32) - 4; machines > room {
			p = append(p, fmt.Sprintf("NODE_IP_RANGE=%s has room for %d machines; NUM_NODES=%d and a master need %d",
				s.NodeRange, max(0, room), s.NumNodes, machines))
		}
	}
	if !bad["ServiceRange"] && s.ServiceRange.Bits() > 28 {
		p = append(p, fmt.Sprintf("SERVICE_CLUSTER_IP_RANGE=%s is too small; use a /28 or larger", s.ServiceRange))
	}
	if !bad["DNSServer"] && !bad["ServiceRange"] {
		p = append(p, s.DNSProblems()...)
	}
	return p
}

// DNSProblems judges KUBE_DNS_SERVER_IP, which follows from another setting: kubeadm
// gives the DNS Service the tenth address and has no setting for it.
func (s *Settings) DNSProblems() []string {
	if !s.DNSServer.IsValid() || s.DNSServer.Addr == s.DNSAddress() {
		return nil
	}
	return []string{fmt.Sprintf("KUBE_DNS_SERVER_IP=%s: it is always the tenth address of SERVICE_CLUSTER_IP_RANGE=%s, %s", s.DNSServer, s.ServiceRange, s.DNSAddress())}
}

// Subranges is how many ranges of the length fit into p.
func Subranges(p netip.Prefix, length int) int {
	if p.Bits() > length {
		return 0
	}
	if shift := length - p.Bits(); shift < bits.UintSize-2 {
		return 1 << shift
	}
	return 1 << (bits.UintSize - 2)
}

// DNSAddress is the address of the cluster's DNS Service.
func (s *Settings) DNSAddress() netip.Addr {
	a := s.ServiceRange.Addr()
	for range 10 {
		a = a.Next()
	}
	return a
}

// warnings is what is allowed but does nothing, or not what one may expect.
func (s *Settings) warnings(verb Verb) []string {
	var w []string
	if !s.EtcdQuorumRead || !s.EtcdQuorumReadAlias {
		w = append(w, "ENABLE_ETCD_QUORUM_READ=false has no effect: etcd v3 always reads by quorum")
	}
	if mode := s.Mode(verb); verb == Down && bool(s.Sweep) && mode != RemoveCluster {
		w = append(w, fmt.Sprintf("HAKUBE_SWEEP=true has no effect on %s: only with the whole cluster goes what its Services and volumes left", mode))
	}
	if mode := s.Mode(verb); s.Pool != "" && (mode == AddReplica || mode == RemoveReplica) {
		w = append(w, fmt.Sprintf("HAKUBE_POOL=%s has no effect on %s, which is of a master", s.Pool, mode))
	}
	if named := s.Named(); verb == Up && len(named) > 0 && s.IsGiven("KUBE_GCE_ZONE") && !slices.Contains(named, s.Zone) {
		w = append(w, fmt.Sprintf("KUBE_GCE_ZONE=%s has no effect: HAKUBE_ZONES and HAKUBE_MASTER_ZONES name the zones", s.Zone))
	}
	if verb == Up && bool(s.Prune || s.AllowEven) && !s.Spans() {
		w = append(w, "HAKUBE_PRUNE and HAKUBE_ALLOW_EVEN have no effect without one of "+strings.Join(spanning, ", "))
	}
	if verb == Up && s.AutomaticCleanup {
		w = append(w, "KUBE_UP_AUTOMATIC_CLEANUP=true has no effect: up converges what is there")
	}
	return w
}

// OfSchedule are the variables of backups that masters make by themselves, the first of which
// says how often. The others are of that only where it is said with them: an operator has them
// set for backups of his own.
var OfSchedule = []string{"HAKUBE_BACKUP_EVERY", "HAKUBE_BACKUP_TO", "HAKUBE_BACKUP_RECIPIENTS"}

// withoutOwn leaves out what is for the operator's own backups.
func (s Settings) withoutOwn(verb Verb) Settings {
	if verb == BackupVerb || verb == StatusVerb || s.given[OfSchedule[0]] {
		return s
	}
	s.BackupTo, s.Recipients = "", ""
	return s.Said(OfSchedule[1], false).Said(OfSchedule[2], false)
}

// ScheduleProblems is what backups that masters make by themselves need of the other
// settings, once those that nobody set are known.
func (s *Settings) ScheduleProblems() (u refusal.Blockers) {
	if s.BackupEvery == 0 {
		return nil
	}
	say := func(why, help string) {
		u = append(u, &refusal.Refused{Why: fmt.Sprintf("HAKUBE_BACKUP_EVERY=%s: %s", s.BackupEvery, why), Cure: help})
	}
	if !strings.HasPrefix(string(s.BackupTo), "gs://") {
		where := "HAKUBE_BACKUP_TO does not say where to"
		if s.BackupTo != "" {
			where = fmt.Sprintf("HAKUBE_BACKUP_TO=%s is no bucket", s.BackupTo)
		}
		say(where+", and masters keep backups in one", "set HAKUBE_BACKUP_TO=gs://bucket/prefix")
	}
	if len(s.Recipients.List()) == 0 {
		say("HAKUBE_BACKUP_RECIPIENTS does not say who can read them", cure.Hint("make a key, keep its file where the cluster cannot lose it, and set HAKUBE_BACKUP_RECIPIENTS to the public key that it prints", cure.Keygen("hakube-backup.key")))
	}
	if s.MasterAccount == NoAccount {
		say("masters write them as their service account, and HAKUBE_MASTER_SERVICE_ACCOUNT is none", "name an account of its own, which has roles/storage.objectUser on the bucket and nothing else for that")
	}
	return u
}
