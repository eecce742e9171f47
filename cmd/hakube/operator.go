package main

import (
	"os"
	"os/user"
	"path/filepath"

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
