package lease

import (
	"context"
	"maps"
)

// Note has a label of the address changed with the lease, which costs no call of
// its own: it is there from the first change of the run on. "" takes it away.
func (l *Lease) Note(key, value string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notes == nil {
		l.notes = map[string]string{}
	}
	l.notes[key] = value
}

// Noted is what was noted of a label in this run.
func (l *Lease) Noted(key string) string {
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.notes[key]
}

// Keep writes the notes down now: with the first change, or the next renewal, may be too late
// for what others are to know of before it happens.
func (l *Lease) Keep(ctx context.Context) error {
	if err := l.Guard(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	l.due = true
	l.mu.Unlock()
	return l.compareAndSwap(ctx, false)
}

// noted returns labels with the notes in them, and those the address is to have. The
// lock is held.
func (l *Lease) noted(labels map[string]string) map[string]string {
	all := maps.Clone(labels)
	maps.Copy(all, l.has)
	for k, v := range l.notes {
		if v == "" {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	return all
}

// Done takes a note away, and tells whether the address still has it.
func (l *Lease) Done(key string) bool {
	l.Note(key, "")
	l.mu.Lock()
	defer l.mu.Unlock()
	_, is := l.at.GetLabels()[key]
	return is
}
