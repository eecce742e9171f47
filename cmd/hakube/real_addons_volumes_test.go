//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ofKeeper is a program that keeps a volume, and says what is in it when it is asked.
const ofKeeper = `{"terminationGracePeriodSeconds": 1, "tolerations": [
	{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
	{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}],
	"containers": [{"name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "86400"], "volumeMounts": [%s]}], "volumes": [%s]}`

// keeper is that program's pod with the claims mounted by their names.
func keeper(claims ...string) string {
	var mounts, volumes []string
	for _, c := range claims {
		mounts = append(mounts, fmt.Sprintf(`{"name": %q, "mountPath": "/%s"}`, c, c))
		volumes = append(volumes, fmt.Sprintf(`{"name": %q, "persistentVolumeClaim": {"claimName": %q}}`, c, c))
	}
	return fmt.Sprintf(ofKeeper, strings.Join(mounts, ","), strings.Join(volumes, ","))
}

func (w *walk) object(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "object.json")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "apply", "--filename="+file)
}

// claim asks for a gigabyte, of the class that is the default one.
func (w *walk) claim(t *testing.T, name, source string) {
	t.Helper()
	w.object(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": %q},
		"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}} %s}}`, name, source))
}

// volumes: a claim gets a disk that is labelled as the cluster's and keeps what is written
// on it; a copy of its snapshot and a clone have what was written until then.
func (w *walk) volumes(t *testing.T) {
	w.claim(t, "data", "")
	w.object(t, `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "keeper"}, "spec": {"replicas": 1, "strategy": {"type": "Recreate"},
		"selector": {"matchLabels": {"app": "keeper"}}, "template": {"metadata": {"labels": {"app": "keeper"}}, "spec": `+keeper("data")+`}}}`)
	w.kubectl(t, "rollout", "status", "deployment", "keeper", "--timeout=300s")
	// No sync of all file systems: those of the host are among them, and a busy one takes minutes.
	w.kubectl(t, "exec", "deployment/keeper", "--", "sh", "-c", "echo kept | dd of=/data/file conv=fsync")
	disk := w.call(t, "GET", zonal+"/disks/"+w.kubectl(t, "get", "pvc", "data", "-o", "jsonpath={.spec.volumeName}"))
	if labels, _ := disk["labels"].(map[string]any); labels["hakube-cluster"] != "kubernetes" || !strings.HasSuffix(fmt.Sprint(disk["type"]), "/pd-standard") {
		t.Errorf("the disk is %v", disk)
	}
	t.Run("snapshot and clone", w.copies)
	t.Run("more disks than a machine takes", w.tooManyDisks)
	t.Run("node deleted", w.volumeMoves)
	t.Run("resize while mounted", w.resize)
}

func (w *walk) copies(t *testing.T) {
	w.object(t, `{"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "daily"}, "spec": {"source": {"persistentVolumeClaimName": "data"}}}`)
	w.kubectl(t, "wait", "volumesnapshot/daily", "--for=jsonpath={.status.readyToUse}=true", "--timeout=300s")
	w.kubectl(t, "exec", "deployment/keeper", "--", "sh", "-c", "echo later | dd of=/data/file conv=fsync")
	w.claim(t, "copy", `, "dataSource": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "daily"}`)
	w.claim(t, "clone", `, "dataSource": {"kind": "PersistentVolumeClaim", "name": "data"}`)
	w.object(t, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "reader"}, "spec": `+keeper("copy", "clone")+`}`)
	w.kubectl(t, "wait", "pod/reader", "--for=condition=Ready", "--timeout=300s")
	if got := w.kubectl(t, "exec", "reader", "--", "cat", "/copy/file", "/clone/file"); strings.TrimSpace(got) != "kept\nlater" {
		t.Errorf("the snapshot's copy and the clone have %q", got)
	}
	w.kubectl(t, "delete", "pod", "reader", "--now")
	t.Run("read-only many", w.readOnlyMany)
	w.kubectl(t, "delete", "pvc", "copy", "clone", "shared")
	eventually(t, settled, "the disks of deleted claims are gone", func() error {
		var volumes []string
		for _, d := range w.names(t, zonal+"/disks") {
			if strings.HasPrefix(d, "pvc-") {
				volumes = append(volumes, d)
			}
		}
		if len(volumes) != 1 {
			return fmt.Errorf("there are %v", volumes)
		}
		return nil
	})
}

// readOnlyMany: pods on two nodes read one disk at once, and neither writes on it. It is a
// clone of a disk that was unmounted: one whose file system has to be mended first cannot be
// mounted read-only.
func (w *walk) readOnlyMany(t *testing.T) {
	volume := w.kubectl(t, "get", "pvc", "copy", "-o", "jsonpath={.spec.volumeName}")
	eventually(t, settled, "the disk to clone is detached", func() error {
		if users := w.call(t, "GET", zonal+"/disks/"+volume)["users"]; users != nil {
			return fmt.Errorf("%v have it", users)
		}
		return nil
	})
	w.object(t, `{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"}, "spec": {"accessModes": ["ReadOnlyMany"],
		"resources": {"requests": {"storage": "1Gi"}}, "dataSource": {"kind": "PersistentVolumeClaim", "name": "copy"}}}`)
	var pods []string
	for _, node := range w.readyNodes(t) {
		if node == master {
			continue
		}
		pods = append(pods, "pod/of-"+node)
		w.object(t, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": %q}, "spec": {"terminationGracePeriodSeconds": 1, "nodeSelector": {"kubernetes.io/hostname": %q},
			"containers": [{"name": "c", "image": "busybox", "imagePullPolicy": "IfNotPresent", "command": ["sleep", "86400"], "volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}],
			"volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "shared", "readOnly": true}}]}}`, "of-"+node, node))
	}
	if len(pods) < 2 {
		t.Fatalf("there are only %d nodes", len(pods))
	}
	w.kubectl(t, append([]string{"wait", "--for=condition=Ready", "--timeout=300s", "--request-timeout=0"}, pods...)...)
	for _, pod := range pods {
		if got := w.kubectl(t, "exec", pod, "--", "cat", "/shared/file"); strings.TrimSpace(got) != "kept" {
			t.Errorf("%s reads %q", pod, got)
		}
		if out, err := w.answered(t, "exec", pod, "--", "sh", "-c", "echo mine >/shared/file"); err == nil || !strings.Contains(err.Error(), "Read-only") {
			t.Errorf("%s writes on it: %q, %v", pod, out, err)
		}
	}
	disk := w.call(t, "GET", zonal+"/disks/"+w.kubectl(t, "get", "pvc", "shared", "-o", "jsonpath={.spec.volumeName}"))
	if users, _ := disk["users"].([]any); len(users) != len(pods) {
		t.Errorf("%d pods read it, and the disk's users are %v", len(pods), disk["users"])
	}
	w.kubectl(t, append([]string{"delete", "--now"}, pods...)...)
}

