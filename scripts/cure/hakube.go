package cure

import "strconv"

// hakube's own commands. What is the same for all of them (project, prefix,
// kubeconfig) is added where they are shown.

const (
	zone      = "KUBE_GCE_ZONE"
	pool      = "KUBE_USE_EXISTING_MASTER"
	replicate = "KUBE_REPLICATE_EXISTING_MASTER"
	nodes     = "KUBE_DELETE_NODES"
	replica   = "KUBE_REPLICA_NAME"
	size      = "NUM_NODES"
	state     = "HAKUBE_LOCAL_DIR"
)

// Up brings the cluster up to date whose first master is in the zone, or makes it.
func Up(inZone string) Command { return command("hakube", "up").With(zone, inZone) }

// UpAll brings the cluster up to date in all zones that variables name.
func UpAll() Command { return command("hakube", "up") }

// UpPool makes a pool of nodes, or brings it to the size that is set.
func UpPool(inZone string) Command {
	return command("hakube", "up").With(zone, inZone).With(pool, "true")
}

// FinishPool brings a pool to n nodes, whatever size is set.
func FinishPool(inZone string, n int) Command { return UpPool(inZone).With(size, strconv.Itoa(n)) }

// AddMaster adds a master, or finishes one.
func AddMaster(inZone string) Command {
	return command("hakube", "up").With(zone, inZone).With(replicate, "true")
}

// Down removes the whole cluster, wherever it is.
func Down() Command { return command("hakube", "down") }

// DownIn removes the cluster of which all that is left is in the zone.
func DownIn(inZone string) Command { return command("hakube", "down").With(zone, inZone) }

// RemovePool removes a zone's pool of nodes.
func RemovePool(inZone string) Command {
	return command("hakube", "down").With(zone, inZone).With(pool, "true")
}

// RemoveMaster removes a master; with no name one of the zone.
func RemoveMaster(inZone, name string) Command {
	c := command("hakube", "down").With(zone, inZone).With(nodes, "false")
	if name == "" {
		return c
	}
	return c.With(replica, name)
}

// Repair brings masters back: the one named, or all that fail.
func Repair(names ...string) Command {
	return command(append([]string{"hakube", "repair"}, names...)...)
}

// FromSurvivor goes on with one master alone.
func FromSurvivor(name string) Command {
	return command("hakube", "repair", "--from-survivor", name)
}

// Evacuate has all of a cluster that is in the zone go elsewhere: to its other zones, or
// to the one named.
func Evacuate(inZone, to string) Command {
	if to == "" {
		return command("hakube", "evacuate", inZone)
	}
	return command("hakube", "evacuate", "--to="+to, inZone)
}

// Drill has something fail on purpose, and sees what comes of it.
func Drill(words ...string) Command { return command(append([]string{"hakube", "drill"}, words...)...) }

// UndoDrill takes back what a drill left.
func UndoDrill() Command { return command("hakube", "drill", "undo") }

// Roll has machines made again: those of masters, a zone's pool, or all.
func Roll(of ...string) Command { return command(append([]string{"hakube", "roll"}, of...)...) }

// Rotate makes keys or certificates anew.
func Rotate(what string) Command { return command("hakube", "rotate", what) }

// Distrust ends what a rotation has left of before.
func Distrust(what string) Command { return command("hakube", "rotate", "--distrust", what) }

// Upgrade brings masters, a zone's pool, or all, to another version of Kubernetes; to the one
// that masters run if it is "".
func Upgrade(version string, of ...string) Command {
	c := command(append([]string{"hakube", "upgrade"}, of...)...)
	if version == "" {
		return c
	}
	return c.With("KUBE_VERSION", version)
}

// Keygen makes a key of age and prints its public half.
func Keygen(file string) Command { return command("age-keygen", "-o", file) }

// Backup makes a backup where backups are kept.
func Backup() Command { return command("hakube", "backup") }

// RestoreSnapshot brings the cluster back to a snapshot of a master's data disk.
func RestoreSnapshot(name string) Command { return command("hakube", "restore", "snapshot://"+name) }

// Backups lists what a place has.
func Backups(place string) Command { return command("hakube", "backups", place) }

// Status shows what there is.
func Status() Command { return command("hakube", "status") }

// Validate judges it.
func Validate() Command { return command("hakube", "validate") }

// Same is the command that is being run, once more; with variables, in another
// way. Where commands are shown it is known which one that is.
func Same() Command { return command("hakube", same) }

// same is no command of hakube's, and stands for one.
const same = "again"

// IsSame tells that the command is to be exchanged for the one being run.
func (c Command) IsSame() bool { return c.Is("hakube", same) }

// As is the command of Same, which was called in a way of its own.
func (c Command) As(called Command) Command {
	for _, v := range c.vars {
		called = called.With(v.Name, v.Value)
	}
	for _, name := range c.unset {
		called = called.Without(name)
	}
	return called
}

// Help is the help on a command, or on the settings: env.
func Help(of string) Command { return command("hakube", "help", of) }

// HelpOn lists the commands there are, or those below one.
func HelpOn(of ...string) Command {
	return command(append(append([]string{"hakube"}, of...), "--help")...)
}

// LocalStart starts the embedded GCE.
func LocalStart() Command { return command("hakube", "local", "start") }

// LocalModel starts it with machines that need nothing of the host.
func LocalModel() Command { return command("hakube", "local", "start", "--machines=model") }

// LocalStop stops it; in a directory that is not the usual one if that is named.
func LocalStop(dir string) Command { return inState(command("hakube", "local", "stop"), dir) }

// LocalReset deletes all that is in it.
func LocalReset(dir string) Command { return inState(command("hakube", "local", "reset"), dir) }

// LocalStatus says whether it runs.
func LocalStatus() Command { return command("hakube", "local", "status") }

func inState(c Command, dir string) Command {
	if dir == "" {
		return c
	}
	return c.With(state, dir)
}

// LocalConsole prints a link to its page.
func LocalConsole() Command { return command("hakube", "local", "console") }

// LocalEnv prints what points gcloud at it.
func LocalEnv() Command { return command("hakube", "local", "env") }

// EvalEnv points gcloud at the embedded GCE, for the rest of a shell's life.
func EvalEnv() string { return `eval "$(` + LocalEnv().String() + `)"` }

// Completion prints what a shell completes hakube's words by.
func Completion(of string) Command { return command("hakube", "completion", of) }

// LocalKubectl makes a kubectl of the clusters' version.
func LocalKubectl() Command { return command("hakube", "local", "kubectl", "--build") }

// LocalPrepare makes another version of Kubernetes for the embedded GCE's real machines.
func LocalPrepare(version string) Command {
	return command("hakube", "local", "prepare", "--kubernetes="+version)
}

// EvalCompletion has a shell complete hakube's words.
func EvalCompletion(shell string) string {
	return `eval "$(` + Completion(shell).String() + `)"`
}
