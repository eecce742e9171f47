package drill

import (
	"slices"
	"time"
)

// What a register saw, by time.

// Series is what was asked between two moments, by second after the first.
func (r *Register) Series(from, to time.Time) (list []Second) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		if a.end.Before(from) || a.end.After(to) {
			continue
		}
		n := int(a.end.Sub(from) / time.Second)
		for len(list) <= n {
			list = append(list, Second{At: len(list)})
		}
		switch {
		case !a.ok:
			list[n].Failed++
		case a.write:
			list[n].Writes++
		default:
			list[n].Reads++
		}
	}
	return list
}

// Between is how many requests that were asked between two moments failed and were
// answered, and when the last that failed had ended.
func (r *Register) Between(from, to time.Time) (failed, answered int, last time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		switch {
		case a.call.Before(from) || a.call.After(to):
		case a.ok:
			answered++
		default:
			failed++
			last = a.end
		}
	}
	return failed, answered, last
}

// failures are the requests that were asked between two moments and failed.
func (r *Register) failures(from, to time.Time) []attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.asked), func(a attempt) bool { return a.ok || a.call.Before(from) || a.call.After(to) })
}

// StallBetween is the longest time without an acknowledged write between two moments.
func (r *Register) StallBetween(from, to time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := from
	for _, at := range append(slices.Clone(r.acks), to) {
		if at.Before(from) || at.After(to) {
			continue
		}
		longest = max(longest, at.Sub(last))
		last = at
	}
	return longest
}

// writesBetween is how many writes were acknowledged between two moments.
func (r *Register) writesBetween(from, to time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, at := range r.acks {
		if at.After(from) && at.Before(to) {
			n++
		}
	}
	return n
}
