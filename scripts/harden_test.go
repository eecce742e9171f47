package scripts

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml" // what kubeadm reads its configuration with
)

// TestReserved holds what is kept from pods to GKE's own figures.
func TestReserved(t *testing.T) {
	g := newGuest(t)
	for _, x := range []struct{ mib, cpus, wantMiB, wantMilli int }{
		{614, 1, 255, 60},
		{1024, 2, 256, 70},
		{2048, 2, 512, 70},       // e2-small
		{4096, 2, 1024, 70},      // e2-medium
		{8192, 2, 1843, 70},      // e2-standard-2
		{16384, 4, 2662, 80},     // e2-standard-4
		{131072, 32, 9543, 150},  // e2-standard-32
		{262144, 64, 12164, 230}, // above 128 GiB: 2 %
		{3 * 1024 * 1024, 96, 69836, 310},
	} {
		g.want(fmt.Sprintf("%d %d\n", x.wantMiB, x.wantMilli), fmt.Sprintf("reserved %d %d", x.mib, x.cpus))
	}
}

// kubeadmConfig is what a master gives kubeadm, by kind.
func (g *guest) kubeadmConfig(commands string) map[string]map[string]any {
	g.t.Helper()
	stdout, stderr, err := g.run(`put() { if [[ $1 == "$KUBEADM" ]]; then cat; else cat >"$TEST_DIR/${1##*/}"; fi; }
NAME=n IP=10.0.0.1 PROJECT=p ZONE=z REGION=r MACHINE_TYPE=m ROLE=master KUBE_VERSION=v1.36.3 ADDRESS=198.51.100.1 POD_RANGE=10.64.0.0/14
SERVICE_RANGE=10.0.0.0/16 FQDN=n.z DNS_IP=10.0.0.10 CLUSTER_NAME=c DNS_DOMAIN=d ENCRYPTION=$TEST_DIR/encryption.yaml SIGN_KUBELETS=${SIGN_KUBELETS:-false}
` + commands + `
write_kubeadm`)
	if err != nil {
		g.t.Fatalf("%v: %s", err, stderr)
	}
	all := map[string]map[string]any{}
	for text := range strings.SplitSeq(stdout, "---\n") {
		var x map[string]any
		if err := yaml.UnmarshalStrict([]byte(text), &x); err != nil {
			g.t.Fatalf("%v:\n%s", err, text)
		}
		all[x["kind"].(string)] = x
	}
	return all
}

// options are the names of a part's extraArgs, with their values.
func options(config map[string]any, part string) map[string]string {
	all := map[string]string{}
	p, _ := config[part].(map[string]any)
	args, _ := p["extraArgs"].([]any)
	for _, a := range args {
		x := a.(map[string]any)
		all[x["name"].(string)] = x["value"].(string)
	}
	return all
}

// TestProtected: each protection is there when its setting says so, nothing of it when
// not, and the configuration stays one that kubeadm reads.
func TestProtected(t *testing.T) {
	audit := []string{"audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "audit-log-path", "audit-policy-file"}
	encryption := []string{"encryption-provider-config", "encryption-provider-config-automatic-reload"}
	for _, x := range []struct {
		commands string
		want     []string
	}{
		{"AUDIT=false ENCRYPT_SECRETS=false; make_encryption_key", nil},
		{"AUDIT=true ENCRYPT_SECRETS=false; make_encryption_key", audit},
		{"AUDIT=false ENCRYPT_SECRETS=true; make_encryption_key", encryption},
		{"AUDIT=true ENCRYPT_SECRETS=true; make_encryption_key", append(slices.Clone(audit), encryption...)},
		{"AUDIT=false ENCRYPT_SECRETS=true", nil}, // a master that joins a cluster without a key makes none
	} {
		g := newGuest(t)
		c := g.kubeadmConfig(x.commands)["ClusterConfiguration"]
		api := options(c, "apiServer")
		for _, always := range []string{"etcd-servers-overrides", "shutdown-delay-duration", "shutdown-watch-termination-grace-period", "profiling"} {
			if _, ok := api[always]; !ok {
				t.Errorf("%s: no %s", x.commands, always)
			}
			delete(api, always)
		}
		if got := slices.Sorted(maps.Keys(api)); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", x.commands, got, x.want)
		}
		volumes, _ := c["apiServer"].(map[string]any)["extraVolumes"].([]any)
		if has := slices.Contains(x.want, audit[0]); has != (len(volumes) == 2) {
			t.Errorf("%s: volumes %v", x.commands, volumes)
		}
		for _, part := range []string{"controllerManager", "scheduler"} {
			if options(c, part)["profiling"] != "false" {
				t.Errorf("%s profiles", part)
			}
		}
	}
}

