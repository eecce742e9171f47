package gce

import (
	"errors"
	"sync"
)

// Parallel makes reads at the same time and joins their errors. What says the
// same as one before it is left out: with the API switched off every read fails
// in the same words.
func Parallel(reads ...func() error) error {
	errs := make([]error, len(reads))
	var wg sync.WaitGroup
	for i, f := range reads {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	var list []error
	seen := map[string]bool{}
	for _, err := range errs {
		var e *Error
		if errors.As(err, &e) && e.Message != "" {
			if seen[e.Message] {
				continue
			}
			seen[e.Message] = true
		}
		list = append(list, err)
	}
	return errors.Join(list...)
}
