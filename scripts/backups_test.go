package scripts

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A keeper runs keep-backups.sh under real bash: with a bucket and a metadata server of its
// own, an etcdctl that keeps keys in files, and a hakube-backup that makes an archive.
type keeper struct {
	*guest
	bin, disk string
	storage   *httptest.Server
	mu        sync.Mutex
	objects   map[string]string
	refuses   int // what the bucket answers
	lies      bool
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{guest: newGuest(t), objects: map[string]string{}}
	k.bin, k.disk = filepath.Join(k.dir, "bin"), filepath.Join(k.dir, "disk")
	k.storage = httptest.NewServer(http.HandlerFunc(k.bucket))
	t.Cleanup(k.storage.Close)
	k.write(map[string]string{"hakube-cluster": "example.com:web/kube\n", "hakube/founded": "x"})
	if err := os.MkdirAll(k.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"etcdctl": `#!/bin/bash
at=$TEST_DIR/ring; mkdir -p "$at"
while [[ ${1:-} == --* ]]; do shift; done
case $1 in
get) cat "$at/${!#//\//_}" 2>/dev/null || [[ ! -e $TEST_DIR/no-quorum ]] ;;
put) [[ ! -e $TEST_DIR/no-puts ]] && printf '%s' "$3" >"$at/${2//\//_}" ;;
lock) shift; while [[ $1 == --* ]]; do shift; done; echo "$1" >>"$TEST_DIR/locks"; shift; exec "$@" ;;
endpoint) printf '"MemberID" : 1\n"Leader" : 2\n' ;;
esac
`,
		"hakube-backup": `#!/bin/bash
printf '%s\n' "$@" >"$TEST_DIR/asked"
if [[ -e $TEST_DIR/fails ]]; then echo "first" >&2; echo "the data disk has too little room" >&2; exit 1; fi
cd "$TEST_DIR" && printf '{"format":1,"made":1764483105,"settings":{}}' >hakube-backup.json && tar -cf - hakube-backup.json
`,
	} {
		if err := os.WriteFile(filepath.Join(k.bin, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range map[string]string{
		KeyBackupEvery: "900", KeyBackupTo: "gs://b/of all", KeyBackupRecipients: "age1a,age1b", KeyBackupSettings: `{"A":"it's"}`,
	} {
		k.files["instance/attributes/"+key] = value
	}
	k.files["instance/service-accounts/default/token"] = `{"access_token":"secret","expires_in":3599,"token_type":"Bearer"}`
	return k
}

// bucket is Cloud Storage as far as it is asked.
func (k *keeper) bucket(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	answer := func(code int, body any) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}
	refuse := func(code int, text string) {
		answer(code, map[string]any{"error": map[string]any{"code": code, "message": text}})
	}
	q := r.URL.Query()
	switch {
	case r.Header.Get("Authorization") != "Bearer secret":
		refuse(401, "who are you")
	case k.refuses != 0:
		refuse(k.refuses, "x does not have storage.objects.create access")
	case r.Method == http.MethodPost && r.URL.Path == "/upload/storage/v1/b/b/o" && q.Get("ifGenerationMatch") == "0" && q.Get("uploadType") == "media":
		name, body := q.Get("name"), ""
		if text, err := io.ReadAll(r.Body); err == nil {
			body = string(text)
		}
		if _, there := k.objects[name]; there {
			refuse(412, "At least one of the pre-conditions you specified did not hold.")
			return
		}
		k.objects[name] = body
		sum := md5Of(body)
		if k.lies {
			sum = "AAAA"
		}
		answer(200, map[string]any{"name": name, "md5Hash": sum})
	case r.Method == http.MethodGet && r.URL.Path == "/storage/v1/b/b/o":
		var names []string
		for name := range k.objects {
			if strings.HasPrefix(name, q.Get("prefix")) && name > q.Get("pageToken") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		next := map[string]any{}
		if len(names) > 3 { // pages are short
			names = names[:3]
			next["nextPageToken"] = names[2]
		}
		items := []any{}
		for _, name := range names {
			items = append(items, map[string]any{"name": name})
		}
		next["items"] = items
		answer(200, next)
	case r.Method == http.MethodDelete:
		name := strings.TrimPrefix(r.URL.Path, "/storage/v1/b/b/o/")
		if _, there := k.objects[name]; !there {
			refuse(404, "No such object")
			return
		}
		delete(k.objects, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(501, r.Method+" "+r.URL.String())
	}
}

func md5Of(text string) string {
	sum := md5.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// runs is the script with words, or with the commands in the place of its end.
func (k *keeper) runs(commands string, args ...string) (out string, err error) {
	k.t.Helper()
	text := strings.NewReplacer("https://storage.googleapis.com", k.storage.URL, "/mnt/disks/master-pd", k.disk, "export PATH=", "export PATH="+k.bin+":").Replace(keepBackups)
	if commands != "" {
		head, _, _ := strings.Cut(text, "\nevery=0")
		text = head + "\nevery=0 recipients='' settings='' bucket='' prefix='' cluster='' answer='' wait=15 pause=0\nif [[ ${1:-} == once ]]; then\n\tonce\n\texit\nfi\n" + commands
	}
	file := filepath.Join(k.bin, "hakube-backups")
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		k.t.Fatal(err)
	}
	cmd := exec.Command(file, args...)
	cmd.Env = append(os.Environ(), "TEST_DIR="+k.dir, "GCE_METADATA_HOST="+strings.TrimPrefix(k.server.URL, "http://"))
	said, err := cmd.CombinedOutput()
	return string(said), err
}

func (k *keeper) flag(name string, on bool) {
	k.t.Helper()
	err := os.Remove(filepath.Join(k.dir, name))
	if on {
		err = os.WriteFile(filepath.Join(k.dir, name), nil, 0o600)
	}
	if on && err != nil {
		k.t.Fatal(err)
	}
}

// TestKeepBackups: one that is due is made for all recipients with the record's settings, goes
// to the bucket over nothing under its name, and is told of; what goes wrong is told and
// leaves nothing, and what is not due is not made.
func TestKeepBackups(t *testing.T) {
	const name = "of all/20251130T061145Z.example.com:web.kube.hakube-backup"
	k := newKeeper(t)
	told := func() string { return k.told[GuestNamespace+"/"+GuestBackups] }
	if out, err := k.runs("", "once"); err != nil || !strings.HasSuffix(told(), " made gs://b/"+name) {
		t.Fatalf("%v\n%s\nit tells %q", err, out, told())
	}
	if !strings.Contains(k.objects[name], `"made":1764483105`) || len(k.objects) != 1 {
		t.Errorf("the bucket has %q", k.objects)
	}
	if asked, _ := os.ReadFile(filepath.Join(k.dir, "asked")); string(asked) != "{\"A\":\"it's\"}\nage1a\nage1b\n" {
		t.Errorf("it was asked for with %q", asked)
	}
	if at, _ := os.ReadFile(filepath.Join(k.dir, "ring", "_hakube_backups_last")); string(at) != "1764483105" {
		t.Errorf("the ring has %q", at)
	}
	for what, x := range map[string]struct {
		set  func(on bool)
		want string
	}{
		"it cannot be made":    {func(on bool) { k.flag("fails", on) }, "failed: the data disk has too little room"},
		"there is one already": {func(bool) {}, "failed: bucket b answers 412: At least one of the pre-conditions"},
		"the bucket says no":   {func(on bool) { k.refuses = map[bool]int{true: 403}[on] }, "failed: bucket b answers 403: x does not have storage.objects.create access"},
		"something else came":  {func(on bool) { k.lies = on; k.objects = map[string]string{} }, "has something else in " + name + " than was sent"},
		"there is no account": {func(on bool) {
			k.files["instance/service-accounts/default/token"] = map[bool]string{false: `{"access_token":"secret"}`}[on]
		}, "failed: this machine has no token of a service account"},
		"the ring takes no key": {func(on bool) { k.flag("no-puts", on); k.objects = map[string]string{} }, "failed: ring events does not take"},
	} {
		x.set(true)
		out, err := k.runs("", "once")
		if err == nil || !strings.Contains(told(), x.want) {
			t.Errorf("%s: %v, it tells %q\n%s", what, err, told(), out)
		}
		x.set(false)
		k.objects[name] = "of before"
		if _, err := os.Stat(filepath.Join(k.disk, "backup.made")); !os.IsNotExist(err) {
			t.Errorf("%s: it leaves a file", what)
		}
		if strings.Contains(out, "secret") {
			t.Errorf("%s: it says the token: %s", what, out)
		}
	}
}

// TestBackupsInTurn: a round begins one under the lock when it is due, and not otherwise: when
// one was made less than the interval ago, there is no quorum, the machine is no master yet,
// nobody says how often, or it failed a moment ago.
func TestBackupsInTurn(t *testing.T) {
	k := newKeeper(t)
	locks := func() int {
		text, _ := os.ReadFile(filepath.Join(k.dir, "locks"))
		return strings.Count(string(text), "/hakube/backups/turn")
	}
	last := func(ago time.Duration) {
		if err := os.MkdirAll(filepath.Join(k.dir, "ring"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(k.dir, "ring", "_hakube_backups_last"), fmt.Append(nil, time.Now().Add(-ago).Unix()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	round := func(what string, want int, commands string) {
		t.Helper()
		before := locks()
		if out, err := k.runs(commands); err != nil || locks()-before != want {
			t.Errorf("%s: %d tries, want %d: %v\n%s", what, locks()-before, want, err, out)
		}
	}
	last(10 * time.Minute)
	round("it is not due", 0, "round")
	last(-time.Hour)
	round("a clock was wrong", 1, "round")
	last(16 * time.Minute)
	k.files["instance/attributes/"+KeyBackupEvery] = "none"
	round("there are to be none", 0, "round")
	k.files["instance/attributes/"+KeyBackupEvery] = "900"
	if err := os.Rename(filepath.Join(k.disk, "hakube/founded"), filepath.Join(k.disk, "hakube/not")); err != nil {
		t.Fatal(err)
	}
	round("it is no master yet", 0, "round")
	if err := os.Rename(filepath.Join(k.disk, "hakube/not"), filepath.Join(k.disk, "hakube/founded")); err != nil {
		t.Fatal(err)
	}
	k.flag("fails", true)
	round("it fails, and waits", 1, "round\nround\n")
	k.flag("fails", false)
	if err := os.RemoveAll(filepath.Join(k.dir, "ring")); err != nil {
		t.Fatal(err)
	}
	k.flag("no-quorum", true)
	round("there is no quorum", 0, "round")
	k.flag("no-quorum", false)
	round("there was none yet", 1, "round")
}

// TestOldBackupsGo: those that nobody has to keep go from the bucket, page by page, and no
// object that is something else.
func TestOldBackupsGo(t *testing.T) {
	k := newKeeper(t)
	name := func(ago time.Duration) string {
		return "of all/" + time.Now().UTC().Add(-ago).Format("20060102T150405Z") + ".example.com:web.kube.hakube-backup"
	}
	stays := []string{name(0), name(10 * time.Minute), "of all/notes", "of all/20200101T000000Z.example.com:web.other.hakube-backup", "of all/20200101T000000Z.example.com:web.kube.hakube-backup.key", "elsewhere"}
	goes := []string{name(100 * 24 * time.Hour), name(101 * 24 * time.Hour), name(200 * 24 * time.Hour)}
	for _, n := range slices.Concat(stays, goes) {
		k.objects[n] = "x"
	}
	if out, err := k.runs("read_schedule\nthin\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, n := range stays {
		if k.objects[n] == "" {
			t.Errorf("%s is gone", n)
		}
	}
	for _, n := range goes {
		if k.objects[n] != "" {
			t.Errorf("%s stays", n)
		}
	}
}
