package preflight

import (
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/task"
	"hakube/gce"
)

// namedImages are the looks at the images that the settings name, each once.
func namedImages(r *task.Task) (checks []check) {
	s := r.Want.Settings
	image := func(variable string, owner, name settings.Name, disks ...DiskSize) {
		checks = append(checks, func(ctx context.Context) (refusal.Blockers, error) {
			return imageProblem(ctx, r.Env, variable, owner, name, disks)
		})
	}
	master, nodes := r.Mode.Masters, r.Mode.Nodes
	same := s.NodeImage == s.MasterImage && s.NodeImageOwner == s.MasterImageOwner
	root, node := DiskSize{"MASTER_ROOT_DISK_SIZE", s.MasterRootSize}, DiskSize{"NODE_DISK_SIZE", s.NodeDiskSize}
	switch {
	case master && nodes && same:
		image("KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage, root, node)
	case master:
		image("KUBE_GCE_MASTER_IMAGE", s.MasterImageOwner, s.MasterImage, root)
	}
	if nodes && (!same || !master) {
		image("KUBE_GCE_NODE_IMAGE", s.NodeImageOwner, s.NodeImage, node)
	}
	return checks
}

// A DiskSize is how large a boot disk is to be, by the variable that says so.
type DiskSize struct {
	Variable string
	Size     settings.Size
}

func imageProblem(ctx context.Context, r *env.Env, variable string, owner, name settings.Name, disks []DiskSize) (refusal.Blockers, error) {
	images := r.GCE.Images(string(owner))
	var err error
	var x *computepb.Image
	if name == "" {
		x, err = images.GetFromFamily(ctx, settings.ImageFamily)
	} else {
		x, err = images.Get(ctx, string(name))
	}
	if err == nil {
		r.SawImage(settings.Image(owner, name), x)
		no, warning := JudgeImage(x, variable, disks)
		if warning != "" {
			r.Warn(warning)
		}
		return no, nil
	}
	if !gce.IsNotFound(err) {
		return nil, err
	}
	what := "image family " + settings.ImageFamily
	if name != "" {
		what = "such image"
	}
	return refusal.Blockers{refusal.Because("%s=%q: project %s has no %s", variable, name, owner, what)}, nil
}

// JudgeImage says whether disks can be made of an image that is there. A
// deprecated one can still be used, an obsolete one cannot.
// (https://cloud.google.com/compute/docs/images/deprecate-custom)
func JudgeImage(x *computepb.Image, variable string, disks []DiskSize) (no refusal.Blockers, warning string) {
	instead := ""
	if r := gce.Base(x.GetDeprecated().GetReplacement()); r != "" {
		instead = "; its replacement is " + r
	}
	switch state := x.GetDeprecated().GetState(); state {
	case "OBSOLETE", "DELETED":
		no = append(no, refusal.Because("%s: image %s is %s%s", variable, x.GetName(), state, instead))
	case "DEPRECATED":
		warning = fmt.Sprintf("%s: image %s is deprecated%s", variable, x.GetName(), instead)
	}
	if st := x.GetStatus(); st != "READY" && st != "" {
		no = append(no, refusal.Because("%s: image %s is %s", variable, x.GetName(), st))
	}
	for _, d := range disks {
		if x.GetDiskSizeGb() > int64(d.Size) {
			no = append(no, refusal.Because("%s=%s: image %s needs %s", d.Variable, settings.Gigabytes(int64(d.Size)), x.GetName(), settings.Gigabytes(x.GetDiskSizeGb())))
		}
	}
	return no, warning
}
