package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hakube/gce/emulator"
)

var start = time.Unix(1700000000, 0)

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// failing lets changing calls to paths with that end fail for lack of quota.
func failing(end string) func(*http.Request) emulator.Fault {
	return func(r *http.Request) emulator.Fault {
		if emulator.IsChange(r) && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, end) {
			return emulator.Fault{Operation: &emulator.OperationFault{Code: "QUOTA_EXCEEDED", Message: "Quota 'CPUS' exceeded.", Status: 403}}
		}
		return emulator.Fault{}
	}
}

// TestCutReplica cuts the making and the leaving of a replica at each of their
// changing calls to the cloud. Running it again ends where an uncut run does.
func TestCutReplica(t *testing.T) {
	for _, m := range []struct {
		name  string
		calls int64
		down  bool
	}{{"add", 12, false}, {"remove", 10, true}} {
		for k := int64(1); k <= m.calls; k++ {
			for i, c := range cuts {
				if testing.Short() && (k+int64(i))%7 != 0 {
					continue
				}
				t.Run(fmt.Sprintf("%s/cut=%d/%s", m.name, k, c.name), func(t *testing.T) {
					w, _ := newModelWorld(t)
					before := w.objects()
					o := w.operator()
					w.mustUp(o)
					one := w.objects()
					run := func(ctx context.Context) error {
						_, err := o.replica(zoneC).Up(ctx, w.events())
						return err
					}
					if m.down {
						w.mustUp(o.replica(zoneC))
						run = func(ctx context.Context) error {
							_, err := o.replica(zoneC).Down(ctx, w.events())
							return err
						}
					}
					ctx, stop := context.WithCancelCause(context.Background())
					hit := w.cutAt(k, c, func() { stop(errKilled) })
					err := run(ctx)
					if !hit() {
						t.Fatalf("fewer than %d changing calls", k)
					}
					if (err == nil) != (c.name == "busy") {
						t.Errorf("the cut run ended with: %v", err)
					}
					w.setFault(nil)
					// After its very last change all is done, and "one more" would be a third.
					if m.down || c.name != "busy" && (k < m.calls || c.name != "after") {
						if err := run(context.Background()); err != nil {
							t.Fatalf("again: %v", err)
						}
					}
					if !m.down {
						if got := mastersOf(t, w.mustUp(o)); len(got) != 2 {
							t.Errorf("masters are %v", got)
						}
						w.mustDown(o.replica(zoneC))
					}
					if got := mastersOf(t, w.mustUp(o)); len(got) != 1 {
						t.Errorf("masters are %v", got)
					}
					if diff := cmp.Diff(withoutTimes(one), withoutTimes(w.objects())); diff != "" {
						t.Errorf("objects with one master again (-before +after):\n%s", diff)
					}
					w.mustDown(o)
					if diff := cmp.Diff(before, w.objects()); diff != "" {
						t.Errorf("objects after down (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
}
