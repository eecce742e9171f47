package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/cluster/backup"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// called is how hakube was called. A command it names is run later, from another
// directory, and hakube cannot tell which variables the shell exports and which
// stood on one command line only: so what was set goes with it, and what an
// exported variable would make of it is kept away.
type called struct {
	words []string          // the program's and the command's, without settings
	given map[string]string // settings by flags, by the variable's name
	env   map[string]string // what is set and not empty
	set   cluster.Settings  // what was made of them, once they are loaded
}

func newCalled(environ []string) called {
	c := called{words: []string{program}, given: map[string]string{}, env: map[string]string{}}
	for _, kv := range environ {
		if name, value, _ := strings.Cut(kv, "="); value != "" {
			c.env[name] = value
		}
	}
	return c
}

// by is called with the command line that the library has read; more are words
// of it that are no settings.
func (c *called) by(ctx *cli.Context, more ...string) {
	c.words = append(strings.Fields(ctx.Command.HelpName), more...)
	c.given = given(ctx)
}

const program = "hakube"

// The settings that say which cluster it is and where: all commands on it need them.
var identity = []string{
	"KUBERNETES_PROVIDER", "PROJECT", "HAKUBE_LOCAL_DIR", "HAKUBE_CACHE_DIR", "HAKUBE_MIRROR_SOURCE",
	"KUBE_GCE_INSTANCE_PREFIX", "CLUSTER_NAME", "NODE_INSTANCE_PREFIX", "KUBE_GCE_NETWORK", "SUBNETWORK", "KUBE_GCE_IP_ALIAS_SUBNETWORK",
	"KUBECONFIG", "OVERRIDE_CONTEXT",
}

// ofLocal are those of them that the embedded GCE itself has.
var ofLocal = []string{"HAKUBE_LOCAL_DIR", "HAKUBE_CACHE_DIR", "HAKUBE_MIRROR_SOURCE"}

// selectors say what a command does: a command that is named says that itself.
var selectors = map[string]string{ // by what they mean when they are not set
	"KUBE_USE_EXISTING_MASTER": "false", "KUBE_REPLICATE_EXISTING_MASTER": "false",
	"KUBE_DELETE_NODES": "true", "KUBE_REPLICA_NAME": "", "KUBE_GCE_ZONE": "", "NUM_NODES": "", "HAKUBE_POOL": "",
	"HAKUBE_ZONES": "", "HAKUBE_MASTER_ZONES": "", "HAKUBE_MASTER_COUNT": "", "HAKUBE_NODE_COUNT": "", "HAKUBE_ALLOW_EVEN": "false", "HAKUBE_PRUNE": "false",
}

// ofAll are those of them that make an up one of the whole cluster.
var ofAll = []string{"HAKUBE_ZONES", "HAKUBE_MASTER_ZONES", "HAKUBE_MASTER_COUNT", "HAKUBE_NODE_COUNT", "HAKUBE_ALLOW_EVEN", "HAKUBE_PRUNE"}

// text is what a setting was set to, "" if it was not.
func (c *called) text(name string) string {
	if t, is := c.given[name]; is {
		return t
	}
	return c.env[name]
}

// local tells whether it is about the embedded GCE.
func (c *called) local() bool { return c.text("KUBERNETES_PROVIDER") == string(cluster.Local) }

// whole is a named command as it is shown: nothing that it needs is missing.
func (c *called) whole(x cure.Command) string {
	switch {
	case x.IsSame():
		return c.in(x.As(c.same()))
	case x.Is("gcloud", "compute"), x.Is("gcloud", "storage"):
		return c.gcloud(x)
	case !x.Is(program):
		return x.String()
	case x.Is(program, "help"), slices.Contains(x.Args(), "--help"), x.Is(program, "completion"):
		return c.in(x)
	case x.Is(program, "local"):
		return c.in(c.over(x, ofLocal))
	}
	names := slices.Clone(identity)
	if isRoll(x) {
		for _, v := range settings.Variables() {
			if c.isOfRoll(x, v.Name) && c.matters(v) {
				names = append(names, v.Name)
			}
		}
	}
	if x.Is(program, "backup") {
		names = append(names, "HAKUBE_BACKUP_TO", "HAKUBE_BACKUP_RECIPIENTS")
	}
	if x.Is(program, "up") {
		for _, v := range settings.Variables() {
			if _, is := selectors[v.Name]; !is && !slices.Contains(names, v.Name) && c.matters(v) && !c.ofOtherPool(x, v.Name) {
				names = append(names, v.Name)
			}
		}
	}
	return c.in(c.free(c.over(x, names)))
}

// ofOtherPool tells of a setting that is for one pool, where the command is about another:
// there it would change what nobody spoke of.
func (c *called) ofOtherPool(x cure.Command, variable string) bool {
	pool, _ := x.Var("HAKUBE_POOL")
	return x.Is(program, "up") && pool != c.text("HAKUBE_POOL") && settings.OfPool(variable)
}

// isRoll tells of what makes machines again.
func isRoll(x cure.Command) bool { return x.Is(program, "roll") || x.Is(program, "upgrade") }

