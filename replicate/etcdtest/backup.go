package etcdtest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// backup is scripts/backup.sh. A model's snapshot is the ring's state as JSON; to try it
// is to read it again.
func backup(_ context.Context, c Call) int {
	if len(c.Args) < 2 || !json.Valid([]byte(c.Args[0])) {
		return c.fail("usage: backup SETTINGS RECIPIENT...")
	}
	var to []age.Recipient
	for _, text := range c.Args[1:] {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return c.fail("encrypting main.db: %v", err)
		}
		to = append(to, r)
	}
	archive, err := c.Guest.archive(c.Args[0], to)
	if err == nil {
		_, err = c.Stdout.Write(archive)
	}
	if err != nil {
		return c.fail("%v", err)
	}
	return 0
}

// archive is the backup, whole.
func (g *Guest) archive(settings string, to []age.Recipient) ([]byte, error) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k := g.control
	if k == nil || k.disk.content.Joining || k.disk.content.PKI == nil {
		return nil, fmt.Errorf("this machine is no master of a cluster")
	}
	x := k.disk.content
	keys, err := json.Marshal(exported(&x))
	if err != nil {
		return nil, err
	}
	record := map[string]any{
		"format": 1, "cluster": x.Cluster, "made": time.Now().Unix(), "master": x.Name, "kubernetes": x.Version,
		"etcd": scripts.Versions()["etcd"], "settings": json.RawMessage(settings),
	}
	parts, seen := map[string][]byte{"keys.json.age": keys}, map[string]any{}
	for _, name := range []string{ringMain, ringEvents} {
		s, err := k.members[name].read()
		if err != nil {
			return nil, fmt.Errorf("taking a snapshot of ring %s: %w", name, err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		prefixes := map[string]int{}
		for key := range s.Keys {
			words := strings.SplitN(key, "/", 4)
			prefixes[strings.Join(words[:min(3, len(words))], "/")]++
		}
		parts[name+".db.age"] = text
		seen[name] = map[string]any{
			"revision": s.Revision, "hash": crc32.ChecksumIEEE(text), "hashKV": crc32.ChecksumIEEE(text), "keys": len(s.Keys), "bytes": len(text), "prefixes": prefixes,
		}
	}
	record["rings"] = seen
	for name, text := range parts {
		if parts[name], err = sealed(text, to); err != nil {
			return nil, err
		}
	}
	if parts["hakube-backup.json"], err = json.Marshal(record); err != nil {
		return nil, err
	}
	return tarOf(parts)
}

func sealed(text []byte, to []age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func tarOf(parts map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	var sums strings.Builder
	w := tar.NewWriter(&out)
	add := func(name string, text []byte) error {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err := w.Write(text)
		return err
	}
	for _, name := range []string{"hakube-backup.json", "main.db.age", "events.db.age", "keys.json.age"} {
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(parts[name]), name)
		if err := add(name, parts[name]); err != nil {
			return nil, err
		}
	}
	if err := add("SHA256SUMS", []byte(sums.String())); err != nil {
		return nil, err
	}
	err := w.Close()
	return out.Bytes(), err
}

// restore is scripts/restore.sh.
func restore(ctx context.Context, c Call) int {
	g := c.Guest
	g.booted(ctx)
	v, err := g.metadata(ctx)
	if err != nil {
		return c.fail("%v", err)
	}
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	k := g.control
	if k == nil {
		return c.fail("the disk master-pd is not mounted")
	}
	x := &k.disk.content
	switch words := strings.Join(c.Args[:min(1, len(c.Args))], ""); {
	case words == "look":
	case words == "forget":
		x.Before, x.Spread, x.Restored = nil, nil, ""
	case words == "spread" && len(c.Args) == 4:
		if x.PKI == nil {
			return c.fail("this machine has no keys of the cluster yet")
		}
		if x.Restored != c.Args[1] {
			err = x.spread(c, v.Instance.Hostname)
		}
	case words == "own" && len(c.Args) == 3:
		if x.Restored != c.Args[1] {
			err = k.own(c, v.Instance.Hostname)
		}
	case words == "swap" && len(c.Args) > 1:
		if x.Restored != c.Args[1] {
			err = g.swap(k, c.Args[1], c.Args[2:])
		}
	default:
		return c.fail("usage: restore spread ID BUMP BYTES|own ID BUMP|swap ID [KEY]...|look|forget")
	}
	if err == nil {
		err = k.disk.save()
	}
	if err != nil {
		return c.fail("%v", err)
	}
	answer := map[string]string{"spread": "", "swapped": x.Restored}
	if x.Spread != nil {
		answer["spread"] = x.Spread.ID
	}
	return c.answer(answer)
}

// A spreading is a backup that is unpacked beside what there is.
type spreading struct {
	ID    string                 `json:"id"`
	Rings map[string]*memberData `json:"rings"`
}

func (x *content) spread(c Call, hostname string) error {
	rings, err := unpacked(strings.TrimPrefix(c.Script, scripts.Restore))
	if err != nil {
		return fmt.Errorf("what came of the backup is not whole: %w", err)
	}
	return x.layOut(c, hostname, rings)
}

// own is spread of what both rings have here now. The lock is held.
func (k *controlPlane) own(c Call, hostname string) error {
	rings := map[string]*ringState{}
	for _, name := range []string{ringMain, ringEvents} {
		s, err := k.members[name].read()
		if err != nil {
			return fmt.Errorf("taking a snapshot of ring %s: %w", name, err)
		}
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		rings[name] = &ringState{}
		if err := json.Unmarshal(text, rings[name]); err != nil {
			return err
		}
	}
	return k.disk.content.layOut(c, hostname, rings)
}

func (x *content) layOut(c Call, hostname string, rings map[string]*ringState) error {
	bump, err := strconv.ParseInt(c.Args[2], 10, 64)
	if err != nil {
		return err
	}
	x.Spread = &spreading{c.Args[1], map[string]*memberData{}}
	for name, s := range rings {
		data := foundRing(x.Cluster+"/"+name+"/"+c.Args[1], x.Name, fmt.Sprintf("https://%s:%d", hostname, peerPorts[name]))
		s.Members, s.Alarms = data.State.Members, nil
		s.Revision += bump
		s.Compacted = s.Revision
		data.State = *s
		x.Spread.Rings[name] = data
	}
	return nil
}

// swap starts the rings with what is unpacked, but for what is at some keys. The lock is held.
func (g *Guest) swap(k *controlPlane, id string, without []string) error {
	x := &k.disk.content
	if x.Spread == nil || x.Spread.ID != id {
		return fmt.Errorf("the backup is not unpacked here")
	}
	for _, name := range []string{ringMain, ringEvents} {
		g.w.stopMember(k.members[name])
		delete(k.members, name)
		if old := x.Rings[name]; old != nil && x.Before[name] == nil {
			if x.Before == nil {
				x.Before = map[string]*memberData{}
			}
			x.Before[name] = old
		}
		if x.Rings == nil {
			x.Rings = map[string]*memberData{}
		}
		x.Rings[name] = x.Spread.Rings[name]
		delete(k.halted, name)
	}
	x.Rings[ringMain].State.leaveOut(without)
	x.Restored, x.Spread = id, nil
	k.serving = nil
	if err := k.disk.save(); err != nil {
		return err
	}
	g.w.restart(k)
	g.w.happened()
	if err := k.rings(); err != nil {
		return fmt.Errorf("both rings serve: not after 120 s: %w", err)
	}
	return nil
}

// unpacked reads the snapshots that follow the script.
func unpacked(archive string) (map[string]*ringState, error) {
	rings := map[string]*ringState{}
	r := tar.NewReader(strings.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		s := &ringState{}
		if err := json.NewDecoder(r).Decode(s); err != nil {
			return nil, err
		}
		rings[strings.TrimSuffix(h.Name, ".db")] = s
	}
	if rings[ringMain] == nil || rings[ringEvents] == nil {
		return nil, fmt.Errorf("a ring is missing")
	}
	return rings, nil
}

// leaveOut takes out of a ring's state what is at the keys, and all that begins with one that
// has / or - at its end.
func (s *ringState) leaveOut(keys []string) {
	for _, key := range keys {
		key = "/registry/" + strings.Replace(key, "minions/", kubeapi.Nodes.Name+"/", 1) // as Kubernetes calls them in etcd
		maps.DeleteFunc(s.Keys, func(k string, _ kubeapi.Entry) bool {
			return k == key || strings.HasPrefix(k, key) && (strings.HasSuffix(key, "/") || strings.HasSuffix(key, "-"))
		})
	}
}
