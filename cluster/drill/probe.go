package drill

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"hakube/cluster/inventory"
	"hakube/scripts"
)

// What is asked all the while beside the register.

// A probe asks from a master that does not fail what users of the cluster's users would: its DNS for
// a name, as pods do, and the drill's own pods through their Service.
type probe struct {
	via  inventory.Object
	stop context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	line  bytes.Buffer
	asked map[string][]attempt // by what: names, pods
}

// What is asked, in the words of scripts/drill.sh.
const (
	names = "names"
	pods  = "pods"
)

// startProbe begins to ask; url is "" where there are no pods to ask.
func (f *Field) startProbe(ctx context.Context, via inventory.Object, url string) *probe {
	p := &probe{via: via, asked: map[string][]attempt{}}
	ctx, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	p.work.Go(func() {
		for ctx.Err() == nil { // again when its machine was away; what was not asked is told as that
			if host, err := f.Host(ctx, via); err == nil {
				_ = f.Deps.SSH.Stream(ctx, host, p, scripts.Drill, "probe", url)
			}
			_ = sleep(ctx, time.Second)
		}
	})
	return p
}

func (p *probe) end() {
	p.stop()
	p.work.Wait()
}

// Write takes what the script prints, a line an answer.
func (p *probe) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line.Write(text)
	for {
		line, err := p.line.ReadString('\n')
		if err != nil {
			p.line.WriteString(line) // the rest is on its way
			return len(text), nil
		}
		var what, word string
		var took int
		if n, _ := fmt.Sscan(line, &what, &word, &took); n != 3 || word != "ok" && word != "lost" {
			continue // a word of the machine's
		}
		now, why := time.Now(), ""
		if word == "lost" {
			why = strings.Join(strings.Fields(line)[3:], " ")
		}
		p.asked[what] = append(p.asked[what], attempt{call: now.Add(-time.Duration(took) * time.Millisecond), end: now, ok: word == "ok", err: why})
	}
}

// between is what was asked between two moments.
func (p *probe) between(what string, from, to time.Time) (l Load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asked[what] {
		if a.end.After(from) && a.end.Before(to) {
			l.Asked++
			if !a.ok {
				l.Lost++
			}
		}
	}
	return l
}

// silence is the longest time without an answer between two moments.
func (p *probe) silence(what string, from, to time.Time) (longest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := from
	for _, a := range p.asked[what] {
		if a.ok && a.end.After(from) && a.end.Before(to) {
			longest, last = max(longest, a.end.Sub(last)), a.end
		}
	}
	return max(longest, to.Sub(last))
}

// why are the reasons of what was lost between two moments, and when the first and the last ended.
func (p *probe) why(what string, from, to, since time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	reasons := map[string]int{}
	var first, last time.Time
	for _, a := range p.asked[what] {
		if !a.ok && a.end.After(from) && a.end.Before(to) {
			if reasons[a.err]++; first.IsZero() {
				first = a.end
			}
			last = a.end
		}
	}
	var list []string
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		list = append(list, fmt.Sprintf("%d times %s", reasons[r], r))
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf(", from %.1f s to %.1f s, %s", after(first, since), after(last, since), strings.Join(list, ", "))
}

// events writes one again and again: what the other ring is for, of which a ConfigMap tells nothing.
type events struct {
	client corev1client.EventInterface
	stop   context.CancelFunc
	work   sync.WaitGroup

	mu   sync.Mutex
	acks []time.Time
}

// eventsEvery is the pause between two writes.
const eventsEvery = 500 * time.Millisecond

func beginEvents(ctx context.Context, config *rest.Config) (*events, error) {
	client, err := eachAnew(config, nil)
	if err != nil {
		return nil, err
	}
	e := &events{client: client.Events(registerNamespace)}
	ctx, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.work.Go(func() {
		for n := int32(1); ctx.Err() == nil; n++ {
			if e.write(ctx, n) == nil {
				e.mu.Lock()
				e.acks = append(e.acks, time.Now())
				e.mu.Unlock()
			}
			_ = sleep(ctx, eventsEvery)
		}
	})
	return e, nil
}

func (e *events) write(ctx context.Context, n int32) error {
	x, err := e.client.Get(ctx, drillName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = e.client.Create(ctx, &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: drillName}, Type: corev1.EventTypeNormal, Reason: "Drill", Count: n, Message: "a drill is made",
			InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: registerNamespace, Namespace: registerNamespace},
			FirstTimestamp: metav1.Now(), LastTimestamp: metav1.Now(), Source: corev1.EventSource{Component: drillName},
		}, metav1.CreateOptions{})
		return err
	}
	if err != nil {
		return err
	}
	x.Count, x.LastTimestamp = n, metav1.Now()
	_, err = e.client.Update(ctx, x, metav1.UpdateOptions{})
	return err
}

func (e *events) end() {
	e.stop()
	e.work.Wait()
}

// between is how many writes were acknowledged between two moments, and the longest time without one.
func (e *events) between(from, to time.Time) (acks int, longest time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	last := from
	for _, at := range e.acks {
		if at.After(from) && at.Before(to) {
			acks, longest, last = acks+1, max(longest, at.Sub(last)), at
		}
	}
	return acks, max(longest, to.Sub(last))
}
