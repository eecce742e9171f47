package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/gcetest"
	"hakube/scripts"
)

// otherValues has a value for each setting that is read back, other than its default:
// so that a default that changes with hakube is met as well.
var otherValues = map[string]string{
	"MULTIZONE": "false", "HAKUBE_LOAD_BALANCER": "from-start", "HAKUBE_MASTER_GROUPS": "true", "KUBE_CREATE_NODES": "false",
	"CLUSTER_NAME": "called", "NODE_INSTANCE_PREFIX": "worker", "KUBE_GCE_NETWORK": "lab", "KUBE_GCE_IP_ALIAS_SUBNETWORK": "lab-machines",
	"CLUSTER_IP_RANGE": "10.96.0.0/14", "SERVICE_CLUSTER_IP_RANGE": "10.1.0.0/16", "NODE_IP_RANGE": "10.50.0.0/20", "KUBE_DNS_DOMAIN": "corp.example",
	"NUM_NODES": "5", "MAX_INSTANCES_PER_MIG": "2", "NODE_SIZE": "n1-standard-4", "MASTER_SIZE": "e2-standard-8",
	"MASTER_DISK_TYPE": "pd-standard", "MASTER_DISK_SIZE": "30GB", "MASTER_ROOT_DISK_SIZE": "40GB", "NODE_DISK_TYPE": "pd-ssd", "NODE_DISK_SIZE": "50GB",
	"PREEMPTIBLE_NODE": "true", "PREEMPTIBLE_MASTER": "true", "NODE_SCOPES": "storage-full", "KUBE_GCE_NODE_SERVICE_ACCOUNT": "hakube-nodes@local.iam.gserviceaccount.com", "HAKUBE_MASTER_SERVICE_ACCOUNT": "hakube-masters@local.iam.gserviceaccount.com",
	"KUBE_GCE_MASTER_IMAGE": "debian-12-bookworm-v20250610", "KUBE_GCE_NODE_IMAGE": "debian-12-bookworm-v20250610",
	"KUBE_GCE_MASTER_PROJECT": "debian-cloud", "KUBE_GCE_NODE_PROJECT": "debian-cloud", // the only one here; see TestImagesOfOthers
	"HAKUBE_RESERVE": "false", "HAKUBE_PROTECT_KERNEL": "false", "ENABLE_AUTH_PROVIDER_GCP": "false", "HAKUBE_AUDIT": "false", "HAKUBE_ENCRYPT_SECRETS": "false", "HAKUBE_POD_SECURITY": "false", "HAKUBE_SIGN_KUBELETS": "true", "HAKUBE_GRACEFUL_SHUTDOWN": "false", "HAKUBE_ADDONS": "cloud-controller", "NETWORK_POLICY_PROVIDER": "kube-network-policies", "HAKUBE_DISK_SNAPSHOTS": "hourly",
	"HAKUBE_BACKUP_EVERY": "15m", "HAKUBE_BACKUP_TO": "gs://backups/of", "HAKUBE_BACKUP_RECIPIENTS": aRecipient,
	"HAKUBE_SPOT_NODE": "true", "NODE_ACCELERATORS": "type=nvidia-tesla-t4,count=1", "KUBE_NODE_LABELS": "tier=web", "KUBE_NODE_TAINTS": "dedicated=web:NoSchedule",
	"KUBE_ENABLE_CLUSTER_AUTOSCALER": "true", "KUBE_AUTOSCALER_MIN_NODES": "2", "KUBE_AUTOSCALER_MAX_NODES": "7", "KUBE_AUTOSCALER_ENABLE_SCALE_DOWN": "false",
	"KUBE_VERSION": "v1.35.1", "KUBE_MIRROR": "http://mirror.example/kubernetes",
}

// TestEverySettingHasAClass: a new setting has to say what it means when nobody
// sets it, and if it is read back the tests below have to know a value of it.
func TestEverySettingHasAClass(t *testing.T) {
	for _, v := range settings.Variables() {
		c, ok := settings.Classes[v.Name]
		if !ok || c.Why == "" {
			t.Errorf("%s has no class in settings/unset.go", v.Name)
		}
		if value, known := otherValues[v.Name]; known != c.Recorded {
			t.Errorf("%s is read back: %t; the tests know another value: %t", v.Name, c.Recorded, known)
		} else if known && value == v.Default && !strings.HasSuffix(v.Name, "_PROJECT") {
			t.Errorf("%s=%s is its default", v.Name, value)
		}
	}
	if len(settings.Classes) != len(settings.Variables()) {
		t.Errorf("%d classes, %d variables", len(settings.Classes), len(settings.Variables()))
	}
}

