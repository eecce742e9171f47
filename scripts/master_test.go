package scripts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// write makes files below g.dir/disk.
func (g *guest) write(files map[string]string) {
	g.t.Helper()
	for name, text := range files {
		name = filepath.Join(g.dir, "disk", name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			g.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
}

func TestHalfFoundingIsCleared(t *testing.T) {
	tests := map[string]struct {
		disk map[string]string
		kept []string
	}{
		"founded": {
			disk: map[string]string{"hakube/founded": "x", "hakube/served": "x", "etcd/main/db": "x", "kubernetes/pki/ca.crt": "", "kubernetes/admin.conf": ""},
			kept: []string{"hakube/founded", "hakube/served", "etcd/main/db", "kubernetes/pki/ca.crt", "kubernetes/admin.conf"},
		},
		"rings never served": {
			disk: map[string]string{"etcd/main/db": "x", "etcd/events/db": "x", "etcd/pki/ca.key": "x"},
			kept: []string{"etcd/pki/ca.key"},
		},
		"rings served": {
			disk: map[string]string{"hakube/served": "x", "etcd/main/db": "x", "kubernetes/pki/ca.crt": "x", "kubernetes/admin.conf": "x", "kubernetes/kubelet.conf": ""},
			kept: []string{"hakube/served", "etcd/main/db", "kubernetes/pki/ca.crt", "kubernetes/admin.conf"},
		},
		"certificates cut": {
			disk: map[string]string{"hakube/served": "x", "etcd/main/db": "x", "etcd/pki/ca.key": "x", "kubernetes/pki/ca.crt": "x", "kubernetes/pki/ca.key": "", "kubelet-pki/k.pem": "x"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuest(t)
			g.write(test.disk)
			if _, stderr, err := g.run(`mkdir -p "$STATE" "$DISK"/{kubernetes,kubelet-pki,etcd}; systemctl() { :; }; clear_half_founding`); err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			kept := map[string]bool{}
			for _, name := range test.kept {
				kept[name] = true
			}
			for name := range test.disk {
				_, err := os.Stat(filepath.Join(g.dir, "disk", name))
				if there := err == nil; there != kept[name] {
					t.Errorf("%s: kept %v, want %v", name, there, kept[name])
				}
			}
		})
	}
}

func TestNewAddressIsFollowed(t *testing.T) {
	g := newGuest(t)
	const before = "server: https://10.40.0.2:443 and 10.40.0.25, 110.40.0.2, 10x40.0.2\n"
	g.write(map[string]string{
		"hakube/address": "10.40.0.2\n", "kubernetes/kubelet.conf": before, "kubernetes/manifests/kube-apiserver.yaml": before,
		"kubernetes/pki/note.conf": before, "kubernetes/pki/apiserver.crt": "old", "kubernetes/pki/apiserver.key": "old",
	})
	const follow = `KUBEADM=k.yaml IP=10.40.1.9; kubeadm() { echo "$@"; }; say() { :; }; follow_address`
	g.want("init phase certs apiserver --config k.yaml\n", follow)
	const after = "server: https://10.40.1.9:443 and 10.40.0.25, 110.40.0.2, 10x40.0.2\n"
	for name, want := range map[string]string{"kubelet.conf": after, "manifests/kube-apiserver.yaml": after, "pki/note.conf": after} {
		got, err := os.ReadFile(filepath.Join(g.dir, "disk/kubernetes", name))
		if err != nil || string(got) != want {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(g.dir, "disk/kubernetes/pki/apiserver.crt")); err == nil {
		t.Error("the certificate of the old address is still there")
	}
	g.want("", follow)
}

// memberList and endpointStatus are in the form etcdctl 3.6.8 prints (-w fields),
// with a second member that has not started yet.
const (
	memberList = `"ClusterID" : 4120793659044003658
"MemberID" : 8216276102501297436
"RaftTerm" : 2
"ID" : 72061395621eed1c
"Name" : "kubernetes-master"
"PeerURL" : "https://kubernetes-master.europe-west1-b.c.local.internal:2380"
"ClientURL" : "https://127.0.0.1:2379"
"IsLearner" : false

"ID" : e8375c91a38e7e0
"Name" : ""
"PeerURL" : "https://kubernetes-master-x1y.europe-west1-c.c.local.internal:2380"
"IsLearner" : true

`
	endpointStatus = `"ClusterID" : 4120793659044003658
"MemberID" : 8216276102501297436
"Revision" : 459
"RaftTerm" : 2
"Version" : "3.6.8"
"StorageVersion" : "3.6.0"
"DBSize" : 1234
"Leader" : 8216276102501297436
"IsLearner" : false
"RaftIndex" : 500
"Errors" : []
"Endpoint" : "https://127.0.0.1:2379"

`
)

// status runs etcd-status with an etcdctl that is this script.
func status(t *testing.T, etcdctl string) (out string, err error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "etcdctl"), []byte("#!/usr/bin/env bash\n"+etcdctl), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "client.key"), []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/usr/local/bin", dir, "/mnt/disks/master-pd/etcd/pki", dir).Replace(EtcdStatus)
	cmd := exec.Command("bash", "-s")
	cmd.Stdin = strings.NewReader(text)
	b, err := cmd.Output()
	return string(b), err
}

func TestEtcdStatus(t *testing.T) {
	newGuest(t) // for its skip
	t.Setenv("MEMBERS", memberList)
	t.Setenv("STATUS", endpointStatus)
	type member struct {
		ID, Name string
		PeerURLs []string
		Learner  bool
	}
	type ring struct {
		Members  []member
		Leader   string
		Healthy  bool
		Revision int64
		Error    string
	}
	var answer struct{ Rings map[string]ring }

	// events has lost its quorum: only its own copy of the list can be read.
	out, err := status(t, `
case "$*" in
*127.0.0.1:4002*"member list"*--consistency=s*) printf '%s' "$MEMBERS" ;;
*127.0.0.1:4002*"member list"*) printf '{"level":"warn"}\nError: "context" deadline\texceeded\n' >&2; exit 1 ;;
*"member list"*) printf '%s' "$MEMBERS" ;;
*"endpoint status"*) printf '%s' "$STATUS" ;;
*) exit 2 ;;
esac`)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	main, events := answer.Rings["main"], answer.Rings["events"]
	if !main.Healthy || main.Leader != "72061395621eed1c" || main.Revision != 459 || main.Error != "" || len(main.Members) != 2 {
		t.Errorf("ring main is %+v", main)
	}
	if m := main.Members[1]; m.Name != "" || !m.Learner || m.ID != "e8375c91a38e7e0" || !strings.HasSuffix(m.PeerURLs[0], "-c.c.local.internal:2380") {
		t.Errorf("the second member is %+v", m)
	}
	if events.Healthy || events.Error != `Error: "context" deadline exceeded` || len(events.Members) != 2 {
		t.Errorf("ring events is %+v", events)
	}

	out, err = status(t, `echo "Error: connection refused" >&2; exit 1`)
	if err != nil {
		t.Fatal(err)
	}
	answer.Rings = nil
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if r := answer.Rings["main"]; r.Healthy || !strings.HasPrefix(r.Error, "Error: connection refused") || len(r.Members) != 0 {
		t.Errorf("without etcd ring main is %+v", r)
	}
}

// TestEtcdStatusOfAlarms: alarms are read in the words of older and newer etcds, which
// differ in blanks and in what they leave out, and beside other errors; what is said
// against a write is told only to who asks for one.
func TestEtcdStatusOfAlarms(t *testing.T) {
	newGuest(t) // for its skip
	for _, x := range []struct{ errors, quota, want string }{
		{`[]`, "", `[]`},
		{`[memberID:15985099378392235387 alarm:NOSPACE ]`, "\"DBSizeQuota\" : 2000000\n", `[{"member":"ddd67b312462fd7b","kind":"NOSPACE"}]`},
		{`[memberID:1  alarm:NOSPACE memberID:255  alarm:CORRUPT]`, "", `[{"member":"1","kind":"NOSPACE"},{"member":"ff","kind":"CORRUPT"}]`},
		{`[etcdserver: no leader alarm:CORRUPT ]`, "", `[{"member":"","kind":"CORRUPT"}]`},
	} {
		t.Setenv("MEMBERS", memberList)
		t.Setenv("STATUS", endpointStatus+"\"DBSizeInUse\" : 2240512\n"+x.quota+"\"Errors\" : "+x.errors+"\n")
		out, err := status(t, `
case "$*" in
*"member list"*) printf '%s' "$MEMBERS" ;;
*"endpoint status"*) printf '%s' "$STATUS" ;;
*txn*) cat >&2; exit 3 ;;
esac`)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Rings map[string]struct {
				Alarms             json.RawMessage
				Size, InUse, Quota int64
				Writes             string
			}
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		r := answer.Rings["main"]
		if string(r.Alarms) != x.want || r.Size != 1234 || r.InUse != 2240512 || (r.Quota == 2000000) != (x.quota != "") || r.Writes != "" {
			t.Errorf("of %s it tells %s", x.errors, out)
		}
	}
}

// TestEtcdStatusOfSilent: of a member that joins and takes no questions yet it is
// told how much it has, what its unit does and its last complaint.
func TestEtcdStatusOfSilent(t *testing.T) {
	newGuest(t) // for its skip
	dir := t.TempDir()
	pki := filepath.Join(dir, "etcd", "pki")
	for name, text := range map[string]string{
		"bin/etcdctl":   "#!/usr/bin/env bash\necho 'Error: context deadline exceeded' >&2; exit 1",
		"bin/systemctl": "#!/usr/bin/env bash\ncase $* in *ActiveState*) echo activating ;; *) echo 3 ;; esac",
		"bin/journalctl": "#!/usr/bin/env bash\ncat <<'END'\n" +
			`{"level":"warn","msg":"failed to publish local member","error":"etcdserver: too many \"requests\""}` + "\n" +
			`{"level":"info","msg":"no complaint"}` + "\nEND",
		"etcd/pki/client.key":          "key",
		"etcd/events/member/snap/tmp1": strings.Repeat("x", 100_000),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("bash", "-s")
	cmd.Stdin = strings.NewReader(strings.NewReplacer("/usr/local/bin", filepath.Join(dir, "bin"), "/mnt/disks/master-pd/etcd/pki", pki).Replace(EtcdStatus))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Rings map[string]struct {
			ID    string
			Bytes int64
			Error string
		}
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	const want = `Error: context deadline exceeded; its etcd is activating, restarted 3 times: failed to publish local member: etcdserver: too many "requests"`
	if r := answer.Rings["events"]; r.ID != "" || r.Bytes < 100_000 || r.Error != want {
		t.Errorf("ring events is %+v", r)
	}
	if r := answer.Rings["main"]; r.Bytes != 0 {
		t.Errorf("ring main, of which there is nothing, is %+v", r)
	}
}
