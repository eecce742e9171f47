package settings

import (
	"fmt"
	"os"
	"strings"
)

// A variable that is set and empty counts as not set, as in kube-up: continuous
// integration sets empty ones for what it has no value for. Not so where that
// would say another object, or more of it, to act on: a script whose variable has
// no value by mistake must not take down every zone, or another project's cluster.
var neverEmpty = map[string]string{
	"KUBERNETES_PROVIDER":            "where to act",
	"PROJECT":                        "whose cluster",
	"KUBE_GCE_INSTANCE_PREFIX":       "which cluster",
	"KUBE_GCE_ZONE":                  "which zone",
	"KUBE_USE_EXISTING_MASTER":       "what to add or to remove",
	"KUBE_REPLICATE_EXISTING_MASTER": "what to add",
	"KUBE_DELETE_NODES":              "what to remove",
	"KUBE_REPLICA_NAME":              "which master to remove",
	"HAKUBE_ZONES":                   "which zones",
	"HAKUBE_MASTER_ZONES":            "which zones",
	"HAKUBE_MASTER_COUNT":            "how many masters",
	"HAKUBE_NODE_COUNT":              "how many nodes",
	"KUBE_DELETE_NETWORK":            "what to leave",
	"KUBE_CREATE_NODES":              "what to make",
}

// withoutIt says what a down without the variable would remove: somebody who
// reads only "unset it" would lose more than was meant.
func withoutIt(verb Verb, name string) string {
	if verb != Down {
		return ""
	}
	switch name {
	case "KUBE_GCE_ZONE":
		return " to remove the cluster in every zone"
	case "KUBE_USE_EXISTING_MASTER", "KUBE_DELETE_NODES":
		return " to remove the whole cluster"
	case "KUBE_REPLICA_NAME":
		return " to leave the choice to hakube"
	}
	return ""
}

// chosenOnly are those of them that say nothing to verbs that find zones and
// masters themselves.
func chosenOnly(name string) bool {
	switch name {
	case "KUBERNETES_PROVIDER", "PROJECT", "KUBE_GCE_INSTANCE_PREFIX":
		return false
	}
	return true
}

// empties judges what is set and empty, and adds the fields that must not be to
// bad. A flag is typed for this one command: without a value it is always a mistake.
func empties(verb Verb, flags map[string]string, bad map[string]bool) (probs, warnings []string) {
	var counted []string
	for _, f := range Fields() {
		name := f.Tag.Get("envconfig")
		if text, isFlag := flags[name]; isFlag {
			if text == "" {
				bad[f.Name] = true
				probs = append(probs, fmt.Sprintf("--%s is empty: leave it out, or give it a value", f.Tag.Get("flag")))
			}
			continue
		}
		if text, set := os.LookupEnv(name); !set || text != "" {
			continue
		}
		if what := neverEmpty[name]; what != "" && (verb.chooses() || !chosenOnly(name)) {
			bad[f.Name] = true
			probs = append(probs, fmt.Sprintf("%s is set and empty, and says %s: give it a value, or unset it%s", name, what, withoutIt(verb, name)))
			continue
		}
		counted = append(counted, name)
	}
	if len(counted) > 0 {
		warnings = append(warnings, "set and empty, which counts as not set: "+strings.Join(counted, ", "))
	}
	return probs, warnings
}
