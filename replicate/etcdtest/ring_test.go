package etcdtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

// threeMembers is a ring of three voters and a learner, on disks.
func threeMembers(t *testing.T) (w *World, disks []string, ids []memberID) {
	t.Helper()
	w = NewWorld(Options{})
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	first := foundRing("local/kubernetes/main", "a", "https://a:2380")
	members := maps.Clone(first.State.Members)
	ids = []memberID{first.ID, 2, 3, 4}
	for i, id := range ids[1:] {
		members[id] = ringMember{Name: fmt.Sprint(i), PeerURLs: []string{fmt.Sprintf("https://%d:2380", id)}, Learner: id == 4}
	}
	for _, id := range ids {
		path := filepath.Join(t.TempDir(), "pd")
		if err := CreateDisk(path); err != nil {
			t.Fatal(err)
		}
		d, err := openData(path)
		if err != nil {
			t.Fatal(err)
		}
		d.content.Rings = map[string]*memberData{ringMain: {Ring: first.Ring, ID: id, State: ringState{Members: members, Revision: 1}}}
		if err := errors.Join(d.save(), d.close()); err != nil {
			t.Fatal(err)
		}
		disks = append(disks, path)
	}
	return w, disks, ids
}

func start(t *testing.T, w *World, disk string) *member {
	t.Helper()
	d, err := openData(disk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.close() }) // some are closed before
	m, err := w.startMember(d, ringMain)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func put(m *member, key, value string) error {
	_, err := m.write(map[string]json.RawMessage{key: json.RawMessage(value)})
	return err
}

func TestQuorum(t *testing.T) {
	w, disks, ids := threeMembers(t)
	a := start(t, w, disks[0])
	if _, err := a.read(); !errors.Is(err, errNoQuorum) {
		t.Errorf("one of three reads: %v", err)
	}
	learner := start(t, w, disks[3])
	if err := put(a, "k", "1"); !errors.Is(err, errNoQuorum) {
		t.Errorf("one of three and a learner write: %v", err)
	}
	if s := a.status(); s.Healthy || s.Error != "Error: context deadline exceeded" || len(s.Members) != 4 || s.Leader != "" {
		t.Errorf("one of three says %+v", s)
	}
	b := start(t, w, disks[1])
	if err := put(a, "k", "1"); err != nil {
		t.Fatal(err)
	}
	if s, err := b.read(); err != nil || string(s.Keys["k"].Value) != "1" || s.Keys["k"].Mod != 2 || s.Revision != 2 {
		t.Errorf("b reads %+v, %v", s, err)
	}
	leader := a.ring.leader
	if leader == 4 || !slices.Contains(ids, leader) || b.status().Leader != leader.String() {
		t.Errorf("the leader is %v, b says %+v", leader, b.status())
	}

	// A member that comes late has what it missed, also on its disk.
	c := start(t, w, disks[2])
	if s, err := c.read(); err != nil || s.Revision != 2 || string(s.Keys["k"].Value) != "1" {
		t.Errorf("c reads %+v, %v", s, err)
	}
	if a.ring.leader != leader {
		t.Error("the leader changed without need")
	}
	w.stopMember(a)
	w.stopMember(b)
	if err := put(c, "k", "2"); !errors.Is(err, errNoQuorum) {
		t.Errorf("without quorum: %v", err)
	}
	w.stopMember(c)
	w.stopMember(learner)
	if len(w.rings) != 0 {
		t.Error("a ring without members is kept")
	}
	c, b = start(t, w, disks[2]), start(t, w, disks[1])
	if s, err := c.read(); err != nil || s.Revision != 2 || string(s.Keys["k"].Value) != "1" {
		t.Errorf("after all were stopped: %+v, %v", s, err)
	}
	w.stopMember(c)
	w.stopMember(b)
}

// TestDiskGoesOn writes more than is kept as single changes, and loses a member
// whose disk fails.
func TestDiskGoesOn(t *testing.T) {
	w, disks, _ := threeMembers(t)
	a, b, c := start(t, w, disks[0]), start(t, w, disks[1]), start(t, w, disks[2])
	big := `"` + string(slices.Repeat([]byte("x"), 300<<10)) + `"`
	for i := range 6 {
		if err := put(a, "k", big); err != nil {
			t.Fatal(i, err)
		}
	}
	if a.disk.size > 3<<19 {
		t.Errorf("the disk has grown to %d bytes", a.disk.size)
	}
	if err := put(a, "k", `"last"`); err != nil {
		t.Fatal(err)
	}
	if err := c.disk.close(); err != nil {
		t.Fatal(err)
	}
	if err := put(a, "k", `"without c"`); err != nil {
		t.Errorf("two of three: %v", err)
	}
	if err := b.disk.close(); err != nil {
		t.Fatal(err)
	}
	if err := put(a, "k", `"alone"`); err == nil {
		t.Error("one of three wrote")
	}
	for disk, want := range map[string]string{disks[1]: `"without c"`, disks[2]: `"last"`} {
		d, err := openData(disk)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(d.content.Rings[ringMain].State.Keys["k"].Value); got != want {
			t.Errorf("%.20s is on the disk, want %s", got, want)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
}
