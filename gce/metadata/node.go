package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A node is one place in the tree. It is a directory (children by name), a
// list (a directory whose names are 0, 1, …, an array in JSON) or a leaf.
type node struct {
	kind     kind
	children []child
	value    any // of a leaf: string, int, uint64 or []string
	// verbatim keeps the children's names in JSON: attribute keys and email
	// addresses are the user's words, everything else turns lowerCamel.
	verbatim bool
}

type child struct {
	name string // as in a path
	*node
}

type kind int

const (
	leafNode kind = iota
	dirNode
	listNode
)

func leaf(value any) *node { return &node{value: value} }

func dir(children ...child) *node {
	return &node{kind: dirNode, children: children}
}

func list(items ...*node) *node {
	n := &node{kind: listNode}
	for i, it := range items {
		n.children = append(n.children, child{strconv.Itoa(i), it})
	}
	return n
}

// leaves is a list of plain strings, such as forwarded-ips/.
func leaves(values []string) *node {
	n := list()
	for i, v := range values {
		n.children = append(n.children, child{strconv.Itoa(i), leaf(v)})
	}
	return n
}

// attributes is a directory of the user's own keys, sorted.
func attributes(m map[string]string) *node {
	n := &node{kind: dirNode, verbatim: true}
	for _, k := range sortedKeys(m) {
		n.children = append(n.children, child{k, leaf(m[k])})
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// find walks down path ("" or "a/b/c", without a slash at the end).
func (n *node) find(path string) *node {
	if path == "" {
		return n
	}
	name, rest, _ := strings.Cut(path, "/")
	for _, c := range n.children {
		if c.name == name {
			return c.find(rest)
		}
	}
	return nil
}

// isDir tells whether a path to n ends with a slash.
func (n *node) isDir() bool { return n.kind != leafNode }

// listing is a directory as Google prints it: a name a line, directories with
// a slash.
func (n *node) listing() []byte {
	var b bytes.Buffer
	for _, c := range n.children {
		b.WriteString(c.name)
		if c.isDir() {
			b.WriteByte('/')
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// text is the whole tree with one "path value" a line, or for a leaf its value.
func (n *node) text() []byte {
	if !n.isDir() {
		return []byte(leafText(n.value))
	}
	var b bytes.Buffer
	n.textTo(&b, "")
	return b.Bytes()
}

func (n *node) textTo(b *bytes.Buffer, path string) {
	for _, c := range n.children {
		at := path + c.name
		if c.isDir() {
			c.textTo(b, at+"/")
			continue
		}
		for line := range strings.Lines(leafText(c.value)) {
			fmt.Fprintf(b, "%s %s\n", at, strings.TrimSuffix(line, "\n"))
		}
	}
}

func leafText(value any) string {
	if many, ok := value.([]string); ok {
		var b strings.Builder
		for _, s := range many {
			b.WriteString(s + "\n")
		}
		return b.String()
	}
	return fmt.Sprint(value)
}

// json is the tree as the guest agent reads it: members sorted by name.
func (n *node) json() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(n.plain()); err != nil {
		// Strings, numbers and maps of them cannot fail to encode.
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (n *node) plain() any {
	switch n.kind {
	case dirNode:
		m := make(map[string]any, len(n.children))
		for _, c := range n.children {
			name := c.name
			if !n.verbatim {
				name = lowerCamel(name)
			}
			m[name] = c.plain()
		}
		return m
	case listNode:
		items := make([]any, 0, len(n.children))
		for _, c := range n.children {
			items = append(items, c.plain())
		}
		return items
	}
	if many, ok := n.value.([]string); ok && many == nil {
		return []string{}
	}
	return n.value
}

// lowerCamel turns forwarded-ips into forwardedIps.
func lowerCamel(kebab string) string {
	words := strings.Split(kebab, "-")
	for i, w := range words {
		if i > 0 && w != "" {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
