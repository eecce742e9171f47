package emulator

import (
	"strings"
	"testing"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/projects"
)

// accelerated is a machine of N1 with accelerators of a type.
func accelerated(name, machineType, kind string, count int, more doc.Obj) doc.Obj {
	o := doc.Obj{
		"machineType":       "zones/europe-west1-b/machineTypes/" + machineType,
		"guestAccelerators": []any{doc.Obj{"acceleratorType": "zones/europe-west1-b/acceleratorTypes/" + kind, "acceleratorCount": count}},
		"scheduling":        doc.Obj{"onHostMaintenance": "TERMINATE", "automaticRestart": true},
	}
	doc.Merge(o, more)
	return instance(name, o)
}

// TestAccelerators: a zone has the types that Google has there, N1 machines take them, and
// what a machine cannot have is refused in Google's words.
func TestAccelerators(t *testing.T) {
	w := newWorld(t)
	w.subnet()
	var names []string
	for _, a := range doc.Objects(w.get(zoneB+"acceleratorTypes"), "items") {
		names = append(names, doc.Str(a, "name"))
	}
	if got := strings.Join(names, " "); got != "nvidia-l4 nvidia-tesla-p100 nvidia-tesla-t4" {
		t.Errorf("types of the zone: %s", got)
	}
	if a := w.get(zoneB + "acceleratorTypes/nvidia-tesla-t4"); doc.Num(a, "maximumCardsPerInstance") != 4 || doc.Str(a, "kind") != "compute#acceleratorType" || doc.Str(a, "zone") != doc.ZoneLink("p", "europe-west1-b") {
		t.Errorf("T4: %v", a)
	}
	w.refused(404, "notFound", "GET", zoneB+"acceleratorTypes/nvidia-tesla-v100", nil)
	all := doc.Sub(w.get("projects/p/aggregated/acceleratorTypes"), "items")
	if v := doc.Objects(doc.Sub(all, "zones/europe-west4-a"), "acceleratorTypes"); len(v) != 5 {
		t.Errorf("types of europe-west4-a: %v", v)
	}

	w.made("POST", zoneB+"instances", accelerated("g", "n1-standard-4", "nvidia-tesla-t4", 2, nil))
	has := doc.Objects(w.get(zoneB+"instances/g"), "guestAccelerators")
	if len(has) != 1 || doc.Num(has[0], "acceleratorCount") != 2 || doc.Str(has[0], "acceleratorType") != doc.Base+zoneB+"acceleratorTypes/nvidia-tesla-t4" {
		t.Errorf("machine has %v", has)
	}
	w.made("POST", zoneB+"instances/g/stop", nil)
	w.refused(400, "badRequest", "POST", zoneB+"instances/g/setMachineType", doc.Obj{"machineType": zoneB[len("projects/p/"):] + "machineTypes/e2-standard-4"})
	w.made("POST", zoneB+"instances/g/setMachineType", doc.Obj{"machineType": zoneB[len("projects/p/"):] + "machineTypes/n1-standard-8"})

	for _, c := range []struct {
		machine, kind string
		count         int
		more          doc.Obj
		status        int
		reason, want  string
	}{
		{"e2-standard-2", "nvidia-tesla-t4", 1, nil, 400, "badRequest", "[e2-standard-2, nvidia-tesla-t4] features are not compatible for creating instance."},
		{"f1-micro", "nvidia-tesla-t4", 1, nil, 400, "badRequest", "[f1-micro, nvidia-tesla-t4] features are not compatible for creating instance."},
		{"n1-standard-4", "nvidia-l4", 1, nil, 400, "badRequest", "[n1-standard-4, nvidia-l4] features are not compatible for creating instance."},
		{"n1-standard-4", "nvidia-tesla-p100", 8, nil, 400, "invalid", "Invalid value for field 'resource.guestAccelerators[0].acceleratorCount': '8'. Number of accelerator cards attached to an instance must be one of [1, 2, 4]."},
		{"n1-standard-32", "nvidia-tesla-p100", 1, nil, 400, "invalid", "Invalid value for field 'resource.guestAccelerators[0].acceleratorCount': '1'. At most 16 vCPUs can be used along with 1 accelerator cards in an instance."},
		{"n1-standard-4", "nvidia-tesla-t4", 1, doc.Obj{"scheduling": doc.Obj{"onHostMaintenance": "MIGRATE"}}, 400, "badRequest", "Instances with guest accelerators do not support live migration."},
		{"n1-standard-4", "nvidia-tesla-v100", 1, nil, 404, "notFound", "The resource 'projects/p/zones/europe-west1-b/acceleratorTypes/nvidia-tesla-v100' was not found"},
	} {
		if said := w.refused(c.status, c.reason, "POST", zoneB+"instances", accelerated("x", c.machine, c.kind, c.count, c.more)); said != c.want {
			t.Errorf("%d %s on %s: %q, want %q", c.count, c.kind, c.machine, said, c.want)
		}
	}
}

