package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"hakube/cluster"
	"hakube/gce/local"
	"hakube/gce/local/mirror"
	"hakube/gce/local/model"
	"hakube/scripts/cure"
)

// localCommand is about the embedded GCE itself.
func localCommand(u *ui) *cli.Command {
	return &cli.Command{
		Name:  "local",
		Usage: "the embedded GCE: a Compute Engine on this machine",
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return unknownCommand(c)
			}
			return cli.ShowSubcommandHelp(c)
		},
		OnUsageError:    usage,
		HideHelpCommand: true,
		Subcommands: []*cli.Command{
			{
				Name: "start", Usage: "start it; with machines that were running before", OnUsageError: usage,
				Flags: localFlags(),
				Action: func(c *cli.Context) error {
					if err := noArguments(c); err != nil {
						return err
					}
					return localStart(c, u)
				},
			},
			{
				Name: "stop", Usage: "halt its machines and stop it; nothing is lost", OnUsageError: usage,
				Action: inDir(func(c *cli.Context, dir string) error {
					u.flight.begins()
					was, err := local.Stop(c.Context, dir)
					if err == nil && !was {
						u.note("the embedded GCE is not running")
					}
					return err
				}),
			},
			{
				Name: "status", Usage: "say whether it runs, and what it holds; exits with 3 when it does not run", OnUsageError: usage,
				Flags:  []cli.Flag{jsonFlag("print JSON")},
				Action: inDir(func(c *cli.Context, dir string) error { return localStatus(c, u, dir) }),
			},
			resetCommand(u),
			{
				Name: "env", Usage: "print what points gcloud at it: " + cure.EvalEnv(), OnUsageError: usage,
				Action: inDir(func(c *cli.Context, dir string) error { return localEnv(c, u, dir) }),
			},
			{
				Name: "console", Usage: "print a link to its page for a browser, good once: machines, networks, operations as they run", OnUsageError: usage,
				Action: inDir(func(c *cli.Context, dir string) error { return localConsole(c, u, dir) }),
			},
			{
				Name: "prepare", Usage: "make what real machines boot and fetch, without starting", OnUsageError: usage,
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "addons", Usage: "images of addons and of the Ingress example too, which are made at their first use otherwise: some minutes"},
					&cli.BoolFlag{Name: "conformance", Usage: "Kubernetes' own end-to-end tests too, and the images they run: some minutes"},
					&cli.StringSliceFlag{Name: "kubernetes", Usage: "another `VERSION` of Kubernetes too, of " + strings.Join(mirror.Versions(), ", ") + ": about 20 minutes each where it is built from source"},
					&cli.BoolFlag{Name: "renumbered", Usage: "for tests of upgrades: the same Kubernetes once more under another number, " + mirror.Renumbered + ", which is not that release: some minutes"},
				},
				Action: inDir(func(c *cli.Context, _ string) error { return prepareAll(c, u) }),
			},
			{
				Name: "kubectl", Usage: "print the path of a kubectl of the clusters' version", OnUsageError: usage,
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "build", Usage: "make it if there is none, with all that real machines fetch: about 15 minutes, as root on Linux"}},
				Action: inDir(func(c *cli.Context, _ string) error { return localKubectl(c, u) }),
			},
			{
				Name: "serve", Usage: "be the daemon, in the foreground", Hidden: true, OnUsageError: usage,
				Flags:  localFlags(),
				Action: inDir(localServe),
			},
		},
	}
}

func inDir(f func(c *cli.Context, dir string) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		if err := noArguments(c); err != nil {
			return err
		}
		dir, err := local.Dir()
		if err != nil {
			return err
		}
		return f(c, dir)
	}
}

func localFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "machines", Usage: "real: Linux machines, needs Linux and root. model: machines that answer what hakube asks, anywhere (default: as last time, at first real)"},
		&cli.StringFlag{Name: "latency", Usage: "none, or gce: operations take as long as published for Google (default: as last time, at first none)"},
		&cli.StringFlag{Name: "policy", Usage: "constraints of an organisation that hold, with commas between, as compute.requireShieldedVm; none lifts them (default: as last time, at first none)"},
		&cli.StringFlag{Name: "listen", Usage: "loopback address of the API (default: as last time, at first any free port)"},
	}
}

// localOptions are the flags over what the last start used.
func localOptions(c *cli.Context, dir string) (local.Options, error) {
	o, saved, err := local.Saved(dir)
	if err != nil {
		return o, err
	}
	if m := c.String("machines"); m != "" {
		if m := local.Machines(m); m != local.Real && m != local.Model {
			return o, usageError{fmt.Errorf("--machines=%s: there are real and model", m)}
		}
		if saved && local.Machines(m) != o.Machines && local.HasObjects(dir) {
			return o, withHint(usageError{fmt.Errorf("--machines=%s: what is in %s was made with --machines=%s", m, dir, o.Machines)}, cure.Hint("delete all of it first", cure.LocalReset(dir)))
		}
		o.Machines = local.Machines(m)
	}
	if l := c.String("latency"); l != "" {
		if l != "none" && l != "gce" {
			return o, usageError{fmt.Errorf("--latency=%s: there are none and gce", l)}
		}
		o.Latency = l
	}
	if p := c.String("policy"); p == "none" {
		o.Policies = nil
	} else if p != "" {
		o.Policies = strings.Split(strings.ReplaceAll(p, "constraints/", ""), ",")
		for _, name := range o.Policies {
			if known := local.Policies(); !slices.Contains(known, name) {
				return o, usageError{fmt.Errorf("--policy=%s: there are none, %s", name, strings.Join(known, ", "))}
			}
		}
	}
	if l := c.String("listen"); l != "" {
		if err := local.CheckListen(l); err != nil {
			return o, usageError{err}
		}
		o.Listen = l
	}
	return o, nil
}

func localStart(c *cli.Context, u *ui) error {
	dir, err := local.Dir()
	if err != nil {
		return err
	}
	o, err := localOptions(c, dir)
	if err != nil {
		return err
	}
	s, err := local.Ask(c.Context, dir)
	if err != nil {
		return err
	}
	if s.Running {
		if s.Machines != o.Machines || s.Latency != o.Latency {
			return withHint(fmt.Errorf("it runs already, with --machines=%s --latency=%s", s.Machines, s.Latency), cure.Hint("stop it first", cure.LocalStop(dir)))
		}
		if now, _, err := local.Saved(dir); err != nil || !slices.Equal(now.Policies, o.Policies) {
			return errors.Join(err, withHint(fmt.Errorf("it runs already, with --policy=%s", cmp.Or(strings.Join(now.Policies, ","), "none")), cure.Hint("stop it first", cure.LocalStop(dir))))
		}
		u.note("the embedded GCE runs already at %s", s.Endpoint)
		return nil
	}
	s, err = startLocal(c.Context, u, dir, o)
	if err != nil {
		return err
	}
	u.note("%s", cure.Hint(fmt.Sprintf("the embedded GCE runs at %s with %s machines; this ends it", s.Endpoint, s.Machines), cure.LocalStop(dir)))
	return nil
}

