package step

import (
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/settings"
)

// TestImageWithoutUEFI: an image of one's own that boots by BIOS makes no Shielded VM,
// which Compute Engine would refuse.
func TestImageWithoutUEFI(t *testing.T) {
	r := env.New(settings.Settings{}, env.Deps{}, nil)
	image := settings.Image("mine", "old")
	r.SawImage(image, &computepb.Image{GuestOsFeatures: []*computepb.GuestOsFeature{{Type: new("GVNIC")}}})
	if Shielded(r, image) != nil || Shielded(r, settings.Image("debian-cloud", "")) == nil {
		t.Error("the wrong image is booted by a Shielded VM")
	}
}
