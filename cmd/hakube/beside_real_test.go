//go:build linux

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hakube/cluster"
)

// A beside is one of several clusters on one embedded GCE, with the settings
// and the kubeconfig of whoever runs it.
type beside struct {
	*walk
	project, prefix string
	nodes           int
}

// newBeside has all settings at their defaults but these, so that every cluster
// takes the same addresses.
func newBeside(w *walk, project, prefix, network string, nodes int) *beside {
	own := *w
	own.kubeconfig = filepath.Join(filepath.Dir(w.kubeconfig), project+"-"+prefix)
	own.env = append(slices.Clone(w.env), "KUBECONFIG="+own.kubeconfig, "PROJECT="+project, "KUBE_GCE_INSTANCE_PREFIX="+prefix,
		"KUBE_GCE_NETWORK="+network, fmt.Sprint("NUM_NODES=", nodes))
	return &beside{&own, project, prefix, nodes}
}

func (c *beside) String() string { return c.project + "/" + c.prefix }

// names are the project's instances, sorted.
func (c *beside) names(t *testing.T) (names []string) {
	t.Helper()
	items, _ := c.get(t, "zones/"+zoneB+"/instances")["items"].([]any)
	for _, i := range items {
		names = append(names, i.(map[string]any)["name"].(string))
	}
	slices.Sort(names)
	return names
}

func (c *beside) get(t *testing.T, path string) map[string]any {
	t.Helper()
	return c.http(t, http.MethodGet, c.status(t).Endpoint+"/compute/v1/projects/"+c.project+"/"+path, "")
}

// own are those of its instances that are the cluster's.
func (c *beside) own(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(c.names(t), func(n string) bool { return !strings.HasPrefix(n, c.prefix+"-") })
}

// address is the internal address of one of its machines.
func (c *beside) address(t *testing.T, machine string) string {
	t.Helper()
	nic := c.get(t, "zones/"+zoneB+"/instances/"+machine)["networkInterfaces"].([]any)[0].(map[string]any)
	return nic["networkIP"].(string)
}

