package drill

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/rings"
	"hakube/cluster/status"
)

// An arithmetic is what a failure would leave, as far as was seen before it.
type arithmetic struct {
	lines  []string
	loses  []string // rings that would have no quorum
	serves int      // API servers that would be left
}

// reckon counts what is left without these masters. It asks nobody.
func reckon(s *status.Status, x Scenario, without []string) (a arithmetic) {
	serving := 0
	for _, m := range s.Masters {
		if m.State == status.StateReady {
			serving++
			if !x.API || !slices.Contains(without, m.Name) {
				a.serves++
			}
		}
	}
	a.lines = append(a.lines, fmt.Sprintf("API servers: %d serve, %d are left", serving, a.serves))
	for _, ring := range rings.Names {
		q, known := s.Quorum[ring]
		left := q.Alive
		for _, m := range s.Rings[ring] {
			if slices.Contains(x.Rings, ring) && slices.Contains(without, m.Member) && m.Voter && m.Healthy {
				left--
			}
		}
		if !known {
			a.lines = append(a.lines, "ring "+ring+": nobody told of it")
			a.loses = append(a.loses, ring)
			continue
		}
		a.lines = append(a.lines, fmt.Sprintf("ring %s: %d of %d voters take part, %d are needed, %d are left", ring, q.Alive, q.Voters, q.Need, left))
		if left < q.Need {
			a.loses = append(a.loses, ring)
		}
	}
	return a
}

// refused is why the failure may not be made, "" if it may.
func (a arithmetic) refused() string {
	if len(a.loses) == 0 {
		return ""
	}
	return fmt.Sprintf("quorum would be lost of ring %s: %s", strings.Join(a.loses, " and "), strings.Join(a.lines, "; "))
}
