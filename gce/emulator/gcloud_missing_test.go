package emulator

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"hakube/gce/emulator/internal/api"
)

// TestGcloudMissing asks with gcloud for what is not here: each is refused once, by
// its name, and gcloud neither tries again nor looks for a fault of the network.
func TestGcloudMissing(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	asked := map[string]int{}
	w := newWorld(t, func(o *api.Options) {
		o.Fault = func(r *http.Request) (f api.Fault) {
			mu.Lock()
			defer mu.Unlock()
			asked[r.Method+" "+r.URL.Path]++
			return f
		}
	})
	g := w.long()
	w.subnet()
	g.do("instances create m1 --subnet=s --image-family=debian-12 --image-project=debian-cloud --no-scopes --no-service-account")
	for _, c := range []struct{ words, what string }{
		// By gcloud's client for single calls, which tries 5xx again for half a minute.
		{"routers create r --network=default --region=europe-west1", "routers.insert"},
		{"routers nats create n --router=r --region=europe-west1 --auto-allocate-nat-external-ips --nat-all-subnet-ip-ranges", "routers.get"},
		{"vpn-gateways create v --network=default --region=europe-west1", "vpnGateways.insert"},
		{"interconnects list", "interconnects.list"},
		{"networks peerings create p --network=default --peer-network=other", "networks.addPeering"},
		{"networks update default --switch-to-custom-subnet-mode", "networks.switchToCustomMode"},
		{"machine-images create i --source-instance=m1 --source-instance-zone=europe-west1-b", "machineImages.insert"},
		{"reservations create r --vm-count=1 --machine-type=n1-standard-1 --zone=europe-west1-b", "reservations.insert"},
		{"security-policies create p", "securityPolicies.insert"},
		{"instances get-screenshot m1", "instances.getScreenshot"},
		// By its batches.
		{"disks create d --region=europe-west1 --replica-zones=europe-west1-b,europe-west1-c", "regionDisks.insert"},
		{"url-maps create u --default-service=x --global", "urlMaps.insert"},
		// Fields and values.
		{"instances create x --subnet=s --local-ssd=interface=NVME", "instances.insert with local SSDs"},
		{"instances create x --network-interface=subnet=s --network-interface=subnet=s", "instances.insert with several network interfaces"},
		{"instance-templates create t --network=default --local-ssd=interface=SCSI", "instanceTemplates.insert with local SSDs"},
		{"disks create d --type=hyperdisk-balanced --size=10GB", "disks.insert with type hyperdisk-balanced"},
		{"firewall-rules create f --network=default --allow=tcp:22 --source-service-accounts=a@b", "firewalls.insert with sourceServiceAccounts"},
		{"routes create r --network=default --destination-range=192.168.6.0/24 --next-hop-address=10.40.0.9", "routes.insert with nextHopIp"},
		{"health-checks create ssl c --region=europe-west1", "regionHealthChecks.insert with type SSL"},
	} {
		g.checked.Add(1)
		mu.Lock()
		clear(asked)
		mu.Unlock()
		_, told, err := g.try(c.words)
		said := strings.Join(strings.Fields(told), " ")
		if err == nil || !strings.Contains(said, c.what+" is not written in hakube's embedded GCE") || strings.Contains(said, "connectivity") || strings.Contains(said, "cache-control") {
			t.Errorf("gcloud compute %s: %v, said\n%s\nwant %q", c.words, err, told, c.what)
		}
		mu.Lock()
		for request, n := range asked {
			if n > 1 {
				t.Errorf("gcloud compute %s: asked %d times for %s", c.words, n, request)
			}
		}
		mu.Unlock()
	}
	// A list of all public images is a warning by gcloud's rules, and has those that there are.
	out, told, err := g.try("images list --format=value(family)")
	if err != nil || strings.TrimSpace(out) != "debian-12" || !strings.Contains(told, "images of project cos-cloud is not written") {
		t.Errorf("gcloud compute images list: %v %q %s", err, out, told)
	}
}
