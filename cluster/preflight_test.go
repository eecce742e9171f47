package cluster

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce/emulator"
)

// whys are the findings of an error, none if there is none.
func whys(t *testing.T, err error) (list []string) {
	t.Helper()
	var u refusal.Blockers
	if err != nil && !errors.As(err, &u) {
		t.Fatal(err)
	}
	for _, r := range u {
		list = append(list, r.Why)
	}
	return list
}

func TestPreflight(t *testing.T) {
	besideOthers(t)
	tests := []struct {
		name   string
		change func(*settings.Settings)
		want   []string
	}{
		{"all well", func(*settings.Settings) {}, nil},
		{"zone of the region", func(s *settings.Settings) { s.Zone = "europe-west1-a" },
			[]string{`KUBE_GCE_ZONE="europe-west1-a": there is no such zone; its region has europe-west1-b, europe-west1-c, europe-west1-d`}},
		{"slip in the region", func(s *settings.Settings) { s.Zone = "europe-wst1-b" },
			[]string{`KUBE_GCE_ZONE="europe-wst1-b": there is no such zone; did you mean europe-west1-b`}},
		{"all at once", func(s *settings.Settings) {
			s.MasterSize, s.NodeSize, s.MasterImage, s.NodeImage = "e2-standrd-2", "x9-giant", "debian-1", "debian-2"
			s.MasterDiskType, s.NodeDiskType = "pd-sdd", "floppy"
		}, []string{
			`MASTER_SIZE="e2-standrd-2": zone europe-west1-b has no such machine type; did you mean e2-standard-2`,
			`NODE_SIZE="x9-giant": zone europe-west1-b has no such machine type`,
			`MASTER_DISK_TYPE="pd-sdd": zone europe-west1-b has no such disk type; did you mean pd-ssd`,
			`NODE_DISK_TYPE="floppy": zone europe-west1-b has no such disk type`,
			`KUBE_GCE_MASTER_IMAGE="debian-1": project debian-cloud has no such image`,
			`KUBE_GCE_NODE_IMAGE="debian-2": project debian-cloud has no such image`,
		}},
		{"disks too small", func(s *settings.Settings) { s.MasterRootSize, s.NodeDiskSize = 9, 5 }, []string{
			`MASTER_ROOT_DISK_SIZE=9GB: image debian-12-bookworm-v20250610 needs 10GB`,
			`NODE_DISK_SIZE=5GB: image debian-12-bookworm-v20250610 needs 10GB`,
		}},
		{"zone and image", func(s *settings.Settings) {
			s.Zone, s.NodeSize, s.MasterImageOwner, s.NodeImageOwner = "mars-north1-a", "x9-giant", "nobody", "nobody"
		},
			[]string{
				`KUBE_GCE_ZONE="mars-north1-a": there is no such zone`,
				`KUBE_GCE_MASTER_IMAGE="": project nobody has no image family debian-12`,
			}},
	}
	w := newWorld(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := w.operator(tt.change)
			var err error
			_, change := w.counts(func() { _, err = o.PreviewUp(context.Background(), nil) })
			if diff := cmp.Diff(tt.want, whys(t, err)); diff != "" || change != 0 {
				t.Errorf("%d changes, (-want +got):\n%s", change, diff)
			}
		})
	}
}

