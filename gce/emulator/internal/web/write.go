package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/doc"
)

// write writes v as JSON, piece by piece. In one piece it would all be in a buffer
// that encoding/json keeps for what comes next: a page of 500 machines, with their
// startup scripts, is 50 MB. And it would be read once more to be indented.
func write(w io.Writer, v any, pretty bool) error {
	p := &printer{out: w, pretty: pretty}
	p.enc = json.NewEncoder(oneLine{p})
	p.enc.SetEscapeHTML(false)
	p.value(v, 0)
	p.text("\n")
	return p.err
}

type printer struct {
	out    io.Writer
	enc    *json.Encoder
	pretty bool
	err    error
}

// oneLine drops the line break at the end of what an encoder writes.
type oneLine struct{ p *printer }

func (o oneLine) Write(b []byte) (int, error) {
	_, err := o.p.out.Write(bytes.TrimSuffix(b, []byte("\n")))
	return len(b), err
}

func (p *printer) text(s string) {
	_, err := io.WriteString(p.out, s)
	p.err = cmp.Or(p.err, err)
}

func (p *printer) line(depth int) {
	if p.pretty {
		p.text("\n" + strings.Repeat("  ", depth))
	}
}

func (p *printer) value(v any, depth int) {
	list, isList := v.([]any)
	o, isObj := v.(doc.Obj)
	switch {
	case p.err != nil:
	case len(list) > 0:
		p.text("[")
		for i, e := range list {
			p.next(i, depth+1)
			p.value(e, depth+1)
		}
		p.line(depth)
		p.text("]")
	case len(o) > 0:
		p.text("{")
		for i, k := range slices.Sorted(maps.Keys(o)) {
			p.next(i, depth+1)
			p.piece(k)
			p.text(":")
			if p.pretty {
				p.text(" ")
			}
			p.value(o[k], depth+1)
		}
		p.line(depth)
		p.text("}")
	case isList, isObj, !p.pretty:
		p.piece(v)
	default:
		if _, isString := v.(string); !isString { // what encoding/json takes apart
			p.enc.SetIndent(strings.Repeat("  ", depth), "  ")
		}
		p.piece(v)
		p.enc.SetIndent("", "")
	}
}

func (p *printer) piece(v any) {
	if p.err == nil {
		p.err = p.enc.Encode(v)
	}
}

func (p *printer) next(i, depth int) {
	if i > 0 {
		p.text(",")
	}
	p.line(depth)
}
