package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// A callRow is one command, and the most requests to Compute Engine it may make: those
// that read, but for what machines and groups are asked while something is waited for,
// how often that is when nothing takes long, and those that change something. kubeUp is
// what kube-up.sh v1.34.3 made for the same on the embedded GCE with Google's latency.
type callRow struct {
	name           string
	kubeUp         string
	run            func(context.Context, *operator) error
	reads, waiting int64
	changes        int64
}

func callRows() []callRow {
	as := func(change func(*operator) *operator) (up, down func(context.Context, *operator) error) {
		up = func(ctx context.Context, o *operator) error { _, err := change(o).Up(ctx, nil); return err }
		down = func(ctx context.Context, o *operator) error { _, err := change(o).Down(ctx, nil); return err }
		return up, down
	}
	create, remove := as(func(o *operator) *operator { return o })
	pool, noPool := as(func(o *operator) *operator { return o.pool(zoneC, 3) })
	second, noSecond := as(func(o *operator) *operator { return o.replica(zoneC) })
	third, noThird := as(func(o *operator) *operator { return o.replica(zoneD) })
	return []callRow{
		{"create, 1 master and 3 nodes", "57 reads, 15 changes, 32 gcloud", create, 37, 4, 16},
		{"the same again", "", create, 13, 2, 0},
		{"+ 3 nodes", "14 reads, 1 change, 10 gcloud", pool, 22, 5, 3},
		{"+ a master, the address moves", "29 reads, 8 changes, 27 gcloud; no machine is made", second, 59, 10, 15},
		{"+ a master", "", third, 53, 10, 7},
		{"status", "", func(ctx context.Context, o *operator) error { _, err := o.Status(ctx); return err }, 26, 8, 0},
		{"validate", "", func(ctx context.Context, o *operator) error { _, err := o.Validate(ctx); return err }, 26, 8, 0},
		{"- a master", "", noThird, 43, 10, 7},
		{"- a master, the address moves back", "29 reads, 4 changes, 23 gcloud", noSecond, 51, 10, 12},
		{"- 3 nodes", "31 reads, 3 changes, 26 gcloud", noPool, 35, 4, 3},
		{"nothing is left", "42 reads, 11 changes, 36 gcloud; the network stays", remove, 82, 0, 16},
	}
}

// TestNothingInTheDark: while nobody has the API's address nothing else is asked of Compute
// Engine, but on the way back once whose it is.
func TestNothingInTheDark(t *testing.T) {
	w, _ := newModelWorld(t)
	var mu sync.Mutex
	var asked []string
	w.fault = func(r *http.Request) emulator.Fault {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.Path)
		return emulator.Fault{}
	}
	o := w.operator()
	w.mustUp(o)
	for _, x := range []struct {
		from, to string
		looks    int // at the address
		run      func()
	}{
		{"/deleteAccessConfig", "POST /compute/v1/projects/local/regions/europe-west1/forwardingRules", 0, func() { w.mustUp(o.replica(zoneC)) }},
		{"DELETE /compute/v1/projects/local/regions/europe-west1/forwardingRules/kubernetes-master", "/addAccessConfig", 1, func() { w.mustDown(o.replica(zoneC)) }},
	} {
		asked = nil
		x.run()
		dark, moved := false, false
		for _, call := range asked {
			switch {
			case !dark:
				dark = strings.HasSuffix(call, x.from)
			case strings.HasSuffix(call, x.to):
				moved = true
			case moved, strings.HasSuffix(call, "/wait"):
			case strings.Contains(call, "/addresses/") && x.looks > 0:
				x.looks--
			default:
				t.Errorf("%s comes between %s and %s", call, x.from, x.to)
			}
		}
		if !moved {
			t.Errorf("%s never came after %s", x.to, x.from)
		}
	}
}

// TestCalls holds each command to its number of requests, with operations that are done
// at once and with operations as long as Google's, ten times as fast.
func TestCalls(t *testing.T) {
	besideOthers(t)
	const faster = 10
	count := map[emulator.Latency][]string{}
	for _, latency := range []emulator.Latency{emulator.None, emulator.GCE} {
		if testing.Short() && latency == emulator.GCE {
			continue
		}
		t.Run(string(latency), func(t *testing.T) {
			w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.Latency = latency })
			var waiting atomic.Int64
			w.fault = func(r *http.Request) emulator.Fault {
				if strings.HasSuffix(r.URL.Path, "/listManagedInstances") || strings.HasSuffix(r.URL.Path, "/getGuestAttributes") {
					waiting.Add(1)
				}
				return emulator.Fault{}
			}
			poll := time.Second
			if latency == emulator.GCE {
				w.after = func(d time.Duration) <-chan time.Time { return time.After(d / faster) }
				poll /= faster
			}
			o := w.operator(func(s *settings.Settings) { s.NumNodes = 3 })
			o.deps.Poll, o.deps.LetGo = poll, time.Minute
			o.deps.Lease = time.Hour // none is renewed on a busy host
			for _, row := range callRows() {
				waiting.Store(0)
				begin := time.Now()
				reads, changes := w.counts(func() {
					if err := row.run(t.Context(), o); err != nil {
						t.Fatalf("%s: %v", row.name, err)
					}
				})
				t.Logf("%s: %d reads, %d of them about machines and groups, %d changes", row.name, reads, waiting.Load(), changes)
				if reads-waiting.Load() > row.reads || changes > row.changes {
					t.Errorf("%s: %d reads and %d changes, at most %d and %d", row.name, reads-waiting.Load(), changes, row.reads, row.changes)
				}
				// Six machines and groups, each asked after eight looks at most on the way.
				if most := row.waiting + 6*int64(time.Since(begin)/(8*poll)); waiting.Load() > most {
					t.Errorf("%s: machines and groups were asked %d times, at most %d", row.name, waiting.Load(), most)
				}
				count[latency] = append(count[latency], fmt.Sprintf("%d reads, %d changes", reads, changes))
			}
		})
	}
	for i, row := range callRows() {
		line := row.name
		for _, latency := range []emulator.Latency{emulator.None, emulator.GCE} {
			if i < len(count[latency]) {
				line += " | " + count[latency][i]
			}
		}
		fmt.Printf("REPORT TestCalls: | %s | %s |\n", line, row.kubeUp)
	}
}
