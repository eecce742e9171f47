package main

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A backup for nobody, over something, or to where nothing can be kept is refused before
// anything is contacted, with the commands that help.
func TestBackupIsForSomebody(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
	for _, x := range []struct{ args, want string }{
		{"--to=" + dir + "/b", "age-keygen -o hakube-backup.key"},
		{"--to=" + dir + "/b", "HAKUBE_BACKUP_RECIPIENTS='age1…'"},
		{"--to=" + dir + "/b --backup-recipients=age1abc", "not a public key of age"},
		{"--to=" + dir + "/b --backup-recipients=AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ", "that is a private key"},
		{"--to=" + dir + "/b --backup-recipients=" + key + ",ssh-rsa", "not a public key of age"},
		{"--backup-recipients=" + key, "--to: name the file to make"},
		{"--to=s3://bucket/prefix --backup-recipients=" + key, "nothing here speaks to s3"},
		{"--to=gs://B/prefix --backup-recipients=" + key, "is no name of a bucket"},
		{"--to=gs://bucket/of/* --backup-recipients=" + key, "no wildcards"},
		{"--to=" + there + " --backup-recipients=" + key, "no backup is written over"},
		{"--to=" + dir + "/none/b --backup-recipients=" + key, "no such file or directory"},
		{"--to=" + there + "/b --backup-recipients=" + key, "there is no directory"},
		{"--backup-recipients=" + key + " file", "the file is named by --to"},
	} {
		out, errs, code := call(t, append([]string{"backup", "--project=example"}, strings.Fields(x.args)...)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, x.want) {
			t.Errorf("hakube backup %s: %d, want %q:\n%s%s", x.args, code, x.want, out, errs)
		}
	}
	if left, err := filepath.Glob(dir + "/*b*"); err != nil || len(left) > 0 {
		t.Errorf("left is %q, %v", left, err)
	}
}

// A restore without a key, of something that is no backup, or from where nothing can be
// read is refused before anything is contacted.
func TestRestoreNeedsItsKey(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	file, key := filepath.Join(dir, "file"), filepath.Join(dir, "key")
	for name, text := range map[string]string{file: "something else", key: "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct {
		args, want string
		code       int
	}{
		{"", "name the backup", exitUsage},
		{file, "HAKUBE_BACKUP_IDENTITY is not set", exitUsage},
		{file + " --yes", "flags come before it", exitUsage},
		{"s3://bucket/backup", "nothing here speaks to s3", exitUsage},
		{"gs://bucket/of/", "is a place; name a backup in it", exitUsage},
		{"--backup-identity=" + file + " gs://bucket/backup", "it is a file as age-keygen writes it", exitFailed},
		{"--backup-identity=" + dir + "/none " + file, "no such file or directory", exitFailed},
		{"--backup-identity=" + file + " " + file, "it is a file as age-keygen writes it", exitFailed},
		{"--backup-identity=" + key + " " + file, "is no backup of hakube's", exitFailed},
		{"--backup-identity=" + key + " " + dir + "/none", "opening the backup", exitFailed},
	} {
		out, errs, code := call(t, append([]string{"restore", "--project=example"}, strings.Fields(x.args)...)...)
		if code != x.code || out != "" || !strings.Contains(errs, x.want) {
			t.Errorf("hakube restore %s: %d, want %d and %q:\n%s%s", x.args, code, x.code, x.want, out, errs)
		}
	}
}

// kept writes what is a backup by its record, of a cluster and a time.
func kept(t *testing.T, path, cluster string, made time.Time) {
	t.Helper()
	record := fmt.Sprintf(`{"format":1,"cluster":%q,"made":%d,"rings":{"main":{"revision":7},"events":{"revision":3}}}`, cluster, made.Unix())
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(file)
	for _, part := range [][2]string{
		{"hakube-backup.json", record}, {"main.db.age", "x"}, {"events.db.age", "x"}, {"keys.json.age", "x"},
		{"SHA256SUMS", fmt.Sprintf("%x  hakube-backup.json\n", sha256.Sum256([]byte(record)))},
	} {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: part[0], Mode: 0o600, Size: int64(len(part[1]))}))
		if err == nil {
			_, err = archive.Write([]byte(part[1]))
		}
	}
	if err = errors.Join(err, archive.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestBackupsThin: old backups of the cluster go once that is agreed to, by the rule, and
// neither another's nor what is damaged.
func TestBackupsThin(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backups.d") // which is no cluster's name
	must(t, os.Mkdir(dir, 0o700))
	t.Setenv("HOME", t.TempDir())
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -10)
	for name, made := range map[string]time.Time{
		"new": time.Now(), "also-new": time.Now().Add(-time.Minute), "morning": day.Add(6 * time.Hour), "noon": day.Add(12 * time.Hour), "evening": day.Add(18 * time.Hour), "ancient": day.AddDate(0, 0, -100),
	} {
		kept(t, filepath.Join(dir, name), "example/kubernetes", made)
	}
	kept(t, filepath.Join(dir, "anothers"), "example/other", day.Add(time.Hour))
	if err := os.WriteFile(filepath.Join(dir, "damaged"), []byte("hakube-backup.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	there := func(names ...string) {
		t.Helper()
		var got []string
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			got = append(got, f.Name())
		}
		if slices.Sort(names); !slices.Equal(got, names) {
			t.Errorf("there is %q, want %q", got, names)
		}
	}
	out, errs, code := call(t, "backups", "--thin", "--project=example", dir)
	if code != exitUsage || out != "" || !strings.Contains(errs, "this removes 3 backups of cluster kubernetes") || !strings.Contains(errs, "KUBERNETES_SKIP_CONFIRM=true") || !strings.Contains(errs, "hakube backups --thin "+dir) {
		t.Errorf("without a terminal: %d\n%s%s", code, out, errs)
	}
	there("ancient", "also-new", "anothers", "damaged", "evening", "morning", "new", "noon")
	out, errs, code = call(t, "backups", "--thin", "--yes", "--project=example", dir)
	if code != exitDone || !strings.Contains(errs, "3 backups of cluster kubernetes were removed") || strings.Count(out, " yes\n") != 4 {
		t.Errorf("with --yes: %d\n%s%s", code, out, errs)
	}
	there("also-new", "anothers", "damaged", "evening", "new")
	out, errs, code = call(t, "backups", "--thin", "--json", "--project=example", dir)
	if code != exitDone || errs != "" || !strings.Contains(out, `"thinned":[]`) {
		t.Errorf("once more: %d\n%s%s", code, out, errs)
	}
}
