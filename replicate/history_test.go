package replicate_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

// A history is what happens to a cluster of model masters: nature's part, and
// hakube's, which calls the real code of this package in the order in which
// cluster/member/member.go does. etcd's own rules in the model guests are the judge.
type history struct {
	*masters
	hosts   map[string]replicate.Host // of all machines there are
	off     map[string]bool           // stopped
	founder map[string]bool           // its disk has what it was founded with
	lost    map[string]bool           // a voter whose disk is empty, until hakube takes it out
	voters  map[string]map[string]bool
	acked   []string // keys whose write was acknowledged
	left    int      // changing calls until hakube is killed, -1: it is not

	accepted, refused, killed int
}

var errKilled = errors.New("hakube is killed")

func newHistory(t tester, dir string) *history {
	h := &history{
		masters: newMastersIn(t, dir), hosts: map[string]replicate.Host{}, off: map[string]bool{}, founder: map[string]bool{"a": true},
		lost: map[string]bool{}, left: -1,
		voters: map[string]map[string]bool{replicate.RingMain: {"a": true}, replicate.RingEvents: {"a": true}},
	}
	h.start("a")
	return h
}

// start boots a machine as far as it gets alone.
func (h *history) start(name string) {
	h.t.Helper()
	how := scripts.StartJoin
	if h.founder[name] {
		how = scripts.StartFound
	}
	h.hosts[name] = h.power(name, how)
	delete(h.off, name)
	g := h.guests[name]
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Microsecond) {
		for _, p := range []string{scripts.PhaseRunning, scripts.PhasePrepared, scripts.PhaseFailed, "waiting for the API server"} {
			if strings.HasPrefix(g.Phase(), p) {
				return
			}
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s boots to %q", name, g.Phase())
		}
	}
}

func (h *history) halt(name string) {
	h.guests[name].Stop()
	h.off[name] = true
}

// erase makes the machine's disks new.
func (h *history) erase(name string) {
	h.halt(name)
	for _, d := range []string{"-boot", "-pd"} {
		h.must(etcdtest.DeleteDisk(filepath.Join(h.dir, name+d)))
	}
	delete(h.founder, name)
}

// survey is cluster's: what the machines that run say of both rings.
func (h *history) survey() map[string]map[string]replicate.Ring {
	all := map[string]map[string]replicate.Ring{}
	for name, host := range h.hosts {
		if h.off[name] {
			continue
		}
		if rings, err := replicate.Rings(context.Background(), h.runner, host); err == nil {
			all[name] = rings
		}
	}
	return all
}

// ring is one as a member with quorum sees it.
func ringIn(s map[string]map[string]replicate.Ring, ring string) (replicate.Ring, bool) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if x := s[name][ring]; x.Healthy {
			return x, true
		}
	}
	return replicate.Ring{}, false
}

// healthy is a machine to act through.
func (h *history) healthy(s map[string]map[string]replicate.Ring, except string) (replicate.Host, error) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if name != except && s[name][replicate.RingMain].Healthy && s[name][replicate.RingEvents].Healthy {
			return h.hosts[name], nil
		}
	}
	return replicate.Host{}, fmt.Errorf("no master but %s has quorum in both rings", except)
}

func nameOf(m replicate.Member) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(m.PeerURLs[0], "https://"), ".")
	return name
}

// votersIn are the voters as cluster's survey counts them.
func votersIn(s map[string]map[string]replicate.Ring, ring string) (list []replicate.Voter) {
	x, _ := ringIn(s, ring)
	for _, m := range x.Members {
		if !m.Learner {
			own := s[nameOf(m)][ring]
			list = append(list, replicate.Voter{Name: nameOf(m), Zone: "b", Alive: own.ID == m.ID && own.Healthy})
		}
	}
	return list
}

