package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/kube"
	"hakube/cluster/settings"
	"hakube/cluster/status"
)

// What two runs that end alike may have differently: when things were made, under
// which number, by whose key, and addresses that are given out in turn.
var incidental = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`"(id|selfLinkWithId|fingerprint|labelFingerprint|creationTimestamp|lastStartTimestamp|lastStopTimestamp|lastAttachTimestamp|etag|targetId|sourceImageId|sourceDiskId)":"[^"]*"`), `"$1":"…"`},
	{regexp.MustCompile(`"lastDetachTimestamp":"[^"]*",?`), ""}, // of a disk that changed its machine
	{regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`), "A.B.C.D"},
	{regexp.MustCompile(`((?:minion|worker)(?:-gpu)?-group(?:-\d+)?)-[a-z0-9]{4}\b`), "$1-xxxx"},
	{regexp.MustCompile(`"key":"ssh-keys","value":"[^"]*"`), "KEYS"},       // as many operators as came by
	{regexp.MustCompile(`made=[0-9a-f]{16}`), "made=SUM"},                  // of a master's template, with its address and keys
	{regexp.MustCompile(`-(internal|external)-[0-9a-f]{4}\b`), "-$1-xxxx"}, // reserved by a master's own group
	{regexp.MustCompile(`networks/\d+`), "networks/ID"},
	{regexp.MustCompile(`-template-[0-9a-f]{5}\b`), "-template-xxxxx"}, // of a rotation that began at another time
	{regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), "TOKEN"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "sha256:HASH"},
}

func incidentals(s string) string {
	for _, x := range incidental {
		s = x.what.ReplaceAllString(s, x.as)
	}
	return s
}

// digested has long texts, the startup-script, replaced by their SHA-256: looking
// for incidentals in them takes a tenth of the matrix' time. Backends are in the order in
// which they came, which says nothing.
func digested(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = digested(x)
		}
		if list, is := v["backends"].([]any); is {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	case []any:
		for i, x := range v {
			v[i] = digested(x)
		}
	case string:
		if len(v) > 4<<10 {
			return fmt.Sprintf("%x", sha256.Sum256([]byte(v)))
		}
	}
	return v
}

// picture is all that is there, as lines that can be compared: every object of the
// project, who is in the rings, who is behind the balancer, the Nodes.
func (w *world) picture(o *operator) []string {
	w.t.Helper()
	w.calm()
	var lines []string
	for path, doc := range w.objects() {
		text, err := json.Marshal(digested(doc))
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, incidentals(path+" "+string(text)))
	}
	s, err := o.Status(context.Background())
	var none *status.NoCluster
	switch {
	case errors.As(err, &none):
	case err != nil:
		w.t.Fatalf("status: %v", err)
	default:
		lines = append(lines, w.inside(o, s)...)
	}
	slices.Sort(lines)
	return lines
}

// inside is what is in the cluster, by what it says itself.
func (w *world) inside(o *operator, s *status.Status) (lines []string) {
	for ring, members := range s.Rings {
		for _, m := range members {
			lines = append(lines, fmt.Sprintf("ring %s: %s in %s, votes %t, healthy %t", ring, m.Member, m.Zone, m.Voter, m.Healthy))
		}
	}
	if s.Balancer != nil {
		for _, b := range s.Balancer.Backends {
			lines = append(lines, fmt.Sprintf("backend %s in %s, healthy %t", b.Name, b.Zone, b.Healthy))
		}
	}
	for _, a := range s.Addons {
		lines = append(lines, fmt.Sprintf("addon %s %s, healthy %t: %s", a.Name, a.Version, a.Healthy, a.Why))
	}
	lines = append(lines, "address held by "+s.Address.Holder)
	if !s.Address.Ready {
		return append(lines, "the API does not answer")
	}
	r := o.runFor(settings.StatusVerb, hold{})
	have, err := r.Look(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	r.Have = have
	client, err := r.Kube(context.Background())
	if err != nil {
		return append(lines, "no credentials")
	}
	nodes, err := client.Nodes().List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, n := range nodes.Items {
		lines = append(lines, incidentals(fmt.Sprintf("node %s of %s, cordoned %t, leaving %q, taints %v", n.Name, n.Status.NodeInfo.KubeletVersion, n.Spec.Unschedulable, n.Annotations[kube.LeavingKey], n.Spec.Taints)))
	}
	tokens, err := client.Secrets("kube-system").List(context.Background(), metav1.ListOptions{FieldSelector: "type=bootstrap.kubernetes.io/token"})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range tokens.Items {
		lines = append(lines, "join token of "+string(s.Data["auth-extra-groups"]))
	}
	if has, err := client.SettledVersion(context.Background()); err == nil {
		lines = append(lines, "kubeadm's configuration is of "+has)
	}
	return lines
}

// calm waits until no operation is under way and no machine is on its way.
func (w *world) calm() {
	w.t.Helper()
	for begin := time.Now(); w.Server.Busy() > 0 || !settled(w.objects()); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 2*time.Minute {
			w.t.Fatal("operations are under way, or machines neither running nor stopped, for ever")
		}
	}
}

// shorter leaves out what two pictures have in common, for messages.
func shorter(a, b []string) string {
	var out []string
	for _, side := range []struct {
		sign    string
		of, not []string
	}{{"-", a, b}, {"+", b, a}} {
		left := slices.Clone(side.not)
		for _, line := range side.of {
			if i := slices.Index(left, line); i >= 0 {
				left = slices.Delete(left, i, i+1)
				continue
			}
			out = append(out, side.sign+" "+line)
		}
	}
	return strings.Join(out, "\n")
}
