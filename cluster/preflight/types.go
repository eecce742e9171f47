package preflight

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/gpu"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// namedTypes are the looks at the machine types and disk types that the settings
// name, each once.
func namedTypes(r *task.Task) (checks []check) {
	s := r.Want.Settings
	typed := func(variable, name string) {
		checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) { return typeProblem(ctx, r, variable, name) })
	}
	disk := func(variable string, name settings.Name, sizes ...DiskSize) {
		checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) {
			return diskTypeProblem(ctx, r.Env, variable, string(name), sizes)
		})
	}
	master, nodes := r.Mode.Masters, r.Mode.Nodes
	if master && (!r.Mode.One || s.MasterSize != "") { // or it is like the one there is
		typed("MASTER_SIZE", r.Want.MasterType)
	}
	if nodes && (string(s.NodeSize) != r.Want.MasterType || !master) {
		typed("NODE_SIZE", string(s.NodeSize))
	}
	data, boot := DiskSize{"MASTER_DISK_SIZE", s.MasterDiskSize}, DiskSize{"NODE_DISK_SIZE", s.NodeDiskSize}
	same := s.NodeDiskType == s.MasterDiskType
	switch {
	case master && nodes && same:
		disk("MASTER_DISK_TYPE", s.MasterDiskType, data, boot)
	case master:
		disk("MASTER_DISK_TYPE", s.MasterDiskType, data)
	}
	if nodes && (!same || !master) {
		disk("NODE_DISK_TYPE", s.NodeDiskType, boot)
	}
	if nodes && s.Accelerators != "" {
		checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) { return acceleratorProblem(ctx, r, s.Accelerators) })
	}
	checks = append(checks, func(context.Context) (refusal.Blockers, error) { return DisksOfTypes(r.Env, master, nodes), nil })
	return checks
}

