// Package elsewhere restores a backup where its cluster is not: as another one, of another
// prefix, project or region, or where nothing is left of it in Compute Engine. It says what of
// the backup's settings and data belongs to the machines, the address and the Google of before,
// and has none of it act where it is restored.
package elsewhere

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hakube/cluster/addons"
	"hakube/cluster/backup"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/scripts/cure"
)

// ofData are the variables that the data of a cluster depend on: Services have addresses of a
// range and names of a domain, and a control plane goes back to no older version.
var ofData = []string{"KUBE_VERSION", "SERVICE_CLUSTER_IP_RANGE", "KUBE_DNS_DOMAIN"}

// Settings are what the restored cluster is made with: what somebody set, and of the rest what
// the backup says of its cluster, but for what is of the place that was in. Programs that make
// or delete what is Google's are off, whatever is set.
func Settings(said settings.Settings, r *backup.Record) (settings.Settings, error) {
	if said.Zone == "" {
		return said, &refusal.Refused{
			Why:  fmt.Sprintf("nothing of cluster %s is in project %s, so it is made of the backup, and KUBE_GCE_ZONE does not say where", said.Prefix, said.Project),
			Cure: cure.Hint("name a zone; that of the backup's first master was this one", cure.Same().With("KUBE_GCE_ZONE", r.Settings["KUBE_GCE_ZONE"])),
		}
	}
	var no refusal.Blockers
	for _, f := range settings.Fields() {
		name := f.Tag.Get("envconfig")
		if was, is := r.Settings[name], said.TextOf(f); slices.Contains(ofData, name) && said.Says(name) && was != "" && was != is {
			no = append(no, refusal.Because("%s=%s, and the backup's data are of %s=%s: leave it out, or set that", name, is, name, was))
		}
	}
	if len(no) > 0 {
		return said, no
	}
	same := string(said.Project)+"/"+string(said.Prefix) == r.Cluster
	s := said.ToRestore()
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		if text := r.Settings[name]; text != "" && !s.Says(name) && settings.GoesElsewhere(name, same) {
			s, _ = s.Saying(name, text) // one that another hakube wrote and this one cannot read is as if nobody had
		}
	}
	return s, nil
}

// Label is what the address of a cluster says of the backup that it is half made of.
func Label(b *backup.Source) string {
	if b == nil {
		return ""
	}
	return b.Key()[:16]
}

// Half is why nothing else is made of such a cluster.
func Half(of string) error {
	return &refusal.Refused{
		Why:  fmt.Sprintf("a restore of backup %s, of which this cluster is made, was begun and is not done", of),
		Cure: cure.Hint("end it by the same restore once more, or take away what there is", cure.Down()),
	}
}

// IsHere tells whether a cluster is there to be brought back to the backup; have is what was
// found of it, nil for nothing.
func IsHere(have *inventory.Inventory, want *settings.Spec, b *backup.Source) (bool, error) {
	of := b.Record.Cluster
	switch {
	case have == nil:
		return false, nil
	case have.Holder.Restored != "" && have.Holder.Restored != Label(b):
		return false, Half(have.Holder.Restored)
	case have.Holder.Restored != "":
		return false, nil
	case of != want.ID():
		return false, &refusal.Refused{
			Why: fmt.Sprintf("the backup is of cluster %s, and this is %s, which is there: it would be lost", of, want.ID()),
			Cure: "name the cluster it is of, by PROJECT and KUBE_GCE_INSTANCE_PREFIX, to bring that back to it; or a name that no cluster has," +
				" and with it a network of its own by KUBE_GCE_NETWORK, to have it beside",
		}
	case have.Holder.IP == "" && len(have.Homes(want.Names)) == 0:
		return false, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has neither its address %s nor a master, and what is left of it asks at that address", want.Names.Prefix, want.Names.Address()),
			Cure: cure.Hint("take away what is left, then make it of the backup", cure.Down(), cure.Same()),
		}
	}
	return true, nil
}

// Left are the keys below /registry/ of what is left out of the data, before an API server
// starts with them.
func Left(same bool) []string {
	keys := []string{
		"minions/", "csinodes/", "leases/kube-node-lease/", // machines of before; those there are register anew
		"pods/", "volumeattachments/", // bound to these: whoever made them makes others
		"configmaps/kube-system/kube-proxy", "configmaps/kube-public/cluster-info", // with the address of before
		"configmaps/kube-system/kubeadm-config", // which is made after these, also where the address is the one of before
	}
	for _, a := range addons.All() {
		if len(a.Rights) == 0 {
			continue // it does not speak to Google
		}
		for _, w := range a.Workloads {
			keys = append(keys, fmt.Sprintf("%ss/%s/%s", strings.ToLower(w.Kind), w.Namespace, w.Name))
		}
	}
	if !same { // disks and snapshots of the other cluster, which goes on with them
		keys = append(keys, "persistentvolumes/", "snapshot.storage.k8s.io/volumesnapshotcontents/")
	}
	return keys
}

// Told is what a person is told before.
func Told(r *backup.Record, want *settings.Spec) []string {
	at, same := r.Made.Time(), r.Cluster == want.ID()
	lines := []string{fmt.Sprintf("the backup is of cluster %s of %s, %s ago", r.Cluster, at.Format(time.RFC3339), time.Since(at).Round(time.Second))}
	for _, ring := range rings.Names {
		lines = append(lines, fmt.Sprintf("ring %s: the backup has revision %d and %d keys", ring, r.Rings[ring].Revision, r.Rings[ring].Keys))
	}
	lines = append(lines,
		fmt.Sprintf("nothing of cluster %s is in project %s: it is made in %s, with one master, no nodes and an address of its own", want.Names.Prefix, want.Project, want.Zone),
		"it has the authorities and keys of the backup: whoever may enter the one cluster may enter the other",
		"Nodes and pods are left out; whoever makes pods makes them anew once there are nodes",
		"addons that make or delete what is Google's do not run until HAKUBE_ADDONS or KUBE_ENABLE_CLUSTER_AUTOSCALER of an up says so")
	if !same {
		lines = append(lines,
			"PersistentVolumes are left out, since their disks are the other cluster's: claims that had one are Lost until there is one of that name with a disk of this cluster's",
			"Services of type LoadBalancer are made anew, since their balancers are called by their identity")
	}
	return lines
}
