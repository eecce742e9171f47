// Package filter reads what lists are asked to show, and which fields of an answer.
package filter

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// Parse reads the filter of a list. Google has two languages that do
// not mix: `name eq 'v.*'` with regular expressions over the whole value, and
// AIP-160 (`=`, `!=`, `:`, `<`, `>`, AND, OR, NOT, parentheses; terms side by
// side are an AND, and OR binds closer than AND).
func Parse(s string) (func(doc.Obj) bool, error) {
	if len(s) > maxFilter {
		return nil, problem.Invalid("filter", s[:100]+"…", fmt.Sprintf("Invalid list filter expression: longer than %d bytes.", maxFilter))
	}
	p := &filterParser{rest: lexFilter(s)}
	if len(p.rest) == 0 {
		return func(doc.Obj) bool { return true }, nil
	}
	f := p.all()
	if p.err == nil && len(p.rest) > 0 {
		p.fail("unexpected " + p.rest[0].text)
	}
	if p.err != nil {
		return nil, problem.Invalid("filter", s, "Invalid list filter expression: "+p.err.Error()+".")
	}
	return f, nil
}

// What a filter may be: each comparison, NOT and parenthesis of it costs stack.
const (
	maxFilter = 32 << 10
	maxDepth  = 100
)

type token struct {
	text   string
	quoted bool
}

var filterWord = regexp.MustCompile(`^\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(!=|<=|>=|[=<>:()])|([^\s=<>:()!"']+))`)

func lexFilter(s string) (out []token) {
	for {
		m := filterWord.FindStringSubmatch(s)
		if m == nil {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, token{text: s[:1]})
				s = s[1:]
				continue
			}
			return out
		}
		s = s[len(m[0]):]
		// Only what \s is: other spaces are letters here, also a word of nothing else.
		if trimmed := strings.TrimLeft(m[0], " \t\n\f\r"); trimmed[0] == '"' || trimmed[0] == '\'' {
			out = append(out, token{unescape(m[1] + m[2]), true})
			continue
		}
		out = append(out, token{text: m[3] + m[4]})
	}
}

// unescape drops the backslashes of a quoted word that stand before a quote or
// a backslash; others belong to a regular expression.
func unescape(s string) string {
	return strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`).Replace(s)
}

type filterParser struct {
	rest  []token
	err   error
	depth int
}

func (p *filterParser) fail(why string) func(doc.Obj) bool {
	if p.err == nil {
		p.err = fmt.Errorf("%s", why)
	}
	p.rest = nil
	return func(doc.Obj) bool { return false }
}

func (p *filterParser) take(words ...string) bool {
	if len(p.rest) == 0 || p.rest[0].quoted {
		return false
	}
	for _, w := range words {
		if p.rest[0].text == w {
			p.rest = p.rest[1:]
			return true
		}
	}
	return false
}

func (p *filterParser) all() func(doc.Obj) bool {
	f := p.any()
	for len(p.rest) > 0 && p.rest[0] != (token{text: ")"}) {
		p.take("AND")
		left, right := f, p.any()
		f = func(o doc.Obj) bool { return left(o) && right(o) }
	}
	return f
}

func (p *filterParser) any() func(doc.Obj) bool {
	f := p.term()
	for p.take("OR") {
		left, right := f, p.term()
		f = func(o doc.Obj) bool { return left(o) || right(o) }
	}
	return f
}

func (p *filterParser) term() func(doc.Obj) bool {
	if p.depth++; p.depth > maxDepth {
		return p.fail("nested too deeply")
	}
	defer func() { p.depth-- }()
	if p.take("NOT", "-") {
		f := p.term()
		return func(o doc.Obj) bool { return !f(o) }
	}
	if p.take("(") {
		f := p.all()
		if !p.take(")") && p.err == nil {
			return p.fail("a parenthesis is not closed")
		}
		return f
	}
	if len(p.rest) < 3 {
		return p.fail("a comparison needs a field, an operator and a value")
	}
	field, op, value := p.rest[0].text, p.rest[1].text, p.rest[2]
	p.rest = p.rest[3:]
	path := strings.Split(field, ".")
	switch op {
	case "eq", "ne":
		re, err := regexp.Compile(`^(?:` + value.text + `)$`)
		if err != nil {
			return p.fail("not a regular expression: " + value.text)
		}
		return func(o doc.Obj) bool {
			return some(o, path, func(v any) bool { return re.MatchString(text(v)) }) == (op == "eq")
		}
	case "=", "!=":
		return func(o doc.Obj) bool {
			return some(o, path, func(v any) bool { return equal(v, value.text) }) == (op == "=")
		}
	case ":":
		if value.text == "*" && !value.quoted {
			return func(o doc.Obj) bool { return some(o, path, func(any) bool { return true }) }
		}
		return func(o doc.Obj) bool {
			return some(o, path, func(v any) bool {
				m, isMap := v.(doc.Obj)
				if isMap {
					return doc.Has(m, value.text)
				}
				return strings.Contains(strings.ToLower(text(v)), strings.ToLower(strings.Trim(value.text, "*")))
			})
		}
	case "<", ">", "<=", ">=":
		return func(o doc.Obj) bool {
			return some(o, path, func(v any) bool { return ordered(text(v), value.text, op) })
		}
	}
	return p.fail("unknown operator " + op)
}

// some reports whether f holds for the value at path; in a list, for one of them.
func some(v any, path []string, f func(any) bool) bool {
	if l, ok := v.([]any); ok {
		for _, e := range l {
			if some(e, path, f) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return v != nil && f(v)
	}
	o, ok := v.(doc.Obj)
	if !ok || o[path[0]] == nil {
		// A label's key may have dots in it.
		if ok && len(path) > 1 && o[strings.Join(path, ".")] != nil {
			return f(o[strings.Join(path, ".")])
		}
		return false
	}
	return some(o[path[0]], path[1:], f)
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// equal compares as AIP-160 does here: case does not matter, "*" at an end
// stands for anything, and a link is also known by its last part.
func equal(v any, want string) bool {
	got, want := strings.ToLower(text(v)), strings.ToLower(want)
	if got == want {
		return true
	}
	if strings.HasPrefix(got, doc.Base) && (doc.RefOf(got).Name() == want) {
		return true
	}
	head, tail := strings.HasSuffix(want, "*"), strings.HasPrefix(want, "*")
	switch bare := strings.Trim(want, "*"); {
	case head && tail:
		return strings.Contains(got, bare)
	case head:
		return strings.HasPrefix(got, bare)
	case tail:
		return strings.HasSuffix(got, bare)
	}
	return false
}

func ordered(a, b, op string) bool {
	cmp := strings.Compare(a, b)
	if x, err := strconv.ParseFloat(a, 64); err == nil {
		if y, err := strconv.ParseFloat(b, 64); err == nil {
			cmp = 0
			if x < y {
				cmp = -1
			} else if x > y {
				cmp = 1
			}
		}
	}
	switch op {
	case "<":
		return cmp < 0
	case ">":
		return cmp > 0
	case "<=":
		return cmp <= 0
	}
	return cmp >= 0
}
