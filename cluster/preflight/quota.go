package preflight

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/gpu"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// A demand is what a step takes of each quota, by Google's name for it. Those
// of the region and of the project have no name in common here.
// (https://cloud.google.com/compute/resource-usage)
type demand map[string]float64

// demandOf counts what is missing; nodes are those the pool grows by.
func demandOf(r *task.Task, missing []inventory.Object, nodes int, in quotas, cpus map[string]int) demand {
	d, s := demand{}, r.Want.Settings
	disk := func(kind settings.Name, gb settings.Size, n int) {
		metric := "SSD_TOTAL_GB" // that of balanced disks too
		if kind == "" || kind == "pd-standard" {
			metric = "DISKS_TOTAL_GB"
		}
		d[metric] += float64(int(gb) * n)
	}
	machines := func(machineType string, preemptible settings.Bool, n int) {
		metric, each := in.cpuMetric(machineType, bool(preemptible)), cpus[machineType]
		d[metric] += float64(each * n)
		d["CPUS_ALL_REGIONS"] += float64(each * n)
		d["INSTANCES"] += float64(n)
		d["IN_USE_ADDRESSES"] += float64(n) // each has an external one
	}
	for _, o := range missing {
		for _, metric := range o.Kind.Row().Takes {
			d[metric]++
		}
		switch o.Kind {
		case inventory.Disk:
			disk(s.MasterDiskType, s.MasterDiskSize, 1)
		case inventory.Instance:
			machines(r.Want.MasterType, s.PreemptibleMain, 1)
			disk("", s.MasterRootSize, 1)
		}
	}
	for _, o := range starting(r) { // a stopped machine counts as an instance, and has neither CPUs nor an address
		machines(o.MachineType, s.PreemptibleMain, 1)
		d["INSTANCES"]--
	}
	if nodes > 0 {
		goes := s.PreemptibleNode || s.SpotNode
		machines(string(s.NodeSize), goes, nodes)
		if cards := s.Accelerators; cards != "" {
			d[in.cardMetric(cards, bool(goes))] += float64(cards.Count() * nodes)
			d["GPUS_ALL_REGIONS"] += float64(cards.Count() * nodes)
		}
		disk(s.NodeDiskType, s.NodeDiskSize, nodes)
	}
	return d
}

// growing is by how many nodes the zone's pool grows, for the time in which they are
// replaced included.
func growing(r *task.Task) (nodes int) {
	for _, g := range r.Sized() {
		nodes += max(0, g.Wants-g.Size)
	}
	return nodes + r.Surging()
}

// typesOf are the machine types of what is to be made, or started again.
func typesOf(parts []Part) (types []string) {
	add := func(name string) {
		if !slices.Contains(types, name) {
			types = append(types, name)
		}
	}
	for _, p := range parts {
		if slices.ContainsFunc(p.missing, func(o inventory.Object) bool { return o.Kind == inventory.Instance }) {
			add(p.Want.MasterType)
		}
		if growing(p.Task) > 0 {
			add(string(p.Want.Settings.NodeSize))
		}
		for _, o := range starting(p.Task) {
			add(o.MachineType)
		}
	}
	return types
}