// TestQuotaOfAccelerators: each type has a quota in each region, one of its own for machines
// that may be taken away once there is some, and all together have one.
func TestQuotaOfAccelerators(t *testing.T) {
	w := newWorld(t, func(o *api.Options) {
		o.Quotas = map[string]float64{"NVIDIA_T4_GPUS": 1, "PREEMPTIBLE_NVIDIA_T4_GPUS": 2, "PREEMPTIBLE_NVIDIA_P100_GPUS": 0}
	})
	w.subnet()
	used := func(path, metric string, want float64) {
		t.Helper()
		if _, u := quota(t, w.get(path), metric); u != want {
			t.Errorf("%s: %v are used, want %v", metric, u, want)
		}
	}
	region, spot := strings.TrimSuffix(regionW, "/"), doc.Obj{"scheduling": doc.Obj{"provisioningModel": "SPOT", "automaticRestart": false}}
	w.made("POST", zoneB+"instances", accelerated("a", "n1-standard-4", "nvidia-tesla-t4", 1, nil))
	op := w.do("POST", zoneB+"instances", accelerated("b", "n1-standard-4", "nvidia-tesla-t4", 1, nil))
	if e := doc.Objects(doc.Sub(op, "error"), "errors"); len(e) != 1 || doc.Str(e[0], "code") != "QUOTA_EXCEEDED" || !strings.Contains(doc.Str(e[0], "message"), "Quota 'NVIDIA_T4_GPUS' exceeded.  Limit: 1.0 in region europe-west1.") {
		t.Errorf("one too many: %v", op)
	}
	w.made("POST", zoneB+"instances", accelerated("b", "n1-standard-4", "nvidia-tesla-t4", 2, spot))
	w.made("POST", zoneB+"instances", accelerated("c", "n1-standard-4", "nvidia-tesla-p100", 1, spot))
	used(region, "NVIDIA_T4_GPUS", 1)
	used(region, "PREEMPTIBLE_NVIDIA_T4_GPUS", 2)
	used(region, "NVIDIA_P100_GPUS", 1)
	used("projects/p", "GPUS_ALL_REGIONS", 4)
	if limit, _ := quota(t, w.get("projects/p"), "GPUS_ALL_REGIONS"); limit != projects.Plenty {
		t.Errorf("GPUS_ALL_REGIONS: %v", limit)
	}
	w.made("POST", zoneB+"instances/a/stop", nil) // gives its part back
	used(region, "NVIDIA_T4_GPUS", 0)
}

// TestGcloudAccelerators has gcloud look for accelerators and make machines and templates
// with some, as its manual says.
func TestGcloudAccelerators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.long()
	w.subnet()
	g.prints("accelerator-types list --filter=zone:europe-west1-b --format=value(name)", "nvidia-l4\nnvidia-tesla-p100\nnvidia-tesla-t4")
	g.prints("accelerator-types describe nvidia-tesla-t4 --format=value(maximumCardsPerInstance)", "4")
	const with = " --machine-type=n1-standard-4 --accelerator=type=nvidia-tesla-t4,count=1 --maintenance-policy=TERMINATE --restart-on-failure --image-family=debian-12 --image-project=debian-cloud --no-scopes --no-service-account"
	g.do("instances create m --subnet=s" + with)
	g.prints("instances describe m --format=value(guestAccelerators[0].acceleratorType.basename(),guestAccelerators[0].acceleratorCount,scheduling.onHostMaintenance)", "nvidia-tesla-t4 1 TERMINATE")
	g.refuses("instances create n --subnet=s --machine-type=e2-standard-2 --accelerator=type=nvidia-tesla-t4 --maintenance-policy=TERMINATE --image-family=debian-12 --image-project=debian-cloud",
		"[e2-standard-2, nvidia-tesla-t4] features are not compatible for creating instance.")
	g.do("instance-templates create t --region=europe-west1 --subnet=s" + with)
	g.do("instances create n --source-instance-template=t")
	g.prints("instances describe n --format=value(guestAccelerators[0].acceleratorType.basename(),guestAccelerators.len())", "nvidia-tesla-t4 1")
}
