package gcetest

import (
	"cmp"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
	"hakube/gce/emulator"
)

func TestEmbedded(t *testing.T) {
	w := Start(t)
	Suite(t, w.Client)
	if left := w.Server.Objects(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// Every changing call loses its answer once and every other one is turned away
// once: nothing may come out differently.
func TestEmbeddedWithLostAnswers(t *testing.T) {
	var mu sync.Mutex
	seen, lost := map[string]bool{}, 0
	w := Start(t, func(o *emulator.Options) {
		o.Fault = func(r *http.Request) emulator.Fault {
			mu.Lock()
			defer mu.Unlock()
			id := r.URL.Query().Get("requestId")
			if id == "" || seen[id] {
				return emulator.Fault{}
			}
			seen[id] = true
			lost++
			if lost%2 == 0 {
				return emulator.Fault{Status: 503}
			}
			return emulator.Fault{CutAfter: true}
		}
	})
	Suite(t, w.Client)
	if lost < 20 {
		t.Errorf("only %d calls were disturbed", lost)
	}
	if left := w.Server.Objects(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestLive(t *testing.T) {
	project := os.Getenv("HAKUBE_LIVE_PROJECT")
	if project == "" {
		t.Skip("HAKUBE_LIVE_PROJECT is not set: nothing is done at Google")
	}
	c, err := gce.New(t.Context(), gce.Options{
		Project: project, Region: cmp.Or(os.Getenv("HAKUBE_LIVE_REGION"), Region),
		Endpoint: os.Getenv("HAKUBE_LIVE_ENDPOINT"), // make live passes its calls on
		Waiting:  func(w gce.Wait) { t.Logf("%s %s", w, w.Elapsed) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	Suite(t, c)
}

// An operation that fails is an error though the call was accepted.
func TestStockOut(t *testing.T) {
	w := Start(t, func(o *emulator.Options) {
		o.Fault = func(r *http.Request) emulator.Fault {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/disks") {
				return emulator.Fault{}
			}
			return emulator.Fault{Operation: &emulator.OperationFault{
				Code: "ZONE_RESOURCE_POOL_EXHAUSTED", Message: "The zone does not have enough resources available to fulfill the request.",
			}}
		}
	})
	err := w.Client.Disks(Zone).Insert(t.Context(), &computepb.Disk{Name: new("d"), SizeGb: new(int64(10))})
	var hint interface{ Hint() string }
	if err == nil || gce.ClassOf(err) != gce.No || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "KUBE_GCE_ZONE") {
		t.Errorf("got %v", err)
	}
	if _, change := w.Server.Counts(); change != 1 {
		t.Errorf("%d changing calls, want 1: this is not solved by trying again", change)
	}
}

// More objects than fit on a page.
func TestPages(t *testing.T) {
	w := Start(t)
	const n = 501
	for i := range n {
		err := w.Client.Disks(Zone).Insert(t.Context(), &computepb.Disk{
			Name: new("d" + string(rune('a'+i/26/26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))), SizeGb: new(int64(10)),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for what, list := range map[string]func() ([]*computepb.Disk, error){
		"zone": func() ([]*computepb.Disk, error) { return w.Client.Disks(Zone).List(t.Context()) },
		"all":  func() ([]*computepb.Disk, error) { return w.Client.AggregatedDisks(t.Context()) },
	} {
		if got, err := list(); err != nil || len(got) != n {
			t.Errorf("%s: %d disks, %v; want %d", what, len(got), err, n)
		}
	}
}
