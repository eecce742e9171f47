package preflight

import (
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/settings"
)

func TestJudgeImage(t *testing.T) {
	state := func(s string) *computepb.Image {
		return &computepb.Image{Name: new("i"), DiskSizeGb: new(int64(10)), Status: new("READY"), Deprecated: &computepb.DeprecationStatus{
			State: &s, Replacement: new("https://www.googleapis.com/compute/v1/projects/debian-cloud/global/images/j")}}
	}
	for _, tt := range []struct {
		image         *computepb.Image
		size          settings.Size
		want, warning string
	}{
		{state("ACTIVE"), 10, "", ""},
		{state("DEPRECATED"), 10, "", "V: image i is deprecated; its replacement is j"},
		{state("OBSOLETE"), 10, "V: image i is OBSOLETE; its replacement is j", ""},
		{state("DELETED"), 10, "V: image i is DELETED; its replacement is j", ""},
		{&computepb.Image{Name: new("i"), Status: new("PENDING")}, 10, "V: image i is PENDING", ""},
		{state("ACTIVE"), 9, "SIZE=9GB: image i needs 10GB", ""},
	} {
		no, warning := JudgeImage(tt.image, "V", []DiskSize{{Variable: "SIZE", Size: tt.size}})
		var whys []string
		for _, r := range no {
			whys = append(whys, r.Why)
		}
		if got := strings.Join(whys, "; "); got != tt.want || warning != tt.warning {
			t.Errorf("got %q, warning %q; want %q, %q", got, warning, tt.want, tt.warning)
		}
	}
}
