//go:build linux

package main

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"hakube/cluster/settings"
	"hakube/gce/local"
	"hakube/gce/local/console"
)

// withoutWays is why the ways are not tried.
func withoutWays() string {
	switch {
	case testing.Short():
		return "takes over a minute"
	case !installed("gcloud"):
		return "gcloud is not installed"
	}
	return ""
}

// ways are what others have put in hakube's way in Compute Engine: the refusal names
// the command by which it goes, and the same again is not refused.
func ways() []slip {
	kubeconfig, b := "--kubeconfig=kubeconfig", "--zone="+zoneB
	up, in := "$H up "+b, " --zone="+zoneB
	pool, region := "--use-existing-master", " --region=europe-west1"
	mark := settings.Mark{Project: local.Project, Cluster: "kubernetes", Multizone: true}.For("address")
	return []slip{
		{kinds: []string{"LocalModel"}, make: func(t *testing.T, s *shell) {
			s.ok(t, "local", "reset", "--yes")
			small := t.TempDir() // a disk without room for the software of real machines
			if os.Geteuid() == 0 {
				must(t, syscall.Mount("tmpfs", small, "tmpfs", 0, "size=1m"))
				t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
			}
			s.env = append(s.env, "HAKUBE_CACHE_DIR="+small)
		}, call: []string{"local", "start", "--machines=real"}, shows: map[string]string{"LocalModel": "with model machines"}},
		{kinds: []string{"Compute"}, name: "ssh-keys", make: func(t *testing.T, s *shell) {
			s.ok(t, "up", b)
			keys := filepath.Join(t.TempDir(), "keys")
			line := "x:ssh-ed25519 " + strings.Repeat("A", 68) + " x\n"
			must(t, os.WriteFile(keys, []byte(strings.Repeat(line, (256<<10-100)/len(line))), 0o600))
			s.gcloud(t, "instances remove-metadata kubernetes-master --keys=ssh-keys"+in)
			s.gcloud(t, "instances add-metadata kubernetes-master --metadata-from-file=ssh-keys="+keys+in)
		}, call: []string{"up", b, kubeconfig}, after: map[string]string{"Compute": up}},
		{kinds: []string{"Compute"}, name: "another master's disk", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances delete kubernetes-master --keep-disks=data"+in)
			s.gcloud(t, "instances create rescue --subnet=kubernetes-subnet-default --disk=name=kubernetes-master-pd"+in)
		}, call: []string{"up", b, kubeconfig}, after: map[string]string{"Compute": up}},
		{kinds: []string{"Compute"}, name: "address on a machine", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances delete kubernetes-master --keep-disks=data"+in)
			s.gcloud(t, "instances delete-access-config rescue"+in)
			s.gcloud(t, "instances add-access-config rescue --access-config-name='External NAT' --address=$(gcloud compute addresses describe kubernetes-master-ip --format='value(address)'"+region+")"+in)
		}, call: []string{"up", b, kubeconfig}, after: map[string]string{"Compute": up}},
		{kinds: []string{"Compute"}, name: "group of another balancer", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "health-checks create tcp web --port=80"+region)
			s.gcloud(t, "instance-groups unmanaged create web"+in)
			s.gcloud(t, "instance-groups unmanaged add-instances web --instances=kubernetes-master"+in)
			s.gcloud(t, "backend-services create web --load-balancing-scheme=EXTERNAL --protocol=TCP --health-checks=web --health-checks-region=europe-west1"+region)
			s.gcloud(t, "backend-services add-backend web --instance-group=web --instance-group-zone="+zoneB+region)
		}, call: []string{"up", "--zone=" + zoneC, "--replicate-existing-master", kubeconfig}, after: map[string]string{"Compute": "$H up --zone=" + zoneC + " --replicate-existing-master"}},
		{kinds: []string{"FromSurvivor"}, make: func(t *testing.T, s *shell) {
			m := s.masterIn(t, zoneC)
			s.gcloud(t, "instances delete "+m+" --keep-disks=data --zone="+zoneC)
			s.gcloud(t, "disks delete "+m+"-pd --zone="+zoneC)
		}, call: []string{"repair", kubeconfig}, after: map[string]string{"FromSurvivor": "$H validate && $H status"}},
		{kinds: []string{"Status", "Console"}, name: "script that fails", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances remove-metadata kubernetes-master --keys=hakube-dns-ip"+in)
			s.gcloud(t, "instances reset kubernetes-master"+in)
		}, call: []string{"up", b, kubeconfig},
			shows: map[string]string{"Status": "kubernetes-master .*failed .*hakube-dns-ip", "Console": "hakube: failed: .*hakube-dns-ip"}},
		{kinds: []string{"Compute"}, name: "pool behind another balancer", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "instances add-metadata kubernetes-master --metadata=hakube-dns-ip=10.0.0.10"+in)
			s.gcloud(t, "instances reset kubernetes-master"+in)
			s.ok(t, "up", b)
			s.gcloud(t, "backend-services add-backend web --instance-group=kubernetes-minion-group --instance-group-zone="+zoneB+region)
		}, call: []string{"down", b, pool, kubeconfig}, after: map[string]string{"Compute": "$H down " + b + " " + pool}},
		{kinds: []string{"Compute", "Compute"}, name: "strangers in the network", make: func(t *testing.T, s *shell) {
			s.gcloud(t, "backend-services delete web"+region)
			s.gcloud(t, "addresses create inner --subnet=kubernetes-subnet-default"+region)
		}, call: []string{"down", "--yes", kubeconfig}},
		{kinds: []string{"Compute"}, name: "internal address", make: func(t *testing.T, s *shell) {
			s.ok(t, "down", "--yes")
			s.gcloud(t, "networks subnets create other --network=default --range=10.100.0.0/20"+region)
			s.gcloud(t, "addresses create kubernetes-master-ip --subnet=other --description='"+mark+"'"+region)
		}, call: []string{"up", b, kubeconfig}, after: map[string]string{"Compute": up}},
	}
}

