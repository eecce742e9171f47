// Package recorded holds the embedded GCE to what Google was recorded to answer.
// Recordings are files of exchanges, one a line; what is kept of them in this
// project is a table of facts (testdata/contract.json), and where the files are at
// hand all requests in them can be made again and the answers compared. What differs
// is listed with its reason (known.go), and nothing else may.
//
// It knows no kind of object: names, defaults and orders are those of the file, so
// that it takes recordings nobody here has seen.
package recorded

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/discovery"
)

// An Exchange is one request and what Google answered. Names and numbers of the
// project are placeholders such as ${projectId}, times and ids are made equal.
type Exchange struct {
	Commit string         `json:"commit"` // of the file it is from
	Path   string         `json:"path"`   // of that file
	N      int            `json:"n"`      // its place in it
	Verb   string         `json:"method"`
	URL    string         `json:"url"`
	Body   any            `json:"request"` // "" when there was none
	Status int            `json:"status"`
	Answer map[string]any `json:"answer"`
}

// Read reads a file of recordings.
func Read(r io.Reader) ([]Exchange, error) {
	var all []Exchange
	for dec := json.NewDecoder(r); ; {
		x := struct {
			*Exchange
			Answer any `json:"answer"` // none is ""
		}{Exchange: &Exchange{}}
		err := dec.Decode(&x)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("exchange %d: %w", len(all)+1, err)
		}
		x.Exchange.Answer, _ = x.Answer.(map[string]any)
		all = append(all, *x.Exchange)
	}
}

// sessions are the exchanges of one file each, in their order.
func sessions(all []Exchange) [][]Exchange {
	var out [][]Exchange
	at := map[string]int{}
	for _, x := range all {
		key := x.Commit + " " + x.Path
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			out = append(out, nil)
		}
		out[at[key]] = append(out[at[key]], x)
	}
	for _, s := range out {
		slices.SortStableFunc(s, func(a, b Exchange) int { return cmp.Compare(a.N, b.N) })
	}
	return out
}

// version is where the path of a method begins, in whichever of the API's versions.
var version = regexp.MustCompile(`/compute/(v1|beta|alpha|v1beta1)/`)

// split is the path below the version and the query.
func (x *Exchange) split() (path string, query url.Values) {
	before, after, _ := strings.Cut(x.URL, "?")
	if at := version.FindStringIndex(before); at != nil {
		before = before[at[1]:]
	}
	query, _ = url.ParseQuery(after) // what cannot be read is sent nowhere
	query.Del("alt")
	query.Del("prettyPrint")
	return before, query
}

// method is the exchange's, nil of resources that the embedded GCE does not know.
func (x *Exchange) method() *discovery.Method {
	path, _ := x.split()
	m, _ := discovery.Load().Route(x.Verb, path)
	return m
}

// id is the method's, or the verb and the collection where it is not known.
func (x *Exchange) id() string {
	if m := x.method(); m != nil {
		return m.ID
	}
	return x.Verb + " " + x.collection()
}

// Called is the method's id, "networks.insert", or "" of what is none of the API's.
func (x *Exchange) Called() string {
	if m := x.method(); m != nil {
		return m.ID
	}
	return ""
}

// collection is the kind that a path of an unknown resource is about.
func (x *Exchange) collection() string {
	path, _ := x.split()
	parts := strings.Split(path, "/")
	switch {
	case len(parts) > 4 && (parts[2] == "zones" || parts[2] == "regions"):
		return parts[2] + "/" + parts[4]
	case len(parts) > 3 && parts[2] == "global":
		return "global/" + parts[3]
	case len(parts) > 2:
		return parts[2]
	}
	return path
}

// isOperation tells whether a document is an operation.
func isOperation(o map[string]any) bool { return o["kind"] == "compute#operation" }

// asksOperation tells whether the exchange reads or waits for an operation.
func (x *Exchange) asksOperation() bool {
	m := x.method()
	return m != nil && (strings.HasSuffix(m.ID, "Operations.get") || strings.HasSuffix(m.ID, "Operations.wait"))
}

func text(o map[string]any, key string) string { s, _ := o[key].(string); return s }
