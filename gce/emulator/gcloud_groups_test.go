package emulator

import (
	"net/netip"
	"strings"
	"testing"
)

// TestGcloudGroups makes managed groups with gcloud.
func TestGcloudGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	for _, name := range []string{"t1", "t2"} {
		g.do("instance-templates create " + name + " --machine-type=n1-standard-1 --subnet=projects/p/regions/europe-west1/subnetworks/s" +
			" --region=europe-west1 --image-family=debian-12 --image-project=debian-cloud --tags=node")
	}
	g.prints("instance-templates list --format=value(name,properties.machineType,PREEMPTIBLE)", "t1 n1-standard-1\nt2 n1-standard-1")
	g.shows("instance-templates describe t1", "name: t1", "machineType: n1-standard-1", "- node")
	g.do("instance-groups managed create g --size=2 --template=t1 --base-instance-name=node")
	g.do("instance-groups managed wait-until g --stable")
	g.prints("instance-groups managed list", "NAME LOCATION SCOPE BASE_INSTANCE_NAME SIZE TARGET_SIZE INSTANCE_TEMPLATE AUTOSCALED\ng europe-west1-b zone node 2 2 t1 no")
	g.prints("instance-groups list", "NAME LOCATION SCOPE NETWORK MANAGED INSTANCES\ng europe-west1-b zone default Yes 2")
	members := func() []string {
		return strings.Fields(g.do("instance-groups managed list-instances g --format=value(NAME) --sort-by=NAME"))
	}
	before := members()
	if len(before) != 2 {
		t.Fatalf("members: %v", before)
	}
	g.prints("instance-groups managed list-instances g --sort-by=NAME", "NAME ZONE STATUS HEALTH_STATE ACTION INSTANCE_TEMPLATE VERSION_NAME LAST_ERROR\n"+
		before[0]+" europe-west1-b RUNNING NONE t1\n"+before[1]+" europe-west1-b RUNNING NONE t1")
	g.prints("instance-groups list-instances g --sort-by=instance", "NAME ZONE STATUS\n"+before[0]+" europe-west1-b RUNNING\n"+before[1]+" europe-west1-b RUNNING")
	g.refuses("instance-templates delete t1", "is already being used by 'projects/p/zones/europe-west1-b/instanceGroupManagers/g'")
	g.do("instance-groups managed set-instance-template g --template=t2")
	g.do("instance-groups managed resize g --size=3")
	g.do("instance-groups managed recreate-instances g --instances=" + before[0])
	g.do("instance-groups managed delete-instances g --instances=" + before[1])
	g.do("instance-groups managed wait-until g --stable")
	if after := members(); len(after) != 2 || strings.Contains(strings.Join(after, " "), before[1]) || !strings.Contains(strings.Join(after, " "), before[0]) {
		t.Errorf("members: %v after %v", after, before)
	}
	if got := w.templatesOf("g"); got["t2"] != 2 {
		t.Errorf("templates of the machines: %v", got)
	}
	g.shows("instance-groups managed describe g", "baseInstanceName: node", "targetSize: 2", "isStable: true")
	g.do("instance-groups managed set-named-ports g --named-ports=http:80,https:443")
	g.prints("instance-groups get-named-ports g", "NAME PORT\nhttp 80\nhttps 443")
	g.prints("instance-groups managed describe g --format=value(namedPorts.name.list())", "http,https")
	g.do("instance-groups managed set-autoscaling g --min-num-replicas=1 --max-num-replicas=2 --target-cpu-utilization=0.8")
	g.prints("instance-groups managed list --format=value(name,autoscaled)", "g yes")
	g.shows("instance-groups managed describe g", "maxNumReplicas: 2", "utilizationTarget: 0.8")
	g.do("instance-groups managed update-autoscaling g --mode=only-scale-out")
	g.do("instance-groups managed stop-autoscaling g")
	g.do("instance-groups managed delete g")
	g.do("instance-templates delete t1 t2")
	g.prints("instances list --format=value(name)", "")
}

