package etcdtest

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/scripts"
)

// TestThousand is one process with a thousand machines, as a scale run has.
func TestThousand(t *testing.T) {
	const count = 1000
	ctx := context.Background()
	s := newSite(t)
	m := s.master()
	s.reaches(m, scripts.PhaseRunning)
	c := s.client(m)
	if _, err := c.Secrets("kube-system").Create(ctx, joinSecret(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	// Metadata is the embedded GCE's, so it is made before and not counted.
	var all []*Metadata
	for i := range count {
		d := s.nodeMetadata(m, fmt.Sprintf("n%04d", i))
		d.Set(scripts.KeyStartupScript, "#!/bin/bash\n# hakube: startup-script\n")
		all = append(all, d)
	}
	before, began := heap(), time.Now()
	var guests []*Guest
	for _, d := range all {
		guests = append(guests, s.start(d, nil))
	}
	for _, g := range guests {
		s.reaches(g, scripts.PhaseRunning)
	}
	took, grew := time.Since(began), heap()-before
	t.Logf("%d machines joined in %s, %d KiB of heap each", count, took.Round(time.Millisecond), grew/count>>10)
	if grew > 300<<20 {
		t.Errorf("they take %d MiB", grew>>20)
	}
	nodes, err := c.Nodes().List(ctx, metav1.ListOptions{})
	if err != nil || len(nodes.Items) != count+1 {
		t.Errorf("%d nodes, %v", len(nodes.Items), err)
	}
	runtime.KeepAlive(guests)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
