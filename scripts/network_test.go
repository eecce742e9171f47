package scripts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPodRoute: the local route to the pods' range, which a guest agent adds again
// that did not hear of its new settings, is taken away at once and whenever it is back.
func TestPodRoute(t *testing.T) {
	g := newGuest(t)
	const write = `systemctl() { echo "$@"; }; POD_CIDR=10.64.1.0/24
put() { local to=$TEST_DIR/files$1; mkdir -p "${to%/*}"; cat >"$to"; }
keep_pods_reachable`
	g.want("daemon-reload\nrestart hakube-pod-route.service\n", write)
	text, err := os.ReadFile(filepath.Join(g.dir, "files/usr/local/sbin/hakube-pod-route"))
	if err != nil {
		t.Fatal(err)
	}
	watch := strings.NewReplacer("/run/hakube/", g.dir+"/files/"+g.dir+"/run/").Replace(string(text))
	// ip is one that tells of three routes and ends; a monitor that ends ends the unit.
	g.want("del\ndel\ntook\ntook\n", `
cat >"$TEST_DIR/ip" <<'END'
#!/usr/bin/env bash
case $* in
*monitor*)
	sleep 1
	echo "local 10.64.1.0/24 dev ens4 table local proto 66 scope host"
	echo "10.64.2.0/24 dev ens4"
	;;
*del*local*10.64.1.0/24*table*local*) echo del >>"$TEST_DIR/said" ;;
*) echo "$@" >>"$TEST_DIR/said" ;;
esac
END
chmod +x "$TEST_DIR/ip"
PATH=$TEST_DIR:$PATH bash -s <<'END' | cut -d ' ' -f 1 >"$TEST_DIR/told" || true
`+watch+`
END
cat "$TEST_DIR/said" "$TEST_DIR/told"`)
}

// TestAgentIsRestarted: an agent whose work a plugin does is told by its own command,
// which the plugin hears also where it outlives its unit; an older one by its unit.
func TestAgentIsRestarted(t *testing.T) {
	const stub = `systemctl() { echo "$@"; }; say() { :; }
`
	g := newGuest(t)
	g.want("plugin coreplugin restart\n", stub+`ggactl_plugin() { echo plugin "$@"; }
restart_agent`)
	const units = "try-restart google-guest-agent.service\ntry-restart google-guest-agent-manager.service\n"
	g.want(units, stub+"restart_agent")
	g.want(units, stub+"ggactl_plugin() { false; }\nrestart_agent")
}

// TestAddressStays: each master has the API's address at each boot, whoever has the
// balancer; nodes reach it over the network.
func TestAddressStays(t *testing.T) {
	const stub = `for f in release_alias_range write_cni guard_pods; do eval "$f() { :; }"; done
ip() { echo "$@"; }
ADDRESS=198.51.100.1
`
	g := newGuest(t)
	g.want("-4 route replace local 198.51.100.1/32 dev lo table local metric 100\n", "ROLE=master\n"+stub+"set_up_network")
	g.want("", "ROLE=node\n"+stub+"set_up_network")
	if strings.Contains(Startup(), "route del local \"$ADDRESS") {
		t.Error("something takes the API's address away again")
	}
}

// TestPodRoutes: a machine that answers for the first address of its range keeps it.
func TestPodRoutes(t *testing.T) {
	newGuest(t) // for its skip
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ping"), []byte("#!/usr/bin/env bash\n[[ ${@: -1} == 10.64.[13].0 ]]"), 0o700); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                          `{"kept":[]}`,
		"10.64.2.0/24":              `{"kept":[]}`,
		"10.64.1.0/24":              `{"kept":["10.64.1.0/24"]}`,
		"10.64.2.0/24 10.64.3.0/24": `{"kept":["10.64.3.0/24"]}`,
		"10.64.2.0/24 $(touch/x)":   "usage: pod-routes RANGE...",
		"10.64.2.0/24 --help":       "usage: pod-routes RANGE...",
	} {
		cmd := exec.Command("bash", append([]string{"-s", "--"}, strings.Fields(args)...)...)
		cmd.Stdin = strings.NewReader(strings.Replace(PodRoutes, "PATH=", "PATH="+dir+":", 1))
		out, _ := cmd.CombinedOutput() // what it prints tells
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("pod-routes %s printed %q, want %q", args, got, want)
		}
	}
}
