package settings

// Nearest is the one of names that s was probably meant to be, or "". Two
// slips of the finger in a name, one in a short one, are taken for the same.
func Nearest(s string, names []string) string {
	limit := min(2, len(s)/4)
	best := ""
	for _, n := range names {
		if len(s)-len(n) > limit || len(n)-len(s) > limit {
			continue // as far apart at least; and a stranger's name may be a megabyte long
		}
		if d := Distance(s, n); d <= limit {
			limit, best = d-1, n
		}
	}
	return best
}

// Distance is the number of letters to insert, delete, change or swap with the
// neighbour to get from a to b (optimal string alignment).
func Distance(a, b string) int {
	rows := make([]int, 3*(len(b)+1)) // this letter's of a and those of the two before it
	before, last, row := rows[:len(b)+1], rows[len(b)+1:2*(len(b)+1)], rows[2*(len(b)+1):]
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
