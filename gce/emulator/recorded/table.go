package recorded

import (
	_ "embed" // the table is part of the tests that hold to it
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A Fact is what is known of one method from recordings: no answer, but what all of
// them have in common.
type Fact struct {
	Method   string         `json:"method"`
	N        int            `json:"n"`        // exchanges
	Statuses map[string]int `json:"statuses"` // by status
	// Always and Sometimes are the fields of answers, with the sort of their values.
	Always    map[string]string `json:"always,omitempty"`
	Sometimes map[string]string `json:"sometimes,omitempty"`
	// Defaults are what fields had that no request had given, where that is a word, a
	// number or a truth value.
	Defaults map[string][]string `json:"defaults,omitempty"`
	// First are the states in which operations were answered first.
	First  map[string]int `json:"first,omitempty"`
	Errors []ErrorForm    `json:"errors,omitempty"`
	// Commits are those of the files in GoogleCloudPlatform/k8s-config-connector.
	Commits []string `json:"commits,omitempty"`
}

// An ErrorForm is how a method refuses.
type ErrorForm struct {
	Status  int    `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"` // names are …
}

// Facts are those of this project, by method. They are made from recordings by
// TestReplay with -update.
var Facts = sync.OnceValue(func() map[string]*Fact {
	var list []*Fact
	if err := json.Unmarshal(embedded, &list); err != nil {
		panic(fmt.Sprintf("reading the embedded table of facts: %v", err))
	}
	all := map[string]*Fact{}
	for _, f := range list {
		all[f.Method] = f
	}
	return all
})

// Write is a table as a file has it, a fact on each line.
func Write(list []*Fact) []byte {
	out := []byte("[")
	for i, f := range list {
		js, err := json.Marshal(f)
		if err != nil {
			panic(err) // of words and numbers
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, '\n'), js...)
	}
	return append(out, "\n]\n"...)
}

//go:embed facts.json
var embedded []byte

// Reduce makes facts of exchanges, sorted by method: of those methods that the
// embedded GCE has a description of.
func Reduce(all []Exchange) []*Fact {
	by := map[string]*Fact{}
	seen := map[string]map[string]int{} // by method and field: answers that had it
	for _, s := range sessions(all) {
		given := map[string]map[string][]leaf{} // by path of an object: what was asked for
		for i := range s {
			x := &s[i]
			if x.method() == nil {
				continue
			}
			f := by[x.id()]
			if f == nil {
				f = &Fact{Method: x.id(), Statuses: map[string]int{}, Always: map[string]string{}, Defaults: map[string][]string{}, First: map[string]int{}}
				by[x.id()], seen[x.id()] = f, map[string]int{}
			}
			f.add(x, given, seen[x.id()])
		}
	}
	for id, f := range by {
		f.Sometimes = map[string]string{}
		for field, sort := range f.Always {
			if seen[id][field] < f.Statuses["200"] {
				f.Sometimes[field] = sort
				delete(f.Always, field)
			}
		}
	}
	out := slices.Collect(maps.Values(by))
	slices.SortFunc(out, func(a, b *Fact) int { return strings.Compare(a.Method, b.Method) })
	return out
}

func (f *Fact) add(x *Exchange, given map[string]map[string][]leaf, seen map[string]int) {
	f.N++
	f.Statuses[fmt.Sprint(x.Status)]++
	if x.Commit != "" && !slices.Contains(f.Commits, x.Commit) {
		f.Commits = append(f.Commits, x.Commit)
		slices.Sort(f.Commits)
	}
	if x.Status >= 400 {
		reason, message := errorOf(x.Answer)
		if e := (ErrorForm{x.Status, reason, generic(message)}); !slices.Contains(f.Errors, e) {
			f.Errors = append(f.Errors, e)
		}
		return
	}
	path, _ := x.split()
	fields := map[string][]leaf{}
	flatten("", x.Answer, fields)
	asked := given[path]
	if o, ok := x.Body.(map[string]any); ok {
		if strings.HasSuffix(x.id(), ".insert") {
			path += "/" + nameIn(o)
		}
		now := given[path]
		if now == nil {
			now = map[string][]leaf{}
		}
		flatten("", o, now)
		given[path] = now
	}
	if isOperation(x.Answer) && !x.asksOperation() {
		first := fmt.Sprintf("%s %v", x.Answer["status"], x.Answer["progress"])
		if x.Answer["startTime"] != nil {
			first += " startTime"
		}
		f.First[first]++
	}
	for field, l := range fields {
		name := element(field)
		if seen[name]++; f.Always[name] == "" {
			f.Always[name] = l[0].sort
		}
		said := fmt.Sprint(l[0].value)
		if asked != nil && asked[field] == nil && plainWord(l[0]) && len(l) == 1 && !slices.Contains(f.Defaults[name], said) {
			f.Defaults[name] = append(f.Defaults[name], said)
			slices.Sort(f.Defaults[name])
		}
	}
}

// element is a field without names that are only one answer's: labels, scopes.
func element(field string) string {
	parts := strings.Split(field, ".")
	for i, p := range parts {
		if i > 0 && strings.HasSuffix(parts[i-1], "abels") || strings.ContainsAny(p, "/$") {
			parts[i] = "*"
		}
	}
	return strings.Join(parts, ".")
}

// plainWord tells whether a value can be a default: no name, link or time.
func plainWord(l leaf) bool {
	return l.sort == "bool" || l.sort == "float64" || l.sort == "string" && strings.ToUpper(l.value) == l.value && !strings.Contains(l.value, "$")
}
