package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"hakube/cluster"
	"hakube/cluster/backup"
	"hakube/cluster/settings"
	"hakube/cluster/snapshots"
	"hakube/scripts/cure"
)

// A backupResult is a backup that was made.
type backupResult struct {
	backup.Record
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func backupCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "backup",
		Usage: "keep what the cluster cannot be made again from: both etcd rings, authorities, the key of its Secrets",
		Description: "A master takes snapshots of both rings at a moment, one that leads none if there is one. It restores each\n" +
			"for a try, into an etcd of its own, and compares revision and hash with the ring's; then it encrypts\n" +
			"all of it with age, to HAKUBE_BACKUP_RECIPIENTS, and sends it. What was not verified so is an\n" +
			"error, and is not kept. It goes to a file, or under a name of its own to a directory or gs://bucket/prefix,\n" +
			"where the account in use takes roles/storage.objectAdmin on the bucket. Nothing secret leaves the master in the clear. The master needs room for that on its\n" +
			"data disk, and Debian's package age, which it installs if it is not there.\n" +
			"Changes nothing of the cluster, and needs no zone.\n\n" + exitHelp,
		Flags:        append(settingFlags(), &cli.StringFlag{Name: "to", Usage: "file to make, which must not exist, or a directory or gs://bucket/prefix to keep it in; HAKUBE_BACKUP_TO if not given"}),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			to := c.String("to")
			u.json = c.Bool("json")
			u.called.by(c, "--to", to)
			if to == "" {
				u.called.by(c)
			}
			s, err := loadSettings(u, c, cluster.BackupVerb)
			if err != nil {
				return err
			}
			if to == "" {
				to = string(s.BackupTo)
			}
			if err := mayKeep(c, to); err != nil {
				return err
			}
			if err := forSomebody(s); err != nil {
				return err
			}
			cl, err := connect(c.Context, u, s, looking)
			if err != nil {
				return err
			}
			made, where, err := cl.Backup(c.Context, to, u.report())
			if err != nil {
				return err
			}
			size, err := made.Size()
			if err = errors.Join(err, made.Close()); err != nil {
				return err
			}
			if u.json {
				return u.object("backup", backupResult{made.Record, where, size})
			}
			u.printf("%s: cluster %s at %s, %d bytes, verified: %s\n", where, s.Prefix, made.Record.Made.Time().Format(time.RFC3339), size, ringsText(made.Record))
			return nil
		},
	}
}

// ringsText is "main at revision 812 with 340 keys, events at …".
func ringsText(r backup.Record) string {
	main, events := r.Rings["main"], r.Rings["events"]
	return fmt.Sprintf("main at revision %d with %d keys, events at revision %d with %d", main.Revision, main.Keys, events.Revision, events.Keys)
}

// mayKeep is what is wrong with the file of a backup.
func mayKeep(c *cli.Context, to string) error {
	switch {
	case c.Args().Present():
		return usageError{fmt.Errorf("backup takes no argument, got %q; the file is named by --to", c.Args().First())}
	case to == "":
		return usageError{errors.New("--to: name the file to make, a directory or gs://bucket/prefix; HAKUBE_BACKUP_TO is not set either")}
	case strings.Contains(to, "://"):
		if err := new(settings.Place).Decode(to); err != nil {
			return usageError{fmt.Errorf("--to %s: %w", to, err)}
		}
		return nil
	}
	if info, err := os.Stat(to); err == nil && info.IsDir() {
		return nil
	} else if _, err := os.Lstat(to); err == nil {
		return usageError{fmt.Errorf("--to %s: it is there already, and no backup is written over", to)}
	}
	if info, err := os.Stat(filepath.Dir(to)); err != nil {
		return usageError{fmt.Errorf("--to %s: %w", to, err)}
	} else if !info.IsDir() {
		return usageError{fmt.Errorf("--to %s: %s is no directory", to, filepath.Dir(to))}
	}
	return nil
}

