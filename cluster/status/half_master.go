package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/pool"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// A halfSeen is a master that may not be whole, with what was seen of it.
type halfSeen struct {
	*Snapshot
	m          ObservedMaster
	in         map[membership][]string // rings, by what it is in them
	state, why string
}

func (h *halfSeen) gone() bool      { return h.state == StateGone }
func (h *halfSeen) learns() bool    { return len(h.in[learnerMember]) > 0 }
func (h *halfSeen) votes() bool     { return len(h.in[voterMember]) > 0 }
func (h *halfSeen) inNoRing() bool  { return len(h.in[noMember]) == len(rings.Names) }
func (h *halfSeen) wasWhole() bool  { return h.m.phase == scripts.PhaseRunning }
func (h *halfSeen) filled() bool    { return h.have.DiskOf(h.Names, h.m.Object).Filled }
func (h *halfSeen) lacksRing() bool { return len(h.in[noMember]) > 0 }

// A way is one of the commands that a master that is not whole may need.
type way int

const (
	noWay way = iota
	adds
	removes
	removesByQuorum // nothing, where nobody would agree to it
	repairs
)

// halfMasters are the ways in which a master is not whole. The way in is: machine,
// learner in both rings, vote in both, control plane, the balancer's group. The way out
// is the same backwards, but that a vote is taken with its membership. The first row
// that holds counts, so each row says what those before it have left open.
var halfMasters = []struct {
	holds    func(h *halfSeen) bool
	step     string // {name}, {disk}, {why}, and the rings it {votes} in, {learns} in, is {not} in
	does, or way
	because  string // the first command and not another one
}{
	{func(h *halfSeen) bool { return h.gone() && !h.m.Disk && h.votes() },
		"{name} votes in ring {votes} and has no machine", repairs, removes, "a vote without data is one that quorum waits for in vain"},
	{func(h *halfSeen) bool { return h.gone() && h.learns() },
		"{name} is a learner in ring {learns} and has no machine", adds, noWay, "only an addition makes learners"},
	{func(h *halfSeen) bool { return h.gone() && h.votes() },
		"{name} votes in ring {votes} and has only its disk", repairs, removes, "its data are there: a machine around them is enough"},
	{func(h *halfSeen) bool { return h.gone() && h.inNoRing() && !h.m.Disk },
		"the group of {name} has neither machine nor disk, and it is in no ring: half made or half removed", removes, adds, "the next master of the zone uses it"},
	{func(h *halfSeen) bool { return h.gone() && h.inNoRing() && h.filled() },
		"disk {disk} is of a master in no ring, and was on a machine: half removed", removes, repairs, "a member that was taken out cannot come back with its data, which a repair puts aside"},
	{func(h *halfSeen) bool { return h.gone() && h.inNoRing() },
		"disk {disk} is of a master in no ring: half made or half removed", removes, adds, "the disk is the first made and the last to go, so the looks do not tell"},
	{func(h *halfSeen) bool { return h.inNoRing() && h.wasWhole() },
		"machine {name} is in no ring and was: half removed", removes, repairs, "a member that was taken out cannot come back with its data, which a repair puts aside"},
	{func(h *halfSeen) bool { return h.inNoRing() },
		"machine {name} is in no ring: half made or half removed", adds, removes, "it has never been through its script, as one that is being made"},
	{func(h *halfSeen) bool { return h.gone() },
		"{name} has only its disk, and nobody tells of the rings", repairs, removes, "whether it votes is not known, and a repair loses nothing"},
	{func(h *halfSeen) bool { return h.state == StateStopped },
		"{name} is stopped", repairs, removesByQuorum, "it is whole but for power"},
	{func(h *halfSeen) bool { return h.wasWhole() && h.deadIn(h.m, h.in[learnerMember]) },
		"{name} is a learner in ring {learns}: half repaired", repairs, noWay, "it was a whole master, so the learner is a repair's"},
	{func(h *halfSeen) bool { return h.learns() },
		"{name} is a learner in ring {learns}", adds, noWay, "only an addition makes learners"},
	{func(h *halfSeen) bool { return h.deadIn(h.m, h.in[voterMember]) },
		"{name} votes in ring {votes}, and its etcd does not run", repairs, removes, "a removal leaves the etcd of one that votes running"},
	{func(h *halfSeen) bool { return h.lacksRing() && h.votes() },
		"{name} votes in ring {votes} and not in {not}: half removed", removes, repairs, "an addition makes it a learner in both before it votes in one"},
	{func(h *halfSeen) bool { return h.state == StateFailed && h.votes() },
		"{name} fails: {why}", repairs, removes, "it votes: nothing is left of the way in but its own script"},
	{func(h *halfSeen) bool { return h.state == StateJoining || h.state == StateFailed },
		"the control plane of {name} does not run: {why}", adds, removes, "its script waits for the command that adds it"},
	{func(h *halfSeen) bool { return h.outside(h.m) && h.retired(h.m) },
		"{name} is not in the balancer's group and its control plane has ended", removes, adds, "a removal ends it in this order"},
	{func(h *halfSeen) bool { return h.outside(h.m) },
		"{name} is not in the balancer's group", adds, removes, "the group is the last thing that an addition gives it"},
	{func(h *halfSeen) bool { return h.have.OwnGroupOf(h.m.Object).Idle },
		"the group of {name} is told to leave it alone", repairs, removes, "it lacks nothing else, and that loses nothing"},
}

