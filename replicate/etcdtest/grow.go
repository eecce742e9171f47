package etcdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"hakube/scripts"
)

// answer is the line of JSON a script ends with.
func (c Call) answer(v any) int {
	if err := json.NewEncoder(c.Stdout).Encode(v); err != nil {
		return 1
	}
	return 0
}

// etcdMember is scripts/etcd-member.sh.
func etcdMember(_ context.Context, c Call) int {
	if len(c.Args) != 3 {
		return c.fail("usage: add|promote|remove|lead RING PEER_URL|ID")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("this machine has no etcd certificates")
	}
	m, err := k.members[c.Args[1]], error(nil)
	var id memberID
	if c.Args[0] != "add" {
		if err := id.UnmarshalText([]byte(c.Args[2])); err != nil {
			return c.answer(map[string]string{"error": "Error: bad member ID arg: " + err.Error()})
		}
	}
	switch {
	case m == nil:
		err = errNotRunning
	case c.Args[0] == "add":
		err = m.addLearner(c.Args[2])
	case c.Args[0] == "promote":
		err = m.promote(id)
	case c.Args[0] == "remove":
		err = w.remove(m, id)
	case c.Args[0] == "lead":
		err = m.lead(id)
	default:
		return c.fail("there is no action %s", c.Args[0])
	}
	text := ""
	if err != nil {
		text = "Error: " + err.Error()
	}
	return c.answer(map[string]string{"error": text})
}

// The model has one authority where a real master has several, so these are the
// files of it that travel.
const (
	fileCA    = "kubernetes/pki/ca.crt"
	fileKey   = "kubernetes/pki/ca.key"
	fileAdmin = "kubernetes/pki/sa.key" // the model's administrator, in the place of another secret
)

// exportKeys is scripts/export-keys.sh.
func exportKeys(_ context.Context, c Call) int {
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.Joining || k.disk.content.PKI == nil {
		return c.fail("this machine is no master of a cluster")
	}
	x := k.disk.content
	return c.answer(scripts.Keys{Version: x.Version, Files: map[string][]byte{
		fileCA: x.PKI.CA, fileKey: x.PKI.Key, fileAdmin: []byte(x.AdminConf),
	}})
}

var keyLine = regexp.MustCompile(`(?m)^key (\S+) (\S+)$`)
var versionLine = regexp.MustCompile(`(?m)^version (\S+)$`)

// importKeys is scripts/import-keys.sh.
func importKeys(_ context.Context, c Call) int {
	files := map[string][]byte{}
	for _, l := range keyLine.FindAllStringSubmatch(c.Script, -1) {
		var value []byte
		if err := json.Unmarshal([]byte(`"`+l[2]+`"`), &value); err != nil {
			return c.fail("reading %s: %v", l[1], err)
		}
		files[l[1]] = value
	}
	version := versionLine.FindStringSubmatch(c.Script)
	if len(files[fileCA]) == 0 || len(files[fileKey]) == 0 || version == nil {
		return c.fail("these are no keys")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil {
		return c.fail("the disk master-pd is not mounted")
	}
	x := &k.disk.content
	if x.PKI != nil && string(x.PKI.CA) == string(files[fileCA]) {
		return c.answer(map[string]int{"imported": 0})
	}
	if !x.Joining {
		return c.fail("this machine is a master already, and its %s is another one", fileCA)
	}
	x.PKI, x.AdminConf, x.Version = &pki{CA: files[fileCA], Key: files[fileKey]}, string(files[fileAdmin]), version[1]
	if err := k.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]int{"imported": len(files)})
}

