package discovery

import "strings"

// labels refuses what Google takes for no labels, wherever they are in a request. It says
// so itself, since the document has no pattern for them.
func labels(at string, o map[string]any) *Problem {
	if len(o) > 64 {
		return &Problem{Field: at, Value: show(len(o)), Reason: "At most 64 labels are allowed."}
	}
	for _, k := range sortedKeys(o) {
		if len([]rune(k)) > 63 || k == "" || k[0] < 'a' && k[0] < 128 || k[0] > 'z' && k[0] < 128 || !labelText(k) {
			return &Problem{Field: at, Value: show(k), Reason: "Label keys must start with a lowercase letter and hold only lowercase letters, digits, _ and -, at most 63."}
		}
		if v, _ := o[k].(string); len([]rune(v)) > 63 || !labelText(v) {
			return &Problem{Field: at, Value: show(v), Reason: "Label values hold only lowercase letters, digits, _ and -, at most 63."}
		}
	}
	return nil
}

// labelText allows what ASCII labels may hold, and letters of other scripts but large ones.
func labelText(s string) bool {
	return s == strings.ToLower(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c < 128
	})
}