// tooLittle compares what is missing with what the region and the project may
// still have. A quota they do not speak of is none.
func tooLittle(ctx context.Context, parts []Part) (refusal.Blockers, error) {
	var missing []inventory.Object
	any := false
	for _, p := range parts {
		missing = append(missing, p.missing...)
		any = any || len(p.missing) > 0 || len(starting(p.Task)) > 0 || growing(p.Task) > 0
	}
	if !any {
		return nil, nil
	}
	r := parts[0].Task
	var region *computepb.Region
	var project *computepb.Project
	sizes := map[string]int{}
	types := typesOf(parts)
	found := make([]int, len(types))
	reads := []func() error{
		func() (err error) { region, err = r.GCE.Regions().Get(ctx, r.Region()); return err },
		func() (err error) { project, err = r.GCE.GetProject(ctx); return err },
	}
	for i, t := range types {
		reads = append(reads, func() (err error) { found[i], err = cpusOf(ctx, r, t); return err })
	}
	if err := gce.Parallel(reads...); err != nil {
		return nil, err
	}
	for i, t := range types {
		sizes[t] = found[i]
	}
	if len(region.GetQuotas()) == 0 { // Google answers without them where it cannot tell them (regions.get)
		why := cmp.Or(region.GetQuotaStatusWarning().GetMessage(), "it gave no reason")
		r.Warn(fmt.Sprintf("Google did not tell the quotas of region %s (%s): whether there is room for what is to be made shows when it is made", region.GetName(), why))
	}
	inRegion, inProject := quotasOf(region.GetQuotas()), quotasOf(project.GetQuotas())
	d := demand{}
	for _, p := range parts {
		for metric, n := range demandOf(p.Task, p.missing, growing(p.Task), inRegion, sizes) {
			d[metric] += n
		}
	}
	required, err := osLoginRequired(ctx, r.Env, project, missing)
	if err != nil {
		return nil, err
	}
	short := append(required, ProjectProblems(r, project, missing)...)
	return append(short, exceeded(r, d, inRegion, inProject, region.GetName())...), nil
}

// exceeded are the quotas that are smaller than what is needed.
func exceeded(r *task.Task, d demand, inRegion, inProject quotas, region string) (short refusal.Blockers) {
	for _, metric := range slices.Sorted(maps.Keys(d)) {
		where, of := inRegion, "of region "+region
		if _, ok := inRegion[metric]; !ok {
			where, of = inProject, "of project "+r.Want.Project
		}
		q, ok := where[metric]
		if !ok || d[metric] == 0 || q.GetUsage()+d[metric] <= q.GetLimit() {
			continue
		}
		short = append(short, &refusal.Refused{
			Why: fmt.Sprintf("quota %s %s: %g more are needed, and %g of %g are used", metric, of, d[metric], q.GetUsage(), q.GetLimit()),
			Cure: fmt.Sprintf("ask for more at https://console.cloud.google.com/iam-admin/quotas?project=%s, or make fewer or smaller machines (NUM_NODES, NODE_SIZE, MASTER_SIZE)",
				r.Want.Project),
		})
	}
	return short
}

type quotas map[string]*computepb.Quota

func quotasOf(list []*computepb.Quota) quotas {
	all := quotas{}
	for _, q := range list {
		all[q.GetMetric()] = q
	}
	return all
}

// cpuMetric is which CPUs a machine type takes: those of its family, where
// there is a quota for that, or the plain ones, which E2 and N1 take. Preemptible
// machines have a quota of their own once it was granted.
func (q quotas) cpuMetric(machineType string, preemptible bool) string {
	if preemptible && q["PREEMPTIBLE_CPUS"].GetLimit() > 0 {
		return "PREEMPTIBLE_CPUS"
	}
	family, _, _ := strings.Cut(machineType, "-")
	if metric := strings.ToUpper(family) + "_CPUS"; family != "e2" && family != "n1" && q[metric] != nil {
		return metric
	}
	return "CPUS"
}

// cardMetric is which accelerators a machine takes, by the same rule.
func (q quotas) cardMetric(cards gpu.Cards, preemptible bool) string {
	if of := "PREEMPTIBLE_" + cards.Metric(); preemptible && q[of].GetLimit() > 0 {
		return of
	}
	return cards.Metric()
}

// cpusOf asks how many CPUs a machine type has, once.
func cpusOf(ctx context.Context, r *task.Task, machineType string) (int, error) {
	if n, ok := r.CPUs(machineType); ok {
		return n, nil
	}
	t, err := r.GCE.MachineTypes(cmp.Or(r.Want.Zone, r.Want.Home)).Get(ctx, machineType)
	if gce.IsNotFound(err) {
		return 0, nil // which is said already
	}
	if err != nil {
		return 0, err
	}
	r.SawCPUs(machineType, int(t.GetGuestCpus()))
	return int(t.GetGuestCpus()), nil
}
