package console

import "strings"

// parts are those of an object's path or URL: projects/p/zones/z/instances/i.
type parts struct{ project, place, kind, name string }

func partsOf(path string) (p parts) {
	if i := strings.Index(path, "projects/"); i >= 0 {
		path = path[i:]
	}
	s := strings.Split(path, "/")
	if len(s) < 4 {
		return p
	}
	p.project, p.kind, p.name = s[1], s[len(s)-2], s[len(s)-1]
	if s[2] == "zones" || s[2] == "regions" {
		p.place = s[3]
	}
	return p
}

// Documents as the API gives them. What is not there is empty.

func str(o map[string]any, key string) string { s, _ := o[key].(string); return s }

func num(o map[string]any, key string) int {
	switch n := o[key].(type) {
	case float64:
		return int(n)
	case int:
		return n
	case int64:
		return int(n)
	}
	return 0
}

func sub(o map[string]any, key string) map[string]any { m, _ := o[key].(map[string]any); return m }

func objects(o map[string]any, key string) (list []map[string]any) {
	all, _ := o[key].([]any)
	for _, x := range all {
		if m, ok := x.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

func texts(o map[string]any, key string) (list []string) {
	all, _ := o[key].([]any)
	for _, x := range all {
		if s, ok := x.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

// user is who uses an object, "" if nobody does.
func user(o map[string]any) string {
	for _, u := range texts(o, "users") {
		return base(u)
	}
	return ""
}

func base(url string) string { return url[strings.LastIndexByte(url, '/')+1:] }
