package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Names of what a run makes begin with one of these: the cluster's and the suite's.
const (
	prefix      = "hakube-live"
	suitePrefix = "hakube-suite-"
)

// collections are all that a run makes things in, in the order in which they can go.
var collections = []string{
	"aggregated/forwardingRules", "aggregated/backendServices", "aggregated/targetPools", "aggregated/healthChecks", "global/httpHealthChecks",
	"aggregated/instanceGroupManagers", "global/instanceTemplates", "aggregated/instanceGroups", "global/routes", "aggregated/instances", "aggregated/disks",
	"aggregated/addresses", "global/firewalls", "aggregated/subnetworks", "global/networks",
}

// ask makes a call by the proxy; what is refused is an error.
func (r *run) ask(ctx context.Context, verb, path string) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, verb, r.proxy.url+"/compute/v1/"+path, bytes.NewReader(nil))
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", verb, path, err)
	}
	defer func() { _ = resp.Body.Close() }() // read, or given up
	var answer map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s %s: %s, and no JSON: %w", verb, path, resp.Status, err)
	}
	if e, ok := answer["error"].(map[string]any); ok && resp.StatusCode >= 400 {
		return answer, fmt.Errorf("%s %s: %d: %v", verb, path, resp.StatusCode, e["message"])
	}
	return answer, nil
}

// things are the objects of the project whose names begin so, as paths below the API's
// version, in the order in which they can go.
func (r *run) things(ctx context.Context, prefixes ...string) (paths []string, err error) {
	for _, c := range collections {
		for page := ""; ; {
			answer, err := r.ask(ctx, http.MethodGet, "projects/"+r.o.Project+"/"+c+"?maxResults=500&pageToken="+url.QueryEscape(page))
			if err != nil {
				return nil, fmt.Errorf("looking for what is there: %w", err)
			}
			for _, o := range objectsOf(answer) {
				name, _ := o["name"].(string)
				link, _ := o["selfLink"].(string)
				_, path, found := strings.Cut(link, "/compute/v1/")
				if found && slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
					paths = append(paths, path)
				}
			}
			if page, _ = answer["nextPageToken"].(string); page == "" {
				break
			}
		}
	}
	return paths, nil
}

// objectsOf are those of a list, or of a list of all places.
func objectsOf(list map[string]any) (all []map[string]any) {
	add := func(v any) {
		objects, _ := v.([]any)
		for _, o := range objects {
			if m, ok := o.(map[string]any); ok {
				all = append(all, m)
			}
		}
	}
	switch items := list["items"].(type) {
	case []any:
		add(items)
	case map[string]any:
		for _, place := range items {
			scope, _ := place.(map[string]any)
			for _, v := range scope {
				add(v)
			}
		}
	}
	return all
}

// sweep deletes what the suite left, if it was killed. A thing that goes with another
// one is gone when its turn comes.
func (r *run) sweep(ctx context.Context) error {
	paths, err := r.things(ctx, suitePrefix)
	if err != nil {
		return err
	}
	for _, path := range paths {
		r.o.Say("deleting " + path)
		op, err := r.ask(ctx, http.MethodDelete, path)
		if e, _ := op["error"].(map[string]any); e["code"] == 404.0 {
			continue
		}
		if err != nil {
			return err
		}
		for op["status"] != "DONE" {
			link, _ := op["selfLink"].(string)
			_, at, _ := strings.Cut(link, "/compute/v1/")
			if op, err = r.ask(ctx, http.MethodPost, at+"/wait"); err != nil {
				return err
			}
		}
		if op["error"] != nil {
			return fmt.Errorf("deleting %s: %v", path, op["error"])
		}
	}
	return nil
}
