package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/scripts/cure"
)

func downCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "remove the cluster, last-made first, until nothing carries its mark; or one zone's pool of nodes, or one master",
		Description: "With KUBE_GCE_ZONE the cluster is removed if that zone holds all that is left of it.\n" +
			"Without, it is removed wherever it is; on a terminal its name is asked for first, elsewhere\n" +
			"it takes --yes.\n" +
			"With KUBE_USE_EXISTING_MASTER=true only the zone's pool of nodes is removed; they are drained\n" +
			"first, as far as there is a master to ask. The cluster need not be alive.\n\n" +
			"With KUBE_DELETE_NODES=false one master of the zone is removed: KUBE_REPLICA_NAME, or one that is\n" +
			"down, or one that leads no etcd ring. It leaves the balancer, then the rings, then the cloud. With\n" +
			"one master left the API's address goes back to that. The last one is never removed so.\n\n" +
			"What Services and volumes of the cluster left in the cloud is listed before anything is removed, with\n" +
			"whose it is and what of it Google bills. Programs of addons that make such things are stopped first. On\n" +
			"a terminal it is asked whether to remove it too; elsewhere only HAKUBE_SWEEP=true (--sweep) does. As\n" +
			"long as any is left the exit code is 1, and what it holds, such as the network, stays.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: onCluster(u, cluster.Down, removing, func(c *cli.Context, s cluster.Settings, cl *cluster.Cluster) error {
			which := fmt.Sprintf("cluster %s of project %s (provider %s)", s.Prefix, s.Project, s.Provider)
			mode := s.Mode(cluster.Down)
			switch mode {
			case cluster.RemovePool:
				u.note("removing %s: %s", poolOf(s), which)
			case cluster.RemoveReplica:
				u.note("removing a master of zone %s: %s", s.Zone, which)
			default:
				u.note("taking down %s", which)
			}
			cl.OnOrphans(u.orphans(s))
			summary, err := cl.Down(c.Context, u.report())
			err = sweepHint(err)
			if summary != nil {
				u.warnAll(summary.Warnings)
			}
			if u.json && summary != nil {
				err = errors.Join(err, u.object("down", u.resultOf(summary)))
			}
			if err != nil {
				return err
			}
			switch {
			case summary.Nothing:
				u.nothingToRemove(s)
			case mode == cluster.RemoveReplica:
				for _, line := range darkness(summary) {
					u.note("%s", line)
				}
				u.note("master %s is removed, the rest of cluster %s is as it was", summary.Replica, s.Prefix)
			case mode == cluster.RemovePool:
				u.note("%s is removed, the rest of cluster %s is as it was", poolOf(s), s.Prefix)
			default:
				u.note("cluster %s is removed, nothing is left that carries its mark", s.Prefix)
			}
			return nil
		}, u.confirm),
	}
}

func spaced(name string) string {
	if name == "" {
		return ""
	}
	return " " + name
}

// nothingToRemove says of what there is none.
func (u *ui) nothingToRemove(s cluster.Settings) {
	switch mode := s.Mode(cluster.Down); {
	case mode == cluster.RemovePool:
		u.note("nothing to remove: cluster %s has no pool%s in zone %s", s.Prefix, spaced(string(s.Pool)), s.Zone)
	case mode == cluster.RemoveReplica && s.ReplicaName != "":
		u.note("nothing to remove: cluster %s has no master %s in zone %s", s.Prefix, s.ReplicaName, s.Zone)
	case mode == cluster.RemoveReplica:
		u.note("nothing to remove: cluster %s has no master in zone %s", s.Prefix, s.Zone)
	default:
		u.note("nothing to remove: no cluster %s in project %s", s.Prefix, s.Project)
	}
}

// removedNowhere ends a down on an embedded GCE that does not run and in which
// nothing was made: starting one would make nothing to remove.
func (u *ui) removedNowhere(ctx context.Context, s cluster.Settings, none *notRunning) error {
	u.forget(ctx, local.RealDir(none.dir))
	if u.json {
		return u.object("down", u.resultOf(cluster.NothingRemoved(s)))
	}
	u.note("%s", none)
	u.nothingToRemove(s)
	return nil
}

// confirm asks for the cluster's name when all zones are meant. Where nobody is
// there to be asked, such as in a script that lost its zone, that has to be said
// by hand.
func (u *ui) confirm(s cluster.Settings) error {
	if s.Zone != "" || bool(s.Yes) {
		return nil
	}
	if !term.IsTerminal(int(u.in.Fd())) {
		return withHint(withHint(
			usageError{fmt.Errorf("not removed: without KUBE_GCE_ZONE this is cluster %s of project %s in every zone, and there is no terminal to ask", s.Prefix, s.Project)},
			"or name the zone with KUBE_GCE_ZONE, if that has all that is left of it"),
			cure.Hint("remove it without being asked", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
	}
	return u.nameTyped(s, fmt.Sprintf("this removes cluster %s of project %s in every zone", s.Prefix, s.Project))
}

// nameTyped says what is to be removed and asks for the cluster's name.
func (u *ui) nameTyped(s cluster.Settings, what string) error {
	answer, err := u.ask(fmt.Sprintf("%s; type the cluster's name, %s, to go on", what, s.Prefix))
	if err != nil {
		return err
	}
	if answer != string(s.Prefix) {
		return withHint(fmt.Errorf("not removed, nothing was changed: the name was not %s", s.Prefix), cure.Hint("remove it without being asked", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
	}
	return nil
}

// asks tells whether there is a person to be asked.
func (u *ui) asks(s cluster.Settings) bool { return !bool(s.Yes) && term.IsTerminal(int(u.in.Fd())) }

// smaller says which nodes go, and asks a person whether they may. In a script that
// NUM_NODES was set is the answer; in an up of all zones surplus has asked.
func (u *ui) smaller(s cluster.Settings) func(context.Context, cluster.Smaller) error {
	return func(_ context.Context, x cluster.Smaller) error {
		if s.Spans() || !u.asks(s) {
			u.note("removing %s", x)
			return nil
		}
		return u.nameTyped(s, "this removes "+plain(x.String()))
	}
}
