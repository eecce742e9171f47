package local

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"hakube/gce/emulator/contract"
)

// held holds what goes through h to Google's description when
// HAKUBE_LOCAL_CONTRACT names a file, for tests: they are another process, and
// read there what the daemons they caused have found. A line is "used METHOD",
// at the first request of hakube's with it, or "broken" and what does not fit.
func held(h http.Handler) (http.Handler, error) {
	path := os.Getenv("HAKUBE_LOCAL_CONTRACT")
	if path == "" {
		return h, nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the record of HAKUBE_LOCAL_CONTRACT: %w", err)
	}
	var mu sync.Mutex
	note := func(what, text string) {
		mu.Lock()
		defer mu.Unlock()
		if _, err := fmt.Fprintf(f, "%s %s\n", what, strings.ReplaceAll(text, "\n", " ")); err != nil {
			panic(fmt.Sprintf("writing the record of HAKUBE_LOCAL_CONTRACT: %v", err)) // or the test would pass unseen
		}
	}
	watch := &contract.Contract{Client: "hakube", Broken: func(err error) { note("broken", err.Error()) }, Seen: &contract.Coverage{}}
	watch.Seen.OnMethod(func(method string) { note("used", method) })
	return watch.Handler(h), nil
}