// TestGcloudPools makes what Kubernetes leaves behind, and finds and removes it.
func TestGcloudPools(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	w.made("POST", zoneB+"instances", instance("m", nil))
	g.do("http-health-checks create legacy --port=10256 --request-path=/healthz")
	g.prints("http-health-checks list", "NAME HOST PORT REQUEST_PATH\nlegacy 10256 /healthz")
	g.do("target-pools create pool --http-health-check=legacy --session-affinity=CLIENT_IP")
	g.do("target-pools add-instances pool --instances=m --instances-zone=europe-west1-b")
	g.prints("target-pools list", "NAME REGION SESSION_AFFINITY BACKUP HEALTH_CHECKS\npool europe-west1 CLIENT_IP legacy")
	g.shows("target-pools describe pool", "name: pool", "- https://www.googleapis.com/compute/v1/"+zoneB+"instances/m")
	g.do("forwarding-rules create rule --region=europe-west1 --target-pool=pool --ports=80")
	g.refuses("target-pools delete pool", "is already being used by 'projects/p/regions/europe-west1/forwardingRules/rule'")
	g.refuses("http-health-checks delete legacy", "is already being used by 'projects/p/regions/europe-west1/targetPools/pool'")
	g.do("forwarding-rules delete rule --region=europe-west1")
	g.do("target-pools remove-instances pool --instances=m --instances-zone=europe-west1-b")
	g.do("target-pools delete pool")
	g.do("http-health-checks delete legacy")
}

// TestGcloudBalancer makes a balancer with gcloud and takes it apart.
func TestGcloudBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	ip := w.masters()
	w.made("DELETE", serviceW, nil)
	g.do("instances delete-access-config m1 --access-config-name=external-nat")
	g.do("instances add-access-config m1")
	g.do("instance-groups unmanaged create second")
	g.do("instance-groups unmanaged delete second")
	g.do("instance-groups unmanaged remove-instances g --instances=m1")
	g.do("instance-groups unmanaged add-instances g --instances=m1")
	g.prints("instance-groups unmanaged list-instances g", "NAME STATUS\nm1 RUNNING")
	g.prints("instance-groups unmanaged list --filter=name=g --zones=europe-west1-b", "NAME ZONE NETWORK NETWORK_PROJECT MANAGED INSTANCES\ng europe-west1-b default p No 1")
	g.do("health-checks create https ready --region=europe-west1 --port=443 --request-path=/readyz --check-interval=2s --timeout=1s")
	g.do("health-checks update https ready --region=europe-west1 --unhealthy-threshold=3")
	g.do("health-checks create tcp everywhere --port=22 --global")
	g.prints("health-checks list --format=value(name,region.basename(),type) --filter='name=(ready,everywhere)' --sort-by=name", "everywhere TCP\nready europe-west1 HTTPS")
	g.shows("health-checks describe ready --region=europe-west1", "unhealthyThreshold: 3", "requestPath: /readyz", "type: HTTPS")
	g.do("backend-services create api --load-balancing-scheme=EXTERNAL --protocol=TCP --region=europe-west1 --health-checks=ready --health-checks-region=europe-west1")
	g.do("backend-services add-backend api --region=europe-west1 --instance-group=g --instance-group-zone=europe-west1-b")
	g.do("backend-services add-backend api --region=europe-west1 --instance-group=g --instance-group-zone=europe-west1-c")
	g.do("forwarding-rules create api --load-balancing-scheme=EXTERNAL --region=europe-west1 --address=m-ip --ports=443 --backend-service=api")
	w.backend.mu.Lock()
	for _, m := range w.backend.network.Machines {
		w.backend.health = map[netip.Addr]bool{m.NIC.Address: true}
	}
	w.backend.mu.Unlock()
	if out := g.do("backend-services get-health api --region=europe-west1"); strings.Count(out, ": HEALTHY") != 1 || strings.Count(out, "UNHEALTHY") != 1 {
		t.Errorf("health:\n%s", out)
	}
	g.prints("forwarding-rules list", "NAME REGION IP_ADDRESS IP_PROTOCOL TARGET\napi europe-west1 "+ip+" TCP europe-west1/backendServices/api")
	g.shows("forwarding-rules describe api --region=europe-west1", "IPAddress: "+ip, "loadBalancingScheme: EXTERNAL")
	g.prints("addresses list --format=value(name,status,users[0].basename())", "m-ip IN_USE api")
	g.prints("backend-services list", "NAME BACKENDS PROTOCOL\napi europe-west1-b/instanceGroups/g,europe-west1-c/instanceGroups/g TCP")
	g.shows("backend-services describe api --region=europe-west1", "protocol: TCP", "name: api")
	if b := w.backend.net().Balancers; len(b) != 1 || len(b[0].Backends) != 2 || len(b[0].Ports) != 1 || b[0].Ports[0] != "443" || b[0].Check.Unhealthy != 3 {
		t.Errorf("balancers: %+v", b)
	}
	g.refuses("backend-services delete api --region=europe-west1", "is already being used by 'projects/p/regions/europe-west1/forwardingRules/api'")
	g.refuses("health-checks delete ready --region=europe-west1", "BACKEND_SERVICE:api'")
	g.do("addresses delete m-ip") // the rule keeps it
	g.do("forwarding-rules delete api --region=europe-west1")
	g.do("backend-services remove-backend api --region=europe-west1 --instance-group=g --instance-group-zone=europe-west1-b")
	g.do("backend-services delete api --region=europe-west1")
	g.do("health-checks delete ready --region=europe-west1")
}

