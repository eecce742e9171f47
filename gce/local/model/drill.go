package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	"hakube/replicate/etcdtest"
)

// A failure is one of scripts/drill.sh, as far as a model machine has what fails.
type failure struct{ begin, undo func(*etcdtest.Guest) error }

var bothRings = []string{"main", "events"}

var modelled = map[string]failure{
	"api": {(*etcdtest.Guest).KillAPI, (*etcdtest.Guest).StartAPI},
	"etcd-main": {
		func(g *etcdtest.Guest) error { return g.StopEtcd("main") }, func(g *etcdtest.Guest) error { return g.StartEtcd("main") },
	},
	"etcd-events": {
		func(g *etcdtest.Guest) error { return g.StopEtcd("events") }, func(g *etcdtest.Guest) error { return g.StartEtcd("events") },
	},
	"kubelet": {
		func(g *etcdtest.Guest) error { g.KillKubelet(); return nil }, func(g *etcdtest.Guest) error { g.StartKubelet(); return nil },
	},
	// Nobody hears of the kubelet either: of a node it reaches no API, of a master one without quorum.
	"others": {
		func(g *etcdtest.Guest) error { g.KillKubelet(); return g.Isolate(bothRings...) },
		func(g *etcdtest.Guest) error { g.StartKubelet(); return g.Rejoin(bothRings...) },
	},
	"disk-lost": {
		func(g *etcdtest.Guest) error { return errors.Join(g.StopEtcd("main"), g.StopEtcd("events")) },
		func(g *etcdtest.Guest) error { return errors.Join(g.StartEtcd("main"), g.StartEtcd("events")) },
	},
	"clock": {
		func(g *etcdtest.Guest) error { g.SkewClock(5 * time.Minute); return nil }, func(g *etcdtest.Guest) error { g.SkewClock(0); return nil },
	},
}

// drills are the failures that machines have made of themselves and not taken back. They
// end with the machine, as what a real one has in /run does.
type drills struct {
	mu    sync.Mutex
	under map[*etcdtest.Guest]*underWay
}

type underWay struct {
	failure
	deadline *time.Timer
}

// drilled adds scripts/drill.sh to the scripts of a world, unless a test has its own.
func drilled(others map[string]etcdtest.Script) map[string]etcdtest.Script {
	d := &drills{under: map[*etcdtest.Guest]*underWay{}}
	all := map[string]etcdtest.Script{"drill": d.script}
	maps.Copy(all, others)
	return all
}

func (d *drills) script(ctx context.Context, c etcdtest.Call) int {
	if len(c.Args) > 0 && c.Args[0] == "probe" {
		return probe(ctx, c)
	}
	said := ""
	if err := d.run(c.Guest, c.Args); err != nil {
		said = err.Error()
	}
	if err := json.NewEncoder(c.Stdout).Encode(map[string]string{"error": said}); err != nil {
		return 1
	}
	return 0
}

// probe asks for names only: a model machine runs no pods of anybody's.
func probe(ctx context.Context, c etcdtest.Call) int {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		line := "names lost 1000 code 1"
		if c.Guest.Resolves() {
			line = "names ok 1"
		}
		if _, err := fmt.Fprintln(c.Stdout, line); err != nil {
			return 1
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0
		}
	}
}

func (d *drills) run(g *etcdtest.Guest, args []string) error {
	if len(args) == 1 && args[0] == "undo" {
		return d.undo(g)
	}
	if len(args) < 2 || args[0] != "check" && (args[0] != "begin" || len(args) < 3 || args[1] == "others" && len(args) == 3) {
		return errors.New("usage: check|begin|undo")
	}
	f, is := modelled[args[1]]
	if !is {
		return fmt.Errorf("a model machine has nothing that %s could be done to", args[1])
	}
	if args[0] == "check" {
		return nil
	}
	seconds, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := d.undo(g); err != nil {
		return err
	}
	d.mu.Lock()
	d.under[g] = &underWay{f, time.AfterFunc(time.Duration(seconds)*time.Second, func() { _ = d.undo(g) })} // nobody is there to be told
	d.mu.Unlock()
	return f.begin(g)
}

// undo takes back what is under way. What the machine lost with its power is back already.
func (d *drills) undo(g *etcdtest.Guest) error {
	d.mu.Lock()
	x := d.under[g]
	delete(d.under, g)
	d.mu.Unlock()
	if x == nil {
		return nil
	}
	x.deadline.Stop()
	return x.undo(g)
}
