package contract

import (
	"maps"
	"slices"
	"sync"

	"hakube/gce/emulator/internal/discovery"
)

// Coverage is what a contract has looked at: methods, and fields with a value.
// The zero value is ready, and safe for concurrent use.
type Coverage struct {
	mu       sync.Mutex
	methods  map[string]bool
	requests map[string]bool // fields
	answers  map[string]bool
	changed  func(method string) // told of a method at its first request
}

// OnMethod lets f be told of each method when it is seen for the first time.
func (v *Coverage) OnMethod(f func(method string)) { v.changed = f }

func (v *Coverage) sent(m *discovery.Method) func(string) {
	if v == nil {
		return nil
	}
	v.mu.Lock()
	first := !v.methods[m.ID]
	note(&v.methods, m.ID)
	v.mu.Unlock()
	if first && v.changed != nil {
		v.changed(m.ID)
	}
	return func(field string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		note(&v.requests, field)
	}
}

func (v *Coverage) answered(*discovery.Method) func(string) {
	if v == nil {
		return nil
	}
	return func(field string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		note(&v.answers, field)
	}
}

func note(set *map[string]bool, s string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[s] = true
}

// Methods that the client called, as "instances.insert", sorted.
func (v *Coverage) Methods() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.methods))
}

// Unseen are the fields that requests and answers of the methods seen can have
// and never had, sorted, and how many there are in all.
func (v *Coverage) Unseen() (requests, answers []string, ofRequests, ofAnswers int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	api := discovery.Load()
	in, out := map[string]bool{}, map[string]bool{}
	for id := range v.methods {
		for _, f := range api.Fields(api.Methods[id].Request, true) {
			in[f] = true
		}
		for _, f := range api.Fields(api.Methods[id].Response, false) {
			out[f] = true
		}
	}
	return missing(in, v.requests), missing(out, v.answers), len(in), len(out)
}

func missing(all, seen map[string]bool) (out []string) {
	for f := range all {
		if !seen[f] {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}