// forSomebody refuses a backup that nobody could read, or everybody.
func forSomebody(s cluster.Settings) error {
	if len(s.Recipients.List()) > 0 {
		return nil
	}
	return usageError{withHint(errors.New("HAKUBE_BACKUP_RECIPIENTS is not set: a backup has the cluster's keys in it, and is made for somebody only. Nothing was changed"),
		cure.Hint("make a key (age-keygen is in the package age of Debian and Homebrew), and keep its file where the cluster cannot lose it", cure.Keygen("hakube-backup.key"))+"\n"+
			cure.Hint("then once more, with the public key that it prints", cure.Same().With("HAKUBE_BACKUP_RECIPIENTS", "age1…")))}
}

// A backupsResult is what a place has, and had before --thin.
type backupsResult struct {
	Place   string          `json:"place"`
	Backups []backup.Listed `json:"backups"`
	Thinned []backup.Listed `json:"thinned"`
}

func backupsCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "backups",
		Usage:     "list the backups that a directory or a bucket has: age, size, revisions of both rings, of which cluster",
		ArgsUsage: "[PLACE]",
		Description: "Without a place that of HAKUBE_BACKUP_TO; snapshot:// are the snapshots of masters' data disks that Compute Engine\n" +
			"has, by HAKUBE_DISK_SNAPSHOTS or by hand, none of which was tried. The newest come first, whatever cluster they are of. What is there and\n" +
			"is no backup of hakube's, or a damaged one, is named with the reason. Needs no key: it reads each one's record,\n" +
			"which nothing is secret in, and sees that all its parts are there; the whole is read when it is restored.\n" +
			"A backup that was not verified when it was made is none, and hakube keeps none.\n\n" +
			"With --thin those of this cluster go that nobody has to keep: all of the last hour stay, the last of each hour for\n" +
			"a week, the last of each day for ninety days, and the newest however old. It asks for the cluster's name; --yes is\n" +
			"for scripts. What is another cluster's, damaged or no backup stays.\n\n" + exitHelp,
		Flags:        append(settingFlags(), &cli.BoolFlag{Name: "thin", Usage: "remove old backups of the cluster, but one an hour for a week and one a day for ninety days"}),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			place := c.Args().First()
			u.json, u.changes = c.Bool("json"), c.Bool("thin")
			u.called.by(c, place)
			if u.changes {
				u.called.by(c, "--thin", place)
			}
			if c.NArg() > 1 {
				return usageError{fmt.Errorf("backups takes one place, got %q too; flags come before it", c.Args().Get(1))}
			}
			s, err := loadSettings(u, c, cluster.BackupVerb)
			if err != nil {
				return err
			}
			if place == "" {
				place = string(s.BackupTo)
			}
			if err := placed(place); err != nil {
				return err
			}
			cl, err := u.keeper(c, s, place)
			if err != nil {
				return err
			}
			list, err := cl.Backups(c.Context, place)
			if err != nil {
				return err
			}
			thinned := []backup.Listed{}
			if u.changes && place == snapshots.Place {
				return usageError{errors.New("--thin is for backups: Compute Engine deletes snapshots by their schedule, or whoever made them by hand")}
			}
			if u.changes {
				gone, err := cl.Thin(c.Context, list, u.maySurplusGo(s))
				if len(gone) > 0 && !u.json {
					u.note("%d backups of cluster %s were removed from %s", len(gone), s.Prefix, place)
				}
				if err != nil {
					return err
				}
				thinned = append(thinned, gone...)
				list = slices.DeleteFunc(list, func(x backup.Listed) bool {
					return slices.ContainsFunc(gone, func(y backup.Listed) bool { return x.Where == y.Where })
				})
			}
			if u.json {
				return u.object("backups", backupsResult{place, append([]backup.Listed{}, list...), thinned})
			}
			return u.show(backupsPage(place, list))
		},
	}
}

