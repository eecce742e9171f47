//go:build linux

package main

import (
	"context"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/gce"
	"hakube/gce/local"
)

// blocked are slips on a cluster that others have a hand in: what stands in its way
// is theirs, and gcloud is what takes it away.
func blocked() []slip {
	kubeconfig, b, c, d := "--kubeconfig=kubeconfig", "--zone="+zoneB, "--zone="+zoneC, "--zone="+zoneD
	pool, one, another := "--use-existing-master", "--delete-nodes=false", "--replicate-existing-master"
	validate := "$H validate"
	if !installed("gcloud") {
		for _, kind := range []string{"DeleteMachine", "KeepDisk", "DeleteDisk", "Compute", "Unprotect", "Resume"} {
			notRun[kind] = "gcloud is not installed"
		}
	}
	return []slip{
		{kinds: []string{"FinishPool"}, make: func(t *testing.T, s *shell) {
			s.ok(t, "local", "start", "--machines=model")
			s.ok(t, "up", b)
			s.ok(t, "up", c, another)
			s.ok(t, "down", b, pool)
		}, call: []string{"status", kubeconfig}, after: map[string]string{"FinishPool": validate}},
		{kinds: []string{"DeleteMachine", "KeepDisk", "DeleteDisk", "Repair"}, make: func(t *testing.T, s *shell) {
			s.ok(t, "up", d, another)
			s.otherDisk(t, zoneD)
		}, call: []string{"repair", kubeconfig}, after: map[string]string{"Repair": validate}},
		{kinds: []string{"Unprotect"}, make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances update "+s.masterIn(t, zoneD)+" --deletion-protection "+d)
		}, call: []string{"down", d, one, kubeconfig}, after: map[string]string{"Unprotect": "$H down " + d + " " + one}},
		{kinds: []string{"Compute"}, make: func(t *testing.T, s *shell) { // OS Login, and a master of an older hakube
			s.gcloud(t, "project-info add-metadata --metadata=enable-oslogin=TRUE")
			s.gcloud(t, "instances remove-metadata kubernetes-master --zone="+zoneB+" --keys=enable-oslogin")
		}, call: []string{"up", d, another, kubeconfig}, after: map[string]string{"Compute": "$H up " + d + " " + another}},
		{kinds: []string{"Resume"}, make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances suspend "+s.masterIn(t, zoneD)+" "+d)
		}, call: []string{"repair", kubeconfig}, after: map[string]string{"Resume": "$H validate --wait=1m"}},
	}
}

// client has the embedded GCE at hand without hakube.
func (s *shell) client(t *testing.T) *gce.Client {
	t.Helper()
	ctx := context.Background()
	d, err := local.Ask(ctx, s.dir)
	must(t, err)
	owner, err := local.Client(s.dir)
	must(t, err)
	client, err := gce.New(ctx, gce.Options{Project: local.Project, Region: "europe-west1", Endpoint: d.Endpoint, HTTPClient: owner})
	must(t, err)
	return client
}

// gcloud is what somebody else does.
func (s *shell) gcloud(t *testing.T, words string) {
	t.Helper()
	if !installed("gcloud") {
		t.Skip("gcloud is not installed")
	}
	if out, code := s.typed(t, t.TempDir(), "sh", "-c", `eval "$($H local env)" && gcloud --quiet compute `+words); code != 0 {
		t.Fatalf("gcloud compute %s: %s", words, out)
	}
}

// masterIn is the name of a zone's master.
func (s *shell) masterIn(t *testing.T, zone string) string {
	t.Helper()
	all, err := s.client(t).Instances(zone).List(context.Background())
	must(t, err)
	for _, x := range all {
		if strings.Contains(x.GetName(), "-master") {
			return x.GetName()
		}
	}
	t.Fatalf("%s has no master", zone)
	return ""
}

// otherDisk puts somebody else's disk in the place of a master's.
func (s *shell) otherDisk(t *testing.T, zone string) {
	t.Helper()
	ctx, of, m := context.Background(), s.client(t), s.masterIn(t, zone)
	disk := m + "-pd"
	s.gcloud(t, "instances stop "+m+" --zone="+zone)
	s.gcloud(t, "instances detach-disk "+m+" --zone="+zone+" --disk="+disk)
	must(t, of.Disks(zone).Delete(ctx, disk))
	must(t, of.Disks(zone).Insert(ctx, &computepb.Disk{Name: &disk, SizeGb: new(int64(20))}))
}
