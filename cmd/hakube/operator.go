package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/ssh"

	"hakube/cluster"
	"hakube/cluster/inventory"
	"hakube/replicate"
	"hakube/scripts/cure"
)

// sshKey is the operator's key. Commands that let it in on masters keep it in its
// file, made if there is none; the others are content with one that nobody
// knows when there is none: it opens as little as a new one would, and looking
// leaves nothing in a home, which may be read-only.
// path is where it is, "" if in no file.
func sshKey(s cluster.Settings, keep bool) (signer ssh.Signer, path string, err error) {
	if path = string(s.SSHKey); path == "" {
		home, err := os.UserHomeDir()
		switch {
		case err == nil:
			path = filepath.Join(home, ".ssh", "google_compute_engine")
		case keep:
			return nil, "", usageError{withHint(err, "set HOME, or HAKUBE_SSH_KEY to the file of an ssh key, which is made if there is none")}
		default:
			signer, err = replicate.PassingKey()
			return signer, "", err
		}
	}
	if signer, err = replicate.LoadKey(path, keep); err != nil {
		return nil, "", usageError{withHint(err, "HAKUBE_SSH_KEY (--ssh-key) names another file for it")}
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return signer, path, nil
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

// rotateArgs is what rotate takes.
var rotateArgs = strings.Join(inventory.Rotatable, " | ")

func rotateCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "rotate",
		Usage:     "make keys and certificates anew, one master after the other",
		ArgsUsage: rotateArgs,
		Description: "certificates are the leaf certificates of masters and their keys: of API servers, as servers and as clients of\n" +
			"kubelets, extension servers and etcd; of the kubeconfigs of controller-managers, schedulers and administrator;\n" +
			"of the members of both etcd rings. The authorities that are there sign them, so nobody has to trust anything\n" +
			"new, and none lives longer than the authority does.\n\n" +
			"No API server and no etcd is ended: they show the new certificate from the next connection on. Controller-manager\n" +
			"and scheduler of the master start anew. Who has an old certificate is let in until that ends, kubeconfigs with the administrator's too:\n" +
			cure.Same().As(cure.Again("kubeconfig")).String() + " has another one made for you. Kubelets renew theirs by themselves.\n\n" +
			"ca is the cluster's certificate authority. All masters trust the new one before it signs anything; then all their\n" +
			"certificates are by it, those of their kubelets and of your kubeconfig too. The one before vouches for it: nodes,\n" +
			"pods and people who know that one alone go on, and so do their certificates, until --" + distrusts + " ca ends that.\n" +
			"In between, nodes are made again: " + cure.Roll().String() + ". --" + distrusts + " is refused while a node is of before, says what it ends,\n" +
			"and asks. API servers read whom to trust only when they start, as with service-account-key. The authority of\n" +
			"extension servers (front-proxy-ca) stays.\n\n" +
			"etcd-ca is the authority of both etcd rings, of their members and of those who ask them. All masters trust the new one\n" +
			"before it signs, then all certificates are by it, then no master trusts another one. Members and API servers read whom to\n" +
			"trust only when they start: on one master after the other they are started anew twice, and once where there is one\n" +
			"master. With one or two masters the API is dark for that.\n\n" +
			"encryption-key is the one that Secrets are encrypted with in etcd. All masters have the new one behind the old\n" +
			"one before any of them uses it, all use it before Secrets are written anew, and the old one goes when etcd has no\n" +
			"Secret by it. Each step waits until the master's API server has read its file, up to a minute, and ends none; one\n" +
			"that an older hakube made is started anew, once. Old backups bring the old key with them.\n\n" +
			"service-account-key is the one that tokens of service accounts are signed with. All masters take tokens by the\n" +
			"new one before any signs with it; tokens by the old one are taken until --" + distrusts + " ends that, with the same word:\n" +
			"kubelets give pods new ones within 24 hours, and those in Secrets, which never end, are made anew then. It says\n" +
			"what is let in no more, and asks if there is anything. API servers read these keys only when they start: they are\n" +
			"started anew one after the other, and with one or two masters the API is dark for that.\n\n" +
			"join-token is the one that machines of nodes join with, which their metadata have. Templates and machines of all pools\n" +
			"get a new one as they are: no node is made again. The one before goes when those that were being made have joined.\n" +
			"Whoever has joined with it stays a node. Masters join without it.\n\n" +
			"ssh is the key that you log in with (HAKUBE_SSH_KEY). A new one is made beside it, every master lets it in and is logged in on\n" +
			"with it; then it takes its place, and masters, templates and nodes let the one before in no more. That stays beside it, by\n" +
			"the ending .before-NUMBER, for machines of others. Keys of other operators stay.\n\n" +
			"All masters have to vote, take writes and serve, before and after each step. A master that fails, and of\n" +
			"certificates an authority that ends within 30 days, are refused before the first change. Cut anywhere, the same\n" +
			"again goes on. Needs no zone.\n\n" + exitHelp,
		Flags:        append(settingFlags(), distrustFlag()),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			s, of, cl, err := u.rotation(c, changing)
			if err != nil {
				return err
			}
			doing, word := "rotating", c.Args().First()
			if _, ends := (inventory.Rotation{Of: of}).Distrusts(); ends {
				doing = "distrusting all but the present"
			}
			whose := "masters"
			switch of {
			case inventory.RotateJoinToken:
				whose = "nodes"
			case inventory.RotateSSH:
				whose = "this operator"
			}
			u.note("%s %s of %s: cluster %s of project %s (provider %s)", doing, word, whose, s.Prefix, s.Project, s.Provider)
			cl.OnRotate(func(x cluster.Rotating) error {
				u.tellRotation(x, u.note)
				return u.confirmEnds(s, x.Ends)
			})
			summary, err := cl.Rotate(c.Context, of, u.report())
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
			switch {
			case summary.Nothing && of == inventory.DistrustTokenKey:
				u.note("nothing to do: tokens are taken by no other key than the one that signs")
				return nil
			case summary.Nothing && of == inventory.DistrustCA:
				u.note("nothing to do: no other authority is trusted than the one that signs")
				return nil
			case summary.Nothing: // a run that was cut had done all of it
				u.note("nothing to do: all masters have been through it")
				return nil
			case of == inventory.DistrustTokenKey:
				u.note("tokens by no other key are taken: %s", strings.Join(summary.Rotated, ", "))
			case of == inventory.RotateSSH:
				u.note("new ssh key: machines let it in, and that of before no more; %s.before-* are of before, for machines of others: %s", cmp.Or(string(s.SSHKey), "~/.ssh/google_compute_engine"), strings.Join(summary.Rotated, ", "))
			case of == inventory.RotateJoinToken:
				u.note("new join-token: nobody joins with the one before; groups of nodes that have it: %s", cmp.Or(strings.Join(summary.Rotated, ", "), "none"))
			case of == inventory.DistrustCA:
				u.note("no other authority is trusted: %s", strings.Join(summary.Rotated, ", "))
			default:
				u.note("new %s: %s", word, strings.Join(summary.Rotated, ", "))
			}
			if of == inventory.RotateTokenKey {
				u.note("tokens by the one before are taken as before, and status says from when on no pod holds one")
			}
			if of == inventory.RotateCA {
				u.note("certificates by the one before are taken as before, and nodes know that one alone until they are made again; status names what is next")
			}
			return nil
		},
	}
}

