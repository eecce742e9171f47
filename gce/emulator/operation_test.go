package emulator

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
)

// A clock is moved by hand.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers []timer
	asked  chan time.Duration
}

type timer struct {
	at time.Time
	c  chan time.Time
}

func newClock() *clock {
	return &clock{now: time.Unix(1_800_000_000, 0).UTC(), asked: make(chan time.Duration, 100)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := timer{c.now.Add(d), make(chan time.Time, 1)}
	c.timers = append(c.timers, t)
	c.asked <- d
	return t.c
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for _, t := range c.timers {
		if !t.at.After(c.now) {
			select {
			case t.c <- c.now:
			default:
			}
		}
	}
}

func TestLatency(t *testing.T) {
	c := newClock()
	w := newWorld(t, func(o *api.Options) { o.Latency, o.Now, o.After = api.GCE, c.Now, c.After })
	status, op := w.send("POST", "projects/p/global/networks", doc.Obj{"name": "n", "autoCreateSubnetworks": false})
	if status != 200 || op["status"] != "RUNNING" || !doc.Has(op, "startTime") {
		t.Fatalf("%d %v", status, op)
	}
	if d := <-c.asked; d != api.LatencyOf("networks.insert") {
		t.Errorf("waits %v, want %v", d, api.LatencyOf("networks.insert"))
	}
	c.add(api.LatencyOf("networks.insert") - time.Millisecond)
	path := string(doc.RefOf(doc.Str(op, "selfLink")))
	if o := w.get(path); o["status"] != "RUNNING" {
		t.Errorf("just before its time: %v", o["status"])
	}
	c.add(time.Millisecond)
	done := w.wait(op)
	begun, _ := time.Parse(time.RFC3339, doc.Str(done, "insertTime"))
	ended, _ := time.Parse(time.RFC3339, doc.Str(done, "endTime"))
	if d := ended.Sub(begun); d != api.LatencyOf("networks.insert") {
		t.Errorf("took %v, want %v", d, api.LatencyOf("networks.insert"))
	}
}

// TestWaitEnds has an operation that never ends waited for: until the two
// minutes are over, and until the client goes away.
func TestWaitEnds(t *testing.T) {
	c := newClock()
	w := newWorld(t, func(o *api.Options) { o.Now, o.After = c.Now, c.After })
	w.subnet()
	w.backend.mu.Lock()
	w.backend.hold = make(chan struct{})
	w.backend.mu.Unlock()
	for len(c.asked) > 0 {
		<-c.asked
	}
	_, op := w.send("POST", zoneB+"instances", instance("m", nil))
	path := string(doc.RefOf(doc.Str(op, "selfLink"))) + "/wait"
	<-w.backend.held
	got := make(chan doc.Obj)
	go func() {
		_, o, _ := w.try("POST", path, nil)
		got <- o
	}()
	if d := <-c.asked; d != 2*time.Minute {
		t.Errorf("waits %v", d)
	}
	c.add(2 * time.Minute)
	if o := <-got; o["status"] != "RUNNING" {
		t.Errorf("after two minutes: %v", o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", w.web.URL+"/compute/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan error)
	go func() {
		resp, err := w.web.Client().Do(req)
		if err == nil {
			resp.Body.Close()
		}
		gone <- err
	}()
	<-c.asked
	cancel()
	if err := <-gone; err == nil {
		t.Error("an answer for a client that left")
	}
	if st := doc.Str(w.get(zoneB+"instances/m"), "status"); st != "STAGING" {
		t.Errorf("status of a machine that is being started: %s", st)
	}
	w.refused(400, "resourceNotReady", "DELETE", string(doc.RefOf(doc.Str(op, "selfLink"))), nil)
	w.refused(400, "resourceNotReady", "DELETE", zoneB+"instances/m", nil)
	w.refused(400, "resourceNotReady", "POST", zoneB+"instances/m/stop", nil)
	close(w.backend.hold)
	w.wait(op)
	w.made("DELETE", zoneB+"instances/m", nil)
	if status, _ := w.send("DELETE", string(doc.RefOf(doc.Str(op, "selfLink"))), nil); status != 204 {
		t.Errorf("deleting an operation: %d", status)
	}
	if items := doc.Objects(w.get(zoneB+"operations"), "items"); len(items) != 1 {
		t.Errorf("operations: %v", items)
	}
	if agg := doc.Sub(w.get("projects/p/aggregated/operations"), "items"); len(doc.Objects(doc.Sub(agg, "zones/europe-west1-b"), "operations")) != 1 {
		t.Errorf("aggregated operations: %v", agg["zones/europe-west1-b"])
	}
}

// TestNetworkInUse is told by the operation, as Google does.
func TestNetworkInUse(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	op := w.do("DELETE", "projects/p/global/networks/default", nil)
	if doc.Num(op, "httpErrorStatusCode") != 400 || doc.Str(doc.Objects(doc.Sub(op, "error"), "errors")[0], "code") != "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE" {
		t.Errorf("operation: %v", op)
	}
	if routes := doc.Objects(w.get("projects/p/global/routes"), "items"); len(routes) != 2 {
		t.Errorf("routes: %v", routes)
	}
	w.made("DELETE", regionW+"subnetworks/s", nil)
	w.made("DELETE", "projects/p/global/networks/default", nil)
	if s := w.s.Snapshot(); len(s) != 0 {
		t.Errorf("left: %v", s)
	}
}

// TestOperationsForgotten: after two weeks they go, also while the server runs on, and
// with them what was kept to know their requests again.
func TestOperationsForgotten(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	w := newWorld(t, func(o *api.Options) { o.Now = func() time.Time { return time.Unix(0, now.Load()) } })
	op := w.made("POST", "projects/p/global/networks?requestId="+uuid.NewString(), doc.Obj{"name": "n", "autoCreateSubnetworks": false})
	at := "projects/p/global/operations/" + doc.Str(op, "name")
	now.Add(int64(13 * 24 * time.Hour))
	w.made("POST", zoneB+"disks", doc.Obj{"name": "a", "sizeGb": "10"})
	w.get(at)
	now.Add(int64(2 * 24 * time.Hour))
	w.made("POST", zoneB+"disks", doc.Obj{"name": "b", "sizeGb": "10"})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, _ := w.send("GET", at, nil)
		kept := 0
		w.s.core.Store.View(func(t *store.Tx) {
			for range t.Stored("~requests/") {
				kept++
			}
		})
		if status == 404 && kept == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("an operation of 15 days ago: %d, and %d requests are kept", status, kept)
		}
	}
	w.get("projects/p/global/networks/n")
}
