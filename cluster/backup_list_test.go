package cluster

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hakube/cluster/backup"
	"hakube/gce/bucket"
	"hakube/gce/emulator"
)

// What a bucket and a directory list is the same: backups by their records, the newest
// first, and by name what is none, or not whole. Nothing secret is read for that, and not
// much at all.
func TestBackupsListed(t *testing.T) {
	w := newWorld(t)
	k := keeperOf(t, sickOf(t, w, 1).o)
	w.makeBucket("backups")
	ctx := context.Background()
	path, r := k.backup(t, "b1")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := bucket.Of(k.deps.GCE, "backups")
	at := bytes.Index(whole, []byte("keys.json.age\x00"))
	record := bytes.Clone(whole)
	record[600] ^= 1
	for name, text := range map[string][]byte{
		"a-copy": whole, "cut": whole[:at+100], "cut-at-its-end": whole[:bytes.LastIndex(whole, []byte("SHA256SUMS"))+520], "notes.txt": []byte("buy milk\n"), "empty": nil, "another-record": record,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := b.Put(ctx, "of/"+name, "application/x-tar", bytes.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "of/below/x", "text/plain", bytes.NewReader(nil)); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{dir, "gs://backups/of"} {
		list, err := k.Backups(ctx, place)
		if err != nil || len(list) != 6 {
			t.Fatalf("%s: %d are listed, %v: %+v", place, len(list), err, list)
		}
		x := list[0]
		if x.Where != place+"/a-copy" || !x.Verified || x.Why != "" || x.Cluster != "local/kubernetes" || *x.Main != r.Rings["main"].Revision || *x.Events != r.Rings["events"].Revision || x.Bytes != int64(len(whole)) || !x.MadeAt.Equal(r.Made.Time()) {
			t.Errorf("%s: the first is %+v", place, x)
		}
		for name, why := range map[string]string{
			"cut": "damaged: keys.json.age is missing or cut off", "cut-at-its-end": "damaged: SHA256SUMS is cut off", "notes.txt": "is no backup of hakube's", "empty": "is no backup of hakube's",
			"another-record": "damaged: hakube-backup.json is not what SHA256SUMS says of it",
		} {
			i := slices.IndexFunc(list, func(x backup.Listed) bool { return x.Where == place+"/"+name })
			if i < 0 || list[i].Verified || !strings.Contains(list[i].Why, why) {
				t.Errorf("%s: %s is listed as %+v, want %q", place, name, list, why)
			}
		}
	}
	if _, err := k.Backups(ctx, dir+"/none"); err == nil || !strings.Contains(err.Error(), "there is no directory") {
		t.Errorf("of no directory: %v", err)
	}
	if _, err := k.Backups(ctx, "gs://nobodys"); err == nil || !strings.Contains(err.Error(), "there is no bucket nobodys") {
		t.Errorf("of no bucket: %v", err)
	}
	w.setFault(func(r *http.Request) emulator.Fault {
		if r.Header.Get("Range") != "" {
			return emulator.Fault{Status: 403, Reason: "forbidden", Message: "x does not have storage.objects.get access to the Google Cloud Storage object."}
		}
		return emulator.Fault{}
	})
	_, err = k.Backups(ctx, "gs://backups/of")
	wantError(t, err, "has not got what that takes on bucket backups", "roles/storage.objectAdmin")
}
