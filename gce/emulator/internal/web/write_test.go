package web

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestWrite: what is written piece by piece is what encoding/json writes in one.
func TestWrite(t *testing.T) {
	machine := doc.Obj{
		"name": "x", "none": nil, "ok": true, "size": 1.5, "count": 7, "id": json.Number("18446744073709551615"),
		"list": []any{}, "nil": []any(nil), "object": doc.Obj{}, "nothing": doc.Obj(nil), "strings": []string{"a", "b"}, "noStrings": []string{},
		"typed": []doc.Obj{{"deep": []any{1, "<&>"}}}, "labels": map[string]string{"a<b": "c"}, "text": "<&>\u2028é\xff\"\\\n",
		"metadata": doc.Obj{"items": []any{doc.Obj{"key": "startup-script", "value": strings.Repeat("echo \"a\" && b\n", 500)}}},
	}
	for _, v := range []any{doc.Obj{"kind": "list", "items": []any{machine, []any{[]any{}, []any{machine}}}}, []any{}, doc.Obj{}, nil, "x"} {
		for _, pretty := range []bool{true, false} {
			var got, want bytes.Buffer
			enc := json.NewEncoder(&want)
			enc.SetEscapeHTML(false)
			if pretty {
				enc.SetIndent("", "  ")
			}
			if err := enc.Encode(v); err != nil {
				t.Fatal(err)
			}
			if err := write(&got, v, pretty); err != nil || got.String() != want.String() {
				t.Errorf("pretty %t: %v\n%s\nwant\n%s", pretty, err, &got, &want)
			}
		}
	}
}
