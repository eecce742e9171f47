package env

import "time"

// A Pace is how often Compute Engine is asked on the way of a wait that looks at
// something else each time: less and less often, since its answers count against the
// project's quota and are there to say why, not when. The zero value is due at once.
type Pace struct {
	next  time.Time
	pause time.Duration
}

// slowest is the longest pause, in looks of the wait.
const slowest = 8

// PaceAfter is the slowest pace, due for the first time after so many looks.
func PaceAfter(looks int, every time.Duration) Pace {
	return Pace{next: time.Now().Add(time.Duration(looks) * every), pause: slowest * every}
}

// Due tells whether it is time to ask, for a wait that looks every so often.
func (p *Pace) Due(every time.Duration) bool {
	now := time.Now()
	if now.Before(p.next) {
		return false
	}
	p.pause = min(max(2*p.pause, every), slowest*every)
	p.next = now.Add(p.pause)
	return true
}
