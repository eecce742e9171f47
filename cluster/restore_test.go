package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/backup"
	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/replicate"
)

// source opens a backup as cmd/hakube does.
func (k *keeper) source(t testing.TB, path string) *backup.Source {
	t.Helper()
	b, err := backup.From(path, path, k.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // it was only read
	return b
}

func agreed(repair.Loss) error { return nil }

// makeConfigMap writes one more.
func (c *sickCluster) makeConfigMap(name string) {
	c.t.Helper()
	_, err := c.configMaps().Create(context.Background(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	c.must(err)
}

// A restore ends with what the backup has, whatever happened to masters meanwhile: nodes
// are there, the API is at the same address, what was written since is gone, and so are all
// masters but one; others can be added again.
func TestRestore(t *testing.T) {
	besideOthers(t)
	for name, x := range map[string]struct {
		masters int
		happen  func(*sickCluster)
		long    bool
	}{
		"the only master, machine and disk": {1, func(c *sickCluster) { c.deleteMachine(0); c.deleteDisk(0) }, false},
		"three masters, machines and disks": {3, func(c *sickCluster) {
			for i := range 3 {
				c.deleteMachine(i)
				c.deleteDisk(i)
			}
		}, true},
		"an operator's error, one master":    {1, func(c *sickCluster) {}, true},
		"an operator's error, three masters": {3, func(c *sickCluster) {}, false},
		"the data of a ring":                 {1, func(c *sickCluster) { c.must(c.guest(0).LoseEtcd(replicate.RingMain)) }, true},
		"the first of two masters":           {2, func(c *sickCluster) { c.deleteMachine(0); c.deleteDisk(0) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			if x.long && testing.Short() {
				t.Skip("make test has it")
			}
			t.Parallel()
			w, _ := newModelWorld(t)
			c := sickOf(t, w, x.masters)
			k := keeperOf(t, c.o)
			path, record := k.backup(t, "b")
			c.makeConfigMap("written-since")
			c.must(c.configMaps().Delete(context.Background(), "written-before", metav1.DeleteOptions{}))
			address, err := c.o.Status(context.Background())
			c.must(err)
			x.happen(c)
			var told repair.Loss
			nobody := c.o.again(func(s *settings.Settings) { s.Zone = "" }) // a restore needs no zone
			s, err := nobody.Restore(context.Background(), k.source(t, path), c.events(), func(l repair.Loss) error { told = l; return nil })
			if err != nil {
				t.Fatal(err)
			}
			if s.Address != address.Address.IP || len(s.Repaired) != 1 || !strings.Contains(strings.Join(told.Lines, "\n"), fmt.Sprintf("ring main: the backup has revision %d", record.Rings["main"].Revision)) {
				t.Errorf("it ends with %+v, told was %q", s, told.Lines)
			}
			c.restoredOnly(s.Repaired[0], record)
			if x.masters == 3 {
				c.mustUp(c.o.replica(zoneC))
			}
			c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// restoredOnly is a whole cluster of one master, as it was when the backup was made.
func (c *sickCluster) restoredOnly(master string, record backup.Record) {
	c.t.Helper()
	i := slices.Index(c.names, master)
	c.names, c.zones = []string{master}, c.zones[i:i+1]
	c.whole(1)
	if _, err := c.configMaps().Get(context.Background(), "written-since", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		c.t.Errorf("what was written since the backup: %v", err)
	}
	x := c.answers()[master]
	for _, ring := range []string{replicate.RingMain, replicate.RingEvents} {
		if x[ring].Revision < record.Rings[ring].Revision+1_000_000_000 {
			c.t.Errorf("ring %s is at revision %d, the backup was at %d", ring, x[ring].Revision, record.Rings[ring].Revision)
		}
	}
}

// answers are what masters say of their rings.
func (c *sickCluster) answers() map[string]map[string]replicate.Ring {
	c.t.Helper()
	r := c.o.runFor(settings.StatusVerb, hold{})
	have, err := r.Look(context.Background())
	c.must(err)
	return r.Survey(context.Background(), have.Masters(r.Want.Names)).Answers
}

// A restore that may not be is refused before anything is changed.
func TestRestoreIsRefused(t *testing.T) {
	w := newWorld(t)
	c := sickOf(t, w, 1)
	k := keeperOf(t, c.o)
	path, _ := k.backup(t, "b")
	before := w.objects()
	no := errors.New("no")
	_, err := c.o.Restore(context.Background(), k.source(t, path), nil, func(repair.Loss) error { return no })
	if !errors.Is(err, no) || !errors.As(err, new(*Unchanged)) {
		t.Errorf("after a no: %v", err)
	}
	b := k.source(t, path)
	b.Record.Cluster = "local/other"
	_, err = c.o.Restore(context.Background(), b, nil, agreed)
	if !errors.As(err, new(*refusal.Refused)) || !errors.As(err, new(*Unchanged)) || !strings.Contains(err.Error(), "is of cluster local/other, and this is local/kubernetes") {
		t.Errorf("of another cluster: %v", err)
	}
	if _, err := backup.From(path, path, keeperOf(t, c.o).file); err == nil || !strings.Contains(err.Error(), "encrypted to other keys") {
		t.Errorf("with another key: %v", err)
	}
	if _, err := backup.From(path, path, path); err == nil || !strings.Contains(err.Error(), "reading the key of the backup") {
		t.Errorf("without a key: %v", err)
	}
	for path, doc := range w.objects() {
		if fmt.Sprint(doc) != fmt.Sprint(before[path]) {
			t.Errorf("%s was changed", path)
		}
	}
	c.whole(1)
}

// kept is a cluster that has a backup before something happens to it.
func kept(happen func(*sickCluster)) func(*sickCluster) {
	return func(c *sickCluster) {
		c.kept = keeperOf(c.t, c.o)
		c.backup, _ = c.kept.backup(c.t, "b")
		happen(c)
	}
}

func fromBackup(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	_, err := c.o.again(func(s *settings.Settings) { s.Zone = "" }).Restore(ctx, c.kept.source(c.t, c.backup), report, agreed)
	return err
}

// restoreCuts are restores that are ended at their changing calls.
var restoreCuts = []repairCut{
	{"all_of_one", 1, kept(func(c *sickCluster) { c.deleteMachine(0); c.deleteDisk(0) }), fromBackup, 1},
	{"in_place_of_two", 2, kept(func(*sickCluster) {}), fromBackup, 1},
	{"where_nothing_is", 1, gone, whereItWas, 1},
	{"as_another", 1, besideIt, asAnother, 1},
	{"disk_of_two", 2, copied(0, func(c *sickCluster) { c.loseDisk(0); c.loseDisk(1) }), fromDisk, 1},
}

// TestRestoreCut ends a restore at each of its changing calls, in one of the four ways by
// turns: the same again ends it with what the backup has. What it shares with a repair,
// after the data are the backup's, is cut at each third call.
func TestRestoreCut(t *testing.T) {
	besideOthers(t)
	all, calls := 0, 0
	for row, x := range restoreCuts {
		t.Run(x.name, func(t *testing.T) {
			list := x.undisturbed(t)
			calls += len(list)
			swapped := false
			for n, at := range list {
				swapped = swapped || at.name == "ssh.restore.swap"
				name := repairTroubles[(n+row)%len(repairTroubles)]
				trouble := troubles[slices.IndexFunc(troubles, func(x trouble) bool { return x.name == name })]
				shared := swapped && !strings.HasPrefix(at.name, "ssh.restore") && n%3 != row%3
				if trouble.faults[at.way] == nil || shared || shortForms && n%3 != row%3 || testing.Short() && n%24 != 8*(row%3) {
					continue
				}
				all++
				t.Run(fmt.Sprintf("call=%02d_%s.%d/%s", n+1, at.name, at.nth, trouble.name), func(t *testing.T) {
					t.Parallel()
					x.cut(t, at, trouble, 1)
				})
			}
		})
	}
	fmt.Printf("REPORT TestRestoreCut: %d restores, %d changing calls, %d cuts\n", len(restoreCuts), calls, all)
}

// TestRestoreAsItWasByThen: masters that were rolled and upgraded, and then are all lost, are
// made as the backup says they were, and not as the cluster was begun.
func TestRestoreAsItWasByThen(t *testing.T) {
	long(t, "TestRestore")
	besideOthers(t)
	w, _ := newModelWorld(t)
	c := sickOf(t, w, 1, fromMirror)
	newer := c.o.to("v1.36.4")
	_, err := newer.Upgrade().Roll(t.Context(), false, c.events())
	c.must(err)
	_, err = c.o.withMasters("e2-standard-4").RollMasters(t.Context(), false, c.events())
	c.must(err)
	k := keeperOf(t, c.o)
	path, record := k.backup(t, "b")
	c.deleteMachine(0)
	c.deleteDisk(0)
	s, err := c.o.Restore(context.Background(), k.source(t, path), c.events(), agreed)
	c.must(err)
	c.restoredOnly(s.Repaired[0], record)
	for name, v := range c.versions(c.o) {
		if v != "v1.36.4" {
			t.Errorf("%s is of %s", name, v)
		}
	}
	m, err := c.Client.Instances(c.zones[0]).Get(t.Context(), c.names[0])
	c.must(err)
	if size := gce.Base(m.GetMachineType()); size != "e2-standard-4" {
		t.Errorf("the master is of %s", size)
	}
	c.upgraded(newer)
}