// halfMaster is a master that is not whole, or nothing.
func (s *Snapshot) halfMaster(m ObservedMaster) []Unfinished {
	state, why := s.state(m, s.nodeOf(m.Object))
	if len(s.Masters) == 1 {
		return s.onlyMaster(m, state, why)
	}
	h := &halfSeen{s, m, s.memberships(m.Object), state, why}
	for _, row := range halfMasters {
		if row.holds(h) {
			return half(h.said(row.step), h.command(row.does), h.command(row.or))
		}
	}
	return nil
}

func (h *halfSeen) said(step string) string {
	named := func(x membership) string { return strings.Join(h.in[x], " and ") }
	return strings.NewReplacer("{name}", h.m.Name, "{disk}", h.Names.DiskOf(h.m.Name), "{why}", h.why,
		"{votes}", named(voterMember), "{learns}", named(learnerMember), "{not}", named(noMember)).Replace(step)
}

// command is the way as it is typed, "" for none. Without quorum nobody would agree to
// the removal of one, so it goes on only as that of all.
func (h *halfSeen) command(w way) string {
	switch {
	case w == adds:
		return addMaster(h.m.Object)
	case w == repairs:
		return h.repair(h.m.Object)
	case w == removesByQuorum && !h.Quorum(), w == noWay:
		return ""
	case !h.Quorum():
		return downAll
	}
	return RemoveMaster(h.m.Object)
}

// rolling is a roll of masters that was begun and is not done: some of them are still as they
// were, or one is away. What it was begun with goes with the command.
func (s *Snapshot) rolling() []Unfinished {
	x := s.have.Rolling(s.Names)
	if x == nil {
		return nil
	}
	var old []string
	for _, m := range s.Masters {
		if x.OfMasters() && (s.unlike[m.Name] != "" || s.NotWhole(m) != "" || s.Cordoned(m) || s.otherVersion(m, x.Version())) {
			old = append(old, m.Name)
		}
	}
	var words []string
	if len(old) > 0 {
		words = append(words, fmt.Sprintf("%d of %d are to be made again or are not back: %s", len(old), len(s.Masters), strings.Join(old, " ")))
	} else if to := x.Version(); to != "" && x.OfMasters() && s.settled != to {
		words = append(words, "masters are of it, and CoreDNS, kube-proxy and kubeadm's configuration are not yet")
	} else if x.Of == inventory.RollOfMasters { // it could not say any more that it was done
		return nil
	}
	for _, id := range s.have.Pools() {
		if step, is := s.replacing(id, s.in(id)); is && x.OfPool(id) {
			words = append(words, step)
		}
	}
	text := fmt.Sprintf("%s of the %s is not done", x.What(), x)
	if len(words) > 0 {
		text += ": " + strings.Join(words, "; ")
	}
	return half(text, x.Command().String(), "")
}

