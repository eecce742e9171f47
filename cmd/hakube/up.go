package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/replicate"
)

func upCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "up",
		Usage: "create the cluster in the zone or bring it to what the settings say; or add a pool of nodes or a master",
		Description: "Makes network, firewall, address, a master and a pool of nodes in KUBE_GCE_ZONE, writes\n" +
			"kubeconfig and validates the cluster. What is there already is kept; run again after\n" +
			"whatever went wrong.\n\n" +
			"With KUBE_USE_EXISTING_MASTER=true only the zone's pool of nodes is made or brought to\n" +
			"NUM_NODES, in any zone of the cluster's region. Nodes that are too many are drained first.\n\n" +
			"What is not set is as it is: defaults are for what is new. Nodes go only when NUM_NODES says so; on\n" +
			"a terminal that is asked about first. A new pool is like the cluster's others and has NUM_NODES\n" +
			"nodes, or the default's number.\n\n" +
			"With KUBE_REPLICATE_EXISTING_MASTER=true one more master is made in the zone, like the one there\n" +
			"is; a half-made one is finished first. From the second master on the API's address is on a\n" +
			"balancer. What fails before the new master votes is taken back.\n\n" +
			"With one of HAKUBE_ZONES, HAKUBE_MASTER_ZONES, HAKUBE_MASTER_COUNT and HAKUBE_NODE_COUNT it is the\n" +
			"whole cluster, by the same steps in one command: masters spread evenly over their zones, a pool in\n" +
			"each of HAKUBE_ZONES. What would be refused on the way is refused before the first change. Again with\n" +
			"others it grows; what is more than was named stays, and is named, unless HAKUBE_PRUNE=true. An even\n" +
			"number of masters is refused without HAKUBE_ALLOW_EVEN=true. After a cut type it again; a plain up\n" +
			"leaves it at what there is. A name with dots behind up, as other tools take it, is\n" +
			"KUBE_GCE_INSTANCE_PREFIX with hyphens for the dots.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: onCluster(u, cluster.Up, making, func(c *cli.Context, s cluster.Settings, cl *cluster.Cluster) error {
			which := fmt.Sprintf("cluster %s of project %s (provider %s)", s.Prefix, s.Project, s.Provider)
			switch s.Mode(cluster.Up) {
			case cluster.AddPool:
				if s.IsGiven("NUM_NODES") {
					u.note("bringing %s to %d nodes: %s", poolOf(s), s.NumNodes, which)
				} else {
					u.note("bringing up %s: %s", poolOf(s), which)
				}
			case cluster.Span:
				u.note("bringing up %s, in all its zones", which)
			case cluster.AddReplica:
				u.note("adding a master in zone %s: %s", s.Zone, which)
			default:
				u.note("bringing up cluster %s in zone %s of project %s (provider %s)", s.Prefix, s.Zone, s.Project, s.Provider)
			}
			cl.OnSmaller(u.smaller(s))
			cl.OnSpan(u.surplus(s))
			cl.OnPart(u.begins)
			summary, err := cl.Up(c.Context, u.report())
			if err != nil {
				return err
			}
			u.warnAll(summary.Warnings)
			if u.json {
				return u.object("up", u.resultOf(summary))
			}
			u.closing(summary)
			why := "since NUM_NODES says so"
			if summary.Mode == cluster.Span {
				why = "as more than was named"
			}
			for _, x := range summary.Reduced {
				if len(x.Nodes) > 0 {
					u.note("removed from zone %s, %s: %s", x.Zone, why, strings.Join(x.Nodes, " "))
				}
			}
			return nil
		}),
	}
}

// poolOf is the pool that the settings speak of.
func poolOf(s cluster.Settings) string {
	if s.Pool == "" {
		return fmt.Sprintf("the pool of zone %s", s.Zone)
	}
	return fmt.Sprintf("pool %s of zone %s", s.Pool, s.Zone)
}

// begins says which part of an up of the whole cluster comes now.
func (u *ui) begins(verb cluster.Verb, s cluster.Settings) {
	switch s.Mode(verb) {
	case cluster.AddReplica:
		u.note("adding a master in zone %s", s.Zone)
	case cluster.AddPool:
		u.note("bringing up %s", poolOf(s))
	case cluster.RemovePool:
		u.note("removing %s", poolOf(s))
	default:
		u.note("removing a master of zone %s", s.Zone)
	}
}

// surplus says what an up of the whole cluster leaves, or takes away: then a person is
// asked, once and before the first change. In a script --prune is the answer.
func (u *ui) surplus(s cluster.Settings) func(cluster.Spanning) error {
	told := false // it looks around again when it has finished what was half done
	return func(x cluster.Spanning) error {
		if told {
			return nil
		}
		told = true
		for _, what := range x.Surplus {
			if x.Prune {
				u.note("more than was named, and goes: %s", what)
			} else {
				u.note("more than was named, and stays: %s; with --prune it goes", what)
			}
		}
		if !x.Prune || len(x.Surplus) == 0 || !u.asks(s) {
			return nil
		}
		return u.nameTyped(s, "this removes "+strings.Join(x.Surplus, ", "))
	}
}

func (u *ui) warnAll(warnings []string) {
	for _, w := range warnings {
		u.warn(w)
	}
}

