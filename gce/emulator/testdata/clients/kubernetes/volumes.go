package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/GoogleCloudPlatform/k8s-cloud-provider/pkg/cloud/meta"
	csi "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/api/googleapi"
	pd "sigs.k8s.io/gcp-compute-persistent-disk-csi-driver/pkg/gce-cloud-provider/compute"
	"sigs.k8s.io/gcp-compute-persistent-disk-csi-driver/pkg/parameters"
)

const gib = 1 << 30

// volumes has the driver of persistent disks do what claims ask for.
func volumes(dir string) error {
	path := filepath.Join(dir, "pd.conf")
	if err := os.WriteFile(path, []byte("[global]\ntoken-url = nil\nproject-id = "+project+"\nzone = "+zone+"\n"), 0o600); err != nil {
		return err
	}
	d, err := pd.CreateCloudProvider(context.Background(), "test", path, nil, pd.EnvironmentProduction, pd.WaitForAttachConfig{}, pd.ListInstancesConfig{}, false, true)
	if err != nil {
		return err
	}
	key := meta.ZonalKey("pvc-1", zone)
	params := parameters.DiskParameters{DiskType: "pd-balanced", Labels: map[string]string{"cluster": "x"},
		Tags: map[string]string{"kubernetes.io/created-for/pvc/name": "claim"}}
	insert := func(ctx context.Context, key *meta.Key, size int64, snapshot, disk string) error {
		return d.InsertDisk(ctx, project, key, params, size*gib, &csi.CapacityRange{RequiredBytes: size * gib}, nil, snapshot, disk, false, "")
	}
	check("make a disk", func(ctx context.Context) error { return insert(ctx, key, 10, "", "") })
	check("get it", func(ctx context.Context) error {
		x, err := d.GetDisk(ctx, project, key)
		if err == nil && (x.GetSizeGb() != 10 || x.GetPDType() != "pd-balanced" || x.GetLabels()["cluster"] != "x" || x.GetStatus() != "READY") {
			err = fmt.Errorf("%+v", x)
		}
		return err
	})
	check("attach it to a machine that runs", func(ctx context.Context) error {
		return d.AttachDisk(ctx, project, key, "READ_WRITE", "PERSISTENT", zone, "n1", false)
	})
	check("wait for it", func(ctx context.Context) error { return d.WaitForAttach(ctx, project, key, "pd-balanced", zone, "n1") })
	check("resize it there", func(ctx context.Context) error {
		size, err := d.ResizeDisk(ctx, project, key, 20*gib)
		if err == nil && size != 20 {
			err = fmt.Errorf("%d GB", size)
		}
		return err
	})
	copies(d, key, insert)
	check("detach it", func(ctx context.Context) error { return d.DetachDisk(ctx, project, "pvc-1", zone, "n1") })
	check("read it on two machines", func(ctx context.Context) error {
		return errors.Join(
			d.AttachDisk(ctx, project, key, "READ_ONLY", "PERSISTENT", zone, "n1", false),
			d.AttachDisk(ctx, project, key, "READ_ONLY", "PERSISTENT", zone, "n3", false),
			d.DetachDisk(ctx, project, "pvc-1", zone, "n1"),
			d.DetachDisk(ctx, project, "pvc-1", zone, "n3"))
	})
	lists(d, key)
	for _, k := range []*meta.Key{key, meta.ZonalKey("restored", zone), meta.ZonalKey("cloned", zone)} {
		check("delete "+k.Name, func(ctx context.Context) error { return d.DeleteDisk(ctx, project, k) })
		check("delete "+k.Name+" again", func(ctx context.Context) error { return d.DeleteDisk(ctx, project, k) })
	}
	check("a disk that is gone", func(ctx context.Context) error {
		if _, err := d.GetDisk(ctx, project, key); !pd.IsGCENotFoundError(err) {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	return nil
}

// copies makes snapshots, images, and disks of both and of a disk.
func copies(d *pd.CloudProvider, key *meta.Key, insert func(ctx context.Context, key *meta.Key, size int64, snapshot, disk string) error) {
	check("take a snapshot", func(ctx context.Context) error {
		s, err := d.CreateSnapshot(ctx, project, key, "snap", parameters.SnapshotParameters{Labels: map[string]string{"cluster": "x"}})
		if err == nil && (s.DiskSizeGb != 20 || s.Labels["cluster"] != "x") {
			err = fmt.Errorf("%+v", s)
		}
		return err
	})
	check("find it", func(ctx context.Context) error {
		l, _, err := d.ListSnapshots(ctx, "sourceDisk eq .*pvc-1$")
		if err == nil && (len(l) != 1 || l[0].Name != "snap" || l[0].Status != "READY") {
			err = fmt.Errorf("%d snapshots", len(l))
		}
		return err
	})
	check("restore it", func(ctx context.Context) error {
		return insert(ctx, meta.ZonalKey("restored", zone), 20, "projects/"+project+"/global/snapshots/snap", "")
	})
	check("clone a disk", func(ctx context.Context) error {
		return insert(ctx, meta.ZonalKey("cloned", zone), 25, "", "projects/"+project+"/zones/"+zone+"/disks/pvc-1")
	})
	check("take an image", func(ctx context.Context) error {
		_, err := d.CreateImage(ctx, project, key, "image", parameters.SnapshotParameters{})
		return err
	})
	check("find the image", func(ctx context.Context) error {
		l, _, err := d.ListImages(ctx, "name eq image")
		if err == nil && len(l) != 1 {
			err = fmt.Errorf("%d images", len(l))
		}
		return err
	})
	check("delete the copies", func(ctx context.Context) error {
		return errors.Join(d.DeleteSnapshot(ctx, project, "snap"), d.DeleteImage(ctx, project, "image"), d.DeleteSnapshot(ctx, project, "snap"))
	})
}

// lists asks for what there is, and sets labels.
func lists(d *pd.CloudProvider, key *meta.Key) {
	check("list disks", func(ctx context.Context) error {
		l, _, err := d.ListDisks(ctx, []googleapi.Field{"items/labels", "items/selfLink", "items/users", "nextPageToken"})
		if err == nil && (len(l) < 3 || l[0].SelfLink == "" || l[0].SizeGb != 0) {
			err = fmt.Errorf("%d disks", len(l))
		}
		return err
	})
	check("list instances", func(ctx context.Context) error {
		l, _, err := d.ListInstances(ctx, []googleapi.Field{"items/disks/deviceName", "items/disks/source", "items/selfLink", "nextPageToken"})
		if err == nil && (len(l) != 2 || len(l[0].Disks) == 0) {
			err = fmt.Errorf("%d instances", len(l))
		}
		return err
	})
	check("zones with a disk type", func(ctx context.Context) error {
		zones, err := d.ListCompatibleDiskTypeZones(ctx, project, []string{zone, other, "us-east1-b"}, "pd-balanced")
		if err == nil && len(zones) != 3 {
			err = fmt.Errorf("%v", zones)
		}
		return err
	})
	check("a volume whose zone is not known", func(ctx context.Context) error {
		_, found, err := d.RepairUnderspecifiedVolumeKey(ctx, project, meta.ZonalKey("pvc-1", "UNSPECIFIED"), "")
		if err == nil && found.Zone != zone {
			err = fmt.Errorf("%v", found)
		}
		return err
	})
	check("label a disk", func(ctx context.Context) error {
		x, err := d.GetDisk(ctx, project, key)
		if err != nil {
			return err
		}
		return d.SetDiskLabels(ctx, project, key, x, map[string]string{"cluster": "y"})
	})
	check("a disk of two zones is refused", func(ctx context.Context) error {
		err := d.InsertDisk(ctx, project, meta.RegionalKey("both", "europe-west1"), parameters.DiskParameters{DiskType: "pd-ssd"}, 10*gib, &csi.CapacityRange{RequiredBytes: 10 * gib},
			[]string{d.GetReplicaZoneURI(project, zone), d.GetReplicaZoneURI(project, other)}, "", "", false, "")
		if err == nil {
			return errors.New("it is not")
		}
		return nil
	})
}