// otherVersion tells that a master's kubelet is not of the version that an upgrade is to:
// one that was repaired meanwhile has another master's metadata.
func (s *Snapshot) otherVersion(m ObservedMaster, to string) bool {
	n := s.nodeOf(m.Object)
	return to != "" && n != nil && n.Status.NodeInfo.KubeletVersion != to
}

// Cordoned tells that hakube has cordoned a master's Node, so that a roll was cut before it took
// that back.
func (s *Snapshot) Cordoned(m ObservedMaster) bool {
	n := s.nodeOf(m.Object)
	return n != nil && kube.IsLeaving(n)
}

// withoutMasters is a cluster that has none, nor the disk of one. A snapshot of one leads back
// to it; otherwise it is anew.
func (s *Snapshot) withoutMasters() Unfinished {
	x := Unfinished{Step: "the cluster has no master: it is half made or half removed", Command: s.create(), Or: downAll}
	if s.home() == "" {
		x.Command, x.Or = x.Or, ""
	}
	if back, is := s.copied.back(); is {
		x.Step, x.Command, x.Or = "the cluster has no master, nor the disk of one; there is a snapshot of one", back.String(), downAll
	}
	return x
}

// Unrotated tells whether masters have what is from before a rotation, or may have; one that
// is not of masters is taken for it, whose command looks for itself.
func (s *Snapshot) Unrotated(x *inventory.Rotation) bool {
	return x.TellsNodes() || slices.ContainsFunc(s.Masters, func(m ObservedMaster) bool { return !s.Rotated(x, m) })
}

// Rotated tells that a master is through with a rotation.
func (s *Snapshot) Rotated(x *inventory.Rotation, m ObservedMaster) bool {
	switch x.Of {
	case inventory.RotateEncryptionKey:
		return s.Rings.KeyStage(m.Name, x.ID) == replicate.KeyAlone
	case inventory.RotateTokenKey:
		return s.Rings.TokenStage(m.Name, x.ID) == replicate.TokenKeySigns
	case inventory.DistrustTokenKey:
		return s.Rings.TokenStage(m.Name, x.ID) == replicate.TokenKeyAlone
	case inventory.RotateEtcdCA:
		return s.Rings.EtcdAuthorityStage(m.Name, x.ID) == replicate.TokenKeyAlone
	case inventory.RotateCA:
		return s.Rings.AuthorityStage(m.Name, x.ID) == replicate.TokenKeySigns
	case inventory.DistrustCA:
		return s.Rings.AuthorityStage(m.Name, x.ID) == replicate.TokenKeyAlone
	}
	return s.Rings.Rotated[m.Name] == x.ID
}

