package live

import (
	"bytes"
	"context"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hakube/gce/emulator/recorded"
)

// reckon makes what the file says of all that has passed.
func (r *run) reckon() {
	all := r.proxy.passed()
	facts, table := recorded.Reduce(all), recorded.Facts()
	differences, methods, checks := recorded.Judge(facts, table)
	differences = recorded.Explain(differences, all, table)
	r.file.Compared = Compared{len(all), methods, checks}
	for _, d := range differences {
		r.file.Differences = append(r.file.Differences, Difference{d.Method, d.What, d.Field, d.Want, d.Got, d.Why})
	}
	for _, f := range facts {
		if table[f.Method] == nil {
			r.file.Unrecorded = append(r.file.Unrecorded, f)
		}
	}
	r.file.Operations = operations(all)
	r.file.Image = image(all)
}

// operations are those that were seen to end, by method.
func operations(all []recorded.Exchange) (out []Operation) {
	methods := map[string]string{} // by the operation's path
	took, failed := map[string][]float64{}, map[string]int{}
	for _, x := range all {
		link, _ := x.Answer["selfLink"].(string)
		if x.Answer["kind"] != "compute#operation" || link == "" {
			continue
		}
		called := x.Called()
		if x.Verb != http.MethodGet && !strings.HasSuffix(called, "Operations.wait") {
			methods[link] = called
		}
		method := methods[link]
		if method == "" || x.Answer["status"] != "DONE" {
			continue
		}
		methods[link] = "" // it is counted once
		if x.Answer["error"] != nil {
			failed[method]++
		}
		took[method] = append(took[method], between(x.Answer, "insertTime", "endTime"))
	}
	for method, all := range took {
		slices.Sort(all)
		out = append(out, Operation{method, len(all), failed[method], all[0], all[len(all)/2], all[len(all)-1]})
	}
	slices.SortFunc(out, func(a, b Operation) int { return strings.Compare(a.Method, b.Method) })
	return out
}

// between is the time between two fields, in seconds.
func between(o map[string]any, from, to string) float64 {
	at := func(field string) time.Time {
		s, _ := o[field].(string)
		t, _ := time.Parse(time.RFC3339, s) // none is zero
		return t
	}
	if at(from).IsZero() || at(to).IsZero() {
		return 0
	}
	return seconds(at(to).Sub(at(from)))
}

// image is what masters were made of.
func image(all []recorded.Exchange) string {
	for _, x := range all {
		if disk, ok := x.Answer["sourceImage"].(string); ok && x.Called() == "disks.get" {
			return path.Base(disk)
		}
		if name, ok := x.Answer["name"].(string); ok && strings.HasPrefix(x.Called(), "images.get") {
			return name
		}
	}
	return ""
}

// guests reads how the cluster's machines came up.
func (r *run) guests(ctx context.Context) error {
	answer, err := r.ask(ctx, http.MethodGet, "projects/"+r.o.Project+"/aggregated/instances")
	if err != nil {
		return err
	}
	for _, o := range objectsOf(answer) {
		name, _ := o["name"].(string)
		link, _ := o["selfLink"].(string)
		_, at, _ := strings.Cut(link, "/compute/v1/")
		if !strings.HasPrefix(name, prefix) || at == "" {
			continue
		}
		role := "node"
		switch {
		case name == prefix+"-master":
			role = "master"
		case strings.HasPrefix(name, prefix+"-master"):
			role = "replica"
		}
		said, err := r.ask(ctx, http.MethodGet, at+"/serialPort")
		if err != nil {
			return err
		}
		text, _ := said["contents"].(string)
		r.file.Guests = append(r.file.Guests, Guest{role, phases(text)})
	}
	slices.SortStableFunc(r.file.Guests, func(a, b Guest) int { return strings.Compare(a.Role, b.Role) })
	return nil
}

var (
	toldPhase = regexp.MustCompile(`(?m)^hakube-tells \S+ \S+ hakube/phase ([^\r\n]*)`)
	doneAt    = regexp.MustCompile(`hakube: ([a-z][^:\r\n]*): done at (\d+)s`)
)

// phases are those a console tells of, each once.
func phases(console string) (out []Phase) {
	ends := map[string]int{}
	for _, m := range doneAt.FindAllStringSubmatch(console, -1) {
		ends[m[1]], _ = strconv.Atoi(m[2])
	}
	for _, m := range toldPhase.FindAllStringSubmatch(console, -1) {
		if slices.ContainsFunc(out, func(p Phase) bool { return p.Name == m[1] }) {
			continue
		}
		p := Phase{Name: m[1]}
		if n, ok := ends[m[1]]; ok {
			p.Done = &n
		}
		out = append(out, p)
	}
	return out
}

// conformance runs the suite.
func (r *run) conformance(ctx context.Context) error {
	if len(r.o.Suite) == 0 {
		return nil
	}
	var out bytes.Buffer
	err := r.exec(ctx, &out, r.o.Suite[0], r.o.Suite[1:], []string{
		"HAKUBE_LIVE_PROJECT=" + r.o.Project, "HAKUBE_LIVE_REGION=" + r.o.Zone[:strings.LastIndexByte(r.o.Zone, '-')], "HAKUBE_LIVE_ENDPOINT=" + r.proxy.url})
	r.file.Conformance = parts(out.String())
	if ctx.Err() != nil {
		return err
	}
	if len(r.file.Conformance) == 0 {
		return err // it did not begin
	}
	return nil // a part that failed is a finding, and in the file
}

var (
	partEnded = regexp.MustCompile(`^    --- (PASS|FAIL): TestLive/(\S+) `)
	partSaid  = regexp.MustCompile(`^\s+suite\w*\.go:\d+: `)
)

// parts are those that a suite's output tells of.
func parts(out string) (all []Part) {
	var said []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if partSaid.MatchString(line) {
			said = append(said, strings.TrimSpace(line))
		}
		if m := partEnded.FindStringSubmatch(line); m != nil {
			p := Part{Name: m[2], Well: m[1] == "PASS"}
			if !p.Well {
				p.Said = said
			}
			all = append(all, p)
		}
		if strings.HasPrefix(line, "=== RUN") {
			said = nil
		}
	}
	return all
}
