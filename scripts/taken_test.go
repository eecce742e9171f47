package scripts

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml" // what kubeadm reads its configuration with
)

// TestTakenByAllMinors holds all that machines give Kubernetes' programs, each option, command
// and field of a configuration, to a table of which of the minors that hakube supports take
// it: whatever is new is looked up there before it is used, and what one of them has removed is
// seen before a machine is. That the table is true cmd/hakube TestTakenIsTrue asks the programs.
func TestTakenByAllMinors(t *testing.T) {
	text, err := os.ReadFile("testdata/taken.txt")
	if err != nil {
		t.Fatal(err)
	}
	minors, takes := []string(nil), map[string][]string{}
	for line := range strings.Lines(string(text)) {
		what, by, ok := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case !ok, strings.HasPrefix(what, "Which "):
		case what == "minors":
			minors = strings.Fields(by)
		default:
			takes[what] = strings.Fields(by)
		}
	}
	used := given(t)
	if len(minors) != 3 || len(used) < 80 {
		t.Fatalf("the table is of %v, and %d things are given", minors, len(used))
	}
	for what := range used {
		if missing := slices.DeleteFunc(slices.Clone(minors), func(m string) bool {
			return slices.Contains(takes[what], m) || slices.Contains(takes[what], m+"-deprecated")
		}); len(missing) > 0 {
			t.Errorf("machines give %s, and testdata/taken.txt does not say that %v take it", what, missing)
		}
	}
	for what := range takes {
		if !used[what] {
			t.Errorf("testdata/taken.txt has %s, which no machine gives", what)
		}
	}
}

// given are the options, commands and fields, as "PROGRAM --OPTION", "kubeadm COMMAND" and
// "API VERSION FIELD", that machines of all roles and settings give.
func given(t *testing.T) map[string]bool {
	t.Helper()
	g, used := newGuest(t), map[string]bool{}
	docs := g.kubeadmConfig(`AUDIT=true ENCRYPT_SECRETS=true SIGN_KUBELETS=true NODE_TAINTS=a=b:NoSchedule; make_encryption_key`)
	cluster := docs["ClusterConfiguration"]
	for part, program := range map[string]string{"apiServer": "kube-apiserver", "controllerManager": "kube-controller-manager", "scheduler": "kube-scheduler"} {
		for name := range options(cluster, part) {
			used[program+" --"+name] = true
		}
	}
	for name := range options(map[string]any{"kubelet": map[string]any{"extraArgs": docs["InitConfiguration"]["nodeRegistration"].(map[string]any)["kubeletExtraArgs"]}}, "kubelet") {
		used["kubelet --"+name] = true
	}
	all := slices.Collect(maps.Values(docs))
	for _, text := range []string{
		`JOIN=$TEST_DIR/join; ROLE=node JOIN_TOKEN=a.b ADDRESS=192.0.2.1 CA_HASH=sha256:0 NAME=n IP=10.0.0.1 PROJECT=p ZONE=z REGION=r MACHINE_TYPE=m; write_join`,
		`kernel_as_wanted() { true; }; ROLE=node GRACEFUL=true RESERVE=true PROTECT_KERNEL=true; write_kubelet_limits`,
		`systemctl() { true; }; AUTH_PROVIDER=true; write_credential_provider`,
	} {
		out, stderr, err := g.run(`put() { if [[ $1 == *.yaml || $1 == *join || $1 == */00-hakube.conf ]]; then cat; else cat >/dev/null; fi; }
` + text)
		if err != nil {
			t.Fatalf("%v: %s", err, stderr)
		}
		var x map[string]any
		if err := yaml.UnmarshalStrict([]byte(out), &x); err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		all = append(all, x)
	}
	for _, doc := range all {
		fieldsOf(doc["apiVersion"].(string), doc, used)
	}
	unit := regexp.MustCompile(`(?m)(KUBELET_[A-Z]+_ARGS=|ExecStart=/usr/local/bin/kubelet ).*$`)
	for _, line := range unit.FindAllString(concat(func(string) bool { return true }), -1) {
		for _, option := range regexp.MustCompile(`--[a-z-]+`).FindAllString(line, -1) {
			used["kubelet "+option] = true
		}
	}
	for _, text := range kubeadmCommands(t) {
		used[text] = true
	}
	return used
}

// fieldsOf adds the names of all fields, below others too. What has names of the user's own
// has none of the API's.
func fieldsOf(api string, of any, used map[string]bool) {
	switch x := of.(type) {
	case map[string]any:
		for name, value := range x {
			if name == "apiVersion" || name == "kind" {
				continue
			}
			used[api+" "+name] = true
			if name != "kubeReserved" && name != "systemReserved" {
				fieldsOf(api, value, used)
			}
		}
	case []any:
		for _, value := range x {
			fieldsOf(api, value, used)
		}
	}
}

// kubeadmCommands are those that any script has, without options.
func kubeadmCommands(t *testing.T) (all []string) {
	t.Helper()
	names := regexp.MustCompile(`(?m)^[^#\n]*\b(kubeadm (?:init|join|config|certs|token|reset|upgrade)(?: [a-z][a-z-]*)*)((?: --[a-z-]+)*)`)
	for _, dir := range []string{".", "startup"} {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.Name(), ".sh") {
				continue
			}
			text, err := os.ReadFile(dir + "/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range names.FindAllStringSubmatch(string(text), -1) {
				all = append(all, m[1])
				for _, option := range strings.Fields(m[2]) {
					all = append(all, m[1]+" "+option)
				}
			}
		}
	}
	return all
}
