package etcdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// The scripts that bring back what fails, for the failures of inject.go.

// revived is the JSON of scripts/revive-etcd.sh.
type revived struct {
	Disk  bool                   `json:"disk"`
	Rings map[string]revivedRing `json:"rings"`
}

type revivedRing struct {
	State string `json:"state"` // none, runs, lost, ends
	Error string `json:"error"`
}

// booted waits until the startup-script is through, as real scripts do by its
// lock.
func (g *Guest) booted(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		phase := g.Phase()
		if phase == scripts.PhaseRunning || phase == scripts.PhasePrepared || strings.HasPrefix(phase, scripts.PhaseFailed) {
			return
		}
		select {
		case <-tick.C:
		case <-g.ctx.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// reviveEtcd is scripts/revive-etcd.sh.
func reviveEtcd(ctx context.Context, c Call) int {
	g := c.Guest
	g.booted(ctx)
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	out := revived{Rings: map[string]revivedRing{ringMain: {State: "none"}, ringEvents: {State: "none"}}}
	k := g.control
	if k == nil || k.disk.gone {
		return c.answer(out)
	}
	out.Disk = true
	for _, name := range []string{ringMain, ringEvents} {
		data := k.disk.content.Rings[name]
		switch {
		case data == nil:
			continue
		case data.Lost:
			out.Rings[name] = revivedRing{State: "lost"}
			continue
		}
		delete(k.halted, name)
		g.w.restart(k)
		if m := k.members[name]; m != nil && m.ring.live[data.ID] == m {
			out.Rings[name] = revivedRing{State: "runs"}
		} else {
			out.Rings[name] = revivedRing{"ends", k.why[name]}
		}
	}
	g.fellSilent()
	g.w.happened()
	return c.answer(out)
}

// reviveAPI is scripts/revive-api.sh: a new process hangs no more.
func reviveAPI(ctx context.Context, c Call) int {
	g := c.Guest
	g.booted(ctx)
	if !g.founded() {
		return c.fail("this machine is no master yet")
	}
	g.Wedge(WedgeNone)
	if err := g.serveAgain(ctx); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]bool{"ready": g.Ready()})
}

// serveAgain starts a control plane that was ended, as after a restore.
func (g *Guest) serveAgain(ctx context.Context) error {
	s := &startup{Guest: g}
	var err error
	if s.view, err = g.metadata(ctx); err != nil {
		return err
	}
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil || g.control.serving != nil || g.control.rings() != nil {
		return nil
	}
	g.control.serving, err = s.servingTLS(g.control.disk)
	g.w.happened()
	return err
}

// founded tells of a master that is through with founding or joining.
func (g *Guest) founded() bool {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	return g.control != nil && !g.control.disk.content.Joining && g.control.disk.content.PKI != nil
}

// registerNode is scripts/register-node.sh: a kubelet makes its Node when it starts.
func registerNode(ctx context.Context, c Call) int {
	s, code := c.onMaster(ctx)
	if code != 0 {
		return code
	}
	g := s.Guest
	own := func() (*controlPlane, error) {
		if g.serves() {
			return g.control, nil
		}
		return nil, nil
	}
	if err := s.runKubelet(ctx, own); err != nil {
		return c.fail("the node is registered: %v", err)
	}
	return c.answer(map[string]bool{"registered": true})
}

// forceRing is scripts/force-ring.sh, which is etcd's --force-new-cluster: the
// member stays who it is, and all others are none any more.
func forceRing(ctx context.Context, c Call) int {
	if len(c.Args) != 1 || peerPorts[c.Args[0]] == 0 {
		return c.fail("usage: force-ring main|events")
	}
	g, name := c.Guest, c.Args[0]
	g.w.mu.Lock()
	g.alone = true
	g.w.happened()
	g.w.mu.Unlock()
	g.booted(ctx)
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	g.alone = false
	k := g.control
	if k == nil || k.disk.content.Rings[name] == nil || k.disk.content.Rings[name].Lost {
		return c.fail("this machine has no data of ring %s", name)
	}
	data := k.disk.content.Rings[name]
	own, in := data.State.Members[data.ID]
	if !in {
		return c.fail("ring %s has this member alone: not after 120 s", name)
	}
	if len(data.State.Members) > 1 || own.Learner {
		g.w.stopMember(k.members[name])
		own.Learner = false
		data.State.Members = map[memberID]ringMember{data.ID: own}
		data.State.Conf++
		if err := k.disk.save(); err != nil {
			return c.fail("%v", err)
		}
	}
	delete(k.halted, name)
	g.w.restart(k)
	if why := k.takesPart(name); why != nil {
		return c.fail("ring %s has this member alone: not after 120 s", name)
	}
	g.fellSilent()
	g.w.happened()
	return c.answer(map[string]bool{"alone": true})
}

// upgrades tells whether the machine was made around its disk to bring another version,
// and has not done so yet.
func (s *startup) upgrades(disk *dataDisk) bool {
	return s.Instance.Attributes[scripts.KeyUpgrade] == "true" && s.boot.Upgraded == "" && !disk.content.Joining && disk.content.Rings != nil
}

