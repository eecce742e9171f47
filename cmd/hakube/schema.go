package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"hakube/cluster"
)

// schema is a JSON Schema of all that --json prints, made from its types.
func schema() (string, error) {
	defs := map[string]any{}
	refer := func(kind string, described map[string]any) map[string]any {
		defs[kind] = described
		return map[string]any{"$ref": "#/$defs/" + strings.ReplaceAll(kind, " ", "%20")}
	}
	var out, errs []any
	for kind, t := range results {
		out = append(out, refer(kind, line(kind, objectOf(t))))
	}
	errs = append(errs, refer("step", line("step", objectOf(reflect.TypeFor[jsonStep]()))))
	for _, kind := range messages {
		errs = append(errs, refer(kind, line(kind, map[string]any{
			kind: described(kind), "why": described("why"), "commands": map[string]any{"type": "array", "items": map[string]any{"type": "string"}, "description": keyTexts["commands"]},
			"code": map[string]any{"type": []string{"integer", "null"}, "description": keyTexts["code"]},
		})))
	}
	for _, kind := range orphanLines {
		errs = append(errs, refer(kind, line(kind, map[string]any{kind: structOf(reflect.TypeFor[cluster.Orphan]())})))
	}
	byRef := func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(out, byRef)
	slices.SortFunc(errs, byRef)
	b, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "the output of --json",
		"description": "Standard output has one object, the result; status --watch prints one at each look. Standard error has one object a line: " +
			"steps as they go, and what is said. Every key is always there: null where it is not known or does not apply. " +
			"Keys may be added to schema 1; one that goes or changes its meaning makes it 2. A failed run has no result; its errors have the exit code.",
		"anyOf": append(append([]any{}, out...), errs...),
		"$defs": defs,
	}, "", "  ")
	return string(b) + "\n", err
}

// line is an object with its envelope.
func line(kind string, keys map[string]any) map[string]any {
	keys["schema"] = map[string]any{"const": schemaNumber, "description": keyTexts["schema"]}
	keys["type"] = map[string]any{"const": kind, "description": keyTexts["type"]}
	keys["time"] = map[string]any{"type": "string", "format": "date-time", "description": keyTexts["time"]}
	return closed(keys)
}

// closed is an object with these keys, all of them, and no others.
func closed(keys map[string]any) map[string]any {
	required := []string{}
	for k := range keys {
		required = append(required, k)
	}
	slices.Sort(required)
	return map[string]any{"type": "object", "properties": keys, "required": required, "additionalProperties": false}
}

func described(key string) map[string]any {
	return map[string]any{"type": []string{"string", "null"}, "description": keyTexts[key]}
}

func structOf(t reflect.Type) map[string]any { return closed(objectOf(t)) }

// objectOf are the keys of a struct; of two with one name the outer counts, as
// in package json.
func objectOf(t reflect.Type) map[string]any {
	keys, depth := map[string]any{}, map[string]int{}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" || !f.IsExported() {
			continue
		}
		if d, seen := depth[name]; seen && d <= len(f.Index) {
			continue
		}
		depth[name] = len(f.Index)
		v := typeOf(f.Type)
		if text := keyTexts[name]; text != "" {
			v["description"] = text
		}
		keys[name] = v
	}
	return keys
}

func typeOf(t reflect.Type) map[string]any {
	orNull := func(v map[string]any) map[string]any {
		return map[string]any{"anyOf": []any{v, map[string]any{"type": "null"}}}
	}
	if t == reflect.TypeFor[time.Time]() {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(typeOf(t.Elem()))
	case reflect.Slice:
		return orNull(map[string]any{"type": "array", "items": typeOf(t.Elem())})
	case reflect.Map:
		return orNull(map[string]any{"type": "object", "additionalProperties": typeOf(t.Elem())})
	case reflect.Struct:
		return structOf(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	return map[string]any{"type": []string{"string", "null"}}
}