// startLocal makes sure that what machines need is there, then starts the daemon.
func startLocal(ctx context.Context, u *ui, dir string, o local.Options) (local.Status, error) {
	if err := local.Usable(dir); err != nil { // or it would take minutes to say so
		return local.Status{}, &cluster.Unchanged{Err: err}
	}
	if o.Machines == local.Real {
		takes, err := local.Takes()
		if err != nil {
			return local.Status{}, err
		}
		for _, line := range takes {
			u.note("%s", line)
		}
		if err := prepare(ctx, u, nil); err != nil {
			return local.Status{}, err
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return local.Status{}, fmt.Errorf("finding this program to start the embedded GCE: %w", err)
	}
	daemon := exec.Command(exe, "local", "serve", "--machines="+string(o.Machines), "--latency="+o.Latency, "--listen="+o.Listen,
		"--policy="+cmp.Or(strings.Join(o.Policies, ","), "none"))
	daemon.Env = append(os.Environ(), "HAKUBE_LOCAL_DIR="+dir)
	_, before, err := local.Saved(dir)
	if err != nil {
		return local.Status{}, err
	}
	s, err := local.Start(ctx, dir, daemon)
	err = killedAtStart(err)
	if err == nil && !before {
		for _, b := range boundaries(dir, o.Machines) {
			u.note("%s", b)
		}
	}
	if err == nil && s.Moved != "" {
		u.moved(ctx, dir, s)
	}
	return s, err
}

// killedAtStart leads on from a daemon that a signal ended while it started:
// nothing is wrong with it, and what was made in it is kept.
func killedAtStart(err error) error {
	if ended := (*exec.ExitError)(nil); errors.As(err, &ended) && !ended.Exited() {
		return withHint(err, cure.Hint("start it again", cure.LocalStart()))
	}
	return err
}

// moved says what leads to where the embedded GCE was, and turns kubectl's
// contexts, which hakube wrote, to where it is.
func (u *ui) moved(ctx context.Context, dir string, s local.Status) {
	u.warn(fmt.Sprintf("the embedded GCE was at %s, which another program has now; it is at %s, and shells that asked for its address ask again:", s.Moved, s.Endpoint))
	u.hint("have them do it:\n\t" + cure.EvalEnv())
	proxy := ""
	token, err := local.Token(dir)
	if err == nil && s.Machines == local.Model {
		proxy, err = local.ProxyURL(s.Endpoint, token)
	}
	if err == nil {
		err = cluster.MoveCloud(ctx, os.Getenv("KUBECONFIG"), local.RealDir(dir), proxy)
	}
	if err != nil {
		u.warn("kubectl's contexts lead to where it was, until another up of their clusters writes them: " + err.Error())
	}
}

// startAsLast starts it as it was started last.
func startAsLast(ctx context.Context, u *ui, dir string) (local.Status, error) {
	o, _, err := local.Saved(dir)
	if err != nil {
		return local.Status{}, err
	}
	u.note("%s", cure.Hint(fmt.Sprintf("starting the embedded GCE with %s machines in %s; it runs until", o.Machines, dir), cure.LocalStop(dir)))
	return startLocal(ctx, u, dir, o)
}

func localServe(c *cli.Context, dir string) error {
	o, err := localOptions(c, dir)
	if err != nil {
		return err
	}
	// A daemon is ended by signal at any time; ^C in the terminal it was started from is not meant for it.
	ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	host := func() (*local.Host, error) { return local.NewReal(ctx, dir, logger) }
	if o.Machines == local.Model {
		host = func() (*local.Host, error) { return model.NewHost(dir) }
	}
	return local.Serve(ctx, dir, o, host, logger)
}

func localStatus(c *cli.Context, u *ui, dir string) error {
	s, err := local.Ask(c.Context, dir)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		if err := u.object("local status", localOf(s, dir)); err != nil || s.Running {
			return err
		}
		return errNotRunning
	}
	if !s.Running {
		u.printf("not running (state in %s)\n", dir)
		return errNotRunning
	}
	u.printf("running at %s, process %d, %s machines, latency %s\n", s.Endpoint, s.PID, s.Machines, s.Latency)
	u.printf("calls since the start: %d read, %d changed\n", s.Calls.Read, s.Calls.Change)
	if len(s.Objects) == 0 {
		u.printf("no objects\n")
	}
	for _, k := range slices.Sorted(maps.Keys(s.Objects)) {
		u.printf("%6d %s\n", s.Objects[k], k)
	}
	return nil
}

