package cluster

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/replicate/etcdtest"
)

// TestAddonsOnAndOff: an addon comes with the cluster or later, is remembered by shells
// that say nothing, comes back when somebody deletes its programs, is told of by status,
// goes when it is said to, and leaves nothing.
func TestAddonsOnAndOff(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	for _, first := range []string{"none", "cloud-controller"} {
		t.Run("first "+first, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			empty, o := w.objects(), w.operator()
			shell := func(addons string) *operator {
				more := map[string]string{"NUM_NODES": "1", "HAKUBE_MASTER_SERVICE_ACCOUNT": "default"}
				if addons != "" {
					more["HAKUBE_ADDONS"] = addons
				}
				return o.shell(t, more)
			}
			has := func(when string, want int) {
				t.Helper()
				s, err := shell("").Status(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if len(s.Addons) != want {
					t.Fatalf("%s: %+v", when, s.Addons)
				}
				for _, a := range s.Addons {
					if !a.Healthy || a.Version == "" {
						t.Errorf("%s: %+v", when, a)
					}
				}
			}
			w.mustUp(shell(first))
			has("created", len(settings.Addons(first).Names()))
			w.mustUp(shell("all"))
			has("said later", len(settings.AddonNames))
			anywhere := shell("")
			anywhere.settings.Zone = "" // nobody needs to name a zone to look
			if s, err := anywhere.Status(ctx); err != nil || len(s.Addons) != len(settings.AddonNames) || !s.Addons[0].Healthy {
				t.Errorf("status of all zones: %+v, %v", s, err)
			}
			nothingToDo(t, w, shell(""))
			client, err := shell("").runFor(settings.Up, hold{}).Kube(ctx)
			if err != nil {
				t.Fatal(err)
			}
			row, _ := addons.Named(settings.CloudController)
			if err := client.Delete(ctx, row.Workloads[0].Path()); err != nil {
				t.Fatal(err)
			}
			if s, err := shell("").Status(ctx); err != nil || len(s.Addons) != len(settings.AddonNames) || s.Addons[0].Healthy {
				t.Errorf("its programs are deleted: %+v, %v", s, err)
			}
			w.mustUp(shell(""))
			has("made again", len(settings.AddonNames))
			w.mustUp(shell("none"))
			has("off", 0)
			if missing, err := client.Rollout(ctx, row.Workloads[0].Path(), false); err != nil || missing != "it is not there" {
				t.Errorf("after none: %q, %v", missing, err)
			}
			nothingToDo(t, w, shell(""))
			w.mustDown(shell(""))
			if diff := cmp.Diff(empty, w.objects()); diff != "" {
				t.Errorf("objects after down (-before +after):\n%s", diff)
			}
		})
	}
}

// TestAddonNeedsAccount: of a cloud controller that could not speak to Google nothing is
// begun, of a new cluster and of one that lives.
func TestAddonNeedsAccount(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	refused := func(when string) {
		t.Helper()
		before := w.objects()
		_, err := o.shell(t, map[string]string{"NUM_NODES": "1", "HAKUBE_ADDONS": "all"}).Up(t.Context(), w.events())
		var unchanged *Unchanged
		if diff := cmp.Diff(before, w.objects()); !errors.As(err, &unchanged) || diff != "" || !strings.Contains(err.Error(), "HAKUBE_MASTER_SERVICE_ACCOUNT is none") {
			t.Errorf("%s: %v\n%s", when, err, diff)
		}
	}
	refused("new")
	w.mustUp(o.shell(t, map[string]string{"NUM_NODES": "1"}))
	refused("living")
}