// rotation reads the command line of a rotation, or of a plan of one.
func (u *ui) rotation(c *cli.Context, does doing) (s cluster.Settings, of string, cl *cluster.Cluster, err error) {
	u.json, u.changes = c.Bool("json"), does != looking
	words := c.Args().Slice()
	if c.Bool(distrusts) {
		words = append([]string{"--" + distrusts}, words...)
	}
	u.called.by(c, words...)
	switch what := c.Args().First(); {
	case what == "":
		return s, "", nil, usageError{errors.New("name what to rotate: " + rotateArgs)}
	case !slices.Contains(inventory.Rotatable, what):
		return s, "", nil, usageError{fmt.Errorf("rotate takes one of %s, got %q", rotateArgs, what)}
	case c.NArg() > 1:
		return s, "", nil, usageError{fmt.Errorf("rotate takes one word, got %q too; flags come before it", c.Args().Get(1))}
	}
	of = inventory.RotationOf(c.Args().First(), c.Bool(distrusts))
	if c.Bool(distrusts) && !slices.Contains(inventory.Distrustable, c.Args().First()) {
		return s, "", nil, usageError{fmt.Errorf("--%s is for %s: of %s nothing of before is trusted for longer than it takes", distrusts, strings.Join(inventory.Distrustable, " and "), c.Args().First())}
	}
	if s, err = loadSettings(u, c, cluster.RotateVerb); err != nil {
		return s, "", nil, err
	}
	if cl, err = connect(c.Context, u, s, does); err == nil {
		u.goesOn = true
	}
	return s, of, cl, err
}

// distrusts is the flag of what ends a rotation that leaves something of before trusted.
const distrusts = "distrust"

func distrustFlag() cli.Flag {
	return &cli.BoolFlag{Name: distrusts, Usage: "take what no other " + strings.Join(inventory.Distrustable, " or ") + " has signed than the one that signs"}
}

// confirmEnds says what is let in no more, and asks a person whether that may be.
func (u *ui) confirmEnds(s cluster.Settings, ends []string) error {
	for _, line := range ends {
		u.warn(line)
	}
	if len(ends) == 0 || bool(s.Yes) {
		return nil
	}
	without := cure.Hint("go on without asking", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true"))
	if !u.asks(s) {
		return withHint(errors.New("not done: there is no terminal to ask whether that may end"), without)
	}
	answer, err := u.ask(fmt.Sprintf("type the cluster's name, %s, to go on", s.Prefix))
	if err == nil && answer != string(s.Prefix) {
		err = withHint(fmt.Errorf("not done, nothing was changed: the name was not %s", s.Prefix), without)
	}
	return err
}

// tellRotation says of each master whether something of it is made anew.
func (u *ui) tellRotation(x cluster.Rotating, say func(string, ...any)) {
	if x.Since != "" {
		say("this goes on with the rotation that was begun on %s", x.Since)
	}
	for _, m := range x.Masters {
		if m.Why == "" {
			say("stays: %s in %s, which has been through it by now", m.Name, m.Zone)
		} else {
			say("to be made anew: %s in %s: %s", m.Name, m.Zone, m.Why)
		}
	}
}
