package cluster

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/replicate/etcdtest"
)

// fromMirror has a cluster made through a mirror, which other versions come from: the embedded
// GCE's own has one.
func fromMirror(s *settings.Settings) { s.Mirror = "http://mirror.example/kubernetes" }

// to is the same operator, who names a version of Kubernetes.
func (o *operator) to(version settings.Version) *operator {
	return o.again(func(s *settings.Settings) {
		s.KubeVersion = version
		*s = s.Said(settings.OfVersion, true)
	})
}

// versions are those of all Nodes, by name.
func (w *world) versions(o *operator) map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, n := range w.nodes(o) {
		all[n.Name] = n.Status.NodeInfo.KubeletVersion
	}
	return all
}

// TestUpgrade: masters and then nodes come to another patch, planned first; what kubeadm keeps
// follows; up and status speak of it as of what there is; once more there is nothing to do.
func TestUpgrade(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		w, _ := newModelWorld(t)
		c := sickOf(t, w, masters, fromMirror)
		newer := c.o.to("v1.36.4")
		var told Rolling
		newer.OnRoll(func(x Rolling) error { told = x; return nil })
		c.unchanged(func() {
			if n, err := newer.Upgrade().PreviewRoll(t.Context(), false, c.events()); err != nil || n < 5*masters {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		if told.From != "v1.36.3" || told.To != "v1.36.4" || len(told.Masters) != masters {
			t.Errorf("it tells %+v", told)
		}
		kept, early, watch := 0, 0, c.events()
		s, err := newer.Upgrade().Roll(t.Context(), false, func(e plan.Event) {
			watch(e)
			switch {
			case e.Kind == plan.Made && strings.HasPrefix(e.Step, "rings of before v1.36.4 on "):
				kept++
			case e.Kind == plan.Removing && kept < masters:
				early++
			}
		})
		c.must(err)
		if kept != masters || early > 0 {
			t.Errorf("%d of %d masters kept their rings, and before that %d things were taken away", kept, masters, early)
		}
		if len(s.Rolled) != masters || s.Mode != settings.Upgrade {
			t.Errorf("it ends with %+v", s)
		}
		for name, v := range c.versions(c.o) {
			if v != "v1.36.4" {
				t.Errorf("%s is of %s", name, v)
			}
		}
		c.whole(masters)
		c.upgraded(newer)
		c.upgraded(c.o)
	}
}

// upgraded looks that there is nothing to upgrade, and nothing that speaks of it.
func (c *sickCluster) upgraded(o *operator) {
	c.t.Helper()
	c.unchanged(func() {
		if n, err := o.Upgrade().PreviewRoll(context.Background(), false, nil); err != nil || n != 0 {
			c.t.Errorf("plan of it once more: %d steps, %v", n, err)
		}
	})
	if s, err := o.Upgrade().Roll(context.Background(), false, c.events()); err != nil || !s.Nothing || len(s.Rolled) > 0 {
		c.t.Errorf("once more: %+v, %v", s, err)
	}
	if s, err := o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 {
		c.t.Errorf("unfinished: %+v, %v", s.Unfinished, err)
	}
}

// TestUpgradeStops: a master that does not come back with the new version ends the walk, the
// others serving the old one; status names the way on, up waits for that, and as long as no
// master runs the new one the old one is the way back.
func TestUpgradeStops(t *testing.T) {
	long(t, "TestUpgrade")
	besideOthers(t)
	var broken atomic.Bool
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Installing = func(string, func(string)) error {
			if broken.Load() {
				return errors.New("no space left on device")
			}
			return nil
		}
	}))
	c := sickOf(t, w, 3, fromMirror)
	broken.Store(true)
	hurried := c.o.to("v1.36.4").again(func(s *settings.Settings) { s.InitTimeout = settings.Seconds(10e9) })
	_, err := hurried.Upgrade().RollMasters(t.Context(), false, c.events())
	if err == nil || !strings.Contains(err.Error(), "no other master was touched") {
		t.Fatalf("it ended with %v", err)
	}
	s, err := c.o.Status(t.Context())
	c.must(err)
	const command = "KUBE_MIRROR=http://mirror.example/kubernetes KUBE_VERSION=v1.36.4 hakube upgrade masters"
	if !s.Address.Ready || s.Quorum["main"].Alive < 2 || len(s.Unfinished) != 1 || s.Unfinished[0].Command != command {
		t.Errorf("status: %+v, %+v, %+v", s.Address, s.Quorum, s.Unfinished)
	}
	c.unchanged(func() {
		_, err := c.o.Up(t.Context(), c.events())
		wantError(t, err, "an upgrade to v1.36.4 of the masters was begun and is not done", "\t"+command)
		_, err = c.o.RollMasters(t.Context(), false, c.events())
		wantError(t, err, "an upgrade to v1.36.4 of the masters was begun and is not done", "\t"+command)
	})
	broken.Store(false)
	back, err := c.o.to("v1.36.3").Upgrade().RollMasters(t.Context(), false, c.events())
	c.must(err)
	if len(back.Rolled) != 1 {
		t.Errorf("back: %+v", back)
	}
	for name, v := range c.versions(c.o) {
		if v != "v1.36.3" {
			t.Errorf("%s is of %s", name, v)
		}
	}
	c.whole(3)
	c.upgraded(c.o)
}

