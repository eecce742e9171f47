package drill

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// secondsOf is a time of a report, which may be none: it never came to that.
func secondsOf(s *float64) string {
	if s == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f s", *s)
}

// lostOf is what was asked and not answered, for people.
func lostOf(l *Load) string {
	if l == nil {
		return "–"
	}
	return fmt.Sprintf("%d of %d lost", l.Lost, l.Asked)
}

var page = template.Must(template.New("page").Funcs(template.FuncMap{"timeline": func(r Result) timeline { return timelineOf(r) }, "seconds": secondsOf, "place": place, "lost": lostOf}).Parse(pageText))

// Page writes the report as one page, which needs nothing else.
func (r *Report) Page(to io.Writer) error {
	if err := page.Execute(to, r); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}

// A timeline is a drill drawn: a bar a second, upwards what was answered, downwards what was
// not, and a line a moment.
type timeline struct {
	Width, Height, Middle int
	Bars                  []bar
	Lines                 []line
	Ticks                 []line
	Dark                  bar // from the failure until it was taken back
}

type bar struct {
	X, Y, W, H float64
	Class      string
	Text       string
}

type line struct {
	X, Y float64
	Text string
}

// Of the drawing, in its own units.
const (
	plotWidth, plotMiddle, plotDown = 960, 120, 60
	lineText                        = 16 // how far apart words of lines are
)

func timelineOf(r Result) timeline {
	t := timeline{Width: plotWidth, Middle: plotMiddle}
	first, last, most := 0.0, 1.0, 1
	for _, s := range r.Seconds {
		first, last, most = min(first, float64(s.At)), max(last, float64(s.At+1)), max(most, s.Writes+s.Reads, s.Failed)
	}
	for _, m := range r.Marks {
		last = max(last, m.At)
	}
	scale := plotWidth / (last - first)
	at := func(seconds float64) float64 { return (seconds - first) * scale }
	for _, s := range r.Seconds {
		x, w := at(float64(s.At)), max(1, scale-1)
		up := func(n int) float64 { return float64(n) * (plotMiddle - 20) / float64(most) }
		said := fmt.Sprintf("second %d: %d writes, %d reads answered, %d requests failed", s.At, s.Writes, s.Reads, s.Failed)
		t.Bars = append(t.Bars,
			bar{x, plotMiddle - up(s.Reads), w, up(s.Reads), "read", said},
			bar{x, plotMiddle - up(s.Reads) - up(s.Writes), w, up(s.Writes), "write", said})
		if s.Failed > 0 {
			t.Bars = append(t.Bars, bar{x, plotMiddle, w, min(plotDown, 6+float64(s.Failed)*plotDown/float64(most)), "failed", said})
		}
	}
	undone := last
	if r.Undone != nil {
		undone = *r.Undone
	}
	t.Dark = bar{at(0), 0, at(undone) - at(0), plotMiddle + plotDown, "dark", "the failure"}
	for i, m := range r.Marks {
		t.Lines = append(t.Lines, line{at(m.At), float64(plotMiddle + plotDown + lineText*(i+1)), fmt.Sprintf("%.1f s %s", m.At, m.What)})
	}
	t.Height = plotMiddle + plotDown + lineText*(len(r.Marks)+2)
	step := 1.0
	for (last-first)/step > 16 {
		step *= 2
	}
	for s := 0.0; s < last; s += step {
		t.Ticks = append(t.Ticks, line{at(s), plotMiddle, fmt.Sprintf("%.0f s", s)})
	}
	return t
}