// placed is what is wrong with the words that name a place.
func placed(place string) error {
	if place == "" {
		return usageError{withHint(errors.New("HAKUBE_BACKUP_TO is not set: name the directory or the gs://bucket/prefix that has the backups"),
			cure.Hints(cure.Hint("for instance", cure.Backups("gs://bucket/prefix")), cure.Hint("snapshots of masters' data disks are listed by", cure.Backups(snapshots.Place))))}
	}
	if place == snapshots.Place {
		return nil
	}
	if err := new(settings.Place).Decode(place); err != nil {
		return usageError{fmt.Errorf("%s: %w", place, err)}
	}
	return nil
}

// keeper is the cluster as far as its backups are about it: for a place of this machine
// nothing is contacted.
func (u *ui) keeper(c *cli.Context, s cluster.Settings, place string) (*cluster.Cluster, error) {
	if !backup.InBucket(place) && place != snapshots.Place {
		return cluster.New(s, cluster.Deps{}), nil
	}
	return connect(c.Context, u, s, looking)
}

// maySurplusGo asks whether backups may be removed.
func (u *ui) maySurplusGo(s cluster.Settings) func([]backup.Listed) error {
	return func(surplus []backup.Listed) error {
		oldest, newest := surplus[len(surplus)-1], surplus[0]
		what := fmt.Sprintf("this removes %d backups of cluster %s, from %s to %s", len(surplus), s.Prefix, oldest.MadeAt.Format(time.RFC3339), newest.MadeAt.Format(time.RFC3339))
		if s.Yes {
			u.note("%s", what)
			return nil
		}
		if !term.IsTerminal(int(u.in.Fd())) {
			return withHint(usageError{fmt.Errorf("not removed: %s, and there is no terminal to ask", what)}, cure.Hint("remove them without being asked", cure.Same().With("KUBERNETES_SKIP_CONFIRM", "true")))
		}
		return u.nameTyped(s, what)
	}
}

// backupsPage is a list of backups for a person.
func backupsPage(place string, list []backup.Listed) []byte {
	var b bytes.Buffer
	verified := 0
	table(&b, "BACKUP\tCLUSTER\tAGE\tSIZE\tMAIN\tEVENTS\tVERIFIED", len(list), func(w io.Writer, i int) {
		x := list[i]
		if !x.Verified {
			age := ""
			if x.Age != nil {
				age = ageText(time.Duration(*x.Age) * time.Second)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\t\tno: %s\n", x.Where, x.Cluster, age, sizeText(x.Bytes), firstLine(x.Why))
			return
		}
		verified++
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\tyes\n", x.Where, x.Cluster, ageText(time.Duration(*x.Age)*time.Second), sizeText(x.Bytes), *x.Main, *x.Events)
	})
	switch {
	case place == snapshots.Place && len(list) == 0:
		b.WriteString("Compute Engine has no snapshot of a master's data disk\n")
	case verified == 0 && place != snapshots.Place:
		fmt.Fprintf(&b, "no verified backup is in %s\n", place)
	}
	return b.Bytes()
}

// ageText is how long ago something was, in its two largest units.
func ageText(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// sizeText is a size in the unit that gives it up to four digits.
func sizeText(n int64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n >>= 10
	}
	return fmt.Sprintf("%d GiB", n)
}

func restoreCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:      "restore",
		Usage:     "bring the cluster back to what a backup has, after the loss of all masters' disks or an operator's error",
		ArgsUsage: "BACKUP",
		Description: "One master gets the backup's data: the first there is, or one that is made anew as the first was, with the\n" +
			"same authorities and at the same address, so that nodes come back by themselves. All others are given up;\n" +
			"add masters afterwards as always. The backup is read to its end, with the key in HAKUBE_BACKUP_IDENTITY, and\n" +
			"unpacked on the master, before anything goes; what that had is kept until all is done. It says what is\n" +
			"lost and asks for the cluster's name first; --yes is for scripts. Cut anywhere, the same again goes on.\n" +
			"A cluster that is there is only brought back to a backup of its own, and needs no zone.\n\n" +
			"Where nothing is of the cluster that the settings name (another KUBE_GCE_INSTANCE_PREFIX and KUBE_GCE_NETWORK, another project,\n" +
			"or the same after it was lost) one is made of the backup in KUBE_GCE_ZONE: one master, no nodes, an address of its own, the same\n" +
			"authorities. Nodes, pods and programs that speak to Google are left out, under another name volumes too, and Services of type\n" +
			"LoadBalancer are made anew: nothing of the cluster that the backup is of is touched, which may live beside it.\n\n" +
			"snapshot://NAME is a snapshot of a master's data disk, for when all such disks are lost: that master's is made of\n" +
			"it, and the cluster goes on with it. It is as the disk was at that moment, tried by nobody, and takes no key.\n\n" + exitHelp,
		Flags:        settingFlags(),
		OnUsageError: usage,
		Action: func(c *cli.Context) error {
			path := c.Args().First()
			u.json, u.changes = c.Bool("json"), true
			u.called.by(c, path)
			if err := mayRestore(c, path); err != nil {
				return err
			}
			s, err := loadSettings(u, c, cluster.RestoreVerb)
			if err != nil {
				return err
			}
			if name, is := strings.CutPrefix(path, snapshots.Place); is {
				return u.restoreDisk(c, s, name)
			}
			if s.Identity == "" {
				return usageError{withHint(errors.New("HAKUBE_BACKUP_IDENTITY is not set: it names the file of the key that the backup was made for. Nothing was changed"),
					cure.Hint("once more, with the file", cure.Same().With("HAKUBE_BACKUP_IDENTITY", "hakube-backup.key")))}
			}
			source, cl, err := opened(c, u, s, path)
			if err != nil {
				return err
			}
			defer func() { _ = source.Close() }() // it was only read
			return u.restored(s, path, "backup", func(ask func(cluster.Loss) error) (*cluster.Summary, error) {
				return cl.Restore(c.Context, source, u.report(), ask)
			})
		},
	}
}

