package sweep

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/inventory"
)

// billed are the kinds that cost money as long as they are there, whether or not
// anybody uses them (https://cloud.google.com/compute/all-pricing,
// https://cloud.google.com/vpc/network-pricing). Firewall rules, routes, health checks,
// target pools, groups and backend services are free by themselves.
var billed = map[inventory.Kind]string{
	inventory.Disk: "its size", inventory.Snapshot: "what it stores",
	inventory.ForwardingRule: "each hour", inventory.Address: "each hour",
}

// Bill is what Google bills of it as long as it is there.
func (f Found) Bill() string { return Bill(append(slices.Clone(f.Ours), f.Perhaps...)) }

// Bill is what Google bills of a list, "" if nothing: "2 × disk (10GB pd-standard, 1GB
// pd-ssd), 1 × address (198.51.100.9)".
func Bill(list []Orphan) string {
	var kinds []string
	of, count := map[string][]string{}, map[string]int{}
	for _, l := range list {
		if l.Billed == "" {
			continue
		}
		if count[l.Kind] == 0 {
			kinds = append(kinds, l.Kind)
		}
		count[l.Kind]++
		if what := strings.TrimSpace(l.Size + " " + l.Class + l.Address); what != "" {
			of[l.Kind] = append(of[l.Kind], what)
		}
	}
	var words []string
	for _, k := range kinds {
		w := fmt.Sprintf("%d × %s", count[k], k)
		if len(of[k]) > 0 {
			w += " (" + strings.Join(of[k], ", ") + ")"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}
