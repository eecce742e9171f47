package cluster

import (
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/cluster/step"
)

// refusedChanging are about what is there and gets changed: a pool's size, a
// master's metadata, a master that is started or brought back.
var refusedChanging = []refusalCase{
	{name: "permission to shrink", masters: 1, run: settings.Create, withheld: []string{"compute.instanceGroupManagers.update"},
		settings: func(s *settings.Settings) { s.NumNodes = 1 }, says: []string{"compute.instanceGroupManagers.update"}},
	{name: "permission to grow a pool", masters: 1, run: settings.Create, withheld: []string{"compute.instanceGroupManagers.update"},
		settings: func(s *settings.Settings) { s.NumNodes = 3 }, says: []string{"compute.instanceGroupManagers.update"}},
	{name: "quota to start a master", masters: 1, run: settings.Create, quotas: map[string]float64{"CPUS": 6},
		world: func(w *world, _ *operator) {
			if err := w.Client.Instances(zoneB).Stop(w.t.Context(), "kubernetes-master"); err != nil {
				w.t.Fatal(err)
			}
			w.machineIn("kubernetes-subnet-default", "other", nil)
		}, says: []string{"quota CPUS of region europe-west1: 2 more are needed, and 6 of 6 are used"}},
	{name: "metadata full of ssh keys", masters: 1, run: settings.Create, world: func(w *world, o *operator) {
		full := strings.Repeat("somebody:ssh-ed25519 AAAA somebody\n", 7489) // of 262,144 bytes
		i, err := w.Client.Instances(zoneB).Get(w.t.Context(), "kubernetes-master")
		if err != nil {
			w.t.Fatal(err)
		}
		m := i.GetMetadata()
		step.Set(m, "ssh-keys", full)
		if err := w.Client.Instances(zoneB).SetMetadata(w.t.Context(), "kubernetes-master", m); err != nil {
			w.t.Fatal(err)
		}
	}, says: []string{"has no room for this operator's ssh key", "gcloud compute instances remove-metadata kubernetes-master --zone=europe-west1-b --keys=ssh-keys"}},
	{name: "protected machine to repair", masters: 2, run: settings.Repair, world: func(w *world, _ *operator) {
		replica := w.firstReplica()
		w.protect(zoneC, replica)
		if err := w.Client.Instances(zoneC).Stop(w.t.Context(), replica); err != nil {
			w.t.Fatal(err)
		}
		w.post("zones/"+string(zoneC)+"/instances/"+replica+"/detachDisk?deviceName="+step.MasterDevice, doc{})
	}, says: []string{"is protected from deletion", "--zone=europe-west1-c --no-deletion-protection"}},
	{name: "protected machine to give up", masters: 2, run: settings.Rebuild, world: func(w *world, _ *operator) {
		replica := w.firstReplica()
		w.protect(zoneC, replica)
		if err := w.Client.Instances(zoneC).Stop(w.t.Context(), replica); err != nil {
			w.t.Fatal(err)
		}
	}, says: []string{"is protected from deletion", "--zone=europe-west1-c --no-deletion-protection"}},
	{name: "quota of a repair", masters: 1, quotas: map[string]float64{"CPUS": 6}, run: settings.Repair, world: func(w *world, _ *operator) {
		w.away(zoneB, "kubernetes-master")
		w.machineIn("kubernetes-subnet-default", "other", nil)
	}, says: []string{"quota CPUS of region europe-west1: 2 more are needed, and 6 of 6 are used"}},
	{name: "masters into groups without a balancer", masters: 1, run: settings.Roll, settings: func(s *settings.Settings) { s.MasterGroups = true },
		says: []string{"takes the API's address to be on a balancer", "HAKUBE_LOAD_BALANCER=from-start"}},
	{name: "permission of masters in groups", masters: 2, run: settings.Roll, settings: func(s *settings.Settings) { s.MasterGroups = true },
		withheld: []string{"compute.instanceGroupManagers.create", "compute.regionBackendServices.update"}, says: []string{"compute.instanceGroupManagers.create", "compute.regionBackendServices.update"}},
	{name: "quota of masters in groups", masters: 2, run: settings.Roll, settings: func(s *settings.Settings) { s.MasterGroups = true },
		quotas: map[string]float64{"STATIC_ADDRESSES": 2, "INTERNAL_ADDRESSES": 1, "INSTANCE_GROUPS": 5, "INSTANCE_TEMPLATES": 3},
		says:   []string{"quota STATIC_ADDRESSES of region europe-west1: 2 more are needed, and 1 of 2 are used", "quota INTERNAL_ADDRESSES of region europe-west1: 2 more are needed, and 0 of 1 are used"}},
	{name: "permission of a roll", masters: 1, run: settings.Roll, withheld: []string{"compute.instances.delete"}, says: []string{"compute.instances.delete"}},
	{name: "protected master to roll", masters: 1, run: settings.Roll, world: func(w *world, _ *operator) { w.protect(zoneB, "kubernetes-master") },
		says: []string{"is protected from deletion", "--zone=europe-west1-b --no-deletion-protection"}},
	{name: "data disk that would go with its master", masters: 1, run: settings.Roll, world: func(w *world, _ *operator) {
		w.post("zones/"+string(zoneB)+"/instances/kubernetes-master/setDiskAutoDelete?autoDelete=true&deviceName="+step.MasterDevice, doc{})
	}, says: []string{"is set to be deleted with its machine", "--no-auto-delete"}},
	{name: "type of a roll", masters: 1, run: settings.Roll, settings: func(s *settings.Settings) { s.MasterSize = "e2-standard-5" }, says: []string{`MASTER_SIZE="e2-standard-5"`}},
	{name: "master that fails in a roll", masters: 1, run: settings.Roll, world: func(w *world, _ *operator) {
		if err := w.Client.Instances(zoneB).Stop(w.t.Context(), "kubernetes-master"); err != nil {
			w.t.Fatal(err)
		}
	}, says: []string{"kubernetes-master fails: stopped", "hakube repair kubernetes-master"}},
	{name: "permission for snapshots of disks", masters: 1, run: settings.Create, settings: func(s *settings.Settings) { s.DiskSnapshots = settings.Hourly },
		withheld: []string{"compute.disks.addResourcePolicies", "compute.resourcePolicies.create"}, says: []string{"compute.disks.addResourcePolicies", "compute.resourcePolicies.create"}},
	{name: "permission of a rotation", masters: 1, run: settings.Rotate, withheld: []string{"compute.addresses.setLabels"}, says: []string{"compute.addresses.setLabels"}},
	{name: "permission of another join token", masters: 1, run: settings.Rotate, rotates: inventory.RotateJoinToken, withheld: []string{"compute.instanceTemplates.create", "compute.instanceGroupManagers.update"},
		says: []string{"compute.instanceTemplates.create", "compute.instanceGroupManagers.update"}},
	{name: "permission of another ssh key", masters: 1, run: settings.Rotate, rotates: inventory.RotateSSH, withheld: []string{"compute.instances.setMetadata", "compute.instanceTemplates.create"},
		says: []string{"compute.instances.setMetadata", "compute.instanceTemplates.create"}},
	{name: "version that the embedded GCE has not", masters: 1, run: settings.Upgrade, settings: func(s *settings.Settings) { s.KubeVersion = "v1.36.4" },
		says: []string{"the embedded GCE has v1.36.3", "for another version set KUBE_MIRROR"}},
	{name: "permission of a roll of nodes", masters: 1, run: settings.RollPool, withheld: []string{"compute.instanceGroupManagers.update"}, says: []string{"compute.instanceGroupManagers.update"}},
	{name: "permission for another template of nodes", masters: 1, run: settings.RollPool, withheld: []string{"compute.instanceTemplates.create"}, says: []string{"compute.instanceTemplates.create"}},
	{name: "quota of a roll of nodes", masters: 1, quotas: map[string]float64{"CPUS": 6}, run: settings.RollPool, says: []string{"quota CPUS of region europe-west1: 2 more are needed, and 6 of 6 are used"}},
}