// rotating is a rotation that was begun and is not done: which masters have what is from
// before.
func (s *Snapshot) rotating() []Unfinished {
	x := s.Held.Rotation
	if x == nil || !s.Unrotated(x) { // it could not say any more that it was done
		return nil
	}
	switch {
	case x.OfNodes():
		return half(x.What()+" is not done: machines may join with the one of before", x.Command().String(), "")
	case x.TellsNodes():
		return half(x.What()+" is not done: machines may let the key of before in", x.Command().String(), "")
	}
	at := map[string][]string{} // masters, by what they have
	var unknown []string
	for _, m := range s.Masters {
		if _, told := s.Rings.Rotated[m.Name]; !told {
			unknown = append(unknown, m.Name)
			continue
		}
		has := s.has(x, m)
		at[has] = append(at[has], m.Name)
	}
	text := x.What() + " is not done"
	sep := ": "
	for _, has := range []string{hasOld, hasOldKey, hasBehind, hasFirst, hasAlone, hasTrusted, hasSigning, hasBoth, hasNone,
		hasOldCA, hasTrustedCA, hasSigningCA, hasBothCAs, hasOneCA} {
		if names := at[has]; len(names) > 0 {
			text += sep + fmt.Sprintf("%d of %d masters have %s: %s", len(names), len(s.Masters), has, strings.Join(names, " "))
			sep = "; "
		}
	}
	if len(unknown) > 0 {
		text += "; not known of " + strings.Join(unknown, " ")
	}
	return half(text, x.Command().String(), "")
}

// What masters have in the middle of a rotation, in words.
const (
	hasOld    = "those of before"
	hasNew    = "new ones" // which nothing is left to do about
	hasOldKey = "the key of before alone"
	hasBehind = "the new key behind that of before"
	hasFirst  = "the new key first"
	hasAlone  = "the new key alone"

	hasTrusted = "the new key trusted"
	hasSigning = "the new key signing"
	hasBoth    = "the key of before trusted too"
	hasNone    = "no other key trusted"

	hasOldCA     = "the authority of before alone"
	hasTrustedCA = "the new authority trusted"
	hasSigningCA = "the new authority signing"
	hasBothCAs   = "the authority of before trusted too"
	hasOneCA     = "no other authority trusted"
)

func (s *Snapshot) has(x *inventory.Rotation, m ObservedMaster) string {
	stage := s.Rings.TokenStage(m.Name, x.ID)
	switch {
	case x.Of == inventory.RotateTokenKey:
		return map[string]string{"": hasOldKey, replicate.TokenKeyTrusted: hasTrusted, replicate.TokenKeySigns: hasSigning}[stage]
	case x.Of == inventory.DistrustTokenKey && stage == replicate.TokenKeyAlone:
		return hasNone
	case x.Of == inventory.DistrustTokenKey:
		return hasBoth
	case x.Of == inventory.RotateCA:
		return map[string]string{"": hasOldCA, replicate.TokenKeyTrusted: hasTrustedCA, replicate.TokenKeySigns: hasSigningCA}[s.Rings.AuthorityStage(m.Name, x.ID)]
	case x.Of == inventory.RotateEtcdCA:
		return map[string]string{"": hasOldCA, replicate.TokenKeyTrusted: hasTrustedCA, replicate.TokenKeySigns: hasSigningCA, replicate.TokenKeyAlone: hasOneCA}[s.Rings.EtcdAuthorityStage(m.Name, x.ID)]
	case x.Of == inventory.DistrustCA && s.Rotated(x, m):
		return hasOneCA
	case x.Of == inventory.DistrustCA:
		return hasBothCAs
	case x.Of == inventory.RotateCertificates && s.Rotated(x, m):
		return hasNew
	case x.Of == inventory.RotateCertificates:
		return hasOld
	}
	return map[replicate.EncryptionStage]string{replicate.KeyBehind: hasBehind, replicate.KeyFirst: hasFirst, replicate.KeyAlone: hasAlone, "": hasOldKey}[s.Rings.KeyStage(m.Name, x.ID)]
}

// TokensPass is for how long after a rotation pods may hold tokens by the key of before:
// kubelets renew each within 24 hours (pkg/kubelet/token: maxTTL), and a rotation takes a while.
const TokensPass = 25 * time.Hour

// RotatedTokens is when the newest rotation of the key of tokens was begun that masters tell
// of; zero if none does.
func (s *Snapshot) RotatedTokens() (since time.Time) {
	for _, m := range s.Masters {
		if x := s.Rings.TokenKeys[m.Name]; x.Rotation != "" {
			if at := (inventory.Rotation{ID: x.Rotation}).Since(); at.After(since) {
				since = at
			}
		}
	}
	return since
}