// TestGcloudStateful makes machines with gcloud that come back with what is theirs.
func TestGcloudStateful(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	g.do("instance-templates create t1 --machine-type=n1-standard-1 --subnet=projects/p/regions/europe-west1/subnetworks/s --region=europe-west1" +
		" --image-family=debian-12 --image-project=debian-cloud --create-disk=device-name=data,size=10GB,auto-delete=yes")
	g.do("disks create m-pd --size=10GB")
	g.do("addresses create m-in --subnet=s")
	g.do("health-checks create https hc --port=443 --request-path=/readyz")
	const managed = "instance-groups managed "
	g.do(managed + "create g --size=0 --template=t1 --stateful-disk=device-name=data,auto-delete=never --stateful-external-ip=interface-name=nic0,auto-delete=never")
	g.do(managed + "create-instance g --instance=m --stateful-disk=device-name=data,source=projects/p/zones/europe-west1-b/disks/m-pd,auto-delete=never" +
		" --stateful-internal-ip=interface-name=nic0,address=projects/p/regions/europe-west1/addresses/m-in --stateful-metadata=mode=one")
	g.do(managed + "wait-until g --stable")
	before, id := w.keptOf("m")
	g.shows(managed+"describe-instance g --instance=m", "currentAction: NONE", "mode: one")
	g.prints(managed+"instance-configs list g --format=value(name,status)", "m EFFECTIVE")
	g.do("instances delete m")
	w.again(before, id)
	g.do(managed + "instance-configs update g --instance=m --stateful-metadata=mode=two --no-update-instance")
	g.prints(managed+"instance-configs list g --format=value(name,status)", "m UNAPPLIED")
	g.do(managed + "update-instances g --instances=m --minimal-action=none --most-disruptive-allowed-action=refresh")
	g.do(managed + "wait-until g --stable")
	g.prints(managed+"instance-configs list g --format=value(name,status)", "m EFFECTIVE")
	g.do(managed + "update g --health-check=hc --initial-delay=300")
	g.shows(managed+"describe g", "initialDelaySec: 300")
	g.do(managed + "update g --clear-autohealing")
	g.do(managed + "update g --default-action-on-vm-failure=do-nothing")
	g.shows(managed+"describe g", "defaultActionOnFailure: DO_NOTHING", "hasStatefulConfig: true")
	g.prints(managed+"list-errors g --format=value(error.message)", "")
	g.do(managed + "instance-configs delete g --instances=m --no-update-instance")
	g.do(managed + "abandon-instances g --instances=m")
	g.do(managed + "delete g")
	g.prints("instances list --format=value(name)", "m")
}