// on runs a command on a machine of the cluster and returns its output and exit code.
func (c *beside) on(t *testing.T, machine string, command ...string) (string, int) {
	t.Helper()
	id, err := strconv.ParseUint(c.get(t, "zones/"+zoneB+"/instances/"+machine)["id"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	r := c.command(t, "runc", append([]string{"--root", c.dir + "/run/runc", "exec", strconv.FormatUint(id, 36)}, command...)...)
	return strings.TrimSpace(r.stdout), r.code
}

// alone holds a cluster to be as if it were the only one.
func (c *beside) alone(t *testing.T) {
	t.Helper()
	becomes(t, c.String()+" is as if it were the only one", func(d *differing) { c.differs(t, d, c.cluster(t)) })
	c.valid(t)
}

func (c *beside) differs(t *testing.T, d *differing, s cluster.Status) {
	t.Helper()
	if len(s.Masters) != 1 || s.Masters[0].Name != c.prefix+"-master" || len(s.Pools) != 1 || s.Pools[0].Nodes != c.nodes || len(s.Unfinished) != 0 {
		d.add("%s has the masters %+v, pools %+v, unfinished %+v", c, s.Masters, s.Pools, s.Unfinished)
	}
	if got, want := c.readyNodes(t), c.own(t); !slices.Equal(got, want) || len(want) != 1+c.nodes {
		d.add("%s: Ready nodes are %v, machines are %v", c, got, want)
	}
	for _, machine := range c.own(t) {
		if name, _ := c.on(t, machine, "curl", "-sS", "-m", "20", "-H", "Metadata-Flavor: Google", "http://169.254.169.254/computeMetadata/v1/instance/name"); name != machine {
			d.add("the metadata server tells %s of %s that it is %q", machine, c, name)
		}
		// The certificate authority is the cluster's own: it is its master that answers.
		out, _ := c.on(t, machine, "curl", "-sS", "-m", "20", "--cacert", "/etc/kubernetes/pki/ca.crt", "https://"+c.address(t, c.prefix+"-master")+"/readyz")
		if out != "ok" {
			d.add("%s of %s hears %q from its master", machine, c, out)
		}
		host, _ := c.on(t, machine, "getent", "hosts", c.prefix+"-master")
		if want := c.prefix + "-master." + zoneB + ".c." + c.project + ".internal"; !strings.Contains(host, want) {
			d.add("%s of %s: its master is %q, want %s", machine, c, host, want)
		}
	}
}

// TestSideBySide has three clusters on one embedded GCE with real machines: two
// in one project, with a prefix and a network each, and one of the first's names
// in another project. All use the same address ranges, and none sees another.
func TestSideBySide(t *testing.T) {
	w := newWalk(t)
	w.ok(t, "local", "start", "--machines=real")
	first := newBeside(w, "local", "kubernetes", "default", 1)
	other := newBeside(w, "local", "other", "other", 2)
	second := newBeside(w, "second", "kubernetes", "default", 1)
	all := []*beside{first, other, second}
	begin := time.Now()
	first.ok(t, "up")
	alone := time.Since(begin)
	var wait sync.WaitGroup
	for _, c := range all[1:] { // at once
		wait.Go(func() {
			if r := c.run(t, "up"); r.code != 0 {
				t.Errorf("up of %s exits with %d:\n%s", c, r.code, r.stderr)
			}
		})
	}
	if wait.Wait(); t.Failed() {
		t.FailNow()
	}
	report(t, "three clusters with the same addresses are up after %.0f s (the first alone: %.0f s)", time.Since(begin).Seconds(), alone.Seconds())
	w.machines(t)

	for _, c := range all {
		c.alone(t)
	}
	if n := len(first.names(t)); n != 5 {
		t.Errorf("project local has %d instances, want 5", n)
	}
	if a, b, c := first.address(t, master), other.address(t, "other-master"), second.address(t, master); a != b || b != c {
		t.Errorf("the masters' addresses are %s, %s and %s, want the same", a, b, c)
	}
	// The address of other's second node is nobody's in the other two networks.
	far := other.own(t)[2]
	address := other.address(t, far)
	for _, c := range all {
		calls := func(within string) int {
			_, code := c.on(t, c.prefix+"-master", "curl", "-sk", "-m", within, "-o", "/dev/null", "https://"+address+":10250/healthz")
			return code
		}
		if c == other {
			becomes(t, c.String()+" reaches its own node", func(d *differing) {
				if code := calls("20"); code != 0 {
					d.add("calling %s, which is %s, ends with curl's code %d", address, far, code)
				}
			})
		} else if calls("2") == 0 {
			t.Errorf("%s of %s, %s, is reached from %s", far, other, address, c)
		}
	}
	if out, code := other.on(t, "other-master", "getent", "hosts", master+"."+zoneB+".c.local.internal"); code == 0 {
		t.Errorf("a machine of the network other finds %s: %s", master, out)
	}

	// Each goes alone, and the others serve on.
	serving := serve(t, first, second)
	other.ok(t, "down", "--yes")
	serving()
	for _, c := range []*beside{first, second} {
		c.alone(t)
		c.nothingToDo(t) // after the removal of other
	}
	if got := first.names(t); len(got) != 2 {
		t.Errorf("project local has the instances %v", got)
	}
	serving = serve(t, second)
	first.ok(t, "down", "--yes")
	serving()
	second.alone(t)
	second.ok(t, "down", "--yes")
	if s := w.status(t); len(s.Objects) != 0 {
		t.Errorf("left: %v", s.Objects)
	}
	w.nothingLeft(t)
}

// serve asks the API servers of clusters ten times a second until the function
// it returns is called, which holds them to have answered every time.
func serve(t *testing.T, clusters ...*beside) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, c := range clusters {
		wait.Go(func() {
			asked := 0
			for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
				asked++
				out, err := c.tryKubectl(t, "get", "--raw=/readyz")
				if slow := err != nil && regexp.MustCompile(`(?i)timeout|deadline|readyz check failed`).MatchString(err.Error()); slow { // as a busy host makes it: it is to answer then
					t.Logf("%s is asked again: %v", c, err)
					out, err = c.tryKubectl(t, "get", "--raw=/readyz", "--request-timeout=60s")
				}
				if err != nil {
					t.Errorf("%s does not serve: %s, %v", c, out, err)
					return
				}
			}
			t.Logf("%s answered %d times", c, asked)
		})
	}
	return func() { cancel(); wait.Wait() }
}
