package emulator

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// A gcloud is the program as it is installed, for the server under test.
type gcloud struct {
	t   *testing.T
	env []string
	// track is "beta" for its beta commands.
	track string
	// bare leaves out the word compute.
	bare bool
	// ran counts commands, checked what they printed or refused.
	ran, checked atomic.Int64
}

// gcloud returns one. It has the settings that "hakube local env" prints, and
// a project, zone and region of its own.
func (w *world) gcloud() *gcloud {
	w.t.Helper()
	if _, err := exec.LookPath("gcloud"); err != nil {
		w.t.Skip("gcloud is not installed")
	}
	home := w.t.TempDir()
	g := &gcloud{t: w.t, env: append(os.Environ(),
		"HOME="+home, "CLOUDSDK_CONFIG="+filepath.Join(home, "gcloud"), "CLOUDSDK_CORE_PROJECT=p",
		"CLOUDSDK_COMPUTE_ZONE=europe-west1-b", "CLOUDSDK_COMPUTE_REGION=europe-west1",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+w.web.URL+"/compute/v1/", "CLOUDSDK_AUTH_ACCESS_TOKEN=x",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM="+w.web.URL+"/", "CLOUDSDK_API_ENDPOINT_OVERRIDES_OSLOGIN="+w.web.URL+"/",
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER="+w.web.URL+"/", "CLOUDSDK_CORE_ACCOUNT=operator@local.invalid",
		"CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=false", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1",
		"NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")}
	w.t.Cleanup(func() {
		fmt.Printf("REPORT %s: %d commands of an unmodified gcloud, %d outputs and refusals compared\n", w.t.Name(), g.ran.Load(), g.checked.Load())
	})
	return g
}

// long is gcloud for a suite that -short leaves out: it takes a second a command.
func (w *world) long() *gcloud {
	w.t.Helper()
	if testing.Short() {
		w.t.Skip("gcloud takes a second a command")
	}
	return w.gcloud()
}

// try runs "gcloud compute" with words, in which quotes hold spaces together.
func (g *gcloud) try(words string) (stdout, stderr string, err error) {
	var args []string
	for _, a := range quoted.FindAllString(words, -1) {
		args = append(args, strings.ReplaceAll(a, "'", ""))
	}
	g.ran.Add(1)
	if !g.bare {
		args = append([]string{"compute"}, args...)
	}
	if g.track != "" {
		args = append([]string{g.track}, args...)
	}
	cmd := exec.CommandContext(g.t.Context(), "gcloud", args...)
	cmd.Env = g.env
	var out, told strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &told
	err = cmd.Run()
	return out.String(), told.String(), err
}

var quoted = regexp.MustCompile(`(?:[^ ']|'[^']*')+`)

// do runs a command that must succeed and returns what it printed. What follows
// is run all the same: a run takes long, and should show all that is wrong.
func (g *gcloud) do(words string) string {
	g.t.Helper()
	out, told, err := g.try(words)
	if err != nil {
		g.t.Errorf("gcloud compute %s: %v\n%s", words, err, told)
	}
	return out
}

// prints wants a command's output to be just that, but for how many spaces
// are between columns.
func (g *gcloud) prints(words, want string) {
	g.t.Helper()
	g.checked.Add(1)
	out := g.do(words)
	if got, want := columns(out), columns(want); got != want {
		g.t.Errorf("gcloud compute %s printed\n%s\nwant\n%s", words, got, want)
	}
}

// columns brings a table to one space between columns.
func columns(s string) string {
	var out []string
	for l := range strings.Lines(strings.TrimSpace(s)) {
		out = append(out, strings.Join(strings.Fields(l), " "))
	}
	return strings.Join(out, "\n")
}

// shows wants lines in a command's output, in any order.
func (g *gcloud) shows(words string, lines ...string) {
	g.t.Helper()
	g.checked.Add(1)
	out := columns(g.do(words)) + "\n"
	for _, l := range lines {
		if !strings.Contains("\n"+out, "\n"+l+"\n") {
			g.t.Errorf("gcloud compute %s printed\n%s\nwithout the line %q", words, out, l)
		}
	}
}

// refuses wants a command to fail and say why.
func (g *gcloud) refuses(words, want string) {
	g.t.Helper()
	g.checked.Add(1)
	if _, told, err := g.try(words); err == nil || !strings.Contains(strings.Join(strings.Fields(told), " "), want) {
		g.t.Errorf("gcloud compute %s: %v, said\n%s\nwant %q", words, err, told, want)
	}
}

// TestGcloud is what gcloud makes, lists and deletes at its plainest.
func TestGcloud(t *testing.T) {
	w := newWorld(t)
	g := w.long()
	w.subnet()
	g.do("instances create m1 m2 --subnet=s --image-family=debian-12 --image-project=debian-cloud --machine-type=n1-standard-1 --no-scopes --no-service-account")
	ip := func(name, field string) string {
		nic := w.nic0(name)
		if field == "natIP" {
			nic = doc.Objects(nic, "accessConfigs")[0]
		}
		return doc.Str(nic, field)
	}
	g.prints("instances list", "NAME ZONE MACHINE_TYPE PREEMPTIBLE INTERNAL_IP EXTERNAL_IP STATUS\n"+
		"m1 europe-west1-b n1-standard-1 "+ip("m1", "networkIP")+" "+ip("m1", "natIP")+" RUNNING\n"+
		"m2 europe-west1-b n1-standard-1 "+ip("m2", "networkIP")+" "+ip("m2", "natIP")+" RUNNING\n")
	g.do("instances delete m1 m2")
}
