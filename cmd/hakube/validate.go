package main

import (
	"errors"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
)

func validateCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "validate",
		Usage: "check all of the cluster and exit 0 if it is as it should be, 1 with the reasons if not",
		Description: "The API at its address and every master's own, all masters and nodes, both etcd rings member by\n" +
			"member and whether they take writes, masters' data disks and clocks, the balancer's backends, CoreDNS, and that no work is unfinished. What could not be\n" +
			"asked is not valid. Changes nothing, and needs no zone.\n\n" + exitHelp,
		Flags: append(settingFlags(), &cli.GenericFlag{
			Name: "wait", Value: new(waitValue), Usage: "look again until the cluster is valid, for as long as this: 90, 5m (default: 0)",
		}),
		OnUsageError: usage,
		Action: onCluster(u, cluster.StatusVerb, looking, func(c *cli.Context, s cluster.Settings, cl *cluster.Cluster) error {
			wait := time.Duration(*c.Generic("wait").(*waitValue))
			v, err := cl.ValidateWithin(c.Context, wait, u.notYet())
			if err != nil {
				return err
			}
			u.wholeStatus(v.Status)
			for i := range v.Problems {
				v.Problems[i].Command = u.whole(v.Problems[i].Command)
			}
			if u.json {
				if err := u.object("validate", v); err != nil {
					return err
				}
			}
			if !v.Valid {
				return invalid(v.Problems)
			}
			u.warnAll(v.Status.Warnings)
			if !u.json {
				u.printf("cluster %s is valid: %s\n", s.Prefix, verdict(v.Status))
			}
			return nil
		}),
	}
}

// waitValue is a time limit as settings take it, or none.
type waitValue time.Duration

func (v *waitValue) Set(s string) error {
	if s == "0" || s == "0s" {
		*v = 0
		return nil
	}
	var limit cluster.Seconds
	err := limit.Decode(s)
	*v = waitValue(limit)
	return err
}

func (v *waitValue) String() string { return time.Duration(*v).String() }

// notYet says what is waited for, when it has changed.
func (u *ui) notYet() func(*cluster.Validity, error) {
	last := ""
	return func(v *cluster.Validity, err error) {
		if err == nil {
			err = cluster.Invalid(v.Problems)
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		if first != last {
			u.note("waiting: %s", first)
		}
		last = first
	}
}

// invalid is every reason as an error, with the commands that help.
func invalid(problems []cluster.Problem) error {
	var errs []error
	for _, p := range problems {
		err := error(cluster.Invalid{p})
		if p.Command != "" {
			err = withHint(err, "this ends it:\n\t"+p.Command)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
