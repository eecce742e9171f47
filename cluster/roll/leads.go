package roll

import (
	"context"
	"strings"

	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/cluster/task"
)

// leaders are how many rings and controllers each master leads. Who leads goes last, so
// that the lead moves as seldom as can be. Leases that cannot be read count for nobody.
func leaders(ctx context.Context, r *task.Task, s *status.Snapshot) map[string]int {
	leads := map[string]int{}
	for _, ring := range rings.Names {
		for _, m := range s.Rings.Members(ring) {
			if m.Leader {
				leads[m.Member] += 3 // an election costs writes, a controller only time
			}
		}
	}
	client, err := r.Kube(ctx)
	if err != nil {
		return leads
	}
	var leases struct {
		Items []struct {
			Metadata struct{ Name string }
			Spec     struct{ HolderIdentity string }
		}
	}
	if err := client.List(ctx, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", &leases); err != nil {
		return leads
	}
	for _, x := range leases.Items {
		host, _, _ := strings.Cut(x.Spec.HolderIdentity, "_")
		name, _, _ := strings.Cut(host, ".")
		if x.Metadata.Name == "kube-controller-manager" || x.Metadata.Name == "kube-scheduler" {
			leads[name]++
		}
	}
	return leads
}
