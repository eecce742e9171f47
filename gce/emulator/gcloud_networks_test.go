package emulator

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/doc"
)

// TestGcloudNetworks makes and looks at networks, addresses and what is there anyway.
func TestGcloudNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	g.do("networks create n --subnet-mode=custom --bgp-routing-mode=regional")
	g.prints("networks list", "NAME SUBNET_MODE BGP_ROUTING_MODE IPV4_RANGE GATEWAY_IPV4 INTERNAL_IPV6_RANGE\nn CUSTOM REGIONAL")
	g.do("networks subnets create s --network=n --range=10.40.0.0/22 --secondary-range=pods=10.64.0.0/14")
	g.prints("networks subnets list", "NAME REGION NETWORK RANGE STACK_TYPE IPV6_ACCESS_TYPE INTERNAL_IPV6_PREFIX EXTERNAL_IPV6_PREFIX\ns europe-west1 n 10.40.0.0/22 IPV4_ONLY")
	g.shows("networks subnets describe s --format=yaml(gatewayAddress,secondaryIpRanges)", "gatewayAddress: 10.40.0.1", "- ipCidrRange: 10.64.0.0/14", "rangeName: pods")
	g.shows("networks describe n", "name: n", "autoCreateSubnetworks: false", "- https://www.googleapis.com/compute/v1/"+regionW+"subnetworks/s")
	g.refuses("networks create n --subnet-mode=custom", "The resource 'projects/p/global/networks/n' already exists")
	g.refuses("networks delete n", "The network resource 'projects/p/global/networks/n' is already being used by 'projects/p/regions/europe-west1/subnetworks/s'")

	g.do("firewall-rules create ssh --network=n --allow=tcp:22,icmp --source-ranges=192.0.2.0/24 --target-tags=a --priority=900")
	g.prints("firewall-rules list", "NAME NETWORK DIRECTION PRIORITY ALLOW DENY DISABLED\nssh n INGRESS 900 tcp:22,icmp False")
	g.do("firewall-rules update ssh --allow=tcp:2222")
	g.prints("firewall-rules describe ssh --format=value(allowed[0].ports,targetTags[0])", "2222 a")
	g.prints("routes list --format=value(network.basename(),destRange,priority) --sort-by=destRange", "n 0.0.0.0/0 1000\nn 10.40.0.0/22 0")
	route := strings.TrimSpace(g.do("routes list --filter=destRange=0.0.0.0/0 --format=value(name)"))
	g.shows("routes describe "+route, "destRange: 0.0.0.0/0", "kind: compute#route")

	g.do("addresses create a1")
	g.do("addresses create a2 --subnet=s --addresses=10.40.0.9")
	ip := doc.Str(w.get(regionW+"addresses/a1"), "address")
	g.prints("addresses list", "NAME ADDRESS/RANGE TYPE PURPOSE NETWORK REGION SUBNET STATUS\na1 "+ip+" EXTERNAL europe-west1 RESERVED\na2 10.40.0.9 INTERNAL GCE_ENDPOINT europe-west1 s RESERVED")
	g.shows("addresses describe a1", "address: "+ip, "networkTier: PREMIUM", "status: RESERVED")
	g.do("addresses delete a1 a2")
	g.do("firewall-rules delete ssh")
	g.do("networks subnets delete s")
	g.do("networks delete n")
	if n := w.s.Objects(); len(n) != 0 {
		t.Errorf("left: %v", n)
	}

	g.prints("zones list --filter=region:europe-west1 --format=csv(name,status)", "name,status\neurope-west1-b,UP\neurope-west1-c,UP\neurope-west1-d,UP")
	g.shows("zones describe europe-west1-b", "name: europe-west1-b", "status: UP")
	g.shows("regions list --format=value(name,status)", "us-central1 UP", "europe-west1 UP")
	g.shows("regions describe europe-west1 --format=yaml(quotas)", "- limit: 100000.0", "metric: CPUS")
	g.prints("machine-types list --zones=europe-west1-b --filter=name=n1-standard-2", "NAME ZONE CPUS MEMORY_GB DEPRECATED\nn1-standard-2 europe-west1-b 2 7.50")
	g.shows("machine-types describe n1-standard-2", "guestCpus: 2", "memoryMb: 7680")
	g.prints("images list --filter=family=debian-12", "NAME PROJECT FAMILY DEPRECATED STATUS\ndebian-12-bookworm-v20250610 debian-cloud debian-12 READY")
	g.prints("images describe-from-family debian-12 --project=debian-cloud --format=value(name,diskSizeGb)", "debian-12-bookworm-v20250610 10")
	g.do("project-info add-metadata --metadata=k=v")
	g.shows("project-info describe", "name: p", "- key: k", "value: v", "defaultNetworkTier: PREMIUM")
}
