package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/gce"
)

// Unfit is everything in the settings that the cloud says no to, one line
// each, found before the first change.
type Unfit []string

func (u Unfit) Error() string {
	if len(u) == 1 {
		return u[0]
	}
	return fmt.Sprintf("%d settings do not fit the cloud:\n%s", len(u), strings.Join(u, "\n"))
}

// Hint says that nothing has happened.
func (u Unfit) Hint() string { return "nothing was changed; correct the settings and run it again" }

// preflight asks the cloud about the zone, the machine types and the images,
// all at once.
func (r *run) preflight(ctx context.Context) error {
	s := r.want.settings
	var zone []string
	types := []struct{ variable, name string }{{"MASTER_SIZE", r.want.masterType}}
	if r.mode == AddPool || r.mode == AddReplica && s.MasterSize == "" { // made elsewhere, or like the one there is
		types = nil
	}
	if r.mode != AddReplica && (string(s.NodeSize) != r.want.masterType || r.mode == AddPool) {
		types = append(types, struct{ variable, name string }{"NODE_SIZE", string(s.NodeSize)})
	}
	images := []struct {
		variable    string
		owner, name Name
	}{{"KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage}}
	if r.mode != AddReplica && (s.NodeImage != s.MasterImage || s.NodeImageOwner != s.MasterImageOwner) {
		images = append(images, struct {
			variable    string
			owner, name Name
		}{"KUBE_GCE_NODE_IMAGE", s.NodeImageOwner, s.NodeImage})
	}
	if r.mode == AddPool { // and nodes from the template there is
		images = nil
	}
	ofTypes, ofImages := make([]string, len(types)), make([]string, len(images))
	typeErrs := make([]error, len(types))
	reads := []func() error{func() (err error) { zone, err = r.zoneProblems(ctx); return err }}
	for i, t := range types {
		reads = append(reads, func() error {
			ofTypes[i], typeErrs[i] = r.typeProblem(ctx, t.variable, t.name)
			return nil
		})
	}
	for i, m := range images {
		reads = append(reads, func() (err error) { ofImages[i], err = r.imageProblem(ctx, m.variable, m.owner, m.name); return err })
	}
	if err := together(reads...); err != nil {
		return err
	}
	unfit := Unfit(zone)
	if len(zone) == 0 { // in a zone that is none there are no types either
		for i, p := range ofTypes {
			if typeErrs[i] != nil {
				return typeErrs[i]
			}
			unfit = append(unfit, p)
		}
	}
	unfit = slices.DeleteFunc(append(unfit, ofImages...), func(p string) bool { return p == "" })
	if len(unfit) == 0 {
		return nil
	}
	return unfit
}

func (r *run) zoneProblems(ctx context.Context) ([]string, error) {
	z, err := r.gce.Zones().Get(ctx, r.want.zone)
	if err == nil {
		if st := z.GetStatus(); st != "UP" && st != "" {
			return []string{fmt.Sprintf("KUBE_GCE_ZONE=%q: the zone is %s", r.want.zone, st)}, nil
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
	return []string{fmt.Sprintf("KUBE_GCE_ZONE=%q: there is no such zone%s", r.want.zone, zonesLike(r.want.zone, all))}, nil
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

func (r *run) typeProblem(ctx context.Context, variable, name string) (string, error) {
	types := r.gce.MachineTypes(r.want.zone)
	_, err := types.Get(ctx, name)
	if !gce.IsNotFound(err) {
		return "", err
	}
	problem := fmt.Sprintf("%s=%q: zone %s has no such machine type", variable, name, r.want.zone)
	all, err := types.List(ctx)
	if err != nil {
		return problem, nil // what is wrong is known; the help for it is not worth failing for
	}
	var names []string
	for _, t := range all {
		names = append(names, t.GetName())
	}
	if near := nearest(name, names); near != "" {
		problem += "; did you mean " + near
	}
	return problem, nil
}

func (r *run) imageProblem(ctx context.Context, variable string, owner, name Name) (string, error) {
	images := r.gce.Images(string(owner))
	var err error
	if name == "" {
		_, err = images.GetFromFamily(ctx, imageFamily)
	} else {
		_, err = images.Get(ctx, string(name))
	}
	if !gce.IsNotFound(err) {
		return "", err
	}
	what := "image family " + imageFamily
	if name != "" {
		what = "such image"
	}
	return fmt.Sprintf("%s=%q: project %s has no %s", variable, name, owner, what), nil
}
