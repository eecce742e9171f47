// Package upgrade says whether a cluster may go to another version of Kubernetes, by the
// rules that Kubernetes and etcd have for that, and has what an upgrade needs beyond a roll
// of machines: what rings held before it, and what kubeadm keeps in the cluster after it.
package upgrade

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/version"

	"hakube/cluster/inventory"
	"hakube/cluster/label"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// Seen are the versions that a cluster runs.
type Seen struct {
	Masters map[string]replicate.Versions // of those that could be asked, by name
	Silent  map[string]error              // why one of them could not
	Nodes   []corev1.Node                 // that are no masters
}

// To has the task want the version that an upgrade is to: what somebody says, else that of one
// which was begun, else what masters run: then nodes go there. It returns what is said with it.
func To(r *task.Task, said settings.Settings) settings.Settings {
	text := r.Have.Rolling(r.Want.Names).Version()
	if text == "" {
		text = string(r.Want.Settings.KubeVersion)
	}
	if said.Says(settings.OfVersion) {
		text = string(said.KubeVersion)
	}
	said, _ = said.Saying(settings.OfVersion, text)
	r.Want = r.Want.Upgraded(text)
	return said
}

// Judge refuses what would break a rule on the way to the version that the task wants. s is
// what was seen of masters, if it is of them.
func Judge(ctx context.Context, r *task.Task, s *status.Snapshot, of string) (*Seen, error) {
	to := string(r.Want.Settings.KubeVersion)
	no := r.Want.Clashes()
	if len(no) > 0 {
		return nil, no
	}
	x, err := look(ctx, r)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(slices.Collect(maps.Values(x.Runs())), to) { // nodes may come to what masters run
		no = r.Want.Settings.KubeVersion.Supported()
	}
	if s != nil {
		away := map[string]bool{}
		for _, m := range s.Masters {
			if r.Have.Holder.Roll.OfMasters() && s.NotWhole(m) != "" {
				away[m.Name] = true
			}
		}
		if err := x.withNodes(s); err != nil && len(away) == 0 { // of an only master that is away nobody tells
			return nil, err
		}
		no = append(no, x.OfMasters(to, away)...)
		if len(no) == 0 && len(away) == 0 && older(x.Lowest(), to) {
			warnOfGone(ctx, r, to)
		}
	}
	if of != inventory.RollOfMasters {
		no = append(no, x.OfPools(to, s != nil)...)
	}
	return x, append(no, x.ToBeHad(to)...).Besides(nil)
}

// look asks masters that run what they are of.
func look(ctx context.Context, r *task.Task) (*Seen, error) {
	x := &Seen{Masters: map[string]replicate.Versions{}, Silent: map[string]error{}}
	masters := r.Have.Masters(r.Want.Names)
	said, failed := make([]replicate.Versions, len(masters)), make([]error, len(masters))
	var asks []func() error
	for i, m := range masters {
		if m.Status != "RUNNING" {
			continue
		}
		asks = append(asks, func() error {
			failed[i] = r.OverSSH(ctx, m, keepLimit, func(ctx context.Context, h replicate.Host) (err error) {
				said[i], err = replicate.VersionsOn(ctx, r.Deps.SSH, h, string(r.Want.Settings.KubeVersion), r.Want.Mirror)
				return err
			})
			return nil
		})
	}
	if err := gce.Parallel(asks...); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for i, m := range masters {
		switch {
		case failed[i] != nil:
			x.Silent[m.Name] = failed[i]
		case said[i].Kubernetes != "":
			x.Masters[m.Name] = said[i]
		}
	}
	return x, nil
}

// withNodes adds the Nodes that are no masters, as they were seen.
func (x *Seen) withNodes(s *status.Snapshot) error {
	nodes, why := s.Kubelets()
	if why != nil {
		return fmt.Errorf("asking which versions nodes are of: %w", why)
	}
	for _, n := range nodes {
		if !slices.ContainsFunc(s.Masters, func(m status.ObservedMaster) bool { return m.Name == n.Name }) {
			x.Nodes = append(x.Nodes, n)
		}
	}
	return nil
}

// Runs are the versions of Kubernetes that masters say they run, by name.
func (x *Seen) Runs() map[string]string {
	runs := map[string]string{}
	if x == nil {
		return runs
	}
	for name, v := range x.Masters {
		runs[name] = v.Kubernetes
	}
	return runs
}

// Lowest is the oldest that a master runs, "" if none could be asked.
func (x *Seen) Lowest() (lowest string) {
	for _, v := range x.Masters {
		if lowest == "" || older(v.Kubernetes, lowest) {
			lowest = v.Kubernetes
		}
	}
	return lowest
}

// parsed is a version; one that is none is as old as can be.
func parsed(text string) *version.Version {
	v, err := version.ParseSemantic(text)
	if err != nil {
		return version.MustParseSemantic("v0.0.0")
	}
	return v
}