// change is one changing call of hakube. None that it accepted may cost a ring its
// quorum.
func (h *history) change(what string, f func() error) error {
	if h.left == 0 {
		h.killed++
		return errKilled
	}
	h.left--
	before := h.survey()
	err := f()
	after := h.survey()
	for _, ring := range both {
		_, served := ringIn(before, ring)
		now, serves := ringIn(after, ring)
		if served && !serves {
			h.t.Fatalf("%s: %v, and ring %s has lost quorum with it", what, err, ring)
		}
		if serves {
			h.voters[ring] = map[string]bool{}
			for _, m := range now.Members {
				h.voters[ring][nameOf(m)] = !m.Learner
			}
		}
	}
	if err == nil {
		h.accepted++
	}
	return err
}

// up is hakube growing by a master, or finishing one.
func (h *history) up(name string) error {
	ctx := context.Background()
	s := h.survey()
	if _, err := h.healthy(s, name); err != nil {
		return err
	}
	for _, ring := range both {
		v := votersIn(s, ring)
		if slices.ContainsFunc(v, func(v replicate.Voter) bool { return v.Name == name }) {
			continue
		}
		if err := replicate.MayAdd(ring, v); err != nil {
			return err
		}
	}
	if _, there := h.hosts[name]; !there || h.off[name] {
		if err := h.change("starting the machine", func() error { h.start(name); return nil }); err != nil {
			return err
		}
	}
	for _, ring := range both {
		if err := h.enlisted(name, ring); err != nil {
			return err
		}
	}
	for _, ring := range both {
		if err := h.started(name, ring); err != nil {
			return err
		}
	}
	for _, ring := range both {
		if err := h.inSync(name, ring); err != nil {
			return err
		}
	}
	for _, ring := range both {
		if err := h.votes(name, ring); err != nil {
			return err
		}
	}
	own, err := replicate.Rings(ctx, h.runner, h.hosts[name])
	if err != nil {
		return err
	}
	for _, ring := range both {
		if x := own[ring]; !x.Healthy {
			return fmt.Errorf("the members of both rings vote: %s", x.Error)
		}
	}
	return h.change("joining the control plane", func() error { return replicate.JoinControlPlane(ctx, h.runner, h.hosts[name]) })
}

// member looks for a machine's member in a ring.
func (h *history) member(name, ring string) (x replicate.Member, there bool, via replicate.Host, as replicate.Ring, err error) {
	s := h.survey()
	if via, err = h.healthy(s, name); err != nil {
		return x, false, via, as, err
	}
	as = s[via.Name][ring]
	x, there = as.ByPeerURL(url(ring, name))
	return x, there, via, as, nil
}

func (h *history) enlisted(name, ring string) error {
	_, there, via, _, err := h.member(name, ring)
	if err != nil || there {
		return err
	}
	return h.change("adding "+name+" to "+ring, func() error {
		_, err := replicate.AddLearner(context.Background(), h.runner, via, ring, url(ring, name))
		return err
	})
}

func (h *history) started(name, ring string) error {
	ctx := context.Background()
	x, _, via, as, err := h.member(name, ring)
	if err != nil {
		return err
	}
	own, _ := replicate.Rings(ctx, h.runner, h.hosts[name]) // fails as long as there are no keys
	if own[ring].ID == x.ID {
		return nil
	}
	err = h.change("starting "+ring+" on "+name, func() error {
		if err := copyKeys(ctx, h.runner, via, h.hosts[name]); err != nil {
			return err
		}
		return replicate.StartMember(ctx, h.runner, h.hosts[name], ring, as, url(ring, name), name)
	})
	if err != nil {
		return err
	}
	own, err = replicate.Rings(ctx, h.runner, h.hosts[name])
	if err == nil && own[ring].ID != x.ID {
		err = fmt.Errorf("etcd %s on %s: %s", ring, name, own[ring].Error)
	}
	return err
}

