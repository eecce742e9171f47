package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator"
)

// benchLatency compares create with the time Google's operations take by
// themselves: what hakube adds by asking too rarely, or by doing one after
// the other what could be done at once, shows as a ratio above 1.
func benchLatency(x *bench) {
	heading("create with operations as long as published for Google: 1 master, 3 nodes, model machines")
	x.start("--machines=model", "--latency=gce")
	took, _ := x.hakube("up")
	ended := time.Now()
	operations := x.operations(ended)
	path := critical(operations)
	x.say(took.Seconds(), "s", "s-latency", "until the cluster is valid", "")
	x.say(total(path).Seconds(), "s", "s-path", "operations on the critical path", "")
	fmt.Println("    " + collections(path))
	x.say(took.Seconds()/total(path).Seconds(), "times", "ratio", "ratio of the two", "at most 1.25")
	x.say(total(operations).Seconds(), "s", "s-operations", fmt.Sprintf("all %d operations, one after the other", len(operations)), "")
}

// chain is what no order can do beside each other of a cluster of three masters in the network
// that is there: machines are in the subnetwork, a master's is made by its group, the balancer
// sends to another master's group once that has joined, one after the other since both change
// one service, and then the group is told to make its machine again. The nodes' part is shorter.
var chain = []string{
	"addresses.insert", "subnetworks.insert",
	"instanceTemplates.insert", "instanceGroupManagers.insert", "instanceGroupManagers.createInstances", "instances.insert",
	"regionBackendServices.update", "regionBackendServices.update", "instanceGroupManagers.patch",
}

// benchOneCommand is a cluster of three masters and nine nodes that one command makes from
// nothing, beside the commands of the walkthrough that make the same.
func benchOneCommand(x *bench) {
	heading("3 masters, 9 nodes in 3 zones, operations as long as published for Google, model machines")
	x.start("--machines=model", "--latency=gce")
	took, _ := x.command("HAKUBE_ZONES=europe-west1-b,europe-west1-c,europe-west1-d HAKUBE_MASTER_COUNT=3 NUM_NODES=3", "up", "b")
	var path time.Duration
	for _, method := range chain {
		path += emulator.LatencyOf(method)
	}
	x.say(took.Seconds(), "s", "s-one-command", "one command, until the cluster is valid", "")
	x.say(path.Seconds(), "s", "s-one-command-path", "operations that need one another, and no others", "")
	fmt.Println("    " + strings.Join(chain, ", "))
	x.say(took.Seconds()/path.Seconds(), "times", "ratio-one-command", "ratio of the two", "at most 1.25")
	var sum time.Duration
	for _, c := range tenCommands[:5] {
		took, _ := x.command("KUBE_GCE_INSTANCE_PREFIX=steps KUBE_GCE_NETWORK=steps NUM_NODES=3 "+c.settings, c.verb, c.zone)
		sum += took
	}
	x.say(sum.Seconds(), "s", "s-step-by-step", "the commands of the walkthrough that make the same", "")
	x.say(took.Seconds()/sum.Seconds(), "times", "ratio-step-by-step", "one command beside them", "")
}

// An operation as the API lists it.
type operation struct {
	OperationType, TargetLink string
	InsertTime, EndTime       time.Time
}

func (o operation) took() time.Duration { return o.EndTime.Sub(o.InsertTime) }

func total(all []operation) (sum time.Duration) {
	for _, o := range all {
		sum += o.took()
	}
	return sum
}

// operations are those of the project that were done when the run ended. What
// goes on after that, it did not wait for.
func (x *bench) operations(ended time.Time) (done []operation) {
	text, err := x.api().do(http.MethodGet, "/compute/v1/projects/local/aggregated/operations", nil)
	if err != nil {
		x.Fatal(err)
	}
	var list struct {
		Items map[string]struct{ Operations []operation }
	}
	if err := json.Unmarshal(text, &list); err != nil {
		x.Fatalf("reading the operations: %v", err)
	}
	for _, scope := range list.Items {
		for _, o := range scope.Operations {
			if !o.EndTime.IsZero() && o.EndTime.Before(ended) {
				done = append(done, o)
			}
		}
	}
	if len(done) == 0 {
		x.Fatal("the API lists no operation")
	}
	return done
}

// critical is the critical path: of all chains of operations in which each one
// was asked for after the one before it had ended, the one with the longest
// sum. It is what the API lets be seen of the order a run keeps, so it tells
// of waits between operations, and nothing of an order that is needlessly
// strict: the sum would have it too. Therefore it is printed by name.
func critical(all []operation) []operation {
	slices.SortFunc(all, func(a, b operation) int { return cmp.Compare(a.EndTime.UnixNano(), b.EndTime.UnixNano()) })
	best := make([][]operation, len(all)) // best[i] is the longest chain that ends with all[i]
	var longest []operation
	for i, o := range all {
		for j := range i {
			if !all[j].EndTime.After(o.InsertTime) && total(best[j]) > total(best[i]) {
				best[i] = best[j]
			}
		}
		best[i] = append(slices.Clone(best[i]), o)
		if total(best[i]) > total(longest) {
			longest = best[i]
		}
	}
	return longest
}

// collections is "networks, subnetworks, instances".
func collections(path []operation) string {
	var all []string
	for _, o := range path {
		parts := strings.Split(o.TargetLink, "/")
		all = append(all, parts[len(parts)-2])
	}
	return strings.Join(all, ", ")
}
