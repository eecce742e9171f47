package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/plan"
	"hakube/gce"
)

// Unfit is everything in the way of what is to be made, found before the first
// change: settings the cloud says no to, names that are taken, quotas that do
// not suffice, permissions that are withheld.
type Unfit []*Refused

func (u Unfit) Error() string {
	var whys []string
	for _, r := range u {
		whys = append(whys, r.Why)
	}
	if len(u) == 1 {
		return whys[0]
	}
	return fmt.Sprintf("%d things are in the way:\n%s", len(u), strings.Join(whys, "\n"))
}

// Hint says that nothing has happened.
func (u Unfit) Hint() string { return "nothing was changed; put that right and run it again" }

// Unwrap gives each with its own cure.
func (u Unfit) Unwrap() []error {
	errs := make([]error, len(u))
	for i, r := range u {
		errs[i] = r
	}
	return errs
}

// orNil is the error, nil if nothing is in the way.
func (u Unfit) orNil() error {
	if len(u) == 0 {
		return nil
	}
	return u
}

// unfit is a finding without a cure beyond itself.
func unfit(format string, a ...any) *Refused { return &Refused{Why: fmt.Sprintf(format, a...)} }

// lacks tells by what was found whether there is a machine, a disk, a group or
// an address to make. Without any of these nothing is asked beforehand: a run
// over a cluster that is complete costs its own looks only.
func (r *run) lacks() bool {
	v := r.have
	if r.mode == AddReplica {
		return true // run twice it makes two
	}
	for _, g := range r.poolGroups() {
		if !v.has(g.object) || g.size < g.wants {
			return true
		}
	}
	if r.mode == AddPool {
		return false
	}
	for _, m := range r.toBe() {
		if !v.has(m) || !v.has(object{kind: kindDisk, name: r.want.names.DiskOf(m.name), zone: m.zone}) {
			return true
		}
	}
	return v.held.ip == "" || v.subnetRegion == ""
}

// A check is a read that may find something in the way. The first error of
// several that failed for the same reason is enough.
type check func(context.Context) (Unfit, error)

func gather(ctx context.Context, checks ...check) (all Unfit, err error) {
	found, reads := make([]Unfit, len(checks)), make([]func() error, len(checks))
	for i, c := range checks {
		reads[i] = func() (err error) { found[i], err = c(ctx); return err }
	}
	err = together(reads...)
	return slices.Concat(found...), err
}

