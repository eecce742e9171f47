package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/scripts"
)

// settingsDefects are about what is taken from the operator's side.
var settingsDefects = []defect{
	{name: "D17_kubectls_context_decides_nothing", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		var asked atomic.Int64
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
		defer other.Close()
		if err := os.MkdirAll(filepath.Dir(o.kubeconfig), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.kubeconfig, []byte(`apiVersion: v1
kind: Config
clusters: [{name: other, cluster: {server: "`+other.URL+`"}}]
users: [{name: other, user: {}}]
contexts: [{name: other, context: {cluster: other, user: other}}]
current-context: other
`), 0o600); err != nil {
			t.Fatal(err)
		}
		keep := o.again(func(s *settings.Settings) { s.KeepContext = true })
		w.mustUp(keep)
		config, err := kube.LoadFile(o.kubeconfig)
		if err != nil || config.CurrentContext != "other" || !kube.HasEntry(config, "local_kubernetes") || asked.Load() != 0 {
			t.Errorf("kubectl's cluster was asked %d times; %v", asked.Load(), err)
		}
		// As many nodes as wanted, one of them another machine.
		mine := w.byAge(o, zoneB)[0]
		w.silence(mine) // or it would be reset, and come back
		w.addNode(o, "stranger", zoneB, nil)
		if err := w.kube(o).Nodes().Delete(t.Context(), mine, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		_, err = keep.again(func(s *settings.Settings) { s.GroupTimeout = settings.Seconds(3 * time.Second) }).Up(context.Background(), nil)
		wantError(t, err, "kubernetes-minion-group-")
	}},
	{alone: true, name: "D20_misspelt_variables_are_refused", test: func(t *testing.T) {
		w := newWorld(t)
		w.operator() // clears the variables
		load := func(name, value string) (warnings []string, err error) {
			t.Setenv(name, value)
			defer os.Unsetenv(name)
			_, warnings, err = settings.Load(settings.Up, map[string]string{"KUBERNETES_PROVIDER": "local", "KUBE_GCE_ZONE": zoneB}, func(settings.Provider) string { return "local" })
			return warnings, err
		}
		for _, name := range []string{"ENABLE_ETCD_QUORUM_READ", "ENABLE_ETCD_QUORUM_READS"} { // two editions of the docs
			warnings, err := load(name, "false")
			if err != nil || !slices.ContainsFunc(warnings, func(s string) bool { return strings.Contains(s, "etcd v3 always reads by quorum") }) {
				t.Errorf("%s: warnings %q, %v", name, warnings, err)
			}
		}
		_, err := load("KUBE_REPLICATE_EXISTNG_MASTER", "true")
		wantError(t, err, "no such setting; did you mean KUBE_REPLICATE_EXISTING_MASTER")
		_, err = load("MULTIZONE", "1")
		wantError(t, err, "MULTIZONE")
	}},
	{name: "D21_zone_and_region_are_checked_first", test: func(t *testing.T) {
		w := newWorld(t)
		o := w.operator()
		w.unchanged(func() {
			_, err := o.again(func(s *settings.Settings) { s.Zone = "europe-west1-x" }).Up(context.Background(), nil)
			wantError(t, err, "there is no such zone")
		})
		w.mustUp(o)
		far := w.operator(func(s *settings.Settings) { s.Zone = "us-east1-b" })
		w.unchanged(func() {
			for _, o := range []*operator{far, far.pool("us-east1-b", 1), far.replica("us-east1-b")} {
				_, err := o.Up(context.Background(), nil)
				wantError(t, err, "europe-west1")
			}
		})
	}},
	{name: "D23_replica_is_like_the_master_there_is", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator(func(s *settings.Settings) { s.MasterSize = "e2-standard-4" })
		w.mustUp(o)
		ctx := context.Background()
		other := o.again(func(s *settings.Settings) { s.MasterSize, s.NumNodes = "", 300 }) // by which kube-up sized masters
		s := w.mustUp(other.replica(zoneC))
		i, err := w.Client.Instances(zoneC).Get(ctx, s.Replica)
		if err != nil || gce.Base(i.GetMachineType()) != "e2-standard-4" {
			t.Errorf("the new master is of type %s, %v", gce.Base(i.GetMachineType()), err)
		}
		was, err := w.Client.Instances(zoneB).Get(ctx, "kubernetes-master")
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{scripts.KeyKubeVersion, scripts.KeyPodRange, scripts.KeyServiceRange, scripts.KeyAddress, scripts.KeyCluster} {
			if a, b := inventory.MetadataItem(was.GetMetadata(), key), inventory.MetadataItem(i.GetMetadata(), key); a != b || a == "" {
				t.Errorf("%s of the master is %q, of the new one %q", key, a, b)
			}
		}
		for want, change := range map[string]func(*settings.Settings){
			"KUBE_VERSION=v1.36.3":  func(s *settings.Settings) { s.KubeVersion = "v1.36.2" },
			"MASTER_DISK_SIZE=20GB": func(s *settings.Settings) { s.MasterDiskSize = 30 },
			"MASTER_DISK_TYPE=":     func(s *settings.Settings) { s.MasterDiskType = "pd-standard" },
			"MASTER_ROOT_DISK_SIZE": func(s *settings.Settings) { s.MasterRootSize = 50 },
			"KUBE_GCE_MASTER_IMAGE": func(s *settings.Settings) { s.MasterImage = "debian-13" },
		} {
			w.unchanged(func() {
				_, err := other.replica(zoneD).again(change).PreviewUp(ctx, nil)
				wantError(t, err, want)
			})
		}
	}},
}

// secretDefects are about what must not be read.
var secretDefects = []defect{
	{name: "D25_no_private_key_in_metadata", test: func(t *testing.T) {
		w, _ := newModelWorld(t)
		o := w.operator()
		w.mustUp(o)
		w.mustUp(o.replica(zoneC))
		ctx := context.Background()
		everything := w.objects() // metadata of machines and templates are in it
		for path := range maps.Clone(everything) {
			zone, name, ok := strings.Cut(path, "/instances/")
			if !ok || strings.Contains(name, "/") {
				continue
			}
			attributes, err := w.Client.Instances(gce.Base(zone)).GuestAttributes(ctx, name, "hakube/")
			if err != nil {
				t.Fatal(err)
			}
			everything[path+"/guest-attributes"] = map[string]any{"": attributes}
		}
		for path, doc := range everything {
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range []string{"PRIVATE KEY", "key-data", "LS0tLS1CRUdJTi"} { // the last is -----BEGIN in base64
				if strings.Contains(string(text), word) {
					t.Errorf("%s has %q", path, word)
				}
			}
		}
		client, err := o.runFor(settings.Up, hold{}).Kube(ctx) // the token that is there can ask for a node's certificate, and nothing else
		if err != nil {
			t.Fatal(err)
		}
		s, err := step.Token{Env: o.runFor(settings.Up, hold{}).Env}.Of("").Read(ctx, client)
		if err != nil || string(s.Data["auth-extra-groups"]) != kube.TokenGroup {
			t.Errorf("the token is of %q, %v", s.Data["auth-extra-groups"], err)
		}
	}},
}
