package etcdtest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"filippo.io/age"

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