// tooManyDisks: the scheduler knows how many disks a node's machine takes, and leaves a
// pod with one more alone. No disk is made for it.
func (w *walk) tooManyDisks(t *testing.T) {
	const count = 127 // 128 with the boot disk
	for _, node := range w.readyNodes(t) {
		if node == master {
			continue
		}
		becomes(t, fmt.Sprintf("node %s says how many disks it takes", node), func(d *differing) { // its driver, after it is Ready
			if got, err := w.tryKubectl(t, "get", "csinode", node, "-o", "jsonpath={.spec.drivers[0].allocatable.count}"); got != fmt.Sprint(count) {
				d.add("they are %q, want %d: %v", got, count, err)
			}
		})
	}
	var items, names []string
	for i := range count + 1 {
		name := fmt.Sprint("many-", i)
		names = append(names, name)
		items = append(items, fmt.Sprintf(`{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": %q, "labels": {"of": "many"}},
			"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}`, name))
	}
	items = append(items, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "many"}, "spec": `+keeper(names...)+`}`)
	w.object(t, `{"apiVersion": "v1", "kind": "List", "items": [`+strings.Join(items, ",")+`]}`)
	eventually(t, settled, "the scheduler finds no node for it", func() error {
		said := w.kubectl(t, "get", "events", "--field-selector=involvedObject.name=many,reason=FailedScheduling", "-o", "jsonpath={.items[*].message}")
		if !strings.Contains(said, "exceed max volume count") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	w.kubectl(t, "delete", "pod", "many", "--now")
	w.kubectl(t, "delete", "pvc", "--selector=of=many", "--wait=false")
}

// resize: while it is mounted the disk grows, and what is on it where the kernel lets
// resize2fs do so.
func (w *walk) resize(t *testing.T) {
	w.claim(t, "grown", "")
	w.object(t, `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "grower"}, "spec": `+keeper("grown")+`}`)
	w.kubectl(t, "wait", "pod/grower", "--for=condition=Ready", "--timeout=300s")
	w.kubectl(t, "patch", "pvc", "grown", "--patch", `{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}`)
	volume := w.kubectl(t, "get", "pvc", "grown", "-o", "jsonpath={.spec.volumeName}")
	eventually(t, settled, "the disk has 2 GB", func() error {
		if size := w.call(t, "GET", zonal+"/disks/"+volume)["sizeGb"]; size != "2" {
			return fmt.Errorf("it has %v", size)
		}
		return nil
	})
	refused := ""
	eventually(t, settled, "the file system has grown, or resize2fs is refused", func() error {
		events := w.kubectl(t, "get", "events", "--field-selector=involvedObject.name=grower", "-o", "jsonpath={.items[*].message}")
		if strings.Contains(events, "resize2fs") && (strings.Contains(events, "Permission denied") || strings.Contains(events, "not permitted")) {
			refused = events
			return nil
		}
		if size := w.kubectl(t, "get", "pvc", "grown", "-o", "jsonpath={.status.capacity.storage}"); size != "2Gi" {
			return fmt.Errorf("the claim has %s: %s", size, events)
		}
		return nil
	})
	if refused != "" {
		t.Skipf("to grow a mounted file system takes CAP_SYS_RESOURCE, which this host does not give its machines: %s", refused)
	}
	if df := w.kubectl(t, "exec", "grower", "--", "df", "-m", "/grown"); !strings.Contains(df, " 19") && !strings.Contains(df, " 20") {
		t.Errorf("the pod sees\n%s", df)
	}
}

// keeperOn is where the volume's pod is, "" if there is none that is well.
func (w *walk) keeperOn(t *testing.T) string {
	return w.kubectl(t, "get", "pods", "--selector=app=keeper", "--field-selector=status.phase=Running",
		"-o", `go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.spec.nodeName}}{{end}}{{end}}`)
}

// volumeMoves: the machine of the volume's pod is deleted, and the pod comes up on another
// node with its data. Its group makes the machine again, under the same name: without the
// cordon the pod might go on there.
func (w *walk) volumeMoves(t *testing.T) {
	node, begin := w.keeperOn(t), time.Now()
	w.kubectl(t, "cordon", node)
	w.call(t, "DELETE", zonal+"/instances/"+node)
	eventually(t, 8*time.Minute, "the pod is ready elsewhere with its data", func() error {
		if on := w.keeperOn(t); on == "" || on == node {
			return fmt.Errorf("it is on %q", on)
		}
		got, err := w.tryKubectl(t, "exec", "deployment/keeper", "--", "cat", "/data/file")
		if err == nil && strings.TrimSpace(got) != "later" {
			t.Fatalf("the volume has %q", got)
		}
		return err
	})
	report(t, "the pod of a deleted node was ready elsewhere with its volume after %.0f s", time.Since(begin).Seconds())
	w.kubectl(t, "uncordon", node)
	w.valid(t)
}
