// Package span says what one command for a whole cluster comes to: how many masters and
// nodes each zone is to have, what that adds, and what it would take away. It is
// arithmetic on what is wished and what is there, and asks nobody.
package span

import (
	"strconv"
	"strings"

	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// A Wish is what such a command says, as far as it says it.
type Wish struct {
	Zones, MasterZones []string // nil: nothing was said of them
	Masters            int      // in all; 0: nothing was said
	Each, Nodes        int      // nodes of each zone, and in all; unsaid: nothing was said
	AllowEven, Prune   bool
	NoNodes            bool   // KUBE_CREATE_NODES=false
	Autosized          bool   // pools that are there are as large as the cluster autoscaler has them
	Pool               string // HAKUBE_POOL: nodes are of that pool
	Fallback           string // KUBE_GCE_ZONE, for a new cluster whose zones nobody named

	Leave Leaving // of a zone that is left: it says all there is to say
}

// unsaid is a number of nodes that nobody named: none is one too.
const unsaid = -1

// ToLeave is what whoever leaves a zone wishes, to the other zones or to the one named.
func ToLeave(zone, to string) Wish {
	return Wish{Each: unsaid, Nodes: unsaid, Leave: Leaving{Zone: zone, To: to}}
}

// Of is what the settings say.
func Of(s *settings.Settings) Wish {
	w := Wish{
		Zones: names(s.Zones), MasterZones: names(s.MasterZones), Masters: int(s.MasterCount), Each: unsaid, Nodes: unsaid,
		Pool: string(s.Pool), AllowEven: bool(s.AllowEven), Prune: bool(s.Prune), Fallback: string(s.Zone),
		NoNodes: s.IsGiven("KUBE_CREATE_NODES") && !bool(s.CreateNodes),
	}
	if s.IsGiven("NUM_NODES") {
		w.Each = int(s.NumNodes)
	}
	if s.IsGiven("HAKUBE_NODE_COUNT") {
		w.Nodes = int(s.NodeCount)
	}
	return w
}

func names(zones settings.Zones) (list []string) {
	for _, z := range zones {
		list = append(list, string(z))
	}
	return list
}

// A wish that was begun is written into a label of the cluster's address until it is
// done: otherwise nobody would know of a run that was cut between two of its steps that
// anything is missing. Labels take 63 lower-case letters, digits, "_" and "-". The zones
// are of one region, which the address tells, so the last letter is enough.

// String is the wish as a label takes it: z-bcd_m-bcd_c-3_n-9_p-3_none_even_prune.
func (w Wish) String() string {
	if w.Leave.Zone != "" {
		return w.Leave.String()
	}
	var parts []string
	add := func(key, value string) { parts = append(parts, key+"-"+value) }
	letters := func(key string, zones []string) {
		var b strings.Builder
		for _, z := range zones {
			b.WriteString(z[strings.LastIndexByte(z, '-')+1:])
		}
		if b.Len() > 0 {
			add(key, b.String())
		}
	}
	letters("z", w.Zones)
	letters("m", w.MasterZones)
	if w.Masters > 0 {
		add("c", strconv.Itoa(w.Masters))
	}
	if w.Nodes != unsaid {
		add("n", strconv.Itoa(w.Nodes))
	}
	if w.Each != unsaid {
		add("p", strconv.Itoa(w.Each))
	}
	if w.Pool != "" {
		add("g", w.Pool)
	}
	for _, x := range []struct {
		word string
		is   bool
	}{{"none", w.NoNodes}, {"even", w.AllowEven}, {"prune", w.Prune}} {
		if x.is {
			parts = append(parts, x.word)
		}
	}
	return strings.Join(parts, "_")
}

// Parse reads a label back; ok is false of what no wish wrote.
func Parse(label, region string) (w Wish, ok bool) {
	w.Each, w.Nodes = unsaid, unsaid
	if w.Leave, ok = leavingOf(label, region); ok {
		return w, true
	}
	for part := range strings.SplitSeq(label, "_") {
		key, value, valued := strings.Cut(part, "-")
		n, err := strconv.Atoi(value)
		switch {
		case !valued && key == "none":
			w.NoNodes = true
		case !valued && key == "even":
			w.AllowEven = true
		case !valued && key == "prune":
			w.Prune = true
		case key == "g":
			w.Pool = value
		case key == "z":
			w.Zones = zonesOf(value, region)
		case key == "m":
			w.MasterZones = zonesOf(value, region)
		case key == "c" && err == nil:
			w.Masters = n
		case key == "n" && err == nil:
			w.Nodes = n
		case key == "p" && err == nil:
			w.Each = n
		default:
			return Wish{}, false
		}
	}
	return w, region != "" && (w.Zones != nil || w.MasterZones != nil || w.Masters > 0 || w.Nodes != unsaid)
}

func zonesOf(letters, region string) (zones []string) {
	for _, x := range letters {
		zones = append(zones, region+"-"+string(x))
	}
	return zones
}

// Command is what brings a cluster to it.
func (w Wish) Command() cure.Command {
	if w.Leave.Zone != "" {
		return w.Leave.command()
	}
	c := cure.UpAll()
	say := func(name, value string, is bool) {
		if is {
			c = c.With(name, value)
		}
	}
	say("HAKUBE_ZONES", strings.Join(w.Zones, ","), w.Zones != nil)
	say("HAKUBE_MASTER_ZONES", strings.Join(w.MasterZones, ","), w.MasterZones != nil)
	say("HAKUBE_MASTER_COUNT", strconv.Itoa(w.Masters), w.Masters > 0)
	say("HAKUBE_NODE_COUNT", strconv.Itoa(w.Nodes), w.Nodes != unsaid)
	say("NUM_NODES", strconv.Itoa(w.Each), w.Each != unsaid)
	say("HAKUBE_POOL", w.Pool, w.Pool != "")
	say("KUBE_CREATE_NODES", "false", w.NoNodes)
	say("HAKUBE_ALLOW_EVEN", "true", w.AllowEven)
	say("HAKUBE_PRUNE", "true", w.Prune)
	return c
}
