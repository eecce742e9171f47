package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/cluster/plan"
	"hakube/cluster/repair"
	"hakube/cluster/settings"
	"hakube/replicate"
)

// A repairCut is a cluster in which something failed, and the command for it.
type repairCut struct {
	name    string
	masters int
	happen  func(*sickCluster)
	run     func(context.Context, *sickCluster, func(plan.Event)) error
	left    int // masters that are there in the end
}

func repairAll(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	_, err := c.o.Repair(ctx, "", report)
	return err
}

func fromFirst(ctx context.Context, c *sickCluster, report func(plan.Event)) error {
	_, err := c.o.FromSurvivor(ctx, c.names[0], report, func(repair.Loss) error { return nil })
	return err
}

// repairCuts have each changing call of a repair in them.
var repairCuts = []repairCut{
	{"machine_and_disk", 3, func(c *sickCluster) { c.deleteMachine(c.patient); c.deleteDisk(c.patient) }, repairAll, 3},
	{"disk_under_it", 3, func(c *sickCluster) { c.must(c.guest(c.patient).LoseDataDisk()) }, repairAll, 3},
	{"boot_disk", 2, func(c *sickCluster) { c.must(c.guest(c.patient).LoseBootDisk()) }, repairAll, 2},
	{"data_of_a_ring", 3, func(c *sickCluster) { c.must(c.guest(c.patient).LoseEtcd(replicate.RingMain)) }, repairAll, 3},
	{"full_ring", 3, func(c *sickCluster) { c.must(c.guest(c.patient).FillEtcd(replicate.RingMain, 0, 5*giga)) }, repairAll, 3},
	{"data_that_differ", 3, func(c *sickCluster) {
		c.must(c.guest(0).RaiseAlarm(replicate.RingMain, replicate.AlarmCorrupt, c.names[c.patient]))
	}, repairAll, 3},
	{"disk_and_clock", 2, func(c *sickCluster) {
		c.must(c.guest(c.patient).CrowdDisk(giga, 1<<20))
		c.post("zones/"+c.zones[c.patient]+"/disks/"+c.names[c.patient]+"-pd/resize", doc{"sizeGb": "40"})
		c.guest(c.patient).SkewClock(time.Hour)
	}, repairAll, 2},
	{"from_survivor", 2, func(c *sickCluster) { c.deleteMachine(1); c.deleteDisk(1) }, fromFirst, 1},
	{"from_survivor_of_differing", 2, func(c *sickCluster) { c.must(c.guest(0).RaiseAlarm(replicate.RingMain, replicate.AlarmCorrupt, "")) }, fromFirst, 1},
	{"from_survivor_of_three", 3, func(c *sickCluster) {
		c.deleteMachine(1)
		c.deleteDisk(1)
		c.must(c.guest(2).LoseEtcd(replicate.RingEvents))
	}, fromFirst, 1},
}

// repairTroubles are those of the matrix that end a run.
var repairTroubles = []string{"killed_before", "killed_after", "operation_fails", "interrupted"}

// TestRepairCut ends a repair at each of its changing calls, in two of the four ways
// of TestMatrix that end a run, by turns. By turns too the same again, or what status says, ends it
// with the voters there are to be and with what was written before.
func TestRepairCut(t *testing.T) {
	besideOthers(t)
	all, calls := 0, 0
	for row, x := range repairCuts {
		if testing.Short() && row%10 != 0 {
			continue // what they share is cut in the others; "make test" has them all
		}
		t.Run(x.name, func(t *testing.T) {
			list := x.undisturbed(t)
			calls += len(list)
			for k, at := range list {
				for i, name := range repairTroubles {
					trouble := troubles[slices.IndexFunc(troubles, func(x trouble) bool { return x.name == name })]
					if trouble.faults[at.way] == nil || (k/2+i)%2 == 1 || shortForms && (row+k+i)%3 != 0 ||
						testing.Short() && (k != (row*5+2)%len(list) || i != (k/2)%2) {
						continue
					}
					all++
					t.Run(fmt.Sprintf("call=%02d_%s.%d/%s", k+1, at.name, at.nth, trouble.name), func(t *testing.T) {
						t.Parallel()
						x.cut(t, at, trouble, k+i)
					})
				}
			}
		})
	}
	fmt.Printf("REPORT TestRepairCut: %d repairs, %d changing calls, %d cuts\n", len(repairCuts), calls, all)
}

func (x repairCut) sick(t *testing.T) (*sickCluster, *saboteur) {
	w, s, _ := matrixWorld(t)
	c := sickOf(t, w, x.masters)
	c.o.settings.InitTimeout, c.o.deps.LetGo = settings.Seconds(30*time.Second), 5*time.Second // a busy host needs more than others have
	x.happen(c)
	return c, s
}

func (x repairCut) undisturbed(t *testing.T) []changing {
	c, s := x.sick(t)
	s.watch(changing{}, trouble{}, nil)
	if err := x.run(context.Background(), c, c.events()); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	_, calls := s.rest()
	calls = slices.DeleteFunc(calls, func(c changing) bool { // asked until the disk is there, or for long enough
		return c.name == "ssh.revive-etcd" && c.nth > 2
	})
	x.well(c)
	return calls
}

// well looks at the end, and that nothing is left of it after a removal.
func (x repairCut) well(c *sickCluster) {
	c.t.Helper()
	c.whole(x.left)
	all := c.o.again(func(s *settings.Settings) { s.Zone = "" })
	c.mustDown(all)
	if s := c.mustDown(all); !s.Nothing {
		c.t.Error("the second down found something")
	}
}

func (x repairCut) cut(t *testing.T, at changing, do trouble, turn int) {
	c, s := x.sick(t)
	_ = s.cut(t, at, do, func(ctx context.Context) error { return x.run(ctx, c, c.events()) }) // what comes next tells
	c.calm()
	if turn%2 == 0 && x.left == x.masters { // what is left of masters that were given up, status names one by one
		x.follow(c)
	} else if err := x.run(context.Background(), c, c.events()); err != nil && !x.done(err) {
		t.Fatalf("again: %v", err)
	}
	x.well(c)
}

// done is a refusal because there is nothing left to do.
func (x repairCut) done(err error) bool {
	return strings.Contains(err.Error(), "is the only master already, and its rings have quorum") || strings.Contains(err.Error(), "A snapshot is for disks that are") ||
		strings.Contains(err.Error(), "which is there: it would be lost")
}

// follow does what status names, as long as it names something.
func (x repairCut) follow(c *sickCluster) {
	c.t.Helper()
	for round := 1; ; round++ {
		s, err := c.o.Status(context.Background())
		c.must(err)
		if len(s.Unfinished) == 0 {
			return
		}
		if round == 4 {
			c.t.Fatalf("still unfinished after three commands: %+v", s.Unfinished)
		}
		command := s.Unfinished[0].Command
		c.t.Logf("status: %s: %s", s.Unfinished[0].Step, command)
		if strings.HasPrefix(command, "hakube repair --from-survivor ") {
			err = x.run(context.Background(), c, c.events())
		} else {
			err = c.follow(c.o, command)
		}
		if err != nil {
			c.t.Fatalf("%s: %v", command, err)
		}
	}
}