// upgrade has the control plane be of the version that the machine is to bring, once its
// API server is ready: the version of the disk follows, and the boot disk remembers.
func (s *startup) upgrade(c *controlPlane) error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	c.version = s.version()
	c.disk.content.Version = c.version
	if err := c.disk.save(); err != nil {
		return err
	}
	s.boot.Upgraded = c.version
	return s.boot.write(s.m.Boot)
}

// versionsOn is scripts/versions.sh.
func versionsOn(_ context.Context, c Call) int {
	if len(c.Args) != 2 {
		return c.fail("usage: versions WANTED MIRROR|-")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.Joining || k.disk.content.PKI == nil {
		return c.fail("this machine is no master of a cluster")
	}
	missing, etcd := "", scripts.Versions()["etcd"]
	if f := w.opts.Lacks; f != nil {
		missing = f(c.Args[0])
	}
	return c.answer(map[string]string{"kubernetes": k.disk.content.Version, "etcd": etcd, "brings": etcd, "missing": missing})
}

// keepRings is scripts/keep-rings.sh.
func keepRings(_ context.Context, c Call) int {
	again := len(c.Args) == 2 && c.Args[1] == "again"
	if len(c.Args) != 1 && !again {
		return c.fail("usage: keep-rings VERSION [again]")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.Joining || k.disk.content.PKI == nil {
		return c.fail("this machine is no master of a cluster")
	}
	version := c.Args[0]
	if k.disk.content.Kept[version] == nil || again {
		kept := map[string]int64{}
		for _, name := range []string{ringMain, ringEvents} {
			s, err := k.members[name].read()
			if err != nil {
				return c.fail("taking a snapshot of ring %s: %v", name, err)
			}
			kept[name] = s.Revision
		}
		k.disk.content.Kept = map[string]map[string]int64{version: kept}
		if err := k.disk.save(); err != nil {
			return c.fail("%v", err)
		}
	}
	return c.answer(map[string]string{"kept": version})
}

// settleVersion is scripts/settle-version.sh: of what kubeadm keeps in a cluster the model
// has its configuration.
func settleVersion(ctx context.Context, c Call) int {
	if len(c.Args) != 1 {
		return c.fail("usage: settle-version VERSION")
	}
	v, err := c.Guest.metadata(ctx)
	if err != nil {
		return c.fail("%v", err)
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	switch {
	case k == nil || k.disk.content.Joining || k.disk.content.PKI == nil:
		return c.fail("this machine is no master of a cluster")
	case k.disk.content.Version != c.Args[0]:
		return c.fail("this master is of %s, not of %s", k.disk.content.Version, c.Args[0])
	}
	if err := k.settled(c.Args[0], v.Instance.Attributes[scripts.KeyAddress]); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]string{"settled": c.Args[0]})
}

// settleAddress is scripts/settle-address.sh, as far.
func settleAddress(ctx context.Context, c Call) int {
	if len(c.Args) != 1 {
		return c.fail("usage: settle-address ADDRESS")
	}
	v, err := c.Guest.metadata(ctx)
	if err != nil {
		return c.fail("%v", err)
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	switch is := v.Instance.Attributes[scripts.KeyAddress]; {
	case k == nil || k.disk.content.Joining || k.disk.content.PKI == nil:
		return c.fail("this machine is no master of a cluster")
	case is != c.Args[0]:
		return c.fail("this master was made for the address %s, not for %s", is, c.Args[0])
	}
	if err := k.settled(k.disk.content.Version, c.Args[0]); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]string{"settled": c.Args[0]})
}

// settled writes what kubeadm keeps. The lock is held.
func (k *controlPlane) settled(version, address string) error {
	text, err := kubeadmConfig(version, address)
	if err == nil {
		_, err = k.main().write(map[string]json.RawMessage{kubeapi.ConfigMaps.Key("kube-system", "kubeadm-config"): text})
	}
	return err
}

// kubeadmConfig is the ConfigMap in which kubeadm keeps what a cluster was made with, as
// far as anybody asks for it.
func kubeadmConfig(version, address string) (json.RawMessage, error) {
	m := corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kubeadm-config"},
		Data:       map[string]string{"ClusterConfiguration": "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: " + address + ":443\nkubernetesVersion: " + version + "\n"},
	}
	kubeapi.StampNew(&m)
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("making kubeadm's configuration: %w", err)
	}
	return text, nil
}

// KeptOn says what a master keeps of its rings from before upgrades, as VERSION RING=REVISION,
// for tests.
func KeptOn(g *Guest) (list []string) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return nil
	}
	for _, version := range slices.Sorted(maps.Keys(g.control.disk.content.Kept)) {
		words := []string{version}
		for _, ring := range slices.Sorted(maps.Keys(g.control.disk.content.Kept[version])) {
			words = append(words, fmt.Sprintf("%s=%d", ring, g.control.disk.content.Kept[version][ring]))
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}
