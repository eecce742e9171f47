package circle

func (n node) depth() int {
	if len(n.next) > limit {
		return back(n)
	}
	return limit
}