// TestPreflightAllAtOnce: settings, names, quotas and permissions are one list,
// and nothing is made.
func TestPreflightAllAtOnce(t *testing.T) {
	w := newWorldWith(t, func(o *emulator.Options) {
		o.Quotas = map[string]float64{"CPUS": 5, "IN_USE_ADDRESSES": 2, "SSD_TOTAL_GB": 10, "FIREWALLS": 6, "DISKS_TOTAL_GB": 220}
		o.Withheld = []string{"compute.firewalls.create", "compute.instances.setTags", "compute.snapshots.create"}
	})
	ctx := context.Background()
	if err := w.Client.Addresses().Insert(ctx, &computepb.Address{Name: new("kubernetes-master-ip")}); err != nil {
		t.Fatal(err)
	}
	before := w.objects()
	o := w.operator(func(s *settings.Settings) { s.NodeSize = "e2-standrd-2" })
	_, err := o.Up(ctx, nil)
	if diff := cmp.Diff([]string{
		`NODE_SIZE="e2-standrd-2": zone europe-west1-b has no such machine type; did you mean e2-standard-2`,
		"address kubernetes-master-ip is there already and is not this cluster's: it carries no mark of hakube",
		"quota FIREWALLS of project local: 7 more are needed, and 0 of 6 are used",
		"quota IN_USE_ADDRESSES of region europe-west1: 3 more are needed, and 0 of 2 are used",
		"quota SSD_TOTAL_GB of region europe-west1: 20 more are needed, and 0 of 10 are used",
		"the account in use has not got on project local: compute.firewalls.create, compute.instances.setTags",
	}, whys(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o = o.again(func(s *settings.Settings) { s.NodeSize, s.NodeDiskSize = "e2-standard-2", 101 })
	_, err = o.Up(ctx, nil)
	for _, want := range []string{
		"quota CPUS of region europe-west1: 6 more are needed, and 0 of 5 are used",
		"quota DISKS_TOTAL_GB of region europe-west1: 222 more are needed, and 0 of 220 are used",
	} {
		if got := whys(t, err); !slices.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects (-before +after):\n%s", diff)
	}
}

// TestPreflightCountsWhatIsMissing: quotas that hold the cluster exactly let it
// be made, again and grow by nothing; a pool or a master more is refused.
func TestPreflightCountsWhatIsMissing(t *testing.T) {
	besideOthers(t)
	exact := map[string]float64{
		"CPUS": 6, "CPUS_ALL_REGIONS": 6, "INSTANCES": 3, "IN_USE_ADDRESSES": 3, "STATIC_ADDRESSES": 1, "SSD_TOTAL_GB": 20, "DISKS_TOTAL_GB": 220,
		"INSTANCE_GROUPS": 1, "INSTANCE_GROUP_MANAGERS": 1, "NETWORKS": 1, "SUBNETWORKS": 1, "FIREWALLS": 7, "INSTANCE_TEMPLATES": 1,
		"HEALTH_CHECKS": 0, "BACKEND_SERVICES": 0, "FORWARDING_RULES": 0,
	}
	w := newWorldWith(t, func(o *emulator.Options) { o.Quotas = maps.Clone(exact) })
	o := w.operator()
	w.mustUp(o)
	if reads, changes := w.counts(func() { w.mustUp(o) }); changes != 0 || reads > idleReads {
		t.Errorf("the same again: %d reads, %d changes", reads, changes)
	}
	_, err := o.again(func(s *settings.Settings) { s.NumNodes = 3 }).Up(context.Background(), nil)
	if diff := cmp.Diff([]string{
		"quota CPUS of region europe-west1: 2 more are needed, and 6 of 6 are used",
		"quota CPUS_ALL_REGIONS of project local: 2 more are needed, and 6 of 6 are used",
		"quota DISKS_TOTAL_GB of region europe-west1: 100 more are needed, and 220 of 220 are used",
		"quota INSTANCES of region europe-west1: 1 more are needed, and 3 of 3 are used",
		"quota IN_USE_ADDRESSES of region europe-west1: 1 more are needed, and 3 of 3 are used",
	}, whys(t, err)); diff != "" {
		t.Errorf("a node more (-want +got):\n%s", diff)
	}
	w.mustUp(o.again(func(s *settings.Settings) { s.NumNodes = 1 }))
	w.mustUp(o) // what went left room
	w.mustDown(o)
}

// TestPermissionsUnknown: a service that is switched off does not stop a run.
func TestPermissionsUnknown(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.setFault(func(r *http.Request) emulator.Fault {
		if strings.HasSuffix(r.URL.Path, ":testIamPermissions") {
			return emulator.Fault{Status: http.StatusForbidden, Reason: "accessNotConfigured", Message: "Cloud Resource Manager API has not been used in project 1 before or it is disabled."}
		}
		return emulator.Fault{}
	})
	s := w.mustUp(o)
	if !slices.ContainsFunc(s.Warnings, func(x string) bool { return strings.Contains(x, "Cloud Resource Manager API has not been used") }) {
		t.Errorf("warnings: %q", s.Warnings)
	}
	w.mustDown(o)
}

// TestQuotasUnknown: where Google does not tell the quotas of a region, the run says so
// and goes on; what it takes of the project is still compared.
func TestQuotasUnknown(t *testing.T) {
	w := newWorldWith(t, func(o *emulator.Options) { o.QuotasUnknown = true; o.Quotas = map[string]float64{"FIREWALLS": 6} })
	o := w.operator()
	told := func(warnings []string) bool {
		return slices.ContainsFunc(warnings, func(x string) bool {
			return strings.Contains(x, "did not tell the quotas of region europe-west1 (Quota information of region 'europe-west1' is not available now.)")
		})
	}
	_, err := o.Up(context.Background(), nil)
	if diff := cmp.Diff([]string{"quota FIREWALLS of project local: 7 more are needed, and 0 of 6 are used"}, whys(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w = newWorldWith(t, func(o *emulator.Options) { o.QuotasUnknown = true })
	o = w.operator()
	if s := w.mustUp(o); !told(s.Warnings) {
		t.Errorf("warnings: %q", s.Warnings)
	}
	if s := w.mustUp(o); told(s.Warnings) {
		t.Errorf("nothing is made, and yet: %q", s.Warnings)
	}
	w.mustDown(o)
}

// newWorldWith is a world of an embedded GCE with other options.
func newWorldWith(t *testing.T, change func(*emulator.Options)) *world {
	w, _ := modelWorld(t, modelsFor(t), change)
	return w
}
