package emulator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGcloudStorage makes a bucket, keeps files in it and lets an account at them, with
// an unmodified gcloud.
func TestGcloudStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	g.bare = true
	g.env = append(g.env, "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE="+w.web.URL+"/storage/v1/")
	dir := t.TempDir()
	small, large, back := filepath.Join(dir, "small"), filepath.Join(dir, "large"), filepath.Join(dir, "back")
	for name, text := range map[string]string{small: "some text\n", large: strings.Repeat("0123456789abcdef", 1<<20)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.do("storage buckets create gs://backups --location=europe-west1 --uniform-bucket-level-access")
	g.refuses("storage buckets create gs://backups", "409")
	g.prints("storage ls", "gs://backups/")
	g.do("storage cp " + small + " " + large + " gs://backups/of/k8s/")
	g.prints("storage ls gs://backups", "gs://backups/of/")
	g.prints("storage ls --recursive gs://backups/of/**", "gs://backups/of/k8s/large\ngs://backups/of/k8s/small")
	g.prints("storage cat gs://backups/of/k8s/small", "some text")
	g.do("storage cp gs://backups/of/k8s/large " + back)
	if b, err := os.ReadFile(back); err != nil || len(b) != 16<<20 {
		t.Errorf("%d bytes came back, %v", len(b), err)
	}
	g.prints("storage objects describe gs://backups/of/k8s/small --format=value(size,contentType)", "10 application/octet-stream")
	g.refuses("storage cat gs://backups/none", "matched no objects")
	g.refuses("storage ls gs://nobodys", "404")
	g.do("iam service-accounts create keeper")
	g.do("storage buckets add-iam-policy-binding gs://backups --member=serviceAccount:keeper@p.iam.gserviceaccount.com --role=roles/storage.objectAdmin")
	g.prints("storage buckets get-iam-policy gs://backups --format=value(bindings.role)", "roles/storage.objectAdmin")
	g.refuses("storage buckets delete gs://backups", "not empty")
	g.do("storage rm gs://backups/of/k8s/small gs://backups/of/k8s/large")
	g.do("storage buckets delete gs://backups")
}
