package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
)

func downCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "down",
		Usage: "remove the cluster, last-made first, until nothing carries its mark; or one zone's pool of nodes",
		Description: "With KUBE_GCE_ZONE the cluster is removed if that zone holds all that is left of it.\n" +
			"Without, it is removed wherever it is; on a terminal its name is asked for first.\n" +
			"With KUBE_USE_EXISTING_MASTER=true only the zone's pool of nodes is removed; they are drained\n" +
			"first, as far as there is a master to ask. The cluster need not be alive.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: onCluster(u, cluster.Down, func(c *cli.Context, s cluster.Settings, cl *cluster.Cluster) error {
			if err := u.confirm(s); err != nil {
				return err
			}
			pool := s.Mode(cluster.Down) == cluster.RemovePool
			if pool {
				u.note("removing the pool of zone %s: cluster %s of project %s (provider %s)", s.Zone, s.Prefix, s.Project, s.Provider)
			} else {
				u.note("taking down cluster %s of project %s (provider %s)", s.Prefix, s.Project, s.Provider)
			}
			summary, err := cl.Down(c.Context, u.report())
			if summary != nil {
				u.warnAll(summary.Warnings)
			}
			if u.json && summary != nil {
				err = errors.Join(err, u.object(summary))
			}
			if err != nil {
				return err
			}
			switch {
			case summary.Nothing && pool:
				u.note("nothing to remove: cluster %s has no pool in zone %s", s.Prefix, s.Zone)
			case summary.Nothing:
				u.note("nothing to remove: no cluster %s in project %s", s.Prefix, s.Project)
			case pool:
				u.note("the pool of zone %s is removed, the rest of cluster %s is as it was", s.Zone, s.Prefix)
			default:
				u.note("cluster %s is removed, nothing is left that carries its mark", s.Prefix)
			}
			return nil
		}),
	}
}

// confirm asks for the cluster's name when all zones are meant and a person is there.
func (u *ui) confirm(s cluster.Settings) error {
	if s.Zone != "" || bool(s.Yes) || !term.IsTerminal(int(u.in.Fd())) {
		return nil
	}
	fmt.Fprintf(u.err, "hakube: this removes cluster %s of project %s in every zone; type its name to go on: ", s.Prefix, s.Project)
	line, err := bufio.NewReader(u.in).ReadString('\n')
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if strings.TrimSpace(line) != string(s.Prefix) {
		return withHint(fmt.Errorf("not removed: the name was not %s", s.Prefix), "--yes removes it without asking")
	}
	return nil
}
