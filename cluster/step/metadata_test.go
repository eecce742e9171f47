package step

import (
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/env"
	"hakube/cluster/gpu"
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

// TestSchedulingOfAccelerators: machines with accelerators, also such as their type has of
// itself, are never asked to move while they run.
func TestSchedulingOfAccelerators(t *testing.T) {
	for machine, want := range map[string]string{"e2-standard-2": "MIGRATE", "n1-standard-4": "MIGRATE", "g2-standard-4": "TERMINATE", "a2-highgpu-1g": "TERMINATE"} {
		if s := scheduling(false, false, gpu.Cards("").Has(machine)); s.GetOnHostMaintenance() != want || !s.GetAutomaticRestart() {
			t.Errorf("%s: %v", machine, s)
		}
	}
	if s := scheduling(true, false, true); s.GetAutomaticRestart() || s.GetOnHostMaintenance() != "TERMINATE" {
		t.Errorf("preemptible: %v", s)
	}
}
