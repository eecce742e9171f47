//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"
)

// haltNode: a node is halted from inside. The balancer that asks for pods goes on by the
// other one, until its group has made the machine again.
func (w *withAddons) haltNode(t *testing.T) {
	node := w.nodes[0]
	before := w.call(t, http.MethodGet, zonal+"/instances/"+node)["id"]
	w.on(t, node, "systemctl", "--no-block", "halt")
	begin := time.Now()
	w.fetches(t, "with a node off, the Local balancer", w.local)
	report(t, "a node was halted: its Local balancer served ten of ten again after %.0f s, of the 24 s that Google's check may take", time.Since(begin).Seconds())
	eventually(t, settled, node+" is made again", func() error {
		var all struct{ Items []struct{ ID, Name string } }
		list, err := json.Marshal(w.call(t, http.MethodGet, zonal+"/instances"))
		if err != nil {
			return err
		}
		decode(t, string(list), &all)
		for _, i := range all.Items {
			if i.Name == node && i.ID != before {
				return nil
			}
		}
		return fmt.Errorf("there are %v", all.Items)
	})
	w.machines(t)
}

// deleteNode: a Node whose machine was deleted goes, without anybody saying so to
// Kubernetes; the others stay.
func (w *withAddons) deleteNode(t *testing.T) {
	node := w.nodes[0]
	groups := w.names(t, zonal+"/instanceGroupManagers")
	if len(groups) != 1 {
		t.Fatalf("the groups are %v", groups)
	}
	w.send(t, http.MethodPost, zonal+"/instanceGroupManagers/"+groups[0]+"/deleteInstances", fmt.Sprintf(`{"instances": ["%s/instances/%s"]}`, zonal, node))
	w.fetches(t, "with a machine deleted, the balancer", w.outer)
	eventually(t, settled, "the Node of the deleted machine is gone", func() error {
		var names []string
		decode(t, w.kubectl(t, "get", "nodes", "-o", `go-template=[{{range $i, $n := .items}}{{if $i}},{{end}}"{{$n.metadata.name}}"{{end}}]`), &names)
		if slices.Contains(names, node) {
			return fmt.Errorf("the Nodes are %v", names)
		}
		if len(names) != addonNodes {
			t.Errorf("the Nodes are %v, want the master and %s", names, w.nodes[1])
		}
		return nil
	})
	w.nodes = w.nodes[1:]
	w.fetches(t, "with a node gone, the balancer", w.outer)
}
