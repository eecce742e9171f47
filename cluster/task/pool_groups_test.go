package task

import (
	"slices"
	"testing"
)

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		sizes   []int
		n, most int
		want    []int
	}{
		{[]int{0}, 3, 1000, []int{3}},
		{[]int{0, 0}, 1500, 1000, []int{750, 750}},
		{[]int{1000, 0}, 1500, 1000, []int{1000, 500}},
		{[]int{0, 750}, 1500, 1000, []int{750, 750}},
		{[]int{750, 750}, 500, 1000, []int{250, 250}},
		{[]int{5, 1}, 3, 1000, []int{2, 1}},
		{[]int{5}, 5, 2, []int{5}}, // a smaller limit moves nothing
		{[]int{2, 3}, 0, 1000, []int{0, 0}},
	} {
		got := slices.Clone(c.sizes)
		Level(got, c.n, c.most)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v to %d, at most %d: %v, want %v", c.sizes, c.n, c.most, got, c.want)
		}
	}
}
