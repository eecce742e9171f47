package main

import (
	"fmt"
	"strconv"
	"strings"

	"hakube/gce/local"
)

func formatCounts(s local.Status) string { return fmt.Sprint(s.Calls.Read, " ", s.Calls.Change) }

// checkCounts compares the calls since the mark with what args demand.
func checkCounts(mark string, s local.Status, args []string) error {
	var read, change int64
	if _, err := fmt.Sscan(mark, &read, &change); err != nil {
		return fmt.Errorf("reading the mark: %w", err)
	}
	if len(args) != 2 {
		return fmt.Errorf("usage: counts read|change [<=]N")
	}
	got := map[string]int64{"read": s.Calls.Read - read, "change": s.Calls.Change - change}[args[0]]
	text, most := strings.CutPrefix(args[1], "<=")
	want, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("reading the count: %w", err)
	}
	if most && got > want || !most && got != want {
		return fmt.Errorf("%d %s calls, want %s", got, args[0], args[1])
	}
	return nil
}