// doors are what the embedded GCE names to whoever it does not let in, and what help
// does: lines of words, for a shell that finds hakube.
func (s *shell) doors(t *testing.T, run map[string]bool) (named int) {
	t.Helper()
	d, err := local.Ask(context.Background(), s.dir)
	must(t, err)
	get := func(client *http.Client, url string) (int, string) {
		resp, err := client.Get(url)
		must(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		must(t, err)
		return resp.StatusCode, string(b)
	}
	follow := func(kind, said, pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(said)
		if m == nil {
			t.Fatalf("%s is not named:\n%s", kind, said)
		}
		out, code := s.typed(t, t.TempDir(), "sh", "-c", `PATH="${H%/*}:$PATH"; `+m[1])
		if code != 0 {
			t.Fatalf("%s exits with %d:\n%s", m[1], code, out)
		}
		run[kind] = true
		named++
		return out
	}
	_, said := get(http.DefaultClient, d.Endpoint+"/compute/v1/projects/local")
	env := follow("LocalEnv", said, `handed to gcloud by: (hakube local env)\b`)
	if out, code := s.typed(t, t.TempDir(), "sh", "-c", env+"\ngcloud compute project-info describe"); installed("gcloud") && code != 0 {
		t.Errorf("gcloud exits with %d:\n%s", code, out)
	}
	_, said = get(http.DefaultClient, d.Endpoint+console.Path)
	link := follow("LocalConsole", said, `printed by: (hakube local console)\b`)
	jar, err := cookiejar.New(nil)
	must(t, err)
	if code, page := get(&http.Client{Jar: jar}, strings.TrimSpace(link)); code != http.StatusOK || !strings.Contains(page, "<title>embedded GCE</title>") {
		t.Errorf("the page behind the link: %d\n%s", code, page)
	}
	out, _ := s.typed(t, t.TempDir(), s.exe, "status", "--help")
	if out = follow("Validate", out, `\((hakube validate) judges\)`); !strings.Contains(out, "is valid: ") {
		t.Errorf("validate says:\n%s", out)
	}
	return named
}
