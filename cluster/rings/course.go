package rings

import "hakube/replicate"

// A Course is how far a member has come; what it had before tells whether it moves.
type Course struct{ Index, Bytes int64 }

// Moved takes note of what a member has, and tells whether that is more than ever.
func (c *Course) Moved(own replicate.Ring) bool {
	more := own.Index > c.Index || own.Bytes > c.Bytes
	c.Index, c.Bytes = max(c.Index, own.Index), max(c.Bytes, own.Bytes)
	return more
}

// Courses are those of several members, by ring and machine.
type Courses map[string]*Course

// Moved tells whether a member of a ring that has no quorum has come further.
func (c Courses) Moved(s *Survey) (more bool) {
	for _, ring := range Names {
		if x, _, _ := s.Ring(ring); x.Healthy {
			continue // it moves whatever becomes of the other
		}
		for name, rings := range s.Answers {
			key := ring + " " + name
			if c[key] == nil {
				c[key] = &Course{}
			}
			more = c[key].Moved(rings[ring]) || more
		}
	}
	return more
}
