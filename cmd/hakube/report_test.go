package main

import (
	"fmt"
	"strings"
	"testing"
)

// report prints a figure that people want of a test that passed. What is only
// logged, "make test" leaves out then: testdata/summarize.sh shows these lines.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/") // not the step's
	fmt.Printf("REPORT %s: %s\n", name, fmt.Sprintf(format, args...))
}
