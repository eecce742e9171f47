// Live runs hakube on a project of Compute Engine and writes down what was otherwise than
// recorded (make live). With KUBERNETES_PROVIDER=local it does so on the embedded GCE that
// runs, as a rehearsal.
package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"hakube/gce"
	"hakube/gce/live"
	"hakube/gce/local"
	"hakube/scripts/cure"
)

func main() {
	project := flag.String("project", "", "the project to run in")
	zone := flag.String("zone", "us-central1-b", "the zone to run in")
	hakube := flag.String("hakube", "bin/hakube", "the command to run")
	suite := flag.String("suite", "", "the conformance suite's test program; none is left out")
	out := flag.String("out", "live.json", "the file to write")
	yes := flag.Bool("yes", false, "do not ask")
	down := flag.Bool("down", false, "only take down what an earlier run left")
	flag.Parse()
	if *project == "" || flag.NArg() > 0 {
		fail(errors.New("usage: make live PROJECT=… [ZONE=us-central1-b] [YES=1] [DOWN=1]"), 2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o, err := options(ctx, *project, *zone, *hakube, *suite)
	if err != nil {
		fail(err, 1)
	}
	if *down {
		if err := live.Down(ctx, o); err != nil {
			fail(err, 1)
		}
		say("nothing is left")
		return
	}
	say(live.Budget(*project, *zone))
	if !*yes && !agreed() {
		fail(errors.New("nothing was changed"), 1)
	}
	say("if this run is killed, this takes down what it left: " + o.Again)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	file, ended := live.Run(ctx, o)
	if file != nil {
		if err := write(*out, file); err != nil {
			fail(errors.Join(ended, err), 1)
		}
		say(*out + " has what was found; it was sent to nobody")
	}
	if ended != nil {
		fail(ended, 1)
	}
}

// options are who is asked, and what runs in which environment.
func options(ctx context.Context, project, zone, hakube, suite string) (o live.Options, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return o, err
	}
	o = live.Options{Dir: filepath.Join(cache, "hakube-live", project), Project: project, Zone: zone, Provider: "gce", Out: os.Stderr, Say: say, Environment: environment()}
	if o.Hakube, err = filepath.Abs(hakube); err != nil {
		return o, err
	}
	if suite != "" {
		if suite, err = filepath.Abs(suite); err != nil {
			return o, err
		}
		o.Suite = []string{suite, "-test.run=^TestLive$", "-test.v", "-test.timeout=40m"}
	}
	o.Again = fmt.Sprintf("make live DOWN=1 PROJECT=%s ZONE=%s", project, zone)
	if os.Getenv("KUBERNETES_PROVIDER") == "local" {
		o.Again = "KUBERNETES_PROVIDER=local " + o.Again
		return rehearsal(ctx, o)
	}
	google, err := gce.GoogleHTTP(ctx)
	if err != nil {
		return o, err
	}
	o.Upstream = live.Upstream{Name: "compute.googleapis.com", Compute: "https://compute.googleapis.com", Manager: "https://cloudresourcemanager.googleapis.com", Transport: google.Transport}
	return o, nil
}

// rehearsal is a run on the embedded GCE.
func rehearsal(ctx context.Context, o live.Options) (live.Options, error) {
	dir, err := local.Dir()
	if err != nil {
		return o, err
	}
	s, err := local.Ask(ctx, dir)
	if err != nil || !s.Running {
		return o, errors.Join(fmt.Errorf("no embedded GCE runs in %s; %s", dir, cure.Hint("start it", cure.LocalStart())), err)
	}
	token := func() string { t, _ := local.Token(dir); return t } // none is refused there
	o.Provider, o.Environment = "local", append(o.Environment, "HAKUBE_LOCAL_DIR="+dir)
	o.Upstream = live.Upstream{Name: "the embedded GCE", Compute: s.Endpoint, Manager: s.Endpoint, Transport: local.Bearer(token, http.DefaultTransport)}
	return o, nil
}

// environment is what commands get of ours: no variable of hakube's.
func environment() (some []string) {
	take := []string{"PATH", "HOME", "TMPDIR", "LANG", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "HAKUBE_CACHE_DIR"}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(take, name) {
			some = append(some, v)
		}
	}
	return some
}

// agreed asks.
func agreed() bool {
	fmt.Fprint(os.Stderr, "go on? (yes/no) ")
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // an end without an answer is a no
	return strings.TrimSpace(answer) == "yes"
}

func write(path string, f *live.File) error {
	js, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(js, '\n'), 0o600)
}

func say(text string) { fmt.Fprintln(os.Stderr, "live: "+text) }

func fail(err error, code int) {
	say(cmp.Or(err.Error(), "failed"))
	var hint interface{ Hint() string }
	if errors.As(err, &hint) && hint.Hint() != "" {
		say(hint.Hint())
	}
	os.Exit(code)
}
