package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/ssh"

	"hakube/cluster"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// sshKey is the operator's key. Commands that let it in on masters keep it in its
// file, made if there is none; the others are content with one that nobody
// knows when there is none: it opens as little as a new one would, and looking
// leaves nothing in a home, which may be read-only.
func sshKey(s cluster.Settings, keep bool) (ssh.Signer, error) {
	path := string(s.SSHKey)
	if path == "" {
		home, err := os.UserHomeDir()
		switch {
		case err == nil:
			path = filepath.Join(home, ".ssh", "google_compute_engine")
		case keep:
			return nil, usageError{withHint(err, "set HOME, or HAKUBE_SSH_KEY to the file of an ssh key, which is made if there is none")}
		default:
			return replicate.PassingKey()
		}
	}
	signer, err := replicate.LoadKey(path, keep)
	if err != nil {
		return nil, usageError{withHint(err, "HAKUBE_SSH_KEY (--ssh-key) names another file for it")}
	}
	return signer, nil
}

// loginName is whom machines know the operator as: gcloud's name for who runs
// it. In a container the user may be a number without a name; then it is what
// the environment says, or hakube.
func loginName() string {
	if me, err := user.Current(); err == nil && me.Username != me.Uid {
		return replicate.LoginName(me.Username)
	}
	for _, name := range []string{"LOGNAME", "USER"} { // gcloud's order
		if v := os.Getenv(name); v != "" {
			return replicate.LoginName(v)
		}
	}
	return replicate.LoginName("")
}

func kubeconfigCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "kubeconfig",
		Usage: "give this operator a certificate of its own for the API, which lives days",
		Description: "A master makes it over ssh, and it replaces the one in the kubeconfig; the audit log has it as hakube:LOGIN.\n" +
			"Seven days if nothing else is said (--certificate-days); 0 is for the masters' own, which lives ten years.\n" +
			"What has ended is made anew by the same command, or by " + cure.Same().As(cure.Again("up")).String() + ". No certificate can be called back\n" +
			"before its end. Changes nothing of the cluster, and needs no zone.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: onCluster(u, cluster.StatusVerb, looking, func(c *cli.Context, _ cluster.Settings, cl *cluster.Cluster) error {
			x, err := cl.Credentials(c.Context)
			if err != nil {
				return err
			}
			if u.json {
				return u.object("kubeconfig", x)
			}
			u.printf("kubectl's context %s in %s opens the API as %s until %s\n", x.Context, x.File, x.User, x.Until)
			return nil
		}),
	}
}

// rotatable are the words that rotate takes.
var rotatable = []string{"certificates"}

func rotateCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "rotate",
		Usage:     "make what masters identify themselves with anew, one master after the other: certificates",
		ArgsUsage: "certificates",
		Description: "certificates are the leaf certificates of masters and their keys: of API servers, as servers and as clients of\n" +
			"kubelets, extension servers and etcd; of the kubeconfigs of controller-managers, schedulers and administrator;\n" +
			"of the members of both etcd rings. The authorities that are there sign them, so nobody has to trust anything\n" +
			"new, and none lives longer than the authority does.\n\n" +
			"All masters have to vote, take writes and serve, before each and after each. No API server and no etcd is ended:\n" +
			"they show the new certificate from the next connection on. Controller-manager and scheduler of the master start\n" +
			"anew. Who has an old certificate is let in until that ends, kubeconfigs with the administrator's too:\n" +
			cure.Same().As(cure.Again("kubeconfig")).String() + " has another one made for you. Kubelets renew theirs by themselves.\n\n" +
			"A master that fails, and an authority that ends within 30 days, are refused before the first change. Cut\n" +
			"anywhere, the same again goes on with the masters that have the old ones. Needs no zone.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			s, cl, err := u.rotation(c, changing)
			if err != nil {
				return err
			}
			u.note("rotating certificates of masters: cluster %s of project %s (provider %s)", s.Prefix, s.Project, s.Provider)
			cl.OnRotate(func(x cluster.Rotating) error { u.tellRotation(x, u.note); return nil })
			summary, err := cl.RotateCertificates(c.Context, u.report())
			if err != nil {
				return err
			}
			u.warnAll(summary.Warnings)
			if u.json {
				return u.object("rotate", u.resultOf(summary))
			}
			for _, line := range darkness(summary) {
				u.printf("%s\n", line)
			}
			u.note("new certificates: %s", strings.Join(summary.Rotated, ", "))
			return nil
		},
	}
}

// rotation reads the command line of a rotation, or of a plan of one.
func (u *ui) rotation(c *cli.Context, does doing) (s cluster.Settings, cl *cluster.Cluster, err error) {
	u.json, u.changes = c.Bool("json"), does != looking
	u.called.by(c, c.Args().Slice()...)
	switch what := c.Args().First(); {
	case what == "":
		return s, nil, usageError{errors.New("name what to rotate: certificates")}
	case what != rotatable[0]:
		return s, nil, usageError{fmt.Errorf("rotate takes the word certificates, got %q", what)}
	case c.NArg() > 1:
		return s, nil, usageError{fmt.Errorf("rotate takes one word, got %q too; flags come before it", c.Args().Get(1))}
	}
	if s, err = loadSettings(u, c, cluster.RotateVerb); err != nil {
		return s, nil, err
	}
	if cl, err = connect(c.Context, u, s, does); err == nil {
		u.goesOn = true
	}
	return s, cl, err
}

// tellRotation says of each master whether it gets new certificates.
func (u *ui) tellRotation(x cluster.Rotating, say func(string, ...any)) {
	if x.Since != "" {
		say("this goes on with the rotation that was begun on %s", x.Since)
	}
	for _, m := range x.Masters {
		if m.Why == "" {
			say("stays: %s in %s, which has new certificates by now", m.Name, m.Zone)
		} else {
			say("to be made anew: %s in %s: %s", m.Name, m.Zone, m.Why)
		}
	}
}