func (h *history) inSync(name, ring string) error {
	x, _, via, _, err := h.member(name, ring)
	if err != nil || !x.Learner {
		return err
	}
	s := h.survey()
	own, theirs := s[name][ring], s[via.Name][ring]
	if own.ID != x.ID || own.Index*10 < theirs.Index*9 {
		return fmt.Errorf("%s in sync in ring %s: entry %d of %d", name, ring, own.Index, theirs.Index)
	}
	return nil
}

func (h *history) votes(name, ring string) error {
	x, _, via, _, err := h.member(name, ring)
	if err != nil || !x.Learner {
		return err
	}
	if _, err := replicate.Follows(context.Background(), h.runner, via, h.hosts[name], ring); err != nil {
		return err
	}
	return h.change(name+" votes in "+ring, func() error {
		return replicate.Promote(context.Background(), h.runner, via, ring, url(ring, name))
	})
}

// down is hakube taking a master away.
func (h *history) down(name string) error {
	ctx := context.Background()
	s := h.survey()
	via, err := h.healthy(s, name)
	if err != nil {
		return err
	}
	for _, ring := range both {
		if err := h.mayRemove(ring, s, name); err != nil {
			return err
		}
	}
	if !h.off[name] {
		err := h.change("retiring "+name, func() error { return replicate.Retire(ctx, h.runner, h.hosts[name], 0) })
		if err != nil {
			return err
		}
	}
	for _, ring := range both {
		if err := h.mayRemove(ring, h.survey(), name); err != nil {
			return err
		}
		err := h.change("removing "+name+" from "+ring, func() error {
			return replicate.Remove(ctx, h.runner, via, ring, url(ring, name))
		})
		if err != nil {
			return err
		}
	}
	return h.change("deleting the machine", func() error {
		h.erase(name)
		delete(h.hosts, name)
		delete(h.lost, name)
		delete(h.off, name)
		return nil
	})
}

func (h *history) mayRemove(ring string, s map[string]map[string]replicate.Ring, name string) error {
	return replicate.MayRemove(ring, votersIn(s, ring), name)
}

// canLose tells whether the rings get over the loss of a machine's disk.
func (h *history) canLose(name string) bool {
	for _, ring := range both {
		all, rest := 0, 0
		for v, votes := range h.voters[ring] {
			if votes {
				all++
				if v != name && !h.lost[v] {
					rest++
				}
			}
		}
		if rest < all/2+1 {
			return false
		}
	}
	return true
}

// write asks for one more object, through any master whose API server answers.
func (h *history) write() {
	for _, name := range slices.Sorted(maps.Keys(h.hosts)) {
		if h.off[name] || !h.guests[name].Ready() {
			continue
		}
		key := fmt.Sprintf("k%d", len(h.acked))
		_, err := h.api(h.hosts[name]).ConfigMaps("default").Create(context.Background(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: key}}, metav1.CreateOptions{})
		if err != nil {
			h.t.Fatalf("writing %s through %s, which is ready: %v", key, name, err)
		}
		h.acked = append(h.acked, key)
		return
	}
}

// heal ends all that nature did, and looks whether anything was lost.
func (h *history) heal() {
	h.t.Helper()
	for _, ring := range both {
		h.must(h.w.Partition(ring))
	}
	for _, name := range slices.Sorted(maps.Keys(h.off)) {
		h.start(name)
	}
	s := h.survey()
	for _, ring := range both {
		for name, votes := range h.voters[ring] {
			if votes && !h.lost[name] && !s[name][ring].Healthy {
				h.t.Fatalf("after all healed ring %s does not serve on %s: %+v", ring, name, s[name][ring])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.hosts)) {
		if !h.guests[name].Ready() {
			continue
		}
		list, err := h.api(h.hosts[name]).ConfigMaps("default").List(context.Background(), metav1.ListOptions{})
		h.must(err)
		have := map[string]bool{}
		for _, x := range list.Items {
			have[x.Name] = true
		}
		for _, key := range h.acked {
			if !have[key] {
				h.t.Fatalf("%s has lost %s, which was acknowledged", name, key)
			}
		}
	}
}
