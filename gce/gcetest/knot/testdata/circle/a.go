package circle

import "slices"

type node struct{ next []node }

// Through a generic function of another package, and a method of its result.
func first(n node) int { return slices.Clone(n.next)[0].depth() }
