package drill

import (
	"context"
	"slices"
	"sync"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/status"
)

// A watch notes when Nodes are not Ready, asked of a master that does not fail.
type watch struct {
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	since map[string]time.Time // Node → when it was first seen not to be Ready
	back  map[string]time.Time // Node → when it was seen Ready after that
	asked []attempt            // looks that were answered
}

// watchPoll is the pause between two looks.
const watchPoll = 500 * time.Millisecond

func (f *Field) watchNodes(ctx context.Context, p Plan) (*watch, inventory.Object, error) {
	snapshot, err := status.Read(ctx, f.Task)
	if err != nil {
		return nil, inventory.Object{}, err
	}
	via := f.witness(snapshot.Conclude(), p)
	ip, err := f.External(ctx, via)
	if err != nil {
		return nil, inventory.Object{}, err
	}
	e, err := f.entry(ctx)
	if err != nil {
		return nil, inventory.Object{}, err
	}
	client, err := kube.NewClient(e, kube.OnlyTo(f.Deps.Dial, ip), f.Gate)
	if err != nil {
		return nil, inventory.Object{}, err
	}
	w := &watch{since: map[string]time.Time{}, back: map[string]time.Time{}}
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.work.Go(func() {
		for ctx.Err() == nil {
			w.look(ctx, client)
			_ = sleep(ctx, min(watchPoll, f.Poll))
		}
	})
	return w, via, nil
}

func (w *watch) look(ctx context.Context, client *kube.Client) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	call := time.Now()
	nodes, err := client.ListNodes(ctx)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, attempt{call: call, end: time.Now(), ok: true})
	for i := range nodes {
		n := &nodes[i]
		_, was := w.since[n.Name]
		switch ready := kube.NotReady(n) == ""; {
		case !ready && !was:
			w.since[n.Name] = time.Now()
		case ready && was && w.back[n.Name].IsZero():
			w.back[n.Name] = time.Now()
		}
	}
}

func (w *watch) end() {
	w.stop()
	w.work.Wait()
}

// answered tells whether the master that does not fail was asked and answered while a request waited
// that failed; of one that failed at once, within a second.
func (w *watch) answered(during attempt) bool {
	var near time.Duration
	if during.end.Sub(during.call) < time.Second {
		near = time.Second
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.asked, func(a attempt) bool {
		return !a.call.Before(during.call.Add(-near)) && !a.end.After(during.end.Add(near))
	})
}

// lost is when a Node was first seen not to be Ready; zero: never.
func (w *watch) lost(name string) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since[name]
}

// allLost is when the last of them was first seen not to be Ready; zero: not all were.
func (w *watch) allLost(names []string) (at time.Time) {
	for _, name := range names {
		lost := w.lost(name)
		if lost.IsZero() {
			return lost
		}
		if lost.After(at) {
			at = lost
		}
	}
	return at
}

// others are the Nodes but some that were ever seen not to be Ready.
func (w *watch) others(but []string) (list []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name := range w.since {
		if !slices.Contains(but, name) {
			list = append(list, name)
		}
	}
	return list
}
