package emulator

import "strings"

// publicImages of Google's image projects, one a family: the name of a real
// release, so that what is recorded of a machine is the same here and there.
var publicImages = []struct {
	project, family, name, text string
	size                        int64 // GB
}{
	{"debian-cloud", "debian-12", "debian-12-bookworm-v20250610", "Debian, Debian GNU/Linux, 12 (bookworm), amd64 built on 20250610", 10},
}

func imageDocs(project string) (out []obj) {
	for _, i := range publicImages {
		if i.project != project {
			continue
		}
		r := in(i.project, "global", "images", i.name)
		license := base + "projects/" + i.project + "/global/licenses/debian-12-bookworm"
		out = append(out, clone(obj{
			"kind": "compute#image", "id": numberOf(i.name), "name": i.name, "family": i.family, "description": i.text,
			"creationTimestamp": "2025-06-10T09:52:41.000-07:00", "status": "READY", "sourceType": "RAW",
			"rawDisk": obj{"containerType": "TAR", "source": ""}, "architecture": "X86_64",
			"diskSizeGb": decimal(i.size), "archiveSizeBytes": "2000000000", "selfLink": r.link(),
			"licenses": []any{license}, "licenseCodes": []any{"4324324324234234"},
			"guestOsFeatures":  []any{obj{"type": "UEFI_COMPATIBLE"}, obj{"type": "VIRTIO_SCSI_MULTIQUEUE"}, obj{"type": "GVNIC"}},
			"labelFingerprint": fingerprint(), "storageLocations": []any{"eu", "asia", "us"},
		}))
	}
	return out
}

// imageOf finds what a sourceImage means: an image, a family, or the view of a
// family in a zone. Nothing is an empty answer.
func imageOf(source, project string) obj {
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
		if key := "name"; family && str(o, "family") == name || !family && str(o, key) == name {
			return o
		}
	}
	return nil
}

func images() collection {
	return collection{resource: "images", kind: "images", item: "compute#image", methods: map[string]handler{
		"get": func(c *call) (obj, error) { return c.image(c.params["image"]) },
		"getFromFamily": func(c *call) (obj, error) {
			return c.image("family/" + c.params["family"])
		},
		"list": func(c *call) (obj, error) {
			return c.page("compute#imageList", base+"projects/"+c.project()+"/global/images", imageDocs(c.project()))
		},
	}}
}

func (c *call) image(path string) (obj, error) {
	if o := imageOf("projects/"+c.project()+"/global/images/"+path, ""); o != nil {
		return o, nil
	}
	return nil, notFound(ref("projects/" + c.project() + "/global/images/" + path))
}

func imageFamilyViews() collection {
	return collection{resource: "imageFamilyViews", kind: "imageFamilyViews", item: "compute#imageFamilyView", methods: map[string]handler{
		"get": func(c *call) (obj, error) {
			o, err := c.image("family/" + c.params["family"])
			if err != nil {
				return nil, err
			}
			return obj{"image": o}, nil
		},
	}}
}
