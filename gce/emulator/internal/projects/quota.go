package projects

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/catalog"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// Quotas: what a project may have of something, in a region or at all. They
// are told to whoever asks and hold when a change is accepted; a machine of a
// managed group that would exceed one is tried again, as at Google.

// Plenty is a limit that the machine underneath does not reach.
const Plenty = 100000

var regionMetrics = append([]string{"CPUS", "N2_CPUS", "N2D_CPUS", "C2_CPUS", "INSTANCES", "DISKS_TOTAL_GB", "SSD_TOTAL_GB", "STATIC_ADDRESSES", "INTERNAL_ADDRESSES",
	"IN_USE_ADDRESSES", "INSTANCE_GROUPS", "INSTANCE_GROUP_MANAGERS"}, catalog.AcceleratorMetrics()...)

var projectMetrics = []string{"CPUS_ALL_REGIONS", "GPUS_ALL_REGIONS", "NETWORKS", "SUBNETWORKS", "FIREWALLS", "ROUTES", "INSTANCE_TEMPLATES", "HEALTH_CHECKS",
	"BACKEND_SERVICES", "FORWARDING_RULES", "STATIC_ADDRESSES", "IN_USE_ADDRESSES", "IMAGES", "SNAPSHOTS"}

// kindMetrics are those that count objects of a kind: in the project, or in the
// region where that is so.
var kindMetrics = map[string]string{
	"networks": "NETWORKS", "subnetworks": "SUBNETWORKS", "firewalls": "FIREWALLS", "routes": "ROUTES",
	"instanceTemplates": "INSTANCE_TEMPLATES", "healthChecks": "HEALTH_CHECKS", "backendServices": "BACKEND_SERVICES",
	"forwardingRules": "FORWARDING_RULES", "instanceGroups": "INSTANCE_GROUPS", "instanceGroupManagers": "INSTANCE_GROUP_MANAGERS",
}

// A usage is how much of each metric is used: those of a region under
// "region/METRIC", those of the project under "METRIC".
type usage map[string]float64

func usageOf(s *api.Server, t *store.Tx, project string) usage {
	u := usage{}
	each := func(kind string, f func(region string, o doc.Obj)) {
		t.Each(project, kind, func(o doc.Obj) { f(doc.RefOf(doc.Str(o, "selfLink")).Region(), o) })
	}
	for kind, metric := range kindMetrics {
		each(kind, func(region string, _ doc.Obj) {
			if slices.Contains(regionMetrics, metric) {
				u[region+"/"+metric]++
			} else {
				u[metric]++
			}
		})
	}
	each("disks", func(region string, o doc.Obj) {
		metric := "SSD_TOTAL_GB" // balanced ones count as these
		if strings.HasSuffix(doc.Str(o, "type"), "/pd-standard") {
			metric = "DISKS_TOTAL_GB"
		}
		u[region+"/"+metric] += float64(doc.Num(o, "sizeGb"))
	})
	each("instances", func(region string, o doc.Obj) {
		u[region+"/INSTANCES"]++
		if status := doc.Str(o, "status"); status == "TERMINATED" || status == "SUSPENDED" {
			return
		}
		size, _ := catalog.MachineSize(doc.Ref(doc.Str(o, "machineType")).Name())
		u[region+"/"+cpuMetric(size.Name)] += float64(size.Cpus)
		u["CPUS_ALL_REGIONS"] += float64(size.Cpus)
		for _, a := range doc.Objects(o, "guestAccelerators") {
			n := float64(doc.Num(a, "acceleratorCount"))
			u[region+"/"+acceleratorMetric(s, region, doc.Ref(doc.Str(a, "acceleratorType")).Name(), o)] += n
			u["GPUS_ALL_REGIONS"] += n
		}
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			for _, ac := range doc.Objects(nic, "accessConfigs") {
				if doc.Has(ac, "natIP") {
					u[region+"/IN_USE_ADDRESSES"]++
				}
			}
		}
	})
	each("addresses", func(region string, o doc.Obj) {
		if doc.Str(o, "addressType") == "EXTERNAL" {
			u[region+"/STATIC_ADDRESSES"]++
		} else {
			u[region+"/INTERNAL_ADDRESSES"]++
		}
	})
	each("forwardingRules", func(region string, o doc.Obj) {
		if strings.HasPrefix(doc.Str(o, "loadBalancingScheme"), "EXTERNAL") {
			u[region+"/IN_USE_ADDRESSES"]++
		}
	})
	return u
}

