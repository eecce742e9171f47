// Package underway knows which objects are being made or removed. These can be read,
// and no more: Google refuses to change them, to remove them, and to let another
// object refer to them, until the operation is done (resourceNotReady). A client that
// does not wait for its operations passes nowhere.
package underway

import (
	"strings"
	"sync"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Objects are those with an operation that makes or removes them. The zero value is
// ready.
type Objects struct {
	mu  sync.Mutex
	all map[doc.Ref]int // operations
}

// Begin notes that the operation of a method has begun. It is called when the
// transaction has taken hold, before the next one begins, and so is End.
func (o *Objects) Begin(method string, r doc.Ref) { o.note(method, r, 1) }

// End notes that it is done.
func (o *Objects) End(method string, r doc.Ref) { o.note(method, r, -1) }

func (o *Objects) note(method string, r doc.Ref, by int) {
	if !strings.HasSuffix(method, ".insert") && !strings.HasSuffix(method, ".delete") {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[doc.Ref]int{}
	}
	if o.all[r] += by; o.all[r] <= 0 {
		delete(o.all, r)
	}
}

func (o *Objects) has(t *store.Tx, r doc.Ref) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all[r] > 0 && t.Get(r) != nil // one that a fault keeps from being made is not there
}

// Refuse is prepare for objects that are ready: the target of a method, and all that
// the change touches or refers to.
func (o *Objects) Refuse(method string, target doc.Ref, prepare func(*store.Tx) error) func(*store.Tx) error {
	insert := strings.HasSuffix(method, ".insert") // of what is there already, which is told first
	return func(t *store.Tx) error {
		r := t.Find(target)
		if !insert && o.has(t, r) {
			return problem.NotReady(r)
		}
		if err := prepare(t); err != nil {
			return err
		}
		for _, other := range append(t.Changed(), newLinks(t, r)...) {
			if other != r && o.has(t.Before(), other) {
				return problem.NotReady(other)
			}
		}
		return nil
	}
}

// newLinks are the objects that a document refers to since this transaction.
func newLinks(t *store.Tx, r doc.Ref) (refs []doc.Ref) {
	old := map[string]bool{}
	eachLink(t.Before().Get(r), func(link string) { old[link] = true })
	eachLink(t.Get(r), func(link string) {
		if !old[link] {
			refs = append(refs, doc.RefOf(link))
		}
	})
	return refs
}

func eachLink(v any, f func(link string)) {
	switch v := v.(type) {
	case doc.Obj:
		for _, e := range v {
			eachLink(e, f)
		}
	case []any:
		for _, e := range v {
			eachLink(e, f)
		}
	case string:
		if strings.HasPrefix(v, doc.Base) {
			f(v)
		}
	}
}