// opened is a backup read to its end, and the cluster it is for. What is in a file is read
// before anything is contacted; out of a bucket it comes first.
func opened(c *cli.Context, u *ui, s cluster.Settings, path string) (source *backup.Source, cl *cluster.Cluster, err error) {
	if !backup.InBucket(path) {
		if source, err = backup.From(path, path, string(s.Identity)); err != nil {
			return nil, nil, err
		}
	} else if _, err := backup.Keys(string(s.Identity)); err != nil { // before it is fetched
		return nil, nil, err
	}
	if cl, err = connect(c.Context, u, s, changing); source != nil {
		if err != nil {
			return nil, nil, errors.Join(err, source.Close())
		}
		return source, cl, nil
	}
	if err != nil {
		return nil, nil, err
	}
	u.note("fetching %s, encrypted as it is", path)
	file, err := cl.Fetch(c.Context, path)
	if err != nil {
		return nil, nil, err
	}
	source, err = backup.From(path, file, string(s.Identity))
	return source, cl, errors.Join(err, os.Remove(file)) // it is open, and read to its end through that
}

// mayRestore is what is wrong with how a restore was called.
func mayRestore(c *cli.Context, path string) error {
	switch {
	case c.NArg() > 1:
		return usageError{fmt.Errorf("restore takes one file, got %q too; flags come before it", c.Args().Get(1))}
	case path == "":
		return usageError{errors.New("name the backup: hakube restore FILE, or gs://bucket/prefix/NAME, or snapshot://NAME")}
	}
	if name, is := strings.CutPrefix(path, snapshots.Place); is {
		if err := new(settings.Name).Decode(name); err != nil || name == "" {
			return usageError{fmt.Errorf("%s: name a snapshot; hakube backups %s lists them", path, snapshots.Place)}
		}
		return nil
	}
	if err := new(settings.Place).Decode(path); err != nil {
		return usageError{fmt.Errorf("%s: %w", path, err)}
	}
	if _, object, _ := strings.Cut(strings.TrimPrefix(path, "gs://"), "/"); backup.InBucket(path) && (object == "" || strings.HasSuffix(object, "/")) {
		return usageError{fmt.Errorf("%s is a place; name a backup in it", path)}
	}
	return nil
}
