package kube

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
)

// TestSilentOnce: who only looks waits for an API that does not answer once, whatever
// number of things is asked; whoever changes something asks each time, since it may be
// back.
func TestSilentOnce(t *testing.T) {
	for name, x := range map[string]struct {
		gate plan.Gate
		want int32
	}{
		"a look":   {nil, 1},
		"a change": {func(context.Context) error { return nil }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			c, err := NewClient(Entry{Server: "https://192.0.2.1"}, func(ctx context.Context, _, _ string) (net.Conn, error) {
				asked.Add(1)
				<-ctx.Done()
				return nil, ctx.Err()
			}, x.gate)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_, err := c.Nodes().List(ctx, metav1.ListOptions{})
				cancel()
				if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
					t.Errorf("it answered: %v", err)
				}
			}
			if got := asked.Load(); got != x.want {
				t.Errorf("it was asked %d times, want %d", got, x.want)
			}
		})
	}
}
