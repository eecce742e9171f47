// Command gen writes compute.json.gz: the part of the Compute Engine v1
// discovery document that the embedded GCE routes and checks by, without
// descriptions. The document is taken from the module google.golang.org/api,
// so that its revision is pinned by go.mod.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// resources are the collections kept. Of all others the methods are known by their
// paths alone, so that what is not written can be told by name.
var resources = []string{
	"acceleratorTypes", "addresses", "autoscalers", "backendServices", "diskTypes", "disks", "firewalls", "forwardingRules",
	"globalAddresses", "globalForwardingRules", "globalOperations", "healthChecks", "httpHealthChecks", "imageFamilyViews", "images",
	"instanceGroupManagers", "instanceGroups", "instanceTemplates", "instances",
	"machineTypes", "networks", "projects", "regionAutoscalers", "regionBackendServices", "regionDisks",
	"regionHealthChecks", "regionInstanceGroupManagers", "regionInstanceGroups",
	"regionOperations", "regions", "resourcePolicies", "routes", "snapshots",
	"subnetworks", "targetPools", "zoneOperations", "zones",
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("gen: ")
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "google.golang.org/api/compute/v1").Output()
	if err != nil {
		log.Fatalf("finding the discovery document: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "compute-api.json"))
	if err != nil {
		log.Fatal(err)
	}
	out, err := subset(raw)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile("compute.json.gz", out, 0o644); err != nil {
		log.Fatal(err)
	}
}

type doc struct {
	Revision  string
	Resources map[string]struct{ Methods map[string]map[string]any }
	Schemas   map[string]map[string]any
}

// subset returns the gzipped subset; equal input gives equal bytes.
func subset(raw []byte) ([]byte, error) {
	var d doc
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, fmt.Errorf("reading discovery document: %w", err)
	}
	methods := map[string]any{}
	schemas := map[string]any{}
	var reach func(v any)
	reach = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if name, ok := v["$ref"].(string); ok && schemas[name] == nil {
				schemas[name] = schema(d.Schemas[name])
				reach(schemas[name])
			}
			for _, e := range v {
				reach(e)
			}
		case []any:
			for _, e := range v {
				reach(e)
			}
		}
	}
	for _, r := range resources {
		if len(d.Resources[r].Methods) == 0 {
			return nil, fmt.Errorf("no resource %q in the document", r)
		}
		for _, m := range d.Resources[r].Methods {
			kept := method(m)
			methods[kept["id"].(string)] = kept
			reach(kept)
		}
	}
	for r := range d.Resources {
		for _, m := range d.Resources[r].Methods {
			if id := strings.TrimPrefix(m["id"].(string), "compute."); methods[id] == nil {
				methods[id] = map[string]any{"id": id, "flatPath": m["flatPath"], "httpMethod": m["httpMethod"]}
			}
		}
	}
	js, err := json.Marshal(map[string]any{"revision": d.Revision, "methods": methods, "schemas": schemas})
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = zw.Write(js) // a buffer does not fail
	_ = zw.Close()      // a buffer does not fail
	return buf.Bytes(), nil
}

// method keeps what routing needs; ids lose their "compute." prefix.
func method(m map[string]any) map[string]any {
	kept := map[string]any{
		"id":         strings.TrimPrefix(m["id"].(string), "compute."),
		"flatPath":   m["flatPath"],
		"httpMethod": m["httpMethod"],
	}
	for _, k := range []string{"request", "response"} {
		if ref, ok := m[k].(map[string]any); ok {
			kept[k] = map[string]any{"$ref": ref["$ref"]}
		}
	}
	params := map[string]any{}
	given, _ := m["parameters"].(map[string]any)
	for name, p := range given {
		params[name] = pick(p.(map[string]any), "location", "pattern", "required", "type", "format", "enum", "repeated", "minimum", "maximum")
	}
	kept["parameters"] = params
	return kept
}

// defaultValue is how the document tells what a field has that it requires and yet
// lets clients leave out.
var defaultValue = regexp.MustCompile("The default value is `([^`]+)`")

// schema keeps types, formats, enums, patterns, required annotations, whether a
// field is for output only, flagged so or described so, and whether it can be set
// only afterwards.
func schema(s map[string]any) map[string]any {
	kept := pick(s, "type", "$ref", "format", "enum", "pattern", "readOnly")
	if text, _ := s["description"].(string); strings.HasPrefix(text, "[Output Only]") {
		kept["readOnly"] = true
	}
	if text, _ := s["description"].(string); afterwards.MatchString(text) {
		kept["afterwards"] = true
	}
	if a, ok := s["annotations"].(map[string]any); ok {
		var required []string
		for _, id := range a["required"].([]any) {
			if id, ok := strings.CutPrefix(id.(string), "compute."); ok && slices.Contains(resources, strings.Split(id, ".")[0]) {
				required = append(required, id)
			}
		}
		if required != nil {
			kept["required"] = required
			if m := defaultValue.FindStringSubmatch(s["description"].(string)); m != nil {
				kept["default"] = m[1]
			}
		}
	}
	for _, k := range []string{"items", "additionalProperties"} {
		if e, ok := s[k].(map[string]any); ok {
			kept[k] = schema(e)
		}
	}
	if props, ok := s["properties"].(map[string]any); ok {
		out := map[string]any{}
		for name, p := range props {
			out[name] = schema(p.(map[string]any))
			if kind := p.(map[string]any)["default"]; name == "kind" && kind != nil {
				out[name].(map[string]any)["default"] = kind
			}
		}
		kept["properties"] = out
	}
	return kept
}

// afterwards is how the document says that a field is not for insert: Google takes
// it there and drops it.
var afterwards = regexp.MustCompile(`can only be added or modified by the\s*setLabels`)

func pick(m map[string]any, keys ...string) map[string]any {
	out := map[string]any{}
	for _, k := range keys {
		if v, ok := m[k]; ok {
			out[k] = v
		}
	}
	return out
}