func older(a, b string) bool { return parsed(a).LessThan(parsed(b)) }

// skew is how many minors kubelets may be older than API servers.
const skew = 3

// OfMasters refuses what masters may not be brought to. away is one that a run which was cut
// has taken and not brought back: what its disk has of an upgrade that did not come to its end
// is no reason against going back.
func (x *Seen) OfMasters(to string, away map[string]bool) (no refusal.Blockers) {
	for _, name := range slices.Sorted(maps.Keys(x.Silent)) {
		if !away[name] {
			no = append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s does not say which version it runs: %v", name, x.Silent[name]),
				Cure: cure.Hint("bring it back first", cure.Repair(name)),
			})
		}
	}
	want := parsed(to)
	for _, name := range slices.Sorted(maps.Keys(x.Masters)) {
		own := x.Masters[name]
		has := parsed(own.Kubernetes)
		switch {
		case want.LessThan(has):
			no = append(no, &refusal.Refused{
				Why: fmt.Sprintf("%s=%s: %s runs %s, and a control plane does not go back: what a newer one wrote an older one need not read", settings.OfVersion, to, name, own.Kubernetes),
				Cure: cure.Hints(cure.Hint("bring all machines to what it runs", cure.Upgrade(own.Kubernetes)),
					cure.Hint("the way back is a backup of before, restored where no master is left", cure.Help("restore"))),
			})
		case want.Major() != has.Major() || want.Minor() > has.Minor()+1:
			no = append(no, refusal.Because("%s=%s: %s runs %s, and Kubernetes is upgraded one minor at a time: name a version of v%d.%d first", settings.OfVersion, to, name, own.Kubernetes, has.Major(), has.Minor()+1))
		}
		no = append(no, ofEtcd(name, own)...)
	}
	return append(no, x.ofNodes(to)...)
}

// ofEtcd keeps etcd's own rule: one minor at a time, and never back.
func ofEtcd(name string, own replicate.Versions) (no refusal.Blockers) {
	has, brings := parsed(own.Etcd), parsed(own.Brings)
	if brings.LessThan(has) || brings.Major() != has.Major() || brings.Minor() > has.Minor()+1 {
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s runs etcd %s, and a machine that this hakube makes would have %s: etcd goes up one minor at a time, and never back", name, own.Etcd, own.Brings),
			Cure: "use the hakube that made it, or a newer one",
		})
	}
	return no
}

// ofNodes refuses API servers that the kubelets there are may not speak with.
func (x *Seen) ofNodes(to string) (no refusal.Blockers) {
	want := parsed(to)
	for i := range x.Nodes {
		n := &x.Nodes[i]
		text := n.Status.NodeInfo.KubeletVersion
		if has := parsed(text); has.Major() != want.Major() || has.Minor()+skew < want.Minor() {
			no = append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s=%s: node %s runs %s, and kubelets are at most %d minors older than the API: bring nodes to what masters run first", settings.OfVersion, to, n.Name, text, skew),
				Cure: cure.Hint("those of its zone", cure.Upgrade(x.Lowest(), "pool", n.Labels[corev1.LabelTopologyZone]).OfPool(n.Labels[label.PoolKey])),
			})
			break // one says it
		}
	}
	return no
}

// OfPools refuses what nodes may not be made of: never newer than masters, nor older than
// their API servers take. Older than they are they may be: nothing of a node stays. masters
// tells that these come to the version before.
func (x *Seen) OfPools(to string, masters bool) (no refusal.Blockers) {
	lowest := x.Lowest()
	switch {
	case masters:
	case lowest == "":
		no = append(no, &refusal.Refused{Why: "no master says which version it runs, and nodes are never newer than masters", Cure: cure.Hint("see what fails", cure.Status())})
	case older(lowest, to):
		no = append(no, &refusal.Refused{
			Why:  fmt.Sprintf("%s=%s: masters run %s, and nodes are never newer than those", settings.OfVersion, to, lowest),
			Cure: cure.Hints(cure.Hint("masters come first", cure.Upgrade(to, inventory.RollOfMasters)), cure.Hint("then", cure.Same())),
		})
	case parsed(to).Minor()+skew < parsed(lowest).Minor():
		no = append(no, refusal.Because("%s=%s: masters run %s, and kubelets are at most %d minors older", settings.OfVersion, to, lowest, skew))
	}
	return no
}

// ToBeHad refuses a version that masters could not fetch.
func (x *Seen) ToBeHad(to string) (no refusal.Blockers) {
	for _, name := range slices.Sorted(maps.Keys(x.Masters)) {
		if why := x.Masters[name].Missing; why != "" && x.Masters[name].Kubernetes != to {
			return append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s=%s is not to be had: %s asked for it: %s", settings.OfVersion, to, name, why),
				Cure: "name a version that there is, or with KUBE_MIRROR where it is",
			})
		}
	}
	return no
}
