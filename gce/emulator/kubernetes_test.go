package emulator

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestKubernetes: Google's cloud provider, which a cloud controller manager is made of,
// and the driver of persistent disks, both as their modules are. What they make for
// Services and claims comes, changes and goes, and nothing of it is left. What they ask
// is held to Google's description.
func TestKubernetes(t *testing.T) {
	g := asGoogle(t)
	program := fetched(t, "kubernetes")
	for name, zone := range map[string]string{"n1": "b", "n2": "c", "n3": "b"} {
		zone = "europe-west1-" + zone
		g.made("POST", "projects/acme-dev/zones/"+zone+"/instances", instance(name, doc.Obj{
			"machineType": "zones/" + zone + "/machineTypes/n1-standard-1", "tags": doc.Obj{"items": []any{"node"}},
			"networkInterfaces": []any{doc.Obj{"accessConfigs": []any{doc.Obj{}}}}}))
	}
	before := g.s.Objects()
	g.checks(113, program, g.dir)
	after := g.s.Objects()
	before["instances"], before["disks"] = before["instances"]-1, before["disks"]-1 // it deletes a node's machine
	if !maps.Equal(before, after) {
		t.Errorf("objects before %v and after %v", before, after)
	}
	methods := g.seen.Methods()
	fmt.Printf("REPORT TestKubernetes: %d methods held to Google's description: %s\n", len(methods), strings.Join(methods, " "))
}