// localKubectl prints the path of what the cache has; whoever only wants to know
// where it is does not wait for a build.
func localKubectl(c *cli.Context, u *ui) error {
	if c.Bool("build") {
		return prepare(c.Context, u, func(m *mirror.Mirror) { u.printf("%s\n", m.Kubectl()) })
	}
	path, err := local.Kubectl(c.Context)
	if err != nil {
		return err
	}
	if path == "" {
		return withHint(errors.New("there is no kubectl in the cache yet"), cure.Hint("make it, about 15 minutes, as root on Linux", cure.LocalKubectl()))
	}
	u.printf("%s\n", path)
	return nil
}

// localConsole prints a link to the page, good once. The daemon serves it, so there
// is nothing to start, and to end.
func localConsole(c *cli.Context, u *ui, dir string) error {
	s, err := local.Ask(c.Context, dir)
	if err != nil {
		return err
	}
	if !s.Running {
		return withHint(fmt.Errorf("the embedded GCE is not running"), cure.Hint("start it", cure.LocalStart()))
	}
	link, err := local.ConsoleLink(c.Context, dir, s)
	if err != nil {
		return err
	}
	u.printf("%s\n", link)
	return nil
}

// localEnv prints the variables that make an unmodified gcloud talk to the
// embedded GCE only: endpoints that are left alone would go to Google.
func localEnv(c *cli.Context, u *ui, dir string) error {
	s, err := local.Ask(c.Context, dir)
	if err != nil {
		return err
	}
	if !s.Running {
		return withHint(fmt.Errorf("the embedded GCE is not running"), cure.Hint("start it", cure.LocalStart()))
	}
	at, err := url.Parse(s.Endpoint)
	if err != nil {
		return fmt.Errorf("reading the address of the embedded GCE: %w", err)
	}
	// The token itself is not among them: an environment is shown to more eyes than a file.
	for _, kv := range [][2]string{
		{"KUBERNETES_PROVIDER", "local"},
		{"CLOUDSDK_CONFIG", dir + "/gcloud"},
		{"CLOUDSDK_CORE_PROJECT", cmp.Or(os.Getenv("PROJECT"), s.Project)}, // hakube's and gcloud's are one
		{"CLOUDSDK_CORE_ACCOUNT", "operator@local.invalid"},
		{"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", local.TokenFile(dir)},
		{"CLOUDSDK_CORE_DISABLE_PROMPTS", "1"},
		{"CLOUDSDK_CORE_CHECK_GCE_METADATA", "false"},
		{"CLOUDSDK_CORE_DISABLE_FILE_LOGGING", "1"},
		// Whatever else gcloud asks comes here too and is refused, such as IAP's tunnels.
		{"CLOUDSDK_PROXY_TYPE", "http"}, {"CLOUDSDK_PROXY_ADDRESS", at.Hostname()}, {"CLOUDSDK_PROXY_PORT", at.Port()},
		{"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", s.Endpoint + "/compute/v1/"},
		{"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", s.Endpoint + "/storage/v1/"},
		{"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM", s.Endpoint + "/"},
		{"CLOUDSDK_API_ENDPOINT_OVERRIDES_OSLOGIN", s.Endpoint + "/"},
		{"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", s.Endpoint + "/"},
	} {
		u.printf("export %s=%s\n", kv[0], cure.Quote(kv[1]))
	}
	// These two would win over the file, or send the token to Google for another one.
	u.printf("unset CLOUDSDK_AUTH_ACCESS_TOKEN CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT\n")
	noProxy := os.Getenv("NO_PROXY")
	if !slices.Contains(strings.Split(noProxy, ","), "127.0.0.1") { // evaluated again it stays as it is
		noProxy = strings.TrimPrefix(noProxy+",127.0.0.1", ",")
	}
	u.printf("export NO_PROXY=%s\n", cure.Quote(noProxy))
	return nil
}
