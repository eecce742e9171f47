package line

import "fmt"

type low struct{ word string }

const suffix = "."

var _ = fmt.Stringer(nil)
