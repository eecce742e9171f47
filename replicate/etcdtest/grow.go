package etcdtest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
		return c.fail("usage: add|promote|remove|lead|agree RING PEER_URL|ID")
	}
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if peerPorts[c.Args[1]] == 0 {
		return c.fail("there is no ring %s", c.Args[1])
	}
	k := c.Guest.control
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("this machine has no etcd certificates")
	}
	m, err := k.members[c.Args[1]], error(nil)
	var id memberID
	if c.Args[0] != "add" {
		if err := id.UnmarshalText([]byte(c.Args[2])); err != nil {
			return c.answer(map[string]string{"error": "bad member ID arg: " + err.Error()})
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
	case c.Args[0] == "agree":
		err = m.agree(1)
		w.happened()
	default:
		return c.fail("there is no action %s", c.Args[0])
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	return c.answer(map[string]string{"error": text})
}

// The model has one authority where a real master has several, so these are the
// files of it that travel.
const (
	fileCA    = "kubernetes/pki/ca.crt"
	fileKey   = "kubernetes/pki/ca.key"
	fileAdmin = "kubernetes/pki/front-proxy-ca.key" // the model's administrator, in the place of another secret
)

// exportKeys is scripts/export-keys.sh.
func exportKeys(_ context.Context, c Call) int {
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if c.Guest.founding {
		return c.answer(scripts.Keys{Founding: true})
	}
	if k == nil || k.disk.content.Joining || k.disk.content.PKI == nil {
		return c.fail("this machine is no master of a cluster")
	}
	return c.answer(exported(&k.disk.content))
}

func exported(x *content) scripts.Keys {
	k := scripts.Keys{Version: x.Version, Files: map[string][]byte{fileCA: x.PKI.CA, fileKey: x.PKI.Key, fileAdmin: []byte(x.AdminConf)}}
	if len(x.Encryption) > 0 {
		k.Files[scripts.EncryptionFile] = []byte(strings.Join(x.Encryption, "\n"))
	}
	x.Tokens.export(k.Files)
	x.EtcdCA.exportRings(k.Files)
	x.exportAuthority(k.Files)
	return k
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
	encrypts := encryptsBy(files[scripts.EncryptionFile])
	if x.PKI != nil && (string(x.PKI.CA) == string(firstPEM(files[fileCA])) || !x.Joining && x.Authority.At.Rotation != "") {
		n := x.alsoBy(encrypts) + x.Tokens.alsoTrust(files)
		if n == 0 {
			return c.answer(map[string]int{"imported": 0})
		}
		if err := k.disk.save(); err != nil {
			return c.fail("%v", err)
		}
		return c.answer(map[string]int{"imported": n})
	}
	if !x.Joining {
		return c.fail("this machine is a master already, and its %s is another one", fileCA)
	}
	x.PKI, x.AdminConf, x.Version = &pki{CA: firstPEM(files[fileCA]), Key: files[fileKey]}, string(files[fileAdmin]), version[1]
	x.Authority = authorityOf(files)
	x.Encryption, x.Tokens, x.EtcdCA = encrypts, tokenKeysOf(files), ringsBy(files)
	if err := k.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]int{"imported": len(files)})
}