// shell is the same operator in a shell with these variables and no others.
func (o *operator) shell(t *testing.T, variables map[string]string) *operator {
	t.Helper()
	all := map[string]string{"KUBERNETES_PROVIDER": "local", "KUBE_GCE_ZONE": zoneB}
	maps.Copy(all, variables)
	s, _, err := settings.Load(settings.Up, all, func(settings.Provider) string { return gcetest.Project })
	if err != nil {
		t.Fatal(err)
	}
	s.InitTimeout, s.GroupTimeout, s.ReadyGrace = settings.Seconds(time.Minute), settings.Seconds(time.Minute), settings.Seconds(time.Millisecond)
	c := *o.Cluster
	c.settings = s
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// valuesWithout are otherValues without some, for what does not go together.
func valuesWithout(without ...string) map[string]string {
	m := maps.Clone(otherValues)
	for _, v := range without {
		delete(m, v)
	}
	return m
}

// accounts makes the service accounts that otherValues name, with what addons need.
func (w *world) accounts() {
	w.t.Helper()
	for _, id := range []string{"hakube-nodes", "hakube-masters"} {
		w.iam("/serviceAccounts", doc{"accountId": id})
	}
	w.grants(map[string]string{"roles/editor": "serviceAccount:hakube-masters@local.iam.gserviceaccount.com"})
}

// nothingToDo holds that up has nothing to do, in the preview and in fact.
func nothingToDo(t *testing.T, w *world, o *operator) {
	t.Helper()
	before := w.objects()
	if n, err := o.PreviewUp(context.Background(), w.events()); err != nil || n != 0 {
		t.Errorf("plan up: %d steps to do, %v", n, err)
	}
	if _, changes := w.counts(func() { w.mustUp(o) }); changes != 0 {
		t.Errorf("up made %d changes", changes)
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestUnsetIsAsItIs: a cluster with no setting at its default, worked on by
// somebody who sets none: nothing differs, nothing is made otherwise.
func TestUnsetIsAsItIs(t *testing.T) {
	besideOthers(t)
	ctx := context.Background()
	w, _ := newModelWorld(t)
	w.accounts()
	w.makeBucket("backups")
	empty := w.objects()
	made := valuesWithout("MULTIZONE", "KUBE_CREATE_NODES", "HAKUBE_SPOT_NODE")
	o := w.operator()
	w.mustUp(o.shell(t, made))
	bare := o.shell(t, nil)
	nothingToDo(t, w, bare)

	r := bare.runFor(settings.Up, hold{})
	have, err := r.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.Have = have
	if r.Want, err = r.LikeNodes(ctx); err != nil {
		t.Fatal(err)
	}
	for i, f := range settings.Fields() {
		name := f.Tag.Get("envconfig")
		want, ok := made[name]
		if !ok || !settings.Classes[name].Recorded || testing.Short() && i%18 != 0 {
			continue
		}
		said := map[string]string{name: want}
		if slices.Contains(settings.OfSchedule, name) { // alone they are for the operator's own backups
			said[settings.OfSchedule[0]] = made[settings.OfSchedule[0]]
		}
		s := o.shell(t, said).settings
		if got := r.Want.Settings.TextOf(f); got != s.TextOf(f) {
			t.Errorf("%s=%s was read back as %q, and said is %q", name, want, got, s.TextOf(f))
		}
		t.Run("said "+name, func(t *testing.T) { // by hand it is the same again
			if n, err := o.shell(t, said).PreviewUp(ctx, nil); err != nil || n != 0 {
				t.Errorf("%s=%s: %d steps to do, %v", name, want, n, err)
			}
		})
	}
	if s, err := bare.Status(ctx); err != nil || len(s.Unfinished) != 0 || len(s.Pools) != 1 {
		t.Errorf("status: %+v, %v", s, err)
	}
	if v, err := bare.Validate(ctx); err != nil || len(v.Problems) > 0 {
		t.Errorf("validate: %+v, %v", v, err)
	}

	// What is new is like what there is; how many nodes a new pool has is its own.
	pool := o.shell(t, map[string]string{"KUBE_USE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC})
	if n := nodesByZone(w.mustUp(pool))[zoneC]; n != 3 {
		t.Errorf("the new pool has %d nodes", n)
	}
	nothingToDo(t, w, pool)
	replica := o.shell(t, map[string]string{"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC})
	name := w.mustUp(replica).Replica
	sameMasters(t, w, name)
	nothingToDo(t, w, bare)

	// A master whose machine is gone comes back as it was.
	if err := w.Client.Instances(zoneC).Delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	if _, err := bare.Repair(ctx, "", w.events()); err != nil {
		t.Fatal(err)
	}
	sameMasters(t, w, name)

	// Away again, and the address stays where it was from the start.
	w.mustDown(o.shell(t, map[string]string{"KUBE_DELETE_NODES": "false", "KUBE_GCE_ZONE": zoneC}))
	w.mustDown(pool)
	nothingToDo(t, w, bare)
	w.mustDown(bare)
	if diff := cmp.Diff(empty, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// sameMasters holds that a master of zone c is like the first-born.
func sameMasters(t *testing.T, w *world, name string) {
	t.Helper()
	ctx := context.Background()
	was, err := w.Client.Instances(zoneB).Get(ctx, "kubernetes-master")
	if err != nil {
		t.Fatal(err)
	}
	is, err := w.Client.Instances(zoneC).Get(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	for what, f := range map[string]func() (a, b string){
		"type":        func() (string, string) { return gce.Base(was.GetMachineType()), gce.Base(is.GetMachineType()) },
		"preemptible": func() (string, string) { return was.GetScheduling().String(), is.GetScheduling().String() },
		"subnetwork": func() (string, string) {
			return inventory.InstanceOf(was).Subnetwork, inventory.InstanceOf(is).Subnetwork
		},
		"version": func() (string, string) {
			return inventory.MetadataItem(was.GetMetadata(), scripts.KeyKubeVersion), inventory.MetadataItem(is.GetMetadata(), scripts.KeyKubeVersion)
		},
	} {
		if a, b := f(); a != b {
			t.Errorf("%s of the first-born is %q, of %s %q", what, a, name, b)
		}
	}
	for _, suffix := range []string{"", "-pd"} {
		a, errA := w.Client.Disks(zoneB).Get(ctx, "kubernetes-master"+suffix)
		b, errB := w.Client.Disks(zoneC).Get(ctx, name+suffix)
		if errA != nil || errB != nil || a.GetSizeGb() != b.GetSizeGb() || gce.Base(a.GetType()) != gce.Base(b.GetType()) || a.GetSourceImage() != b.GetSourceImage() {
			t.Errorf("disk %s%s: %v %v, that of the first-born: %v %v", name, suffix, b, errB, a, errA)
		}
	}
}

// TestMadeBeforeProtection: a master that was made before there was a setting is as if
// it had been left out there: nothing is to be done on it, and one that joins it is like
// it, whatever the default is for what is new.
func TestMadeBeforeProtection(t *testing.T) {
	ctx := context.Background()
	w, _ := newModelWorld(t)
	o := w.operator()
	bare := o.shell(t, nil)
	w.mustUp(bare)
	instances := w.Client.Instances(zoneB)
	i, err := instances.Get(ctx, "kubernetes-master")
	if err != nil {
		t.Fatal(err)
	}
	of := []string{scripts.KeyAudit, scripts.KeyEncryptSecrets, scripts.KeyPodSecurity, scripts.KeySignKubelets}
	m := i.GetMetadata()
	m.Items = slices.DeleteFunc(m.Items, func(x *computepb.Items) bool { return slices.Contains(of, x.GetKey()) })
	if err := instances.SetMetadata(ctx, "kubernetes-master", m); err != nil {
		t.Fatal(err)
	}
	nothingToDo(t, w, bare)
	name := w.mustUp(o.shell(t, map[string]string{"KUBE_REPLICATE_EXISTING_MASTER": "true", "KUBE_GCE_ZONE": zoneC})).Replica
	if i, err = w.Client.Instances(zoneC).Get(ctx, name); err != nil {
		t.Fatal(err)
	}
	for _, key := range of {
		if got := inventory.Switched(i.GetMetadata(), key); got != "false" {
			t.Errorf("the replica has %s=%q", key, got)
		}
	}
	var refused *Unchanged
	if _, err := o.shell(t, map[string]string{"HAKUBE_AUDIT": "true"}).Up(ctx, w.events()); !errors.As(err, &refused) || !strings.Contains(err.Error(), "HAKUBE_AUDIT") {
		t.Errorf("asked for on a master that has none: %v", err)
	}
}
