package emulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Quotas: what a project may have of something, in a region or at all. They
// are told to whoever asks and hold when a change is accepted; a machine of a
// managed group that would exceed one is tried again, as at Google.

// plenty is a limit that the machine underneath does not reach.
const plenty = 100000

var regionMetrics = []string{"CPUS", "N2_CPUS", "N2D_CPUS", "C2_CPUS", "INSTANCES", "DISKS_TOTAL_GB", "SSD_TOTAL_GB", "STATIC_ADDRESSES",
	"IN_USE_ADDRESSES", "INSTANCE_GROUPS", "INSTANCE_GROUP_MANAGERS"}

var projectMetrics = []string{"CPUS_ALL_REGIONS", "NETWORKS", "SUBNETWORKS", "FIREWALLS", "ROUTES", "INSTANCE_TEMPLATES", "HEALTH_CHECKS",
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

func usageOf(t *tx, project string) usage {
	u := usage{}
	each := func(kind string, f func(region string, o obj)) {
		t.each(project, kind, func(o obj) { f(toRef(str(o, "selfLink")).region(), o) })
	}
	for kind, metric := range kindMetrics {
		each(kind, func(region string, _ obj) {
			if slices.Contains(regionMetrics, metric) {
				u[region+"/"+metric]++
			} else {
				u[metric]++
			}
		})
	}
	each("disks", func(region string, o obj) {
		metric := "SSD_TOTAL_GB" // balanced ones count as these
		if strings.HasSuffix(str(o, "type"), "/pd-standard") {
			metric = "DISKS_TOTAL_GB"
		}
		u[region+"/"+metric] += float64(num(o, "sizeGb"))
	})
	each("instances", func(region string, o obj) {
		u[region+"/INSTANCES"]++
		if status := str(o, "status"); status == "TERMINATED" || status == "SUSPENDED" {
			return
		}
		size, _ := machineSize(ref(str(o, "machineType")).name())
		u[region+"/"+cpuMetric(size.name)] += float64(size.cpus)
		u["CPUS_ALL_REGIONS"] += float64(size.cpus)
		for _, nic := range objects(o, "networkInterfaces") {
			for _, ac := range objects(nic, "accessConfigs") {
				if has(ac, "natIP") {
					u[region+"/IN_USE_ADDRESSES"]++
				}
			}
		}
	})
	each("addresses", func(region string, o obj) {
		if str(o, "addressType") == "EXTERNAL" {
			u[region+"/STATIC_ADDRESSES"]++
		}
	})
	each("forwardingRules", func(region string, o obj) {
		if strings.HasPrefix(str(o, "loadBalancingScheme"), "EXTERNAL") {
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

// limit of a metric by its key in usage.
func (s *Server) limit(key string) float64 {
	metric := key[strings.IndexByte(key, '/')+1:]
	for _, k := range []string{key, metric} {
		if l, ok := s.opts.Quotas[k]; ok {
			return l
		}
	}
	return plenty
}

// quotas of a place: prefix is "europe-west1/", or "" for the project.
func (s *Server) quotas(t *tx, project, prefix string, metrics []string) []any {
	u := usageOf(t, project)
	out := make([]any, len(metrics))
	for i, m := range metrics {
		out[i] = obj{"metric": m, "limit": s.limit(prefix + m), "usage": u[prefix+m]}
	}
	return out
}

// overdrawn is the first quota that a transaction would exceed, "" if it
// exceeds none. One that is exceeded already is no reason to refuse what takes
// nothing more of it.
func (s *Server) overdrawn(t *tx, project string) string {
	if len(s.opts.Quotas) == 0 {
		return ""
	}
	before, after := usageOf(t.before(), project), usageOf(t, project)
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if after[key] > before[key] && after[key] > s.limit(key) {
			return key
		}
	}
	return ""
}

// exceeded is the error for a key of usage, and the details its operation has.
func (s *Server) exceeded(key string) (p *problem, details []any) {
	region, metric, ok := strings.Cut(key, "/")
	where, unit, dimensions := "in region "+region, "-per-project-region", obj{"region": region}
	if !ok {
		metric, where, unit, dimensions = key, "globally", "-per-project", obj{}
	}
	limit := s.limit(key)
	p = &problem{403, "quotaExceeded", "QUOTA_EXCEEDED", fmt.Sprintf("Quota '%s' exceeded.  Limit: %.1f %s.", metric, limit, where)}
	return p, []any{obj{"quotaInfo": obj{
		"metricName": "compute.googleapis.com/" + strings.ToLower(metric), "limitName": metric + unit, "dimensions": dimensions, "limit": limit,
	}}}
}

// refuseOver makes a change that would exceed a quota, or needs a machine that
// the zone has not got, fail: one in a zone in its operation, as if by a fault,
// any other at once.
func (c *call) refuseOver(t *tx, target ref, prepare func(*tx) error) (fault obj, err error) {
	if len(c.s.opts.Quotas) == 0 && c.s.opts.Stock == nil {
		return nil, nil
	}
	trial := t.trial()
	if err := prepare(trial); err != nil {
		return nil, err
	}
	key := c.s.overdrawn(trial, target.project())
	if key == "" {
		if i := trial.get(target); c.method.ID == "instances.insert" || c.method.ID == "instances.start" {
			if p, details := c.s.noStock(target, i); p != nil {
				return p.fault(details), nil
			}
		}
		return nil, nil
	}
	p, details := c.s.exceeded(key)
	if !strings.HasPrefix(target.scope(), "zones/") {
		return nil, p
	}
	return p.fault(details), nil
}