func typeProblem(ctx context.Context, r *task.Task, variable, name string) (refusal.Blockers, error) {
	types := r.GCE.MachineTypes(r.Want.Zone)
	t, err := types.Get(ctx, name)
	if err == nil {
		r.SawCPUs(t.GetName(), int(t.GetGuestCpus()))
		return JudgeState(variable, "machine type "+name, t.GetDeprecated()), nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	all, err := types.List(ctx)
	return noSuchType("machine type", variable, name, r.Want.Zone, all, err), nil
}

// acceleratorProblem looks at the type of accelerators, and at the machine type that is to
// have them: one that the zone has not is said already.
func acceleratorProblem(ctx context.Context, r *task.Task, cards gpu.Cards) (refusal.Blockers, error) {
	types := r.GCE.AcceleratorTypes(r.Want.Zone)
	kind, err := types.Get(ctx, cards.Kind())
	if gce.IsNotFound(err) {
		all, err := types.List(ctx)
		return noSuchAccelerator(cards, r.Want.Zone, all, err), nil
	}
	if err != nil {
		return nil, err
	}
	machine, err := r.GCE.MachineTypes(r.Want.Zone).Get(ctx, string(r.Want.Settings.NodeSize))
	if gce.IsNotFound(err) {
		machine, err = nil, nil
	}
	return JudgeAccelerators(cards, kind, machine), err
}

// noSuchAccelerator adds those there are, which are few and differ from zone to zone.
func noSuchAccelerator(cards gpu.Cards, zone string, all []*computepb.AcceleratorType, err error) refusal.Blockers {
	problem := refusal.Because("NODE_ACCELERATORS=%s: zone %s has no accelerators of that type", cards, zone)
	var names []string
	for _, t := range all {
		names = append(names, t.GetName())
	}
	switch {
	case err != nil: // what is wrong is known, and the help for it is not worth failing for
	case len(names) == 0:
		problem.Why += ", and of no other"
	default:
		problem.Why += "; it has " + strings.Join(names, " ")
	}
	return refusal.Blockers{problem}
}

// JudgeAccelerators refuses what a machine cannot have: nothing but the insert of a node
// would say so, which its group makes again and again.
func JudgeAccelerators(cards gpu.Cards, kind *computepb.AcceleratorType, machine *computepb.MachineType) refusal.Blockers {
	no := JudgeState("NODE_ACCELERATORS", "accelerator type "+kind.GetName(), kind.GetDeprecated())
	if most := int(kind.GetMaximumCardsPerInstance()); most > 0 && cards.Count() > most {
		return append(no, refusal.Because("NODE_ACCELERATORS=%s: a machine has %d of type %s at most", cards, most, cards.Kind()))
	}
	if machine == nil {
		return no
	}
	for _, own := range machine.GetAccelerators() {
		if has := gpu.Of(own.GetGuestAcceleratorType(), int(own.GetGuestAcceleratorCount())); has != cards {
			return append(no, &refusal.Refused{
				Why:  fmt.Sprintf("NODE_ACCELERATORS=%s: machines of type %s have %s of themselves, and take no others", cards, machine.GetName(), has),
				Cure: fmt.Sprintf("NODE_ACCELERATORS=%s, or none", has),
			})
		}
	}
	if why, instead := cards.Misfit(machine.GetName(), int(machine.GetGuestCpus())); why != "" {
		no = append(no, &refusal.Refused{Why: fmt.Sprintf("NODE_ACCELERATORS=%s, NODE_SIZE=%s: %s", cards, machine.GetName(), why), Cure: instead})
	}
	return no
}

func diskTypeProblem(ctx context.Context, r *env.Env, variable, name string, sizes []DiskSize) (refusal.Blockers, error) {
	types := r.GCE.DiskTypes(r.Want.Zone)
	t, err := types.Get(ctx, name)
	if err == nil {
		return append(JudgeState(variable, "disk type "+name, t.GetDeprecated()), JudgeSizes(t, sizes)...), nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	all, err := types.List(ctx)
	return noSuchType("disk type", variable, name, r.Want.Zone, all, err), nil
}

// noSuchType adds the nearest by spelling, if the list of all could be read:
// what is wrong is known, and the help for it is not worth failing for.
func noSuchType[T interface{ GetName() string }](what, variable, name, zone string, all []T, err error) refusal.Blockers {
	problem := refusal.Because("%s=%q: zone %s has no such %s", variable, name, zone, what)
	var names []string
	for _, t := range all {
		names = append(names, t.GetName())
	}
	if near := settings.Nearest(name, names); err == nil && near != "" {
		problem.Why += "; did you mean " + near
	}
	return refusal.Blockers{problem}
}

// JudgeState refuses what can no longer be used: deprecated it can, obsolete it cannot.
func JudgeState(variable, what string, d *computepb.DeprecationStatus) refusal.Blockers {
	if st := d.GetState(); st == "OBSOLETE" || st == "DELETED" {
		instead := ""
		if r := gce.Base(d.GetReplacement()); r != "" {
			instead = "; its replacement is " + r
		}
		return refusal.Blockers{refusal.Because("%s: %s is %s%s", variable, what, st, instead)}
	}
	return nil
}

// JudgeSizes refuses disks that are larger than their type may be. What it says
// of the smallest is not held to: Compute Engine makes smaller ones.
func JudgeSizes(t *computepb.DiskType, sizes []DiskSize) (no refusal.Blockers) {
	_, text, _ := strings.Cut(t.GetValidDiskSize(), "-") // "10GB-65536GB"
	most, err := strconv.Atoi(strings.TrimSuffix(text, "GB"))
	if err != nil {
		return nil
	}
	for _, d := range sizes {
		if int(d.Size) > most {
			no = append(no, refusal.Because("%s=%s: a disk of type %s has %s at most", d.Variable, settings.Gigabytes(int64(d.Size)), t.GetName(), settings.Gigabytes(int64(most))))
		}
	}
	return no
}

// DisksOfTypes refuses disks that the machine types do not take: nothing but the
// insert of the machine would say so, which is far down the list.
func DisksOfTypes(r *env.Env, master, nodes bool) (no refusal.Blockers) {
	s := r.Want.Settings
	judge := func(sizeVariable, machineType, typeVariable string, disk settings.Name) {
		series, _, _ := strings.Cut(machineType, "-")
		if slices.Contains(task.HyperdisksOnly, series) && strings.HasPrefix(string(disk), "pd-") || slices.Contains(task.NoStandard, series) && disk == "pd-standard" {
			no = append(no, &refusal.Refused{
				Why:  fmt.Sprintf("%s=%s: machines of series %s take no disk of type %s (%s)", sizeVariable, machineType, strings.ToUpper(series), disk, typeVariable),
				Cure: fmt.Sprintf("%s=%s, or a machine type of another series", typeVariable, task.BootTypeFor(machineType)),
			})
		}
	}
	if master {
		judge("MASTER_SIZE", r.Want.MasterType, "MASTER_DISK_TYPE", s.MasterDiskType)
	}
	if nodes {
		judge("NODE_SIZE", string(s.NodeSize), "NODE_DISK_TYPE", s.NodeDiskType)
	}
	return no
}