// oldTokens is a warning while tokens by a key of before are taken, and nothing is at work on
// that: a key that is trusted for no reason is one that may be stolen.
func (s *Snapshot) oldTokens() []string {
	most := 0
	for _, m := range s.Masters {
		most = max(most, s.Rings.TokenKeys[m.Name].Keys)
	}
	if most < 2 || s.Held.Rotation != nil && s.Unrotated(s.Held.Rotation) {
		return nil
	}
	text := fmt.Sprintf("tokens of service accounts are taken by %d keys, and one signs", most)
	since := s.RotatedTokens()
	if since.IsZero() { // a backup brought it, or nobody is left who took part
		return []string{cure.Hint(text+"; pods may hold one by another, and this takes no others", cure.Distrust(inventory.RotateTokenKey))}
	}
	if until := since.Add(TokensPass); until.After(time.Now()) {
		return []string{text + fmt.Sprintf("; until %s pods may hold one by another, and then the others can be distrusted", until.Format(time.RFC3339))}
	}
	return []string{cure.Hint(text+"; no pod holds one by another any more, and this takes no others", cure.Distrust(inventory.RotateTokenKey))}
}

// Trusted is by how many certificate authorities masters take certificates: the most of any.
func (s *Snapshot) Trusted() (n int) {
	for _, m := range s.Masters {
		n = max(n, s.Rings.Authorities[m.Name].Trusts)
	}
	return n
}

// ExchangedAuthority is when the newest rotation of the authority was begun that masters tell
// of; zero if none does.
func (s *Snapshot) ExchangedAuthority() (since time.Time) {
	for _, m := range s.Masters {
		if x := s.Rings.Authorities[m.Name]; x.Rotation != "" && x.Stage != replicate.TokenKeyAlone {
			if at := (inventory.Rotation{ID: x.Rotation}).Since(); at.After(since) {
				since = at
			}
		}
	}
	return since
}

// OfAnotherAuthority are machines of nodes that were told to find another authority than the
// one that signs, and the pools that have such ones, or would make some.
func (s *Snapshot) OfAnotherAuthority() (machines []string, pools []settings.PoolID) {
	signs := s.Rings.Signing()
	if signs == "" { // nobody can tell
		return nil, nil
	}
	for _, id := range s.have.Pools() {
		is := false
		for _, o := range s.have.Pool(s.Names, id).Objects {
			switch t := s.templates[o.Template]; {
			case o.Kind == inventory.Instance && o.Authority != signs:
				machines, is = append(machines, o.Name), true
			case o.Kind == inventory.ManagedGroup && t != nil && inventory.MetadataItem(t.GetProperties().GetMetadata(), scripts.KeyCAHash) != signs:
				is = true
			}
		}
		if is {
			pools = append(pools, id)
		}
	}
	return machines, pools
}

// twoAuthorities is a warning while certificates by an authority of before are taken, and
// nothing is at work on that.
func (s *Snapshot) twoAuthorities() []string {
	n := s.Trusted()
	if n < 2 || s.Held.Rotation != nil && s.Unrotated(s.Held.Rotation) {
		return nil
	}
	text := fmt.Sprintf("certificates by %d authorities are taken, and one signs", n)
	switch machines, pools := s.OfAnotherAuthority(); {
	case len(machines) > 0:
		return []string{cure.Hint(fmt.Sprintf("%s; nodes of before know that of before alone: %s; this makes them again", text, pool.FewOf(machines)), cure.Roll())}
	case len(pools) > 0:
		return []string{cure.Hint(fmt.Sprintf("%s; the %s would make nodes that know that of before alone; this changes it", text, pools[0]), cure.Roll())}
	}
	return []string{cure.Hint(text+"; no node knows another one any more, and this takes those by no other", cure.Distrust(inventory.RotateCA))}
}