// TestAddonsGoOn: an addon that was cut while it was applied or removed is known as that,
// and the next up ends it; what an older version had and this one has not goes.
func TestAddonsGoOn(t *testing.T) {
	ctx := t.Context()
	w, _ := newModelWorld(t)
	o := w.operator()
	shell := func(addons string) *operator {
		return o.shell(t, map[string]string{"NUM_NODES": "1", "HAKUBE_MASTER_SERVICE_ACCOUNT": "default", "HAKUBE_ADDONS": addons})
	}
	w.mustUp(shell("all"))
	client, err := shell("all").runFor(settings.Up, hold{}).Kube(ctx)
	if err != nil {
		t.Fatal(err)
	}
	applied := func() kube.Applied {
		t.Helper()
		all, err := client.Applied(ctx)
		i := slices.IndexFunc(all, func(a kube.Applied) bool { return a.Name == settings.Volumes })
		if err != nil || i < 0 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[i]
	}
	whole := applied()
	const old = "/api/v1/namespaces/kube-system/configmaps/of-an-older-version"
	text := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"of-an-older-version","namespace":"kube-system"}}`
	for name, cut := range map[string]func(*kube.Applied) error{
		"while it was applied": func(a *kube.Applied) error {
			a.Digest = ""
			return errors.Join(client.Delete(ctx, a.Paths[0]), client.Delete(ctx, a.Paths[len(a.Paths)-1]))
		},
		"with another version": func(a *kube.Applied) error {
			a.Digest, a.Version, a.Paths = "another", "v0.0.1", append(a.Paths, old)
			return client.Apply(ctx, old, []byte(text))
		},
	} {
		a := applied()
		if err := errors.Join(cut(&a), client.Record(ctx, a)); err != nil {
			t.Fatal(err)
		}
		s, err := shell("all").Status(ctx)
		if err != nil || healthy(s.Addons, settings.Volumes) {
			t.Errorf("%s: status %+v, %v", name, s.Addons, err)
		} else if u := s.Unfinished; len(u) != 1 || !strings.Contains(u[0].Step, settings.Volumes+": it is ") || !strings.HasSuffix(u[0].Command, "hakube up") {
			t.Errorf("%s: unfinished %+v", name, u)
		}
		w.mustUp(shell("all"))
		if diff := cmp.Diff(whole, applied()); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
	if _, err := client.ConfigMaps("kube-system").Get(ctx, "of-an-older-version", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("what an older version had is there: %v", err)
	}
	a := applied()
	a.Digest = "" // a removal that was cut after its first object
	if err := errors.Join(client.Record(ctx, a), client.Delete(ctx, a.Paths[len(a.Paths)-1])); err != nil {
		t.Fatal(err)
	}
	w.mustUp(shell("none"))
	if all, err := client.Applied(ctx); err != nil || len(all) > 0 {
		t.Errorf("after none: %+v, %v", all, err)
	}
	for _, p := range whole.Paths {
		if addons.Stays(p) {
			continue // with it would go what users made
		}
		if err := client.RESTClient().Get().AbsPath(p).Do(ctx).Error(); !apierrors.IsNotFound(err) {
			t.Errorf("after none there is %s: %v", p, err)
		}
	}
}

func healthy(list []status.AddonStatus, name string) bool {
	return slices.ContainsFunc(list, func(a status.AddonStatus) bool { return a.Name == name && a.Healthy })
}

// TestAddonsWhileNodesBoot: manifests are applied while the first nodes boot, and joining
// does not wait for them.
func TestAddonsWhileNodesBoot(t *testing.T) {
	w := newWorld(t)
	o := w.operator().withAddons()
	var mu sync.Mutex
	begun, done := map[string]bool{}, map[string]bool{}
	_, err := o.Up(t.Context(), func(e plan.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case e.Kind == plan.Looking:
			begun[e.Step] = true
		case e.Kind.Final():
			done[e.Step] = true
		}
		if e.Step == "nodes are Ready" && e.Kind.Final() && !begun[addonStep(o)+", as manifests"] {
			t.Error("the nodes were Ready, and the manifests not begun")
		}
		if e.Step == addonStep(o) && e.Kind == plan.Looking && (!done["nodes are Ready"] || !done[addonStep(o)+", as manifests"]) {
			t.Error("their pods were asked for before there were nodes")
		}
	})
	if err != nil || !done[addonStep(o)] {
		t.Errorf("%v, done %v", err, done)
	}
}

// TestSlowAddonsFirst: what takes longest to be well is applied before the programs of all
// others, so that the rest comes meanwhile.
func TestSlowAddonsFirst(t *testing.T) {
	var mu sync.Mutex
	var applied []string
	w := newWorld(t, func(o *etcdtest.Options) {
		o.Fault = func(a etcdtest.Asked) etcdtest.Fault {
			if a.Request != nil && a.Request.Method == http.MethodPatch && strings.Contains(a.Request.URL.Path, "/apps/v1/") {
				mu.Lock()
				defer mu.Unlock()
				applied = append(applied, path.Base(a.Request.URL.Path))
			}
			return etcdtest.Fault{}
		}
	})
	w.mustUp(w.operator().withAddons())
	want := []string{"metrics-server", "cloud-controller-manager", "csi-gce-pd-node", "csi-gce-pd-controller"}
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}

// addonStep is the step about the operator's addons.
func addonStep(o *operator) string {
	return "addons " + strings.Join(o.settings.Addons.Names(), ", ")
}