// preflight asks the cloud what the settings name: the zone, machine types,
// disk types and images, all at once. What is wrong with the zone is the error,
// since nothing else can be judged then.
func (r *run) preflight(ctx context.Context) (Unfit, error) {
	if !r.lacks() {
		return nil, nil
	}
	s := r.want.settings
	var inZone, elsewhere []check
	typed := func(variable, name string) {
		inZone = append(inZone, func(ctx context.Context) (Unfit, error) { return r.typeProblem(ctx, variable, name) })
	}
	disk := func(variable string, name Name) {
		inZone = append(inZone, func(ctx context.Context) (Unfit, error) { return r.diskTypeProblem(ctx, variable, string(name)) })
	}
	image := func(variable string, owner, name Name, disks ...diskSize) {
		elsewhere = append(elsewhere, func(ctx context.Context) (Unfit, error) { return r.imageProblem(ctx, variable, owner, name, disks) })
	}
	master, nodes := r.mode != AddPool, r.mode != AddReplica
	if master && (r.mode != AddReplica || s.MasterSize != "") { // or it is like the one there is
		typed("MASTER_SIZE", r.want.masterType)
	}
	if nodes && (string(s.NodeSize) != r.want.masterType || !master) {
		typed("NODE_SIZE", string(s.NodeSize))
	}
	if master {
		disk("MASTER_DISK_TYPE", s.MasterDiskType)
	}
	if nodes && (s.NodeDiskType != s.MasterDiskType || !master) {
		disk("NODE_DISK_TYPE", s.NodeDiskType)
	}
	same := s.NodeImage == s.MasterImage && s.NodeImageOwner == s.MasterImageOwner
	switch root, node := (diskSize{"MASTER_ROOT_DISK_SIZE", s.MasterRootSize}), (diskSize{"NODE_DISK_SIZE", s.NodeDiskSize}); {
	case !master: // nodes are made from the template there is
	case !nodes:
		image("KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage, root)
	case same:
		image("KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage, root, node)
	default:
		image("KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage, root)
		image("KUBE_GCE_NODE_IMAGE", s.NodeImageOwner, s.NodeImage, node)
	}
	var zone, types, images Unfit
	var typesErr error
	err := together(
		func() (err error) { zone, err = r.zoneProblems(ctx); return err },
		func() error { types, typesErr = gather(ctx, inZone...); return nil },
		func() (err error) { images, err = gather(ctx, elsewhere...); return err },
	)
	switch {
	case err != nil:
		return nil, err
	case len(zone) > 0: // in a zone that is none there are no types either
		return nil, slices.Concat(zone, images)
	case typesErr != nil:
		return nil, typesErr
	}
	return append(types, images...), nil
}

// misplaced finds out whether looking failed because the zone is none, whose
// region is then none either.
func (r *run) misplaced(ctx context.Context, failed error) error {
	r.have = &inventory{}
	var no Unfit
	if _, err := r.preflight(ctx); errors.As(err, &no) {
		return no
	}
	return failed
}

func (r *run) zoneProblems(ctx context.Context) (Unfit, error) {
	z, err := r.gce.Zones().Get(ctx, r.want.zone)
	if err == nil {
		if st := z.GetStatus(); st != "UP" && st != "" {
			return Unfit{unfit("KUBE_GCE_ZONE=%q: the zone is %s", r.want.zone, st)}, nil
		}
		return nil, nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	all, listErr := r.gce.Zones().List(ctx)
	if listErr != nil {
		return nil, listErr
	}
	return Unfit{unfit("KUBE_GCE_ZONE=%q: there is no such zone%s", r.want.zone, zonesLike(r.want.zone, all))}, nil
}

// zonesLike names the zones somebody may have meant: those of the region, or
// else the nearest by spelling.
func zonesLike[Z interface{ GetName() string }](zone string, all []Z) string {
	var names, same []string
	for _, z := range all {
		names = append(names, z.GetName())
		if Zone(z.GetName()).Region() == Zone(zone).Region() {
			same = append(same, z.GetName())
		}
	}
	slices.Sort(same)
	if len(same) > 0 {
		return "; its region has " + strings.Join(same, ", ")
	}
	if near := nearest(zone, names); near != "" {
		return "; did you mean " + near
	}
	return ""
}

func (r *run) typeProblem(ctx context.Context, variable, name string) (Unfit, error) {
	types := r.gce.MachineTypes(r.want.zone)
	t, err := types.Get(ctx, name)
	if err == nil {
		r.sawType(t)
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	all, err := types.List(ctx)
	return noSuchType("machine type", variable, name, r.want.zone, all, err), nil
}

func (r *run) diskTypeProblem(ctx context.Context, variable, name string) (Unfit, error) {
	types := r.gce.DiskTypes(r.want.zone)
	if _, err := types.Get(ctx, name); !gce.IsNotFound(err) {
		return nil, err
	}
	all, err := types.List(ctx)
	return noSuchType("disk type", variable, name, r.want.zone, all, err), nil
}

// noSuchType adds the nearest by spelling, if the list of all could be read:
// what is wrong is known, and the help for it is not worth failing for.
func noSuchType[T interface{ GetName() string }](what, variable, name, zone string, all []T, err error) Unfit {
	problem := unfit("%s=%q: zone %s has no such %s", variable, name, zone, what)
	var names []string
	for _, t := range all {
		names = append(names, t.GetName())
	}
	if near := nearest(name, names); err == nil && near != "" {
		problem.Why += "; did you mean " + near
	}
	return Unfit{problem}
}

// A diskSize is how large a boot disk is to be, by the variable that says so.
type diskSize struct {
	variable string
	size     Size
}

func (r *run) imageProblem(ctx context.Context, variable string, owner, name Name, disks []diskSize) (Unfit, error) {
	images := r.gce.Images(string(owner))
	var err error
	var x *computepb.Image
	if name == "" {
		x, err = images.GetFromFamily(ctx, imageFamily)
	} else {
		x, err = images.Get(ctx, string(name))
	}
	if err == nil {
		no, warning := judgeImage(x, variable, disks)
		if warning != "" {
			r.mu.Lock()
			r.warn(warning)
			r.mu.Unlock()
		}
		return no, nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	what := "image family " + imageFamily
	if name != "" {
		what = "such image"
	}
	return Unfit{unfit("%s=%q: project %s has no %s", variable, name, owner, what)}, nil
}

// judgeImage says whether disks can be made of an image that is there. A
// deprecated one can still be used, an obsolete one cannot.
// (https://cloud.google.com/compute/docs/images/deprecate-custom)
func judgeImage(x *computepb.Image, variable string, disks []diskSize) (no Unfit, warning string) {
	instead := ""
	if r := gce.Base(x.GetDeprecated().GetReplacement()); r != "" {
		instead = "; its replacement is " + r
	}
	switch state := x.GetDeprecated().GetState(); state {
	case "OBSOLETE", "DELETED":
		no = append(no, unfit("%s: image %s is %s%s", variable, x.GetName(), state, instead))
	case "DEPRECATED":
		warning = fmt.Sprintf("%s: image %s is deprecated%s", variable, x.GetName(), instead)
	}
	if st := x.GetStatus(); st != "READY" && st != "" {
		no = append(no, unfit("%s: image %s is %s", variable, x.GetName(), st))
	}
	for _, d := range disks {
		if x.GetDiskSizeGb() > int64(d.size) {
			no = append(no, unfit("%s=%s: image %s needs %s", d.variable, gigabytes(int64(d.size)), x.GetName(), gigabytes(x.GetDiskSizeGb())))
		}
	}
	return no, warning
}

// A made is a step that makes an object of the cloud.
type made interface {
	plan.Step
	thing() object
}

// foresee looks at every object that is to be there, before the first is made:
// names that are taken, quotas for all that is missing, permissions to make it.
// What the settings already had in the way comes first.
func (r *run) foresee(ctx context.Context, items []plan.Item, before Unfit) error {
	if !r.lacks() {
		return before.orNil()
	}
	var steps []made
	for _, it := range items {
		if s, ok := it.Step.(made); ok && it.Want {
			steps = append(steps, s)
		}
	}
	taken, missing, err := r.takenNames(ctx, steps)
	if err != nil {
		return err
	}
	more, err := gather(ctx,
		func(ctx context.Context) (Unfit, error) { return r.tooLittle(ctx, missing) },
		func(ctx context.Context) (Unfit, error) { return r.withheld(ctx, missing) },
	)
	if err != nil {
		return err
	}
	return slices.Concat(before, taken, more).orNil()
}

// besides adds what the settings have in the way to another refusal.
func (u Unfit) besides(err error) error {
	if len(u) == 0 {
		return err
	}
	return errors.Join(err, u)
}
