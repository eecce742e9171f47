package machine

// An Error knows what the user can do about it.
type Error struct {
	Err  error
	hint string
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Hint is one line of advice.
func (e *Error) Hint() string { return e.hint }
