package cluster

import "hakube/cluster/settings"

// refusedRemoving are about what goes: nothing of it may be gone when one of the
// last things is refused.
var refusedRemoving = []refusalCase{
	{name: "protected master", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) { w.protect(zoneB, "kubernetes-master") },
		says: []string{"kubernetes-master in europe-west1-b is protected from deletion", "gcloud compute instances update kubernetes-master --zone=europe-west1-b --no-deletion-protection"}},
	{name: "protected replica", masters: 2, run: settings.RemoveReplica, world: func(w *world, _ *operator) { w.protect(zoneC, w.firstReplica()) },
		says: []string{"is protected from deletion", "--zone=europe-west1-c --no-deletion-protection"}},
	{name: "pool behind a stranger's balancer", masters: 1, run: settings.RemovePool, world: func(w *world, _ *operator) {
		w.service(inZone + "instanceGroups/kubernetes-minion-group")
	}, says: []string{"backend service web in europe-west1, which is not this cluster's, uses it",
		"gcloud compute backend-services remove-backend web --region=europe-west1 --instance-group=kubernetes-minion-group --instance-group-zone=europe-west1-b"}},
	{name: "cluster's pool behind a stranger's balancer", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.service(inZone + "instanceGroups/kubernetes-minion-group")
	}, says: []string{"backend service web in europe-west1", "remove-backend web"}},
	{name: "masters' group behind a stranger's balancer", masters: 2, run: settings.RemoveReplica, world: func(w *world, o *operator) {
		w.service("zones/" + string(zoneC) + "/instanceGroups/" + o.want().Names.MasterGroup())
	}, says: []string{"instance group kubernetes-master-group in europe-west1-c", "backend service web", "remove-backend web"}},
	{name: "health check of a stranger's balancer", masters: 2, run: settings.RemoveReplica, world: func(w *world, _ *operator) {
		w.post(inRegion+"backendServices", doc{"name": "web", "loadBalancingScheme": "EXTERNAL", "protocol": "TCP", "healthChecks": []any{inRegion + "healthChecks/kubernetes-master-hc"}})
	}, says: []string{"health check kubernetes-master-hc", "backend service web", "gcloud compute backend-services delete web --region=europe-west1"}},
	{name: "backend service under a stranger's rule", masters: 2, run: settings.RemoveReplica, world: func(w *world, _ *operator) {
		w.post(inRegion+"forwardingRules", doc{"name": "web", "ports": []any{"6443"}, "IPProtocol": "TCP", "loadBalancingScheme": "EXTERNAL", "backendService": inRegion + "backendServices/kubernetes-master"})
	}, says: []string{"backend service kubernetes-master", "forwarding rule web in europe-west1", "gcloud compute forwarding-rules delete web --region=europe-west1"}},
	{name: "stranger in the subnetwork", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.machineIn("kubernetes-subnet-default", "db", nil)
	}, says: []string{"subnetwork kubernetes-subnet-default in europe-west1 cannot be removed: instance db in europe-west1-b", "gcloud compute instances delete db --zone=europe-west1-b"}},
	{name: "stranger's address in the subnetwork", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.post(inRegion+"addresses", doc{"name": "inner", "addressType": "INTERNAL", "subnetwork": inRegion + "subnetworks/kubernetes-subnet-default"})
	}, says: []string{"subnetwork kubernetes-subnet-default in europe-west1 cannot be removed: address inner in europe-west1", "gcloud compute addresses delete inner --region=europe-west1"}},
	{name: "stranger's subnetwork in the network", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.post("regions/us-east1/subnetworks", doc{"name": "theirs", "network": "global/networks/default", "ipCidrRange": "10.200.0.0/20"})
	}, says: []string{"network default cannot be removed: subnetwork theirs in us-east1", "KUBE_DELETE_NETWORK=false hakube again"}},
	{name: "stranger's template in the network", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.post("global/instanceTemplates", doc{"name": "theirs", "properties": doc{
			"machineType": "e2-small", "networkInterfaces": []any{doc{"network": "global/networks/default", "subnetwork": inRegion + "subnetworks/kubernetes-subnet-default"}},
			"disks": []any{doc{"boot": true, "autoDelete": true, "initializeParams": doc{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}}}})
	}, says: []string{"instance template theirs", "gcloud compute instance-templates delete theirs"}},
	{name: "stranger's group of the template", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.post("zones/"+string(zoneC)+"/instanceGroupManagers", doc{"name": "theirs", "baseInstanceName": "theirs", "targetSize": 0, "instanceTemplate": "global/instanceTemplates/kubernetes-minion-template"})
	}, says: []string{"instance template kubernetes-minion-template cannot be removed: managed group theirs in europe-west1-c", "gcloud compute instance-groups managed delete theirs --zone=europe-west1-c"}},
	{name: "disk on a stranger's machine", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.network2()
		w.away(zoneB, "kubernetes-master")
		w.machineIn("elsewhere", "rescue", func(d doc) {
			d["disks"] = append(d["disks"].([]any), doc{"source": inZone + "disks/kubernetes-master-pd"})
		})
	}, says: []string{"disk kubernetes-master-pd in europe-west1-b cannot be removed: instance rescue in europe-west1-b", "gcloud compute instances detach-disk rescue --zone=europe-west1-b --disk=kubernetes-master-pd"}},
	{name: "address of a stranger's rule at down", masters: 1, run: settings.RemoveCluster, world: func(w *world, _ *operator) {
		w.away(zoneB, "kubernetes-master")
		w.post(inRegion+"targetPools", doc{"name": "web"})
		w.post(inRegion+"forwardingRules", doc{"name": "web", "portRange": "80", "target": inRegion + "targetPools/web", "IPAddress": inRegion + "addresses/kubernetes-master-ip"})
	}, says: []string{"address kubernetes-master-ip in europe-west1 cannot be removed: forwarding rule web in europe-west1"}},
	{name: "permission of a down", masters: 1, run: settings.RemoveCluster, withheld: []string{"compute.subnetworks.delete"},
		says: []string{"compute.subnetworks.delete", "roles/compute.admin"}},
	{name: "permission to remove a pool", masters: 1, run: settings.RemovePool, withheld: []string{"compute.instanceGroupManagers.delete"},
		says: []string{"compute.instanceGroupManagers.delete"}},
	{name: "permission to remove a replica", masters: 2, run: settings.RemoveReplica, withheld: []string{"compute.regionBackendServices.delete"},
		says: []string{"compute.regionBackendServices.delete"}},
	{name: "permission to move the address back", masters: 2, run: settings.RemoveReplica, withheld: []string{"compute.instances.addAccessConfig"},
		says: []string{"compute.instances.addAccessConfig"}},
}

// network2 is a network of somebody else.
func (w *world) network2() {
	w.post("global/networks", doc{"name": "elsewhere", "autoCreateSubnetworks": false})
	w.post(inRegion+"subnetworks", doc{"name": "elsewhere", "network": "global/networks/elsewhere", "ipCidrRange": "10.40.0.0/22"})
}