// startEtcd is scripts/start-etcd.sh.
func startEtcd(_ context.Context, c Call) int {
	if len(c.Args) != 3 {
		return c.fail("usage: start-etcd RING MEMBER_ID MEMBERS")
	}
	w, name := c.Guest.w, c.Args[0]
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("there are no keys on this machine yet")
	}
	var id memberID
	if err := id.UnmarshalText([]byte(c.Args[1])); err != nil {
		return c.fail("%v", err)
	}
	x := &k.disk.content
	if was := x.Rings[name]; was != nil && was.ID != id {
		if !x.Joining {
			return c.fail("this master's member of ring %s is %s, not %s; its data are not thrown away", name, was.ID, id)
		}
		w.stopMember(k.members[name])
		delete(k.members, name)
		delete(x.Rings, name)
	}
	if m := k.members[name]; m != nil && m.ring.live[id] == m {
		return c.answer(map[string]bool{"started": true})
	}
	if x.Rings[name] == nil {
		ring := w.ringOf(id)
		if ring == "" {
			return c.fail("etcd %s: member %s is in no ring that can be reached", name, id)
		}
		if x.Rings == nil {
			x.Rings = map[string]*memberData{}
		}
		x.Rings[name] = &memberData{Ring: ring, ID: id}
		if err := k.disk.save(); err != nil {
			return c.fail("%v", err)
		}
	}
	m, err := w.startMember(k.disk, name)
	if err != nil {
		return c.fail("%v", err)
	}
	k.members[name] = m
	w.happened()
	return c.answer(map[string]bool{"started": true})
}

// ringOf finds the ring that has a member, as an etcd that joins asks those it
// was told of. The lock is held.
func (w *World) ringOf(id memberID) string {
	for name, r := range w.rings {
		if s := r.newest(); s != nil {
			if _, in := s.Members[id]; in {
				return name
			}
		}
	}
	return ""
}

// joinControlPlane is scripts/join-control-plane.sh.
func joinControlPlane(ctx context.Context, c Call) int {
	g := c.Guest
	g.w.mu.Lock()
	k := g.control
	g.w.mu.Unlock()
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("there are no keys on this machine yet")
	}
	s := &startup{Guest: g, step: "control plane"}
	var err error
	if s.view, err = g.metadata(ctx); err != nil {
		return c.fail("%v", err)
	}
	serving, err := s.servingTLS(k.disk)
	if err != nil {
		return c.fail("%v", err)
	}
	err = s.limited(60*time.Second, func() (bool, error) {
		for _, name := range []string{ringMain, ringEvents} {
			m := k.members[name]
			if m == nil {
				return false, fmt.Errorf("etcd %s: %w", name, errNotRunning)
			}
			if _, err := m.read(); err != nil {
				return false, err
			}
		}
		k.serving, k.version = serving, k.disk.content.Version
		k.disk.content.Joining, k.disk.content.Retired = false, false
		return true, k.disk.save()
	})
	if err != nil {
		return c.fail("both etcd rings serve: %v", err)
	}
	g.w.mu.Lock()
	g.w.happened()
	g.w.mu.Unlock()
	if err := s.kubelet(g.ctx, func() (*controlPlane, error) { return k, nil }); err != nil {
		return c.fail("the node is registered: %v", err)
	}
	s.report(scripts.PhaseRunning)
	return c.answer(map[string]bool{"joined": true})
}

// retire is scripts/retire.sh.
func retire(_ context.Context, c Call) int {
	g := c.Guest
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k := g.control
	if k == nil {
		return c.answer(map[string]bool{"retired": true})
	}
	for _, m := range k.members {
		if m.ring.leader != m.data.ID {
			continue
		}
		for id, x := range m.data.State.Members {
			if id != m.data.ID && !x.Learner && m.ring.live[id] != nil {
				m.ring.leader = id
				break
			}
		}
	}
	k.serving = nil
	k.disk.content.Retired = true
	if err := k.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	if g.w.kubelets[g.boot.MachineID].guest == g {
		delete(g.w.kubelets, g.boot.MachineID)
		g.w.silent[g.boot.MachineID] = time.Now()
	}
	g.w.happened()
	return c.answer(map[string]bool{"retired": true})
}
