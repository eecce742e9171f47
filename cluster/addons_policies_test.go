package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/settings"
)

const policyPath = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/deny"

// TestNetworkPolicyProvider: kube-up's variable has NetworkPolicy objects enforced, at
// create or later, is remembered by shells that say nothing beside HAKUBE_ADDONS, and none
// takes it away. Objects that nothing enforces are warned of, whoever else may do it is not.
func TestNetworkPolicyProvider(t *testing.T) {
	long(t, "TestAddonsOnAndOff")
	besideOthers(t)
	ctx := context.Background()
	provider, none := string(settings.KubeNetworkPolicies), string(settings.NoPolicies)
	for _, first := range []string{"", none, provider} {
		if testing.Short() && first == none {
			continue // as unset, but that it is said
		}
		t.Run("first "+first, func(t *testing.T) {
			t.Parallel()
			w, _ := newModelWorld(t)
			o := w.operator()
			shell := func(variables ...string) *operator {
				more := map[string]string{"NUM_NODES": "1"}
				for _, v := range variables {
					name, value, _ := strings.Cut(v, "=")
					more[name] = value
				}
				return o.shell(t, more)
			}
			saying := func(value string) *operator {
				if value == "" {
					return shell()
				}
				return shell("NETWORK_POLICY_PROVIDER=" + value)
			}
			has := func(when string, warned bool, want ...string) {
				t.Helper()
				s, err := shell().Status(ctx)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, a := range s.Addons {
					if got = append(got, a.Name); !a.Healthy {
						t.Errorf("%s: %+v", when, a)
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: addons %v, want %v", when, got, want)
				}
				is := slices.ContainsFunc(s.Warnings, func(w string) bool {
					return strings.Contains(w, "nothing enforces the cluster's 1 NetworkPolicy (default/deny)") && strings.Contains(w, "NETWORK_POLICY_PROVIDER="+provider)
				})
				if is != warned {
					t.Errorf("%s: warnings %q", when, s.Warnings)
				}
			}
			w.mustUp(saying(first))
			client, err := shell().runFor(settings.Up, hold{}).Kube(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if first != provider {
				has("without objects", false)
			}
			if err := client.Apply(ctx, policyPath, []byte(`{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny", "namespace": "default"}, "spec": {"podSelector": {}}}`)); err != nil {
				t.Fatal(err)
			}
			if first == provider {
				has("created", false, provider)
			} else {
				has("unset", true)
				const other = "/apis/apps/v1/namespaces/kube-system/daemonsets/calico-node"
				if err := client.Apply(ctx, other, []byte(`{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "calico-node", "namespace": "kube-system"}}`)); err != nil {
					t.Fatal(err)
				}
				has("with somebody else's", false)
				if err := client.Delete(ctx, other); err != nil {
					t.Fatal(err)
				}
			}
			w.mustUp(saying(provider))
			has("said later", false, provider)
			w.mustUp(shell("HAKUBE_ADDONS=metrics"))
			has("beside an addon", false, settings.Metrics, provider)
			nothingToDo(t, w, shell())
			w.mustUp(saying(none))
			has("off", true, settings.Metrics)
			nothingToDo(t, w, shell())
			w.mustDown(shell())
		})
	}
}

// TestPolicyProgramsLetGo: programs whose rules would outlive them run as those that go
// first; a run that was cut there has not left them so for one that keeps them.
func TestPolicyProgramsLetGo(t *testing.T) {
	ctx := t.Context()
	w, _ := newModelWorld(t)
	o := w.operator()
	shell := func(provider string) *operator {
		return o.shell(t, map[string]string{"NUM_NODES": "1", "NETWORK_POLICY_PROVIDER": provider})
	}
	on, off := shell(string(settings.KubeNetworkPolicies)), shell("none")
	w.mustUp(on)
	client, err := on.runFor(settings.Up, hold{}).Kube(ctx)
	if err != nil {
		t.Fatal(err)
	}
	row, _ := addons.Named(string(settings.KubeNetworkPolicies))
	runs := func() string {
		t.Helper()
		text, err := client.RESTClient().Get().AbsPath(row.Workloads[0].Path()).Do(ctx).Raw()
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "--fail-open=")
		word, _, _ := strings.Cut(rest, `"`)
		return word
	}
	if got := runs(); got != "false" {
		t.Errorf("while it is not running the policies are held open: %q", got)
	}
	values := on.runFor(settings.Up, hold{}).AddonValues()
	values.Ending = true
	last, err := row.For(values)
	if err != nil {
		t.Fatal(err)
	}
	all, err := client.Applied(ctx)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	all[0].Digest = "" // as a run leaves it that is cut before it removes them
	o1 := last.Objects[len(last.Objects)-1]
	if err := errors.Join(client.Record(ctx, all[0]), client.Apply(ctx, o1.Path, o1.JSON)); err != nil {
		t.Fatal(err)
	}
	if got := runs(); got != "true" {
		t.Errorf("as those that go they run with %q", got)
	}
	w.mustUp(on)
	if got := runs(); got != "false" {
		t.Errorf("kept after all they run with %q", got)
	}
	w.mustUp(off)
	if missing, err := client.Rollout(ctx, row.Workloads[0].Path(), false); err != nil || missing != kube.NotThere {
		t.Errorf("after none: %q, %v", missing, err)
	}
}
