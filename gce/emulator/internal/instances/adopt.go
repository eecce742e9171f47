package instances

import (
	"slices"
	"sync"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/store"
)

// Adopt starts the machines that should run, a few at a time: those that do
// are found running. One that cannot be started is TERMINATED.
func (l *Lifecycle) Adopt() {
	s := l.S
	var run []doc.Ref
	s.Store.View(func(t *store.Tx) {
		t.Each("", "instances", func(o doc.Obj) {
			if doc.Str(o, "status") == "RUNNING" {
				run = append(run, doc.RefOf(doc.Str(o, "selfLink")))
			}
		})
	})
	slices.Sort(run)
	var wg sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, r := range run {
		wg.Add(1)
		places <- struct{}{}
		go func() {
			defer func() { <-places; wg.Done() }()
			m, _ := machine.At(s, r)
			if err := s.Opts.Backend.Start(s.Context, m); err != nil && s.Context.Err() == nil {
				s.Opts.Log.Error("adopting a machine", "instance", string(r), "error", err)
				halted(s, r)
			}
		}()
	}
	wg.Wait()
}