// isOfRoll tells whether a setting says what machines that a roll is of are made with.
func (c *called) isOfRoll(x cure.Command, variable string) bool {
	words := x.Args()
	masters, nodes := !slices.Contains(words, "pool"), !slices.Contains(words, "masters")
	pool, _ := x.Var("HAKUBE_POOL")
	if settings.OfPool(variable) && pool != c.text("HAKUBE_POOL") {
		return false
	}
	return masters && settings.Rollable(variable) || nodes && settings.NodesRollable(variable)
}

// over puts what was set of these in front of a command that does not set it.
func (c *called) over(x cure.Command, names []string) cure.Command {
	w := cure.Again(x.Args()...)
	for _, name := range names {
		text := c.text(name)
		switch {
		case slices.Contains(ofLocal, name) && !c.local() && !x.Is(program, "local"):
			continue
		case name == "PROJECT" && text == "" && !c.local(): // gcloud may be set to another one by then
			text = string(c.set.Project)
		}
		if text != "" {
			w = w.With(name, absolute(name, text))
		}
	}
	return x.As(w)
}

// free keeps away from a command that says what it does what the shell says. What is
// set and empty would be an error.
func (c *called) free(x cure.Command) cure.Command {
	if isRoll(x) {
		if _, says := x.Var("HAKUBE_POOL"); !says && c.env["HAKUBE_POOL"] != "" {
			x = x.Without("HAKUBE_POOL")
		}
		return x
	}
	if !x.Is(program, "up") && !x.Is(program, "down") {
		return x
	}
	names := []string{"KUBE_USE_EXISTING_MASTER", "KUBE_REPLICATE_EXISTING_MASTER", "KUBE_DELETE_NODES", "KUBE_REPLICA_NAME", "HAKUBE_POOL"}
	for _, v := range settings.Variables() {
		if c.ofOtherPool(x, v.Name) {
			names = append(names, v.Name)
		}
	}
	if x.Is(program, "up") {
		names = append(names, ofAll...)
		if _, total := x.Var("HAKUBE_NODE_COUNT"); total {
			names = append(names, "NUM_NODES")
		}
	}
	for _, name := range names {
		if _, says := x.Var(name); !says && c.env[name] != "" && !strings.EqualFold(c.env[name], selectors[name]) {
			x = x.Without(name)
		}
	}
	if _, says := x.Var("KUBE_GCE_ZONE"); !says && c.env["KUBE_GCE_ZONE"] != "" {
		x = x.Without("KUBE_GCE_ZONE")
	}
	return x
}

// same is the command that was called, with all that it was called with.
func (c *called) same() cure.Command {
	x := cure.Again(c.words...)
	for _, name := range ofLocal {
		if c.local() && c.env[name] != "" {
			x = x.With(name, absolute(name, c.env[name]))
		}
	}
	for _, v := range settings.Variables() {
		text, flag := c.given[v.Name]
		switch {
		case flag && text == "" && c.env[v.Name] != "":
			x = x.Without(v.Name)
		case v.Name == "PROJECT" && !c.local() && c.set.Project != "":
			x = x.With(v.Name, string(c.set.Project))
		case c.matters(v):
			x = x.With(v.Name, absolute(v.Name, c.text(v.Name)))
		}
	}
	return x
}

// matters tells whether a setting was set to something that is not so anyway.
func (c *called) matters(v cluster.Variable) bool {
	text := c.text(v.Name)
	overridden := c.env[v.Name] != "" && c.env[v.Name] != text
	return text != "" && (!v.Bool || text != v.Default || overridden)
}

// gcloud has the project, and on the embedded GCE what leads there.
func (c *called) gcloud(x cure.Command) string {
	project := c.text("PROJECT")
	if c.set.Project != "" {
		project = string(c.set.Project)
	}
	if project != "" {
		x = x.Flag("--project=" + project)
	}
	if !c.local() {
		return x.String()
	}
	env := c.whole(cure.LocalEnv())
	return `(eval "$(` + env + `)" && ` + x.String() + ")"
}

// in is the command with the program where a shell finds it.
func (c *called) in(x cure.Command) string { return x.Program(programPath()).String() }

// programPath is the program's name if a shell finds this one by that, or else
// where it is.
func programPath() string {
	me, err := os.Executable()
	if err != nil {
		return program
	}
	if found, err := exec.LookPath(program); err == nil && sameFile(found, me) {
		return program
	}
	return me
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// absolute is a path that means the same in another directory.
func absolute(name, text string) string {
	switch name {
	case "KUBECONFIG", "HAKUBE_LOCAL_DIR", "HAKUBE_CACHE_DIR":
	case "HAKUBE_BACKUP_TO":
		if abs, err := filepath.Abs(text); err == nil && !backup.InBucket(text) {
			return abs
		}
		return text
	default:
		return text
	}
	list := filepath.SplitList(text)
	for i, p := range list {
		if abs, err := filepath.Abs(p); err == nil && p != "" {
			list[i] = abs
		}
	}
	return strings.Join(list, string(filepath.ListSeparator))
}