// TestUpgradeGoesOn: cut between two masters and between masters and nodes, the command that
// status names does the rest.
func TestUpgradeGoesOn(t *testing.T) {
	long(t, "TestUpgrade")
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 3, fromMirror)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	n := 0
	_, err := c.o.to("v1.36.4").Upgrade().Roll(ctx, false, func(e plan.Event) {
		if e.Kind == plan.Made && strings.HasPrefix(e.Step, "machine kubernetes-master") {
			if n++; n == 2 {
				stop()
			}
		}
	})
	if err == nil {
		t.Fatal("it was not cut")
	}
	s, err := c.o.Status(t.Context())
	c.must(err)
	if len(s.Unfinished) == 0 || !strings.Contains(s.Unfinished[0].Step, "an upgrade to v1.36.4 of the cluster is not done") {
		t.Fatalf("unfinished: %+v", s.Unfinished)
	}
	c.must(c.follow(c.o, s.Unfinished[0].Command))
	for name, v := range c.versions(c.o) {
		if v != "v1.36.4" {
			t.Errorf("%s is of %s", name, v)
		}
	}
	c.whole(3)
	c.upgraded(c.o)
}

// TestUpgradeRefusals: what Kubernetes' rules forbid, and what cannot be had, is refused with
// what helps, and nothing is changed.
func TestUpgradeRefusals(t *testing.T) {
	besideOthers(t)
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Lacks = func(version string) string {
			if version == "v1.36.9" {
				return "http://mirror.example/kubernetes/dl.k8s.io/release/v1.36.9: 404"
			}
			return ""
		}
	}))
	c := sickOf(t, w, 3, fromMirror)
	zone := string(c.zones[0])
	for _, x := range []struct {
		to   settings.Version
		pool bool
		says []string
	}{
		{"v1.36.2", false, []string{"runs v1.36.3, and a control plane does not go back", "hakube help restore"}},
		{"v1.38.0", false, []string{"one minor at a time: name a version of v1.37 first", "hakube makes clusters of v1.35, v1.36, v1.37, and brings them to those"}},
		{"v1.36.9", false, []string{"KUBE_VERSION=v1.36.9 is not to be had", "404"}},
		{"v1.36.4", true, []string{"masters run v1.36.3, and nodes are never newer than those", "\tKUBE_VERSION=v1.36.4 hakube upgrade masters"}},
		{"v1.32.0", true, []string{"masters run v1.36.3, and kubelets are at most 3 minors older", "hakube makes clusters of v1.35, v1.36, v1.37, and brings them to those"}},
	} {
		o := c.o.to(x.to)
		run, preview := func() error { _, err := o.Upgrade().RollMasters(t.Context(), false, c.events()); return err }, func() error { _, err := o.Upgrade().PreviewRollMasters(t.Context(), false, nil); return err }
		if x.pool {
			run, preview = func() error { _, err := o.Upgrade().RollPool(t.Context(), zone, false, c.events()); return err }, func() error { _, err := o.Upgrade().PreviewRollPool(t.Context(), zone, false, nil); return err }
		}
		c.unchanged(func() {
			wantError(t, run(), x.says...)
			wantError(t, preview(), x.says...)
		})
	}
	c.must(c.Client.Instances(c.zones[2]).Stop(t.Context(), c.names[2]))
	c.unchanged(func() {
		_, err := c.o.to("v1.36.4").Upgrade().RollMasters(t.Context(), false, c.events())
		wantError(t, err, c.names[2]+" fails: stopped", "hakube repair "+c.names[2])
	})
}

