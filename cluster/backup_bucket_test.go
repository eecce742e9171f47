package cluster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"hakube/cluster/backup"
	"hakube/gce/bucket"
	"hakube/gce/emulator"
	"hakube/replicate"
)

// makeBucket makes one of the embedded GCE's.
func (w *world) makeBucket(name string) {
	w.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/storage/v1/b?project=local", strings.NewReader(`{"name":"`+name+`","location":"EU"}`))
	answer := httptest.NewRecorder()
	if w.Server.ServeHTTP(answer, r); answer.Code != http.StatusOK {
		w.t.Fatalf("making a bucket: %d %s", answer.Code, answer.Body)
	}
}

// writes tells whether a request sends an object, or a part of it.
func writes(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/upload/storage/") || strings.HasPrefix(r.URL.Path, "/resumable/")
}

// A backup in a bucket is there as a whole under a name that says when and of what, is not
// written over, is what it would be in a file, and leads the way back; none of that takes a
// file of this machine for longer than it lasts.
func TestBackupInBucket(t *testing.T) {
	w := newWorld(t)
	k := keeperOf(t, sickOf(t, w, 1).o)
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	w.makeBucket("backups")
	var cut atomic.Int32
	w.setFault(func(r *http.Request) emulator.Fault { // the answer of the first write is lost
		if writes(r) && cut.Add(1) == 1 {
			return emulator.Fault{CutAfter: true}
		}
		return emulator.Fault{}
	})
	ctx := context.Background()
	made, where, err := k.Backup(ctx, "gs://backups/of/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := made.Record
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	want := "gs://backups/of/" + r.Made.Time().Format("20060102T150405Z") + ".local.kubernetes.hakube-backup"
	if where != want || cut.Load() < 2 {
		t.Errorf("it is %s after %d writes, want %s after two", where, cut.Load(), want)
	}
	path, err := k.Fetch(ctx, where)
	if err != nil {
		t.Fatal(err)
	}
	source, err := backup.From(where, path, k.file)
	if err != nil || source.Record.Rings[replicate.RingMain].HashKV != r.Rings[replicate.RingMain].HashKV {
		t.Fatalf("what came back: %v", err)
	}
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	name := strings.TrimPrefix(where, "gs://backups/")
	if err := bucket.Of(k.deps.GCE, "backups").Put(ctx, name, "text/plain", other); !errors.Is(err, bucket.ErrExists) {
		t.Errorf("writing over it: %v", err)
	}
	if all, err := bucket.Of(k.deps.GCE, "backups").List(ctx, "of/"); err != nil || len(all) != 1 || all[0].Name != name {
		t.Errorf("there is %v, %v", all, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(temporary + "/hakube*"); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
}

// A backup in a directory has the same name.
func TestBackupInDirectory(t *testing.T) {
	k := keeperOf(t, sickOf(t, newWorld(t), 1).o)
	dir := t.TempDir()
	made, where, err := k.Backup(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) != 1 || files[0] != where || !strings.HasSuffix(where, "Z.local.kubernetes.hakube-backup") {
		t.Errorf("there is %q, told was %s, %v", files, where, err)
	}
	if hidden, _ := filepath.Glob(dir + "/.hakube*"); len(hidden) > 0 {
		t.Errorf("left is %q", hidden)
	}
}

// A bucket that is not there, that may not be written to, or that fails, is told before a
// master has begun, or ends with nothing kept.
func TestBucketsThatRefuse(t *testing.T) {
	lost := []string{""}
	w := newWorldWith(t, func(o *emulator.Options) { o.Withheld = lost })
	k := keeperOf(t, w.operator())
	w.mustUp(k.operator)
	w.makeBucket("backups")
	ctx := context.Background()
	refuses := func(what, place string, says ...string) {
		t.Helper()
		_, _, err := k.Backup(ctx, place, nil)
		wantError(t, err, says...)
		if !errors.As(err, new(*Unchanged)) {
			t.Errorf("%s: it does not say that nothing was changed: %v", what, err)
		}
		if all, err := bucket.Of(k.deps.GCE, "backups").List(ctx, ""); err != nil || len(all) > 0 {
			t.Errorf("%s: there is %v, %v", what, all, err)
		}
	}
	refuses("missing", "gs://nobodys/x", "there is no bucket nobodys", "gcloud storage buckets create gs://nobodys --location=EU --uniform-bucket-level-access")
	lost[0] = "storage.objects.create"
	refuses("withheld", "gs://backups/x", "has not got storage.objects.create on bucket backups, which roles/storage.objectAdmin has",
		"gcloud storage buckets add-iam-policy-binding gs://backups --member=user:YOU@EXAMPLE.COM --role=roles/storage.objectAdmin")
	lost[0] = ""
	w.setFault(func(r *http.Request) emulator.Fault {
		if writes(r) {
			return emulator.Fault{Status: 403, Reason: "forbidden", Message: "x@example.com does not have storage.objects.create access to the Google Cloud Storage object."}
		}
		return emulator.Fault{}
	})
	refuses("forbidden meanwhile", "gs://backups/x", "does not have storage.objects.create access", "roles/storage.objectAdmin")
	w.setFault(nil)
	for from, says := range map[string]string{
		"gs://nobodys/x": "there is no bucket nobodys", "gs://backups/none": "there is no backup gs://backups/none",
	} {
		_, err := k.Fetch(ctx, from)
		wantError(t, err, says)
	}
}

// A backup in a bucket goes as it was listed: one that has come in its place stays.
func TestBackupRemoved(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.makeBucket("backups")
	ctx := context.Background()
	b := bucket.Of(o.deps.GCE, "backups")
	for _, name := range []string{"of/a", "of/b"} {
		if err := b.Put(ctx, name, "text/plain", strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	list, err := o.Backups(ctx, "gs://backups/of")
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if gone, err := backup.Remove(ctx, o.deps.GCE, list[:1]); err != nil || len(gone) != 1 {
		t.Errorf("gone are %v, %v", gone, err)
	}
	if err := b.Put(ctx, "of/a", "text/plain", strings.NewReader("another")); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Remove(ctx, o.deps.GCE, list[:1]); err != nil {
		t.Errorf("again: %v", err)
	}
	if all, err := b.List(ctx, "of/"); err != nil || len(all) != 2 || all[0].Bytes != 7 {
		t.Errorf("there is %+v, %v", all, err)
	}
}