// TestEncryptionKey: a cluster has one key, which is made once, by its founder, and
// travels with the authorities.
func TestEncryptionKey(t *testing.T) {
	g := newGuest(t)
	const make = `put() { cat >"$1"; }
ENCRYPT_SECRETS=true ENCRYPTION=$DISK/kubernetes/pki/encryption.yaml; mkdir -p "$DISK/kubernetes/pki"; make_encryption_key`
	g.want("", make)
	text := g.read("kubernetes/pki/encryption.yaml")
	var x struct {
		Resources []struct {
			Resources []string
			Providers []struct {
				Secretbox struct {
					Keys []struct{ Name, Secret string }
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(text), &x); err != nil || len(x.Resources) != 1 || len(x.Resources[0].Providers) != 2 || len(x.Resources[0].Providers[0].Secretbox.Keys[0].Secret) != 44 {
		t.Fatalf("%v:\n%s", err, text)
	}
	g.want("", make)
	if again := g.read("kubernetes/pki/encryption.yaml"); again != text {
		t.Errorf("the key was made again")
	}
	g.master("one")
	to := newGuest(t)
	if stdout, stderr, err := to.imports(g.export()); err != nil || stdout != "{\"imported\":9}\n" {
		t.Fatalf("printed %q, %v: %s", stdout, err, stderr)
	}
	if got := to.read("kubernetes/pki/encryption.yaml"); got != text {
		t.Errorf("the other master has %q", got)
	}
}

// TestKubeletLimits: nothing is kept from pods where the setting says so, and nodes alone
// end pods in order.
func TestKubeletLimits(t *testing.T) {
	g := newGuest(t)
	for _, x := range []struct {
		reserve string
		want    []string
	}{
		{"false ROLE=master", []string{"apiVersion", "kind", "podPidsLimit"}},
		{"true ROLE=master", []string{"apiVersion", "kind", "kubeReserved", "podPidsLimit", "systemReserved"}},
		{"false ROLE=node GRACEFUL=false", []string{"apiVersion", "kind", "podPidsLimit"}},
		{"false ROLE=node GRACEFUL=true", []string{"apiVersion", "kind", "podPidsLimit", "shutdownGracePeriod", "shutdownGracePeriodCriticalPods"}},
	} {
		stdout, stderr, err := g.run("put() { cat; }\nPROTECT_KERNEL=false RESERVE=" + x.reserve + "\nwrite_kubelet_limits")
		var c map[string]any
		if err == nil {
			err = yaml.UnmarshalStrict([]byte(stdout), &c)
		}
		if got := slices.Sorted(maps.Keys(c)); err != nil || !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, %v: %s", x.reserve, got, err, stderr)
		}
	}
}

// TestProtectKernel: kubelet is told not to change the kernel's defaults where they are what
// it wants, which a machine that boots sets; where one differs and stays it has to start.
func TestProtectKernel(t *testing.T) {
	for _, x := range []struct {
		protect, fails string
		want           bool
	}{
		{"true", "", true},
		{"false", "", false},
		{"true", "kernel.panic", false},
		{"true", "kernel.keys.root_maxbytes", false},
	} {
		g := newGuest(t)
		stdout, stderr, err := g.run(`put() { cat >"$TEST_DIR/${1##*/}"; }
declare -A IS
sysctl() {
	if [[ $1 == -n ]]; then echo "${IS[$2]}"; return; fi
	[[ ${3%=*} != "` + x.fails + `" ]] || return 1
	IS[${3%=*}]=${3#*=}
}
ROLE=master RESERVE=false PROTECT_KERNEL=` + x.protect + `
while read -r line; do sysctl -q -w "${line// /}" || true; done < <(kernel_wanted)
write_kubelet_limits
cat "$TEST_DIR/00-hakube.conf"`)
		if got := strings.Contains(stdout, "protectKernelDefaults: true"); err != nil || got != x.want {
			t.Errorf("%+v: %q, %v: %s", x, stdout, err, stderr)
		}
		if told := strings.Contains(stdout+stderr, x.fails+" is not"); x.fails != "" && !told {
			t.Errorf("%+v: nobody is told: %q %q", x, stdout, stderr)
		}
	}
}
