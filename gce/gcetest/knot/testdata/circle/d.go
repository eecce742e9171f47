package circle

// It uses the others, and none of them uses it.
func last() int {
	next := 1 // a local name is no name of the package
	return next + limit
}
