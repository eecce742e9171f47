package cluster

import (
	"time"

	"hakube/cluster/gpu"
	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce/gcetest"
	"hakube/scripts"
)

// refusedMaking are about what is made new: the cluster, a pool, a master.
var refusedMaking = []refusalCase{
	{name: "minor that hakube was not tried with", run: settings.Create, settings: func(s *settings.Settings) { s.KubeVersion = "v1.34.2"; fromMirror(s) },
		says: []string{`KUBE_VERSION="v1.34.2": hakube makes clusters of v1.35, v1.36, v1.37, and brings them to those`}},
	{name: "masters in groups without a balancer", run: settings.Create, settings: func(s *settings.Settings) { s.MasterGroups = true },
		says: []string{"takes the API's address to be on a balancer", "HAKUBE_LOAD_BALANCER=from-start"}},
	{name: "backups by masters that lack what it takes", run: settings.Create, settings: func(s *settings.Settings) { s.BackupEvery, s.BackupTo = settings.Interval(time.Hour), "/srv/backups" },
		says: []string{"HAKUBE_BACKUP_EVERY=1h: HAKUBE_BACKUP_TO=/srv/backups is no bucket", "HAKUBE_BACKUP_RECIPIENTS does not say who can read them", "age-keygen", "HAKUBE_MASTER_SERVICE_ACCOUNT is none"}},
	{name: "bucket of backups by masters", run: settings.Create, settings: byMasters(time.Hour),
		says: []string{"HAKUBE_BACKUP_TO=gs://backups/of: there is no bucket backups", "gcloud storage buckets create gs://backups"}},
	{name: "backups by masters that are made for none", masters: 1, run: settings.Create, settings: byMasters(time.Hour),
		says: []string{"HAKUBE_BACKUP_EVERY", "hakube roll masters"}},
	{name: "range of another region's subnetwork", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post("regions/us-east1/subnetworks", doc{"name": "far", "network": "global/networks/default", "ipCidrRange": "10.40.0.0/20"})
	}, says: []string{"NODE_IP_RANGE=10.40.0.0/22 overlaps 10.40.0.0/20, which subnetwork far in us-east1 has", "NODE_IP_RANGE=10.1.0.0/22 is free", "KUBE_GCE_NETWORK"}},
	{name: "secondary range of a subnetwork", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post("regions/us-east1/subnetworks", doc{"name": "far", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/20",
			"secondaryIpRanges": []any{doc{"rangeName": "x", "ipCidrRange": "10.66.0.0/16"}, doc{"rangeName": "y", "ipCidrRange": "10.0.128.0/20"}}})
	}, says: []string{"CLUSTER_IP_RANGE=10.64.0.0/14 overlaps 10.66.0.0/16", "SERVICE_CLUSTER_IP_RANGE=10.0.0.0/16 overlaps 10.0.128.0/20", "SERVICE_CLUSTER_IP_RANGE=10.1.0.0/16 is free"}},
	{name: "range of an automatic network", run: settings.Create, world: func(w *world, _ *operator) { w.network(true) },
		settings: func(s *settings.Settings) { _ = s.ClusterRange.Decode("10.128.0.0/14") },
		says:     []string{"CLUSTER_IP_RANGE=10.128.0.0/14 overlaps", "CLUSTER_IP_RANGE=10.4.0.0/14 is free"}},
	{name: "range a route leads out of", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post(inRegion+"subnetworks", doc{"name": "other", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/20"})
		w.machineIn("other", "gateway", nil)
		w.post("global/routes", doc{"name": "vpn", "network": "global/networks/default", "destRange": "10.65.0.0/16", "priority": 900, "nextHopInstance": inZone + "instances/gateway"})
	}, says: []string{"CLUSTER_IP_RANGE=10.64.0.0/14 overlaps 10.65.0.0/16, which route vpn of network default leads elsewhere"}},
	{name: "range a route leads to the internet", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post("global/routes", doc{"name": "out", "network": "global/networks/default", "destRange": "10.65.0.0/16", "nextHopGateway": "global/gateways/default-internet-gateway"})
	}, says: []string{"CLUSTER_IP_RANGE=10.64.0.0/14 overlaps 10.65.0.0/16, which route out of network default leads elsewhere"}},
	{name: "range no subnetwork may have", run: settings.Create,
		settings: func(s *settings.Settings) { _ = s.NodeRange.Decode("169.254.16.0/22") },
		says:     []string{"NODE_IP_RANGE=169.254.16.0/22 overlaps 169.254.0.0/16", "NODE_IP_RANGE=10.1.0.0/22 is free"}},
	{name: "range too large", run: settings.Create,
		settings: func(s *settings.Settings) { _ = s.ClusterRange.Decode("32.0.0.0/3") },
		says:     []string{"CLUSTER_IP_RANGE=32.0.0.0/3 is too large"}},
	{name: "internal address", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post(inRegion+"subnetworks", doc{"name": "other", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/20"})
		w.post(inRegion+"addresses", doc{"name": "kubernetes-master-ip", "addressType": "INTERNAL", "subnetwork": inRegion + "subnetworks/other", "description": marked(inventory.RoleAddress)})
	}, says: []string{"address kubernetes-master-ip", "INTERNAL", "gcloud compute addresses delete kubernetes-master-ip --region=europe-west1"}},
	{name: "address with a stranger's machine", run: settings.Create, world: func(w *world, _ *operator) {
		w.network(false)
		w.post(inRegion+"subnetworks", doc{"name": "other", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/20"})
		w.post(inRegion+"addresses", doc{"name": "kubernetes-master-ip", "description": marked(inventory.RoleAddress)})
		w.machineIn("other", "web", func(d doc) {
			d["networkInterfaces"].([]any)[0].(doc)["accessConfigs"] = []any{doc{"natIP": inRegion + "addresses/kubernetes-master-ip"}}
		})
	}, says: []string{"instance web in europe-west1-b", "gcloud compute instances delete-access-config web --zone=europe-west1-b '--access-config-name=External NAT' --network-interface=nic0"}},
	{name: "address with a stranger's rule", masters: 1, run: settings.Create, world: func(w *world, _ *operator) {
		w.away(zoneB, "kubernetes-master")
		w.post(inRegion+"targetPools", doc{"name": "web"})
		w.post(inRegion+"forwardingRules", doc{"name": "web", "portRange": "80", "target": inRegion + "targetPools/web", "IPAddress": inRegion + "addresses/kubernetes-master-ip"})
	}, says: []string{"forwarding rule web in europe-west1", "gcloud compute forwarding-rules delete web --region=europe-west1"}},
	{name: "master's disk on another machine", masters: 1, run: settings.Create, world: func(w *world, _ *operator) {
		w.away(zoneB, "kubernetes-master")
		w.machineIn("kubernetes-subnet-default", "rescue", func(d doc) {
			d["disks"] = append(d["disks"].([]any), doc{"source": inZone + "disks/kubernetes-master-pd"})
		})
	}, says: []string{"disk kubernetes-master-pd in europe-west1-b, which kubernetes-master needs, is attached to instance rescue in europe-west1-b",
		"gcloud compute instances detach-disk rescue --zone=europe-west1-b --disk=kubernetes-master-pd"}},
	{name: "OS Login of the project, and an older master", masters: 1, run: settings.AddReplica, world: func(w *world, _ *operator) {
		w.osLogin()
		w.forgets("kubernetes-master", scripts.KeyOSLogin)
	}, says: []string{"project local has OS Login on", "master kubernetes-master in europe-west1-b was made without switching it off",
		"gcloud compute instances add-metadata kubernetes-master --zone=europe-west1-b --metadata=enable-oslogin=FALSE"}},
	{name: "global DNS names of the project, and an older master", masters: 1, run: settings.AddReplica, world: func(w *world, _ *operator) {
		w.projectSays(scripts.KeyDNS, "GlobalDefault")
		w.forgets("kubernetes-master", scripts.KeyDNS)
	}, says: []string{"project local gives its machines global DNS names (VmDnsSetting), and master kubernetes-master in europe-west1-b was made without names of its zone",
		"gcloud compute instances add-metadata kubernetes-master --zone=europe-west1-b --metadata=VmDnsSetting=ZonalOnly"}},
	{name: "OS Login of the organisation", run: settings.Create, enforced: []string{"constraints/compute.requireOsLogin"}, world: func(w *world, _ *operator) { w.osLogin() },
		says: []string{"the organisation of project local requires OS Login (constraints/compute.requireOsLogin)", "except the project"}},
	{name: "group too large", run: settings.Create,
		settings: func(s *settings.Settings) {
			s.NumNodes, s.MaxPerGroup = 2500, 5000
			_ = s.ClusterRange.Decode("10.64.0.0/10")
			_ = s.NodeRange.Decode("10.32.0.0/20")
		}, says: []string{"MAX_INSTANCES_PER_MIG=5000: a managed group holds 2000 machines at most", "MAX_INSTANCES_PER_MIG=2000"}},
	{name: "disk larger than its type allows", run: settings.Create,
		settings: func(s *settings.Settings) { s.MasterDiskSize = 70000 },
		says:     []string{"MASTER_DISK_SIZE=70000GB", "pd-ssd", "65536"}},
	{name: "image of nodes in a new pool", masters: 1, run: settings.AddPool,
		settings: func(s *settings.Settings) { s.NodeImage = "debian-1" },
		says:     []string{`KUBE_GCE_NODE_IMAGE="debian-1": project debian-cloud has no such image`}},
	{name: "accelerators that the zone has not", masters: 1, run: settings.AddPool, settings: accelerated("n1-standard-4", "type=nvidia-tesla-v100,count=1"),
		says: []string{"NODE_ACCELERATORS=type=nvidia-tesla-v100,count=1: zone europe-west1-c has no accelerators of that type; it has nvidia-l4 nvidia-tesla-t4"}},
	{name: "accelerators on machines that take none", masters: 1, run: settings.AddPool, settings: accelerated("e2-standard-2", "type=nvidia-tesla-t4,count=1"),
		says: []string{"NODE_ACCELERATORS=type=nvidia-tesla-t4,count=1, NODE_SIZE=e2-standard-2: machines of series E2 take no accelerators", "NODE_SIZE=n1-standard-4"}},
	{name: "more accelerators than a machine has", masters: 1, run: settings.AddPool, settings: accelerated("n1-standard-4", "type=nvidia-tesla-t4,count=8"),
		says: []string{"NODE_ACCELERATORS=type=nvidia-tesla-t4,count=8: a machine has 4 of type nvidia-tesla-t4 at most"}},
	{name: "more CPUs than go with accelerators", run: settings.Create, settings: accelerated("n1-standard-32", "type=nvidia-tesla-p100,count=1"),
		says: []string{"a machine with 1 of type nvidia-tesla-p100 has 16 CPUs at most, and n1-standard-32 has 32"}},
	{name: "quota of accelerators", run: settings.Create, settings: accelerated("n1-standard-4", "type=nvidia-tesla-t4,count=2"),
		quotas: map[string]float64{"NVIDIA_T4_GPUS": 3, "GPUS_ALL_REGIONS": 1},
		says:   []string{"quota NVIDIA_T4_GPUS of region europe-west1: 4 more are needed, and 0 of 3 are used", "quota GPUS_ALL_REGIONS of project local: 4 more are needed, and 0 of 1 are used"}},
	{name: "Secure Boot of the organisation", masters: 1, run: settings.AddPool, settings: accelerated("n1-standard-4", "type=nvidia-tesla-t4,count=1"),
		enforced: []string{"constraints/compute.requireShieldedVm"}, says: []string{"the organisation of project local requires Secure Boot (constraints/compute.requireShieldedVm), and nodes with accelerators have none"}},
	{name: "quota of a create", run: settings.Create, quotas: map[string]float64{"CPUS": 5},
		says: []string{"quota CPUS of region europe-west1: 6 more are needed, and 0 of 5 are used"}},
	{name: "quota of a pool", masters: 1, run: settings.AddPool, quotas: map[string]float64{"INSTANCES": 3},
		says: []string{"quota INSTANCES of region europe-west1: 1 more are needed, and 3 of 3 are used"}},
	{name: "quota of a replica", masters: 1, run: settings.AddReplica, quotas: map[string]float64{"FORWARDING_RULES": 0, "HEALTH_CHECKS": 0},
		says: []string{"quota FORWARDING_RULES", "quota HEALTH_CHECKS"}},
	{name: "permission of a create", run: settings.Create, withheld: []string{"compute.firewalls.create"},
		says: []string{"has not got on project local: compute.firewalls.create", "roles/compute.admin"}},
	{name: "permission of a pool", masters: 1, run: settings.AddPool, withheld: []string{"compute.instanceGroupManagers.create"},
		says: []string{"compute.instanceGroupManagers.create"}},
	{name: "permission of a replica", masters: 1, run: settings.AddReplica, withheld: []string{"compute.regionBackendServices.create"},
		says: []string{"compute.regionBackendServices.create"}},
	{name: "service account of a create", run: settings.Create, withheld: []string{"iam.serviceAccounts.actAs"},
		says: []string{"the account in use has not got iam.serviceAccounts.actAs on service account", "-compute@developer.gserviceaccount.com, which nodes are to have (KUBE_GCE_NODE_SERVICE_ACCOUNT)",
			"roles/iam.serviceAccountUser", "gcloud iam service-accounts get-iam-policy"}},
	{name: "service account of a pool", masters: 1, run: settings.AddPool, settings: func(s *settings.Settings) {
		s.Pool, s.NodeAccount = "other", "nobody@elsewhere.iam.gserviceaccount.com"
	},
		withheld: []string{"iam.serviceAccounts.actAs"}, says: []string{"KUBE_GCE_NODE_SERVICE_ACCOUNT=nobody@elsewhere.iam.gserviceaccount.com: there is no such service account", "gcloud iam service-accounts list --project=local"}},
	{name: "name of a create", run: settings.Create, world: func(w *world, _ *operator) {
		w.post("global/healthChecks", doc{"name": "x", "type": "TCP", "tcpHealthCheck": doc{"port": 1}}) // another of no account
		w.post(inZone+"disks", doc{"name": "kubernetes-master-pd", "sizeGb": "10"})
	}, says: []string{"disk kubernetes-master-pd", "is there already and is not this cluster's", "KUBE_GCE_INSTANCE_PREFIX"}},
	{name: "name of a replica", masters: 1, run: settings.AddReplica, world: func(w *world, o *operator) {
		w.machineIn("kubernetes-subnet-default", "elsewhere", nil)
		w.post("zones/"+string(zoneD)+"/disks", doc{"name": o.want().Names.DiskOf(o.want().Names.Replica(zoneD, 0)), "sizeGb": "10"})
	}, says: []string{"is there already and is not this cluster's", "gcloud compute disks describe"}},
	{name: "master in another balancer's group", masters: 1, run: settings.AddReplica, world: func(w *world, _ *operator) {
		w.post(inZone+"instanceGroups", doc{"name": "web"})
		w.post(inZone+"instanceGroups/web/addInstances", doc{"instances": []any{doc{"instance": inZone + "instances/kubernetes-master"}}})
		w.service(inZone + "instanceGroups/web")
	}, says: []string{"kubernetes-master", "instance group web in europe-west1-b", "gcloud compute instance-groups unmanaged remove-instances web --zone=europe-west1-b --instances=kubernetes-master"}},
	{name: "zone that is none", run: settings.Create, settings: func(s *settings.Settings) { s.Zone = gcetest.Region + "-a" },
		says: []string{"there is no such zone"}},
}

// accelerated has nodes of a pool with a name be of a machine type, with accelerators.
func accelerated(size settings.Name, cards gpu.Cards) func(*settings.Settings) {
	return func(s *settings.Settings) {
		s.NodeSize, s.Accelerators = size, cards
		*s = s.Said("NODE_ACCELERATORS", true)
	}
}
