package drill

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// What a register saw, by time.

// Stall is the longest time between two acknowledged writes since a moment, the
// time that has passed since the last one included.
func (r *Register) Stall(since time.Time) (longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := time.Time{}
	for _, at := range append(r.acks, time.Now()) {
		if !at.Before(since) && !last.IsZero() {
			longest = max(longest, at.Sub(last))
		}
		last = at
	}
	return longest
}

// Failed is how many requests were asked since a moment and not answered, and
// how many were answered.
func (r *Register) Failed(since time.Time) (failed, answered int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		switch {
		case a.call.Before(since):
		case a.ok:
			answered++
		default:
			failed++
		}
	}
	return failed, answered
}

// Failures are the requests since a moment that were not answered, by why: how many, and from
// when to when they were asked.
func (r *Register) Failures(since time.Time) (lines []string) {
	of := map[string][]time.Duration{}
	for _, a := range r.failures(since, time.Now()) {
		of[a.err] = append(of[a.err], a.call.Sub(since))
	}
	for _, why := range slices.Sorted(maps.Keys(of)) {
		lines = append(lines, fmt.Sprintf("%d %s, asked after %.1f s to %.1f s", len(of[why]), why, slices.Min(of[why]).Seconds(), slices.Max(of[why]).Seconds()))
	}
	return lines
}

// Slow are the requests since a moment that were not answered or took long, as
// lines: what a stall is made of.
func (r *Register) Slow(since time.Time) (lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.asked {
		took := a.end.Sub(a.call)
		if a.call.Before(since) || a.ok && took < 500*time.Millisecond {
			continue
		}
		kind := "read"
		if a.write {
			kind = "write"
		}
		lines = append(lines, fmt.Sprintf("%s after %.1f s took %.2f s, answered %t %s", kind, a.call.Sub(since).Seconds(), took.Seconds(), a.ok, a.err))
	}
	return lines
}

// unread is the longest span in which no read was answered and some failed: from
// the call of the first that failed to the first answer after it.
func unread(asked []attempt) (longest time.Duration) {
	var dark time.Time
	for _, a := range asked {
		if a.write {
			continue
		}
		if !a.ok && dark.IsZero() {
			dark = a.call
		}
		if !dark.IsZero() {
			longest = max(longest, a.end.Sub(dark))
		}
		if a.ok {
			dark = time.Time{}
		}
	}
	return longest
}

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
