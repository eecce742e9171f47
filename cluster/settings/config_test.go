package settings

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func load(t *testing.T, verb Verb, env, flags map[string]string) (Settings, []string, []string) {
	t.Helper()
	for k, v := range env {
		t.Setenv(k, v)
	}
	s, warnings, err := Load(verb, flags, func(Provider) string { return "example" })
	var p Problems
	if err != nil && !errors.As(err, &p) {
		t.Fatalf("error is no list of problems: %v", err)
	}
	return s, warnings, p
}

func TestLoadProblems(t *testing.T) {
	type m = map[string]string
	const zone, b = "KUBE_GCE_ZONE", "europe-west1-b"
	for _, c := range []struct {
		name       string
		verb       Verb
		env, flags m
		want       []string // each the beginning of a line
	}{
		{"nothing wrong", Up, m{zone: b}, nil, nil},
		{"down needs no zone", Down, nil, nil, nil},
		{"up needs a zone", Up, nil, nil, []string{"KUBE_GCE_ZONE is not set"}},
		{"empty is not set", Up, m{zone: b, "NUM_NODES": "", "MULTIZONE": ""}, nil, nil},
		{"no number", Up, m{zone: b, "NUM_NODES": "three"}, nil, []string{`NUM_NODES="three": not a whole number`}},
		{"no boolean", Up, m{zone: b, "MULTIZONE": "1"}, nil, []string{`MULTIZONE="1": neither true nor false`}},
		{"misspelt", Up, m{zone: b, "KUBE_GCE_ZNE": b}, nil, []string{`KUBE_GCE_ZNE="europe-west1-b": no such setting; did you mean KUBE_GCE_ZONE`}},
		{"no zone", Up, m{zone: "moon"}, nil, []string{`KUBE_GCE_ZONE="moon": not a zone`}},
		{"flag wins and is named", Up, m{zone: b, "NUM_NODES": "2"}, m{"NUM_NODES": "x"}, []string{`--num-nodes="x": not a whole number`}},
		{"prefix too long", Up, m{zone: b, "KUBE_GCE_INSTANCE_PREFIX": strings.Repeat("a", 45)}, nil,
			[]string{`KUBE_GCE_INSTANCE_PREFIX="` + strings.Repeat("a", 45) + `" is too long`}},
		{"overlap", Up, m{zone: b, "SERVICE_CLUSTER_IP_RANGE": "10.64.0.0/16", "CLUSTER_IP_RANGE": "10.64.0.0/14"}, nil,
			[]string{"CLUSTER_IP_RANGE=10.64.0.0/14 and SERVICE_CLUSTER_IP_RANGE=10.64.0.0/16 overlap"}},
		{"contradiction", Up, m{zone: b, "KUBE_USE_EXISTING_MASTER": "true", "KUBE_REPLICATE_EXISTING_MASTER": "true"}, nil,
			[]string{"KUBE_USE_EXISTING_MASTER=true and KUBE_REPLICATE_EXISTING_MASTER=true contradict"}},
		{"contradiction at down", Down, m{"KUBE_USE_EXISTING_MASTER": "true", "KUBE_DELETE_NODES": "false"}, nil,
			[]string{"KUBE_USE_EXISTING_MASTER=true and KUBE_DELETE_NODES=false contradict"}},
		{"a pool", Up, m{zone: b, "KUBE_USE_EXISTING_MASTER": "true"}, nil, nil},
		{"a pool of none", Up, m{zone: b, "KUBE_USE_EXISTING_MASTER": "true", "KUBE_CREATE_NODES": "false"}, nil,
			[]string{"KUBE_USE_EXISTING_MASTER=true and KUBE_CREATE_NODES=false contradict"}},
		{"a pool needs a zone", Down, m{"KUBE_USE_EXISTING_MASTER": "true"}, nil, []string{"KUBE_USE_EXISTING_MASTER=true removes the pool of one zone: name it"}},
		{"a replica", Up, m{zone: b, "KUBE_REPLICATE_EXISTING_MASTER": "true", "HAKUBE_LOAD_BALANCER": "from-start"}, nil, nil},
		{"no such balancing", Up, m{zone: b, "HAKUBE_LOAD_BALANCER": "always"}, nil, []string{`HAKUBE_LOAD_BALANCER="always": there are on-replicate and from-start`}},
		{"a replica's zone", Down, m{"KUBE_DELETE_NODES": "false"}, nil, []string{"KUBE_DELETE_NODES=false removes a master of one zone: name it"}},
		{"more than a group", Up, m{zone: b, "NUM_NODES": "900", "MAX_INSTANCES_PER_MIG": "100"}, nil, nil},
		{"no room in groups", Up, m{zone: b, "MAX_INSTANCES_PER_MIG": "0"}, nil, []string{"MAX_INSTANCES_PER_MIG=0: a group has room for one machine at least"}},
		{"too few addresses", Up, m{zone: b, "CLUSTER_IP_RANGE": "10.64.0.0/23", "NUM_NODES": "3"}, nil, []string{"CLUSTER_IP_RANGE=10.64.0.0/23 has room for 2 machines"}},
		{"bits beyond the length", Up, m{zone: b, "NODE_IP_RANGE": "10.40.0.1/22"}, nil, []string{`NODE_IP_RANGE="10.40.0.1/22": the range has bits`}},
		{"five at once", Up, m{zone: "moon", "NUM_NODES": "three", "MULTIZONE": "1", "KUBE_GCE_ZNE": b, "SERVICE_CLUSTER_IP_RANGE": "10.64.0.0/16", "CLUSTER_IP_RANGE": "10.64.0.0/14"}, nil,
			[]string{"KUBE_GCE_ZONE=", "MULTIZONE=", "NUM_NODES=", "KUBE_GCE_ZNE=", "CLUSTER_IP_RANGE="}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, got := load(t, c.verb, c.env, c.flags)
			slices.Sort(got)
			slices.Sort(c.want)
			if len(got) != len(c.want) {
				t.Fatalf("got %d problems, want %d:\n%s", len(got), len(c.want), strings.Join(got, "\n"))
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("got  %s\nwant %s…", got[i], c.want[i])
				}
			}
		})
	}
}

