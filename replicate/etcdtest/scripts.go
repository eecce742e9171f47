package etcdtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Script answers one of hakube's scripts in its place and returns the exit
// status. ctx ends when the caller gives up.
type Script func(ctx context.Context, c Call) int

// A Call is a script that was sent to a machine.
type Call struct {
	Guest          *Guest
	Args           []string
	Script         string // its text
	Stdout, Stderr io.Writer
}

// known are the scripts the model answers, by name.
var known = map[string]Script{
	"etcd-status":      etcdStatus,
	"admin-kubeconfig": adminKubeconfig,
	"diagnose":         diagnose,
	"pod-routes":       podRoutes,

	"etcd-member":        etcdMember,
	"etcd-space":         etcdSpace,
	"export-keys":        exportKeys,
	"import-keys":        importKeys,
	"start-etcd":         startEtcd,
	"join-control-plane": joinControlPlane,
	"retire":             retire,

	"tend-machine":  tendMachine,
	"revive-etcd":   reviveEtcd,
	"revive-api":    reviveAPI,
	"register-node": registerNode,
	"force-ring":    forceRing,

	"rotate-certificates": rotateCertificates,
	"encryption-key":      encryptionKey,
	"old-secrets":         oldSecrets,
	"service-account-key": serviceAccountKey,
	"authority":           authorityScript,
	"etcd-authority":      etcdAuthorityScript,

	"backup":  backup,
	"restore": restore,

	"keep-rings":     keepRings,
	"versions":       versionsOn,
	"settle-version": settleVersion,
	"settle-address": settleAddress,
}

// fail is a script's last word.
func (c Call) fail(format string, args ...any) int {
	fmt.Fprintf(c.Stderr, format+"\n", args...)
	return 1
}

// onMaster is the machine, once it has booted, with the metadata that are its own now. One
// that is no master fails the script, whose code is not 0 then.
func (c Call) onMaster(ctx context.Context) (s *startup, code int) {
	s = &startup{Guest: c.Guest}
	s.booted(ctx)
	if !s.founded() {
		return nil, c.fail("this machine is no master yet")
	}
	var err error
	if s.view, err = s.metadata(ctx); err != nil {
		return nil, c.fail("%v", err)
	}
	return s, 0
}

// podRoutes is scripts/pod-routes.sh: a machine that keeps its pods' range says so to
// whoever asks, see KeepPods.
func podRoutes(_ context.Context, c Call) int {
	w := c.Guest.w
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := []string{}
	for _, r := range c.Args {
		if w.kept[r] {
			kept = append(kept, r)
		}
	}
	if err := json.NewEncoder(c.Stdout).Encode(map[string]any{"kept": kept}); err != nil {
		return 1
	}
	return 0
}

// adminKubeconfig is scripts/admin-kubeconfig.sh.
func adminKubeconfig(_ context.Context, c Call) int {
	w := c.Guest.w
	w.mu.Lock()
	conf := ""
	var p *pki
	var trusted []byte
	if x := c.Guest.control; x != nil {
		conf, p = x.disk.content.AdminConf, x.disk.content.PKI
		if p != nil {
			trusted = x.disk.content.trusted()
		}
	}
	w.mu.Unlock()
	if conf != "" && len(c.Args) == 2 {
		days, err := strconv.Atoi(c.Args[0])
		var cert, key []byte
		if err == nil {
			cert, key, err = p.operator(c.Args[1], days)
		}
		if err != nil {
			return c.fail("%v", err)
		}
		conf = adminConf("https://127.0.0.1", "kubernetes", trusted, cert, key)
	}
	if conf == "" {
		return c.fail("this machine has no /etc/kubernetes/admin.conf")
	}
	if _, err := io.WriteString(c.Stdout, conf); err != nil {
		return 1
	}
	return 0
}

