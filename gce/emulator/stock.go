package emulator

import (
	"fmt"
	"strings"
)

// noStock is the operation's error for a machine that its zone has no room
// for, nil if there is room. What
// Google says of it was seen in kubernetes/k8s.io#9834.
func (s *Server) noStock(i ref, o obj) (p *problem, details []any) {
	if s.opts.Stock == nil {
		return nil, nil
	}
	zone, size := i.place(), ref(str(o, "machineType")).name()
	if s.opts.Stock(zone, size) {
		return nil, nil
	}
	var others []string
	for _, scope := range scopes() {
		if z, ok := strings.CutPrefix(scope, "zones/"); ok && z != zone && regionOf(z) == i.region() && s.opts.Stock(z, size) {
			others = append(others, z)
		}
	}
	p = &problem{503, "backendError", "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", fmt.Sprintf(
		"The zone 'projects/%s/zones/%s' does not have enough resources available to fulfill the request.  '(resource type:compute)'.", i.project(), zone)}
	return p, []any{obj{"errorInfo": obj{
		"domain": "compute.googleapis.com", "reason": "resource_availability",
		"metadatas": obj{"attachment": "", "vmType": size, "zone": zone, "zonesAvailable": strings.Join(others, ",")},
	}}}
}

// fault is the problem as a job keeps it.
func (p *problem) fault(details []any) obj {
	return obj{"code": p.Code, "message": p.Message, "status": p.Status, "details": details}
}