// closing says in kube-up's way that the cluster is there, with what was seen
// of it.
func (u *ui) closing(s *cluster.Summary) {
	u.live.clear(u.err)
	if e := s.Evidence; e != nil {
		var table strings.Builder
		w := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
		fmt.Fprintln(w, "NAME\tSTATUS\tROLE\tZONE\tVERSION")
		for _, n := range e.Nodes {
			status, role := "Ready", "node"
			if !n.Ready {
				status = "NotReady (" + n.Why + ")"
			}
			if n.Master {
				role = "master"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.Name, status, role, n.Zone, n.Version)
		}
		_ = w.Flush() // into memory
		u.printf("%s", table.String())
		for _, ring := range slices.Backward(slices.Sorted(maps.Keys(e.Rings))) {
			u.printf("etcd ring %-7s %s\n", ring, ringLine(e.Rings[ring]))
		}
		u.printf("API /readyz       %s\n", e.Ready)
		u.printf("CoreDNS           %s\n", e.CoreDNS)
	}
	for _, line := range darkness(s) {
		u.printf("%s\n", line)
	}
	u.printf("Cluster validation succeeded\n\n")
	u.printf("Kubernetes cluster is running. The master is running at:\n\n  %s\n\n", s.URL)
	u.printf("kubectl's context %s is in %s\n", s.Context, s.Kubeconfig)
}

// darkness says how long the API was dark while its address or those behind it
// changed, as probes saw it; nothing when it was not probed.
func darkness(s *cluster.Summary) (lines []string) {
	if s.Dark == nil {
		return nil
	}
	if s.Dark.Failed == 0 {
		return []string{fmt.Sprintf("API was dark      never (probed %d times)", s.Dark.Probes)}
	}
	lines = append(lines, fmt.Sprintf("API was dark      %.1f s at most, %.1f s in all (%d of %d probes failed)", s.Dark.Longest, s.Dark.Total, s.Dark.Failed, s.Dark.Probes))
	for _, o := range s.Outages {
		lines = append(lines, fmt.Sprintf("  in step %q  %.1f s at most, %.1f s in all", o.Step, o.Longest, o.Total))
	}
	return lines
}

// ringLine is "healthy: kubernetes-master (leader)".
func ringLine(r replicate.Ring) string {
	var members []string
	for _, m := range r.Members {
		name := cmp.Or(m.Name, strings.Join(m.PeerURLs, " ")+" (never started)")
		switch {
		case m.ID == r.Leader:
			name += " (leader)"
		case m.Learner:
			name += " (learner)"
		}
		members = append(members, name)
	}
	state := "healthy"
	if !r.Healthy {
		state = "not healthy"
		if r.Error != "" {
			state += " (" + r.Error + ")"
		}
	}
	return state + ": " + strings.Join(members, ", ")
}

func upgradeCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "upgrade",
		Usage:     "bring masters, then nodes zone by zone, to another version of Kubernetes, by new machines as roll makes them",
		ArgsUsage: "[masters | pool ZONE]",
		Description: "KUBE_VERSION names the version; unset, it is that of the masters, or of an upgrade that was begun. With a word it\n" +
			"is of the masters alone, or of the pool of a zone (of HAKUBE_POOL).\n\n" +
			"Patches come freely, minors one at a time; masters never go back, nodes are never newer than masters, and kubelets\n" +
			"at most three minors older. The version has to be had where each master would fetch it, and all masters have to be\n" +
			"well: all of that is refused before the first change. Then what both rings hold is kept and tried on each master's\n" +
			"data disk (before-upgrade/VERSION), masters are made again one after the other as roll does, each with a control plane of the\n" +
			"new version around its data, then kube-proxy, CoreDNS and kubeadm's configuration follow, and then nodes.\n\n" +
			"A master that does not come back ends it with the others serving. Cut anywhere, the same again goes on; as long as\n" +
			"no master runs the new version, KUBE_VERSION of before goes back. Until it is done up changes nothing.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action:       func(c *cli.Context) error { return u.rolls(c, cluster.UpgradeVerb, "upgrading") },
	}
}

// rolls makes machines again, for a roll or an upgrade.
func (u *ui) rolls(c *cli.Context, verb cluster.Verb, doing string) error {
	r, err := u.rolling(c, verb, changing)
	if err != nil {
		return err
	}
	u.note("%s %s: cluster %s of project %s (provider %s)", doing, r.words, r.s.Prefix, r.s.Project, r.s.Provider)
	are, otherwise := "as they are to be", ""
	r.cl.OnRoll(func(x cluster.Rolling) error {
		if verb == cluster.UpgradeVerb {
			are, otherwise = "of "+x.To, "; KUBE_VERSION names another version"
		}
		u.tellRolls(x, u.note)
		return nil
	})
	summary, err := r.run(c.Context, u.report())
	if err != nil {
		return err
	}
	u.warnAll(summary.Warnings)
	switch {
	case u.json:
		return u.object(string(verb), u.resultOf(summary))
	case summary.Nothing:
		u.note("nothing to %s: %s of cluster %s are %s%s", verb, r.words, r.s.Prefix, are, otherwise)
		return nil
	}
	for _, line := range darkness(summary) {
		u.printf("%s\n", line)
	}
	u.tellRolled(summary)
	if verb == cluster.UpgradeVerb {
		u.note("%s of cluster %s are %s", r.words, r.s.Prefix, are)
	}
	return nil
}