// statusMember and statusRing are the JSON of scripts/etcd-status.sh.
type statusMember struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"learner"`
}

type statusRing struct {
	ID       string         `json:"id"`
	Learner  bool           `json:"learner"`
	Index    int64          `json:"index"`
	Bytes    int64          `json:"bytes"`
	Members  []statusMember `json:"members"`
	Leader   string         `json:"leader"`
	Healthy  bool           `json:"healthy"`
	Revision int64          `json:"revision"`
	Error    string         `json:"error"`
	Alarms   []statusAlarm  `json:"alarms"`
	Size     int64          `json:"size"`
	InUse    int64          `json:"inUse"`
	Quota    int64          `json:"quota"`
	Writes   string         `json:"writes"`
}

type statusAlarm struct {
	Member string `json:"member"`
	Kind   string `json:"kind"`
}

// etcdStatus is scripts/etcd-status.sh.
func etcdStatus(_ context.Context, c Call) int {
	w := c.Guest.w
	w.mu.Lock()
	rings := map[string]statusRing{}
	if k := c.Guest.control; k != nil && k.disk.content.PKI != nil && k.disk.content.Rings != nil {
		w.restart(k)
		for _, m := range k.members {
			if err := m.receive(); err != nil {
				w.mu.Unlock()
				return c.fail("%v", err)
			}
		}
		for _, name := range []string{ringMain, ringEvents} {
			rings[name] = k.members[name].look(slices.Contains(c.Args, "writes"))
		}
	}
	w.mu.Unlock()
	if len(rings) == 0 {
		return c.fail("this machine has no etcd certificates")
	}
	said := map[string]any{"rings": rings, "disk": c.Guest.fullness(), "clock": c.Guest.clock(), "rotated": c.Guest.Rotated(), "encryption": c.Guest.encryption(), "serviceAccount": c.Guest.tokenKey(slices.Contains(c.Args, "writes")),
		"authority": c.Guest.authority(slices.Contains(c.Args, "writes")), "etcdAuthority": c.Guest.etcdAuthority()}
	if slices.Contains(c.Args, "writes") {
		said["certificates"] = c.Guest.certificates()
	}
	if err := json.NewEncoder(c.Stdout).Encode(said); err != nil {
		return 1
	}
	return 0
}

// look is status, and if it asks for a write as well, what was said against that.
func (m *member) look(writes bool) statusRing {
	x := m.status()
	if writes && x.Healthy {
		x.Writes = m.probe()
		x.Alarms = m.status().Alarms // one may have been raised just now
	}
	return x
}

// status is what etcdctl gets from the member. The world's lock is held.
func (m *member) status() statusRing {
	if m == nil || m.ring.live[m.data.ID] != m {
		return statusRing{Members: []statusMember{}, Error: errNotRunning.Error()}
	}
	s := &m.data.State
	if m.mute() {
		text := fmt.Sprintf("Error: %v; its etcd is activating, restarted 0 times", errMute)
		if m.refuses() {
			text += ": failed to publish local member to cluster through raft: " + errTooMany.Error()
		}
		return statusRing{Members: []statusMember{}, Error: text, Bytes: m.received()}
	}
	r := statusRing{
		ID: m.data.ID.String(), Learner: s.Members[m.data.ID].Learner, Index: m.applied, Bytes: m.received(),
		Members: []statusMember{}, Healthy: true, Revision: s.Revision,
		Alarms: s.alarms(), Size: m.data.size(), InUse: s.inUse(), Quota: m.ring.quota,
	}
	if leader := m.ring.leads(m.side); leader != 0 {
		r.Leader = leader.String()
	}
	switch _, err := m.read(); {
	case errors.Is(err, errNoQuorum): // etcdctl gives up before the member does
		r.Healthy, r.Error = false, "Error: context deadline exceeded"
	case err != nil:
		r.Healthy, r.Error = false, "Error: "+err.Error()
	}
	for _, id := range slices.Sorted(maps.Keys(m.data.State.Members)) {
		other := m.data.State.Members[id]
		r.Members = append(r.Members, statusMember{id.String(), other.Name, other.PeerURLs, other.Learner})
	}
	return r
}

// diagnose is scripts/diagnose.sh: a page of text, of what there is here.
func diagnose(_ context.Context, c Call) int {
	lines := strings.Split(strings.TrimSpace(string(c.Guest.Serial(0))), "\n")
	fmt.Fprintf(c.Stdout, "== startup script\n%s\n", strings.Join(lines[max(0, len(lines)-15):], "\n"))
	return 0
}
