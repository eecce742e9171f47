package catalog

import (
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
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

// Images are those of a project: Google's own, or what somebody made there.
func Images(t *store.Tx, project string) ([]doc.Obj, error) {
	if slices.Contains(otherImages, project) {
		return nil, problem.NotWritten("images of project " + project)
	}
	return append(imageDocs(project), t.All(project, "images")...), nil
}

// ImageOf finds what a sourceImage means: an image, the newest of a family, or the
// view of a family in a zone.
func ImageOf(t *store.Tx, source, project string) (found doc.Obj, err error) {
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
	all, err := Images(t, project)
	if err != nil {
		return nil, err
	}
	for _, o := range all {
		newer := doc.Str(o, "creationTimestamp") >= doc.Str(found, "creationTimestamp")
		if family && doc.Str(o, "family") == name && newer || !family && doc.Str(o, "name") == name {
			found = o
		}
	}
	if found == nil {
		return nil, problem.NotFound(doc.RefOf(source))
	}
	return found, nil
}

// ImageNamed is ImageOf for a call about an image of its project.
func ImageNamed(c *api.Call, path string) (o doc.Obj, err error) {
	c.S.Store.View(func(t *store.Tx) { o, err = ImageOf(t, "projects/"+c.Project()+"/global/images/"+path, "") })
	return o, err
}

func imageFamilyViews() api.Collection {
	return api.Collection{Resource: "imageFamilyViews", Kind: "imageFamilyViews", Item: "compute#imageFamilyView", Methods: map[string]api.Handler{
		"get": func(c *api.Call) (doc.Obj, error) {
			o, err := ImageNamed(c, "family/"+c.Params["family"])
			if err != nil {
				return nil, err
			}
			return doc.Obj{"image": o}, nil
		},
	}}
}

// Public tells whether a project is one of Google's with images for everybody.
func Public(project string) bool {
	return len(imageDocs(project)) > 0 || slices.Contains(otherImages, project)
}