func TestLoadValues(t *testing.T) {
	s, warnings, probs := load(t, Up, map[string]string{
		"KUBE_GCE_ZONE": "europe-west1-b", "NUM_NODES": "2", "ENABLE_ETCD_QUORUM_READS": "false", "KUBE_NOTHING_LIKE_IT": "x", "KUBE_USER": "admin",
	}, map[string]string{"NUM_NODES": "5"})
	if len(probs) > 0 {
		t.Fatal(probs)
	}
	if s.NumNodes != 5 || s.Zone.Region() != "europe-west1" || s.Project != "example" || s.MasterDiskSize != 20 || len(s.NodeScopes) != 3 {
		t.Errorf("settings: %+v", s)
	}
	if got := s.DNSAddress().String(); got != "10.0.0.10" {
		t.Errorf("DNS address %s", got)
	}
	want := []string{`KUBE_NOTHING_LIKE_IT="x" is not a setting`, `KUBE_USER="admin" has no effect`, "ENABLE_ETCD_QUORUM_READ=false has no effect"}
	if len(warnings) != len(want) {
		t.Fatalf("warnings: %q", warnings)
	}
	for i := range want {
		if !strings.HasPrefix(warnings[i], want[i]) {
			t.Errorf("warning %q, want %q…", warnings[i], want[i])
		}
	}
}

// A default that its own type refuses, or a name or flag used twice, would
// only show in the one run that meets it.
func TestVariables(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range Variables() {
		if v.Name == "" || v.Flag == "" || v.Text == "" || v.Group == "" || v.Placeholder == "" || seen[v.Name] || seen[v.Flag] {
			t.Errorf("variable %+v", v)
		}
		seen[v.Name], seen[v.Flag] = true, true
	}
}
