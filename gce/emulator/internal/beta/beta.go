// Package beta lets compute/beta be asked for what it has in common with compute/v1,
// which is all that is here: in Google's documents each method of v1 is one of beta,
// at the same path, with fields more. Links in answers are of the version that was
// asked, as Google's are; they are stored and compared as those of v1.
package beta

import (
	"strings"

	"hakube/gce/emulator/internal/doc"
)

const (
	here = "/compute/beta/"
	v1   = "/compute/v1/"
	base = "https://www.googleapis.com" + here
)

// Asked reports whether a request is to compute/beta.
func Asked(path string) bool { return strings.HasPrefix(path, here) }

// Path is the path of the same method in v1.
func Path(path string) string {
	if rest, ok := strings.CutPrefix(path, here); ok {
		return v1 + rest
	}
	return path
}

// Read is a value of a request, or of its query, with links to beta as those to v1.
// What is in metadata is somebody's own text.
func Read(v any) any {
	switch v := v.(type) {
	case doc.Obj:
		for k, e := range v {
			if k != "metadata" {
				v[k] = Read(e)
			}
		}
	case []any:
		for i, e := range v {
			v[i] = Read(e)
		}
	case string:
		return strings.ReplaceAll(v, here+"projects/", v1+"projects/")
	}
	return v
}

// Show is a copy of an answer with the links of beta.
func Show(v any) any {
	switch v := v.(type) {
	case doc.Obj:
		out := make(doc.Obj, len(v))
		for k, e := range v {
			out[k] = Show(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = Show(e)
		}
		return out
	case string:
		if rest, ok := strings.CutPrefix(v, doc.Base); ok {
			return base + rest
		}
	}
	return v
}