// TestUpgradeMinors: a cluster goes through all minors that hakube supports, one at a time; one
// of a minor from before that stays what it is, its nodes come to what masters run, and it is
// brought to the oldest.
func TestUpgradeMinors(t *testing.T) {
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, fromMirror, func(s *settings.Settings) { s.KubeVersion = "v1.35.4" })
	c.unchanged(func() {
		_, err := c.o.to("v1.37.2").Upgrade().Roll(t.Context(), false, c.events())
		wantError(t, err, "runs v1.35.4", "one minor at a time: name a version of v1.36 first")
	})
	for _, to := range []settings.Version{"v1.36.3", "v1.37.2"} {
		if _, err := c.o.to(to).Upgrade().Roll(t.Context(), false, c.events()); err != nil {
			t.Fatalf("to %s: %v", to, err)
		}
		for name, v := range w.versions(c.o) {
			if v != string(to) {
				t.Errorf("%s is of %s, not of %s", name, v, to)
			}
		}
	}
}

// TestVersionsThereAre: where machines fetch from the embedded GCE, what that has is asked before
// anything, and a version that it can be given has the command that does; from a mirror of one's
// own, or at Google, masters ask.
func TestVersionsThereAre(t *testing.T) {
	const own = "http://mirror.internal"
	there := settings.Releases{Has: []string{"v1.36.3"}, Makes: []string{"v1.36.3", "v1.37.2"}}
	for _, x := range []struct {
		provider settings.Provider
		mirror   string
		version  settings.Version
		cure     string // "": it is there
	}{
		{settings.Local, "", "v1.36.3", ""},
		{settings.Local, "", "v1.37.2", "\thakube local prepare --kubernetes=v1.37.2"},
		{settings.Local, own, "v1.37.2", "\thakube local prepare --kubernetes=v1.37.2"}, // read back from a master
		{settings.Local, "", "v1.37.1", "it can be given v1.36.3, v1.37.2; for another version set KUBE_MIRROR"},
		{settings.Local, "http://mirror.example", "v1.37.1", ""},
		{settings.GCE, "", "v1.37.1", ""},
	} {
		s := settings.Settings{Provider: x.provider, KubeVersion: x.version, Mirror: settings.URL(x.mirror)}
		spec := settings.SpecOf(s, settings.Operator{MirrorDefault: own, Versions: there})
		cure := ""
		for _, err := range spec.Clashes() {
			var r *refusal.Refused
			if errors.As(err, &r) && strings.HasPrefix(r.Why, "KUBE_VERSION=") {
				cure = r.Cure
			}
		}
		if (cure == "") != (x.cure == "") || !strings.Contains(cure, x.cure) {
			t.Errorf("%s from %q at %s: the cure is %q, not %q", x.version, x.mirror, x.provider, cure, x.cure)
		}
	}
}
