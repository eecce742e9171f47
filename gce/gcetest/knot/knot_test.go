package knot

import (
	"slices"
	"testing"
)

func load(t *testing.T, dir string) Package {
	t.Helper()
	all, err := Load(".", dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d packages in %s", len(all), dir)
	}
	return all[0]
}

// TestCircle: a circle is found through a method, a package's name and a result
// of another package's generic function; who only looks at it is not in it.
func TestCircle(t *testing.T) {
	p := load(t, "./testdata/circle")
	if got, want := p.Circle(), []string{"a.go", "b.go", "c.go"}; !slices.Equal(got, want) {
		t.Errorf("the circle is %v, want %v: %s", got, want, p)
	}
	if got := p.Uses["a.go"]["b.go"]; !slices.Equal(got, []string{"depth"}) {
		t.Errorf("a.go uses %v of b.go, want depth", got)
	}
	if got := p.Uses["d.go"]; len(got) != 1 || !slices.Equal(got["c.go"], []string{"limit"}) {
		t.Errorf("d.go uses %v, want limit of c.go", got)
	}
}

// TestLine: files of which only one uses the other are in no circle.
func TestLine(t *testing.T) {
	p := load(t, "./testdata/line")
	if got := p.Circle(); len(got) != 0 {
		t.Errorf("a circle of %v: %s", got, p)
	}
	if got := p.Uses["a.go"]["b.go"]; !slices.Equal(got, []string{"low", "suffix", "word"}) {
		t.Errorf("a.go uses %v of b.go, want the type, the constant and the promoted field", got)
	}
}