// cpuMetric is which CPUs a machine type takes; those of E2 and N1 are the
// plain ones.
func cpuMetric(machineType string) string {
	family, _, _ := strings.Cut(machineType, "-")
	if metric := strings.ToUpper(family) + "_CPUS"; family != "e2" && slices.Contains(regionMetrics, metric) {
		return metric
	}
	return "CPUS"
}

// acceleratorMetric is which accelerators a machine takes: one that may be taken away those
// of such machines, once there is a quota of these.
// (https://cloud.google.com/compute/docs/gpus/about-gpus#preemptible_instances_with_gpus)
func acceleratorMetric(s *api.Server, region, name string, instance doc.Obj) string {
	metric, scheduling := catalog.AcceleratorMetric(name), doc.Sub(instance, "scheduling")
	of := "PREEMPTIBLE_" + metric
	if doc.Bool(scheduling, "preemptible") && limitOf(s, region+"/"+of) > 0 {
		return of
	}
	return metric
}

// limit of a metric by its key in usage.
func limitOf(s *api.Server, key string) float64 {
	metric := key[strings.IndexByte(key, '/')+1:]
	for _, k := range []string{key, metric} {
		if l, ok := s.Opts.Quotas[k]; ok {
			return l
		}
	}
	return Plenty
}

// quotas of a place: prefix is "europe-west1/", or "" for the project.
func quotasOf(s *api.Server, t *store.Tx, project, prefix string, metrics []string) []any {
	u := usageOf(s, t, project)
	out := make([]any, len(metrics))
	for i, m := range metrics {
		out[i] = doc.Obj{"metric": m, "limit": limitOf(s, prefix+m), "usage": u[prefix+m]}
	}
	return out
}

// Overdrawn is the first quota that a transaction would exceed, "" if it
// exceeds none. One that is exceeded already is no reason to refuse what takes
// nothing more of it.
func Overdrawn(s *api.Server, t *store.Tx, project string) string {
	if len(s.Opts.Quotas) == 0 {
		return ""
	}
	before, after := usageOf(s, t.Before(), project), usageOf(s, t, project)
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if after[key] > before[key] && after[key] > limitOf(s, key) {
			return key
		}
	}
	return ""
}

// Exceeded is the error for a key of usage, and the details its operation has.
func Exceeded(s *api.Server, key string) (p *problem.Problem, details []any) {
	region, metric, ok := strings.Cut(key, "/")
	where, unit, dimensions := "in region "+region, "-per-project-region", doc.Obj{"region": region}
	if !ok {
		metric, where, unit, dimensions = key, "globally", "-per-project", doc.Obj{}
	}
	limit := limitOf(s, key)
	p = problem.New(403, "quotaExceeded", "QUOTA_EXCEEDED", fmt.Sprintf("Quota '%s' exceeded.  Limit: %.1f %s.", metric, limit, where))
	return p, []any{doc.Obj{"quotaInfo": doc.Obj{
		"metricName": "compute.googleapis.com/" + strings.ToLower(metric), "limitName": metric + unit, "dimensions": dimensions, "limit": limit,
	}}}
}

// RefuseOver makes a change that would exceed a quota, or needs a machine that
// the zone has not got, fail: one in a zone in its operation, as if by a fault,
// any other at once.
func RefuseOver(c *api.Call, t *store.Tx, target doc.Ref, prepare func(*store.Tx) error) (fault doc.Obj, err error) {
	if len(c.S.Opts.Quotas) == 0 && c.S.Opts.Stock == nil {
		return nil, nil
	}
	trial := t.Trial()
	if err := prepare(trial); err != nil {
		return nil, err
	}
	key := Overdrawn(c.S, trial, target.Project())
	if key == "" {
		if i := trial.Get(target); c.Method.ID == "instances.insert" || c.Method.ID == "instances.start" {
			if p, details := NoStock(c.S, target, i); p != nil {
				return p.Fault(details), nil
			}
		}
		return nil, nil
	}
	p, details := Exceeded(c.S, key)
	if !strings.HasPrefix(target.Scope(), "zones/") {
		return nil, p
	}
	return p.Fault(details), nil
}
