package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/addons"
	"hakube/cluster/kube"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// What users made goes on when the addon that tends it is switched off, and nobody tends
// it. Of disks that is refused: a pod that moves does not start again, and a claim that is
// deleted keeps its disk, which is billed and which nobody finds. Services of type
// LoadBalancer go on at the nodes there are, and autoscalers keep their number of pods:
// both are as before once the addon is on again, so it is warned of.

// A user is something that an addon tends.
type user struct{ kind, namespace, name, text string }

func (u user) String() string {
	s := u.text + " " + u.namespace + "/" + u.name
	return strings.TrimSpace(s)
}

// driver is whose volumes the addon volumes tends.
const driver = "pd.csi.storage.gke.io"

// users are what an addon tends.
func users(ctx context.Context, client *kube.Client, addon string) (list []user, err error) {
	type ref struct{ Namespace, Name string }
	var all struct {
		Items []struct {
			Metadata ref
			Spec     struct {
				Type              string
				LoadBalancerClass string
				ClaimRef          *ref
				VolumeSnapshotRef *ref
				CSI               struct{ Driver string }
				Driver            string
			}
		}
	}
	read := func(path string, of func(i int) (user, bool)) {
		all.Items = nil
		if err == nil {
			err = client.List(ctx, path, &all)
		}
		for i := range all.Items {
			if u, ok := of(i); ok && err == nil {
				list = append(list, u)
			}
		}
	}
	switch addon {
	case settings.Volumes:
		read("/api/v1/persistentvolumes", func(i int) (user, bool) {
			x := all.Items[i].Spec
			if x.CSI.Driver != driver || x.ClaimRef == nil {
				return user{}, false
			}
			return user{"persistentvolumeclaim", x.ClaimRef.Namespace, x.ClaimRef.Name, "volume claim"}, true
		})
		read("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents", func(i int) (user, bool) {
			x := all.Items[i].Spec
			if x.Driver != driver || x.VolumeSnapshotRef == nil {
				return user{}, false
			}
			return user{"volumesnapshot", x.VolumeSnapshotRef.Namespace, x.VolumeSnapshotRef.Name, "volume snapshot"}, true
		})
	case settings.CloudController:
		read("/api/v1/services", func(i int) (user, bool) {
			x := all.Items[i]
			return user{"service", x.Metadata.Namespace, x.Metadata.Name, "Service"}, x.Spec.Type == "LoadBalancer" && x.Spec.LoadBalancerClass == ""
		})
	case settings.Metrics:
		read("/apis/autoscaling/v2/horizontalpodautoscalers", func(i int) (user, bool) {
			x := all.Items[i].Metadata
			return user{"horizontalpodautoscaler", x.Namespace, x.Name, "autoscaler"}, true
		})
	}
	slices.SortFunc(list, func(a, b user) int { return strings.Compare(a.String(), b.String()) })
	return list, err
}

// SwitchedOff is what an up has against switching addons off that were on: before the
// first change, as far as the API can be asked by then. The step itself asks again.
func SwitchedOff(ctx context.Context, r *task.Task) (refusal.Blockers, error) {
	var was settings.Addons
	if err := was.Decode(r.Have.Said("HAKUBE_ADDONS", settings.PoolID{})); err != nil {
		return nil, err
	}
	off := slices.DeleteFunc(was.Names(), r.Want.Settings.Addons.Has)
	if len(off) == 0 {
		return nil, nil
	}
	client, err := r.Kube(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // without credentials yet; the step has them
	}
	s := &withAddons{env: r.Env}
	return s.inUse(ctx, client, off)
}

// inUse refuses or warns of addons that are to go.
func (s *withAddons) inUse(ctx context.Context, client *kube.Client, off []string) (no refusal.Blockers, err error) {
	for _, name := range off {
		list, err := users(ctx, client, name)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			continue
		}
		switch name {
		case settings.Volumes:
			no = append(no, s.refused(list))
		case settings.CloudController:
			s.env.Warn("without the addon " + name + " nobody tends " + few(list) + ": their balancers go on with the nodes there are, new nodes get nothing from them, and a Service that is deleted waits until it is on again")
		case settings.Metrics:
			s.env.Warn("without the addon " + name + " " + few(list) + " keep the pods they have: nobody tells them of any load")
		}
	}
	return no, nil
}

// refused is why volumes stays on.
func (s *withAddons) refused(list []user) *refusal.Refused {
	keep := s.env.Want.Settings.Addons.Names()
	keep = slices.DeleteFunc(slices.Clone(settings.AddonNames), func(n string) bool { return n != settings.Volumes && !slices.Contains(keep, n) })
	var away []cure.Command
	for _, u := range list[:min(len(list), usersNamed)] {
		away = append(away, cure.Delete(s.env.Want.Context, u.kind, u.namespace, u.name))
	}
	return &refusal.Refused{
		Why: "addon volumes is not switched off, since there is " + few(list) + ": nobody would attach or delete their disks any more",
		Cure: cure.Hints(cure.Hint("leave it on", cure.Same().With("HAKUBE_ADDONS", strings.Join(keep, ","))),
			cure.Hint("or delete what has them, and the data with it, and run it again", away...)),
	}
}

// usersNamed is how many are named.
const usersNamed = 4

func few(list []user) string {
	var names []string
	for _, u := range list[:min(len(list), usersNamed)] {
		names = append(names, u.String())
	}
	if n := len(list) - usersNamed; n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(names, ", ")
}

// leave holds the addons that are to go to that.
func (s *withAddons) leave(ctx context.Context, client *kube.Client, list []kube.Applied) error {
	var off []string
	for _, a := range list {
		if _, ok := addons.Named(a.Name); ok && a.Digest != "" { // what is half gone is gone on with
			off = append(off, a.Name)
		}
	}
	no, err := s.inUse(ctx, client, off)
	return no.Besides(err)
}

// ClaimsIn are the claims whose disks are in the zone and in no other: their pods cannot
// run anywhere else. A volume says so by its node affinity (topology.gke.io/zone of
// Compute Engine's driver, topology.kubernetes.io/zone of others).
func ClaimsIn(ctx context.Context, r *task.Task, zone string) (list []string, err error) {
	client, err := r.Kube(ctx)
	if err != nil {
		return nil, err
	}
	var all corev1.PersistentVolumeList
	if err := client.List(ctx, "/api/v1/persistentvolumes", &all); err != nil {
		return nil, err
	}
	for i := range all.Items {
		v := &all.Items[i]
		if c := v.Spec.ClaimRef; c != nil && onlyIn(v, zone) {
			list = append(list, c.Namespace+"/"+c.Name)
		}
	}
	slices.Sort(list)
	return list, nil
}

// zoneKeys are the labels by which volumes name zones.
var zoneKeys = []string{"topology.gke.io/zone", corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone}

// onlyIn tells whether each of the places where a volume can be used is in the zone.
func onlyIn(v *corev1.PersistentVolume, zone string) bool {
	if v.Spec.NodeAffinity == nil || v.Spec.NodeAffinity.Required == nil {
		return false
	}
	terms := v.Spec.NodeAffinity.Required.NodeSelectorTerms
	for _, t := range terms {
		here := slices.ContainsFunc(t.MatchExpressions, func(e corev1.NodeSelectorRequirement) bool {
			return slices.Contains(zoneKeys, e.Key) && e.Operator == corev1.NodeSelectorOpIn && slices.Equal(e.Values, []string{zone})
		})
		if !here {
			return false
		}
	}
	return len(terms) > 0
}
