package cluster

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPreflight(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Settings)
		want   Unfit
	}{
		{"all well", func(*Settings) {}, nil},
		{"zone of the region", func(s *Settings) { s.Zone = "europe-west1-a" },
			Unfit{`KUBE_GCE_ZONE="europe-west1-a": there is no such zone; its region has europe-west1-b, europe-west1-c, europe-west1-d`}},
		{"slip in the region", func(s *Settings) { s.Zone = "europe-wst1-b" },
			Unfit{`KUBE_GCE_ZONE="europe-wst1-b": there is no such zone; did you mean europe-west1-b`}},
		{"all at once", func(s *Settings) {
			s.MasterSize, s.NodeSize, s.MasterImage, s.NodeImage = "e2-standrd-2", "x9-giant", "debian-1", "debian-2"
		}, Unfit{
			`MASTER_SIZE="e2-standrd-2": zone europe-west1-b has no such machine type; did you mean e2-standard-2`,
			`NODE_SIZE="x9-giant": zone europe-west1-b has no such machine type`,
			`KUBE_GCE_MASTER_IMAGE="debian-1": project debian-cloud has no such image`,
			`KUBE_GCE_NODE_IMAGE="debian-2": project debian-cloud has no such image`,
		}},
		{"zone and image", func(s *Settings) {
			s.Zone, s.NodeSize, s.MasterImageOwner, s.NodeImageOwner = "mars-north1-a", "x9-giant", "nobody", "nobody"
		},
			Unfit{
				`KUBE_GCE_ZONE="mars-north1-a": there is no such zone`,
				`KUBE_GCE_MASTER_IMAGE="": project nobody has no image family debian-12`,
			}},
	}
	w := newWorld(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := w.operator(tt.change)
			var err error
			_, change := w.counts(func() { err = o.run(Up).preflight(context.Background()) })
			var got Unfit
			if err != nil && !errors.As(err, &got) {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || change != 0 {
				t.Errorf("%d changes, (-want +got):\n%s", change, diff)
			}
		})
	}
}
