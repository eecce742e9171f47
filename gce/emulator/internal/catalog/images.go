package catalog

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
)

// publicImages of Google's image projects, one a family: the name of a real
// release, so that what is recorded of a machine is the same here and there.
var publicImages = []struct {
	project, family, name, text string
	size                        int64 // GB
}{
	{"debian-cloud", "debian-12", "debian-12-bookworm-v20250610", "Debian, Debian GNU/Linux, 12 (bookworm), amd64 built on 20250610", 10},
}

// otherImages are Google's projects of public images that there are none of here:
// an empty list would say that Google has none.
var otherImages = strings.Fields(`almalinux-cloud centos-cloud cos-cloud fedora-cloud fedora-coreos-cloud freebsd-org-cloud-dev gke-node-images
	ml-images deeplearning-platform-release opensuse-cloud oracle-linux-cloud rhel-cloud rhel-sap-cloud rocky-linux-accelerator-cloud rocky-linux-cloud
	suse-byos-cloud suse-cloud suse-sap-cloud ubuntu-os-accelerator-images ubuntu-os-cloud ubuntu-os-pro-cloud windows-cloud windows-sql-cloud`)

// noImages refuses to look for images where Google has some and there are none here.
func noImages(project string) error {
	if slices.Contains(otherImages, project) {
		return problem.NotWritten("images of project " + project)
	}
	return nil
}

func imageDocs(project string) (out []doc.Obj) {
	for _, i := range publicImages {
		if i.project != project {
			continue
		}
		r := doc.RefIn(i.project, "global", "images", i.name)
		license := doc.Base + "projects/" + i.project + "/global/licenses/debian-12-bookworm"
		out = append(out, doc.Clone(doc.Obj{
			"kind": "compute#image", "id": doc.NumberOf(i.name), "name": i.name, "family": i.family, "description": i.text,
			"creationTimestamp": "2025-06-10T09:52:41.000-07:00", "status": "READY", "sourceType": "RAW",
			"rawDisk": doc.Obj{"containerType": "TAR", "source": ""}, "architecture": "X86_64",
			"diskSizeGb": doc.Decimal(i.size), "archiveSizeBytes": "2000000000", "selfLink": r.Link(),
			"licenses": []any{license}, "licenseCodes": []any{"4324324324234234"},
			"guestOsFeatures":  []any{doc.Obj{"type": "UEFI_COMPATIBLE"}, doc.Obj{"type": "VIRTIO_SCSI_MULTIQUEUE"}, doc.Obj{"type": "GVNIC"}},
			"labelFingerprint": doc.Fingerprint(), "storageLocations": []any{"eu", "asia", "us"},
		}))
	}
	return out
}

// ImageOf finds what a sourceImage means: an image, a family, or the view of a
// family in a zone.
func ImageOf(source, project string) (doc.Obj, error) {
	named := source
	s := strings.Trim(source, "/")
	if _, after, ok := strings.Cut(s, "compute/v1/"); ok {
		s = after
	}
	if rest, ok := strings.CutPrefix(s, "projects/"); ok {
		project, s, _ = strings.Cut(rest, "/")
	}
	parts := strings.Split(s, "/")
	name := parts[len(parts)-1]
	family := len(parts) > 1 && (parts[len(parts)-2] == "family" || parts[len(parts)-2] == "imageFamilyViews")
	for _, o := range imageDocs(project) {
		if family && doc.Str(o, "family") == name || !family && doc.Str(o, "name") == name {
			return o, nil
		}
	}
	if err := noImages(project); err != nil {
		return nil, err
	}
	return nil, problem.NotFound(doc.RefOf(named))
}

func images() api.Collection {
	return api.Collection{Resource: "images", Kind: "images", Item: "compute#image", Methods: map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) { return imageNamed(c, c.Params["image"]) },
		"getFromFamily": func(c *api.Call) (doc.Obj, error) {
			return imageNamed(c, "family/"+c.Params["family"])
		},
		"list": func(c *api.Call) (doc.Obj, error) {
			if err := noImages(c.Project()); err != nil {
				return nil, err
			}
			return c.Page("compute#imageList", doc.Base+"projects/"+c.Project()+"/global/images", imageDocs(c.Project()))
		},
	}}
}

func imageNamed(c *api.Call, path string) (doc.Obj, error) {
	return ImageOf("projects/"+c.Project()+"/global/images/"+path, "")
}

func imageFamilyViews() api.Collection {
	return api.Collection{Resource: "imageFamilyViews", Kind: "imageFamilyViews", Item: "compute#imageFamilyView", Methods: map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) {
			o, err := imageNamed(c, "family/"+c.Params["family"])
			if err != nil {
				return nil, err
			}
			return doc.Obj{"image": o}, nil
		},
	}}
}