// startEtcd is scripts/start-etcd.sh. An etcd that ends again at once is not the
// script's failure: systemd goes on starting it.
func startEtcd(_ context.Context, c Call) int {
	again := len(c.Args) == 4 && c.Args[3] == "again"
	if len(c.Args) != 3 && !again {
		return c.fail("usage: start-etcd RING MEMBER_ID MEMBERS [again]")
	}
	w, name := c.Guest.w, c.Args[0]
	if peerPorts[name] == 0 {
		return c.fail("there is no ring %s", name)
	}
	var id memberID
	if err := id.UnmarshalText([]byte(c.Args[1])); err != nil {
		return c.fail("%v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	k := c.Guest.control
	if k == nil || k.disk.content.PKI == nil {
		return c.fail("this machine has no keys of the cluster yet")
	}
	x := &k.disk.content
	was := x.Rings[name]
	if !x.Joining && again && was != nil && was.ID != id {
		w.stopMember(k.members[name])
		delete(k.members, name)
		x.Aside = append(x.Aside, *was)
		was = &memberData{ID: id}
	} else if !x.Joining && !(again && was != nil && len(was.State.Members) == 0) {
		if was == nil || was.ID != id {
			return c.fail("this master's member of ring %s is another one, not %s, and its data are not thrown away", name, id)
		}
		if was.Lost {
			return c.fail(lostData, name)
		}
		delete(k.halted, name)
		w.restart(k)
		return c.answer(map[string]bool{"started": true})
	}
	if was == nil || was.ID != id { // of an attempt that was taken back
		w.stopMember(k.members[name])
		delete(k.members, name)
		was = &memberData{ID: id}
	}
	was.Initial = nil
	delete(k.halted, name)
	for _, m := range strings.Split(c.Args[2], ",") {
		_, u, _ := strings.Cut(m, "=")
		was.Initial = append(was.Initial, u)
	}
	if x.Rings == nil {
		x.Rings = map[string]*memberData{}
	}
	x.Rings[name] = was
	if err := k.disk.save(); err != nil {
		return c.fail("%v", err)
	}
	w.restart(k)
	return c.answer(map[string]bool{"started": true})
}

// restart is systemd: it starts each etcd that has ended, whatever for, unless it
// was told to stop it. The lock is held.
func (w *World) restart(k *controlPlane) {
	for _, name := range []string{ringMain, ringEvents} {
		data, m := k.disk.content.Rings[name], k.members[name]
		if k.halted[name] || data == nil || data.Lost || m != nil && m.ring.live[data.ID] == m {
			continue
		}
		m, err := w.startMember(k.disk, name)
		if err != nil {
			if k.why[name] != err.Error() {
				k.why[name] = err.Error()
				k.guest.say("%v", err)
			}
			continue
		}
		delete(k.why, name)
		k.members[name] = m
		w.happened()
	}
}

// joinControlPlane is scripts/join-control-plane.sh.
func joinControlPlane(ctx context.Context, c Call) int {
	g := c.Guest
	g.w.mu.Lock()
	k := g.control
	hasKeys := k != nil && k.disk.content.PKI != nil
	g.w.mu.Unlock()
	if !hasKeys {
		return c.fail("this machine has no keys of the cluster yet")
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
	var why error
	err = s.limited(60*time.Second, func() (bool, error) {
		g.w.restart(k)
		if err := k.rings(); err != nil {
			why = err
			return false, nil
		}
		k.serving, k.version = serving, k.disk.content.Version
		k.disk.content.Joining = false
		return true, k.disk.save()
	})
	if err != nil {
		return c.fail("both etcd rings serve: %v", cmp.Or(why, err))
	}
	g.w.mu.Lock()
	g.w.happened()
	g.w.mu.Unlock()
	if err := s.runKubelet(g.ctx, func() (*controlPlane, error) { return k, nil }); err != nil {
		return c.fail("the node is registered: %v", err)
	}
	s.report(scripts.PhaseRunning)
	return c.answer(map[string]bool{"joined": true})
}

// retire is scripts/retire.sh, but for the time it takes: it goes on when nothing
// is under way any more. A reboot undoes it.
func retire(ctx context.Context, c Call) int {
	if len(c.Args) != 1 {
		return c.fail("usage: retire SECONDS")
	}
	seconds, err := strconv.ParseUint(c.Args[0], 10, 16)
	if err != nil {
		return c.fail("usage: retire SECONDS")
	}
	c.Guest.drain(ctx, time.Duration(seconds)*time.Second)
	g := c.Guest
	g.w.mu.Lock()
	k := g.control
	if k != nil {
		for _, m := range k.members {
			m.handOver()
		}
		k.serving = nil
		if g.w.kubelets[g.boot.MachineID].guest == g {
			delete(g.w.kubelets, g.boot.MachineID)
			g.w.silent[g.boot.MachineID] = time.Now()
		}
		g.w.happened()
	}
	g.w.mu.Unlock()
	g.hangUp()
	return c.answer(map[string]bool{"retired": true})
}

// handOver gives the lead to another voter that runs, if there is one.
func (m *member) handOver() {
	for _, id := range slices.Sorted(maps.Keys(m.data.State.Members)) {
		if m.ring.leader == m.data.ID && id != m.data.ID && m.reaches(id) {
			_ = m.lead(id) // a learner cannot; the next one may
		}
	}
}
