package projects

import (
	"fmt"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// NoStock is the operation's error for a machine that its zone has no room
// for, nil if there is room. What
// Google says of it was seen in kubernetes/k8s.io#9834.
func NoStock(s *api.Server, i doc.Ref, o doc.Obj) (p *problem.Problem, details []any) {
	if s.Opts.Stock == nil {
		return nil, nil
	}
	zone, size := i.Place(), doc.Ref(doc.Str(o, "machineType")).Name()
	if s.Opts.Stock(zone, size) {
		return nil, nil
	}
	var others []string
	for _, scope := range doc.Scopes() {
		if z, ok := strings.CutPrefix(scope, "zones/"); ok && z != zone && doc.RegionOf(z) == i.Region() && s.Opts.Stock(z, size) {
			others = append(others, z)
		}
	}
	p = problem.New(503, "backendError", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", fmt.Sprintf(
		"The zone 'projects/%s/zones/%s' does not have enough resources available to fulfill the request.  '(resource type:compute)'.", i.Project(), zone))
	return p, []any{doc.Obj{"errorInfo": doc.Obj{
		"domain": "compute.googleapis.com", "reason": "resource_availability",
		"metadatas": doc.Obj{"attachment": "", "vmType": size, "zone": zone, "zonesAvailable": strings.Join(others, ",")},
	}}}
}
