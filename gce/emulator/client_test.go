package emulator

import (
	"errors"
	"testing"

	compute "google.golang.org/api/compute/v1" // Google's own types and client, to be understood by
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// client is Google's client on a server under test.
func (w *world) client() *compute.Service {
	w.t.Helper()
	c, err := compute.NewService(w.t.Context(), option.WithEndpoint(w.web.URL+"/compute/v1/"), option.WithHTTPClient(w.web.Client()))
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// TestGoogleClient does with Google's client what hakube does with its own.
func TestGoogleClient(t *testing.T) {
	w := newWorld(t)
	c := w.client()
	const project, zone, region = "p", "europe-west1-b", "europe-west1"
	check := func(op *compute.Operation, err error) {
		t.Helper()
		for err == nil && op.Status != "DONE" {
			switch {
			case op.Zone != "":
				op, err = c.ZoneOperations.Wait(project, zone, op.Name).Do()
			case op.Region != "":
				op, err = c.RegionOperations.Wait(project, region, op.Name).Do()
			default:
				op, err = c.GlobalOperations.Wait(project, op.Name).Do()
			}
		}
		if err == nil && op.Error != nil {
			err = errors.New(op.Error.Errors[0].Message)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check(c.Networks.Insert(project, &compute.Network{Name: "default", ForceSendFields: []string{"AutoCreateSubnetworks"}, Description: "hakube"}).Do())
	check(c.Subnetworks.Insert(project, region, &compute.Subnetwork{
		Name: "s", Network: "global/networks/default", IpCidrRange: "10.40.0.0/22",
		SecondaryIpRanges: []*compute.SubnetworkSecondaryRange{{RangeName: "pods-default", IpCidrRange: "10.64.0.0/14"}},
	}).Do())
	check(c.Firewalls.Insert(project, &compute.Firewall{
		Name: "ssh", Network: "global/networks/default", SourceRanges: []string{"0.0.0.0/0"},
		Allowed: []*compute.FirewallAllowed{{IPProtocol: "tcp", Ports: []string{"22"}}},
	}).Do())
	check(c.Addresses.Insert(project, region, &compute.Address{Name: "m-ip"}).Do())
	address, err := c.Addresses.Get(project, region, "m-ip").Do()
	if err != nil {
		t.Fatal(err)
	}
	image, err := c.Images.GetFromFamily("debian-cloud", "debian-12").Do()
	if err != nil {
		t.Fatal(err)
	}
	check(c.Instances.Insert(project, zone, &compute.Instance{
		Name: "m", MachineType: "zones/europe-west1-b/machineTypes/n1-standard-2",
		Disks: []*compute.AttachedDisk{{Boot: true, AutoDelete: true, InitializeParams: &compute.AttachedDiskInitializeParams{SourceImage: image.SelfLink, DiskSizeGb: 20}}},
		NetworkInterfaces: []*compute.NetworkInterface{{
			Subnetwork:    "regions/europe-west1/subnetworks/s",
			AccessConfigs: []*compute.AccessConfig{{Name: "external-nat", NatIP: address.Address}},
			AliasIpRanges: []*compute.AliasIpRange{{IpCidrRange: "/24", SubnetworkRangeName: "pods-default"}},
		}},
	}).Do())
	all, err := c.Instances.AggregatedList(project).Do()
	if err != nil {
		t.Fatal(err)
	}
	m := all.Items["zones/"+zone].Instances[0]
	if m.Status != "RUNNING" || m.NetworkInterfaces[0].AccessConfigs[0].NatIP != address.Address || m.Disks[0].DiskSizeGb != 20 || m.Id == 0 {
		t.Errorf("instance: %+v", m)
	}
	check(c.Instances.DeleteAccessConfig(project, zone, "m", "external-nat", "nic0").Do())
	check(c.Instances.AddAccessConfig(project, zone, "m", "nic0", &compute.AccessConfig{Name: "external-nat"}).Do())
	check(c.Instances.SetTags(project, zone, "m", &compute.Tags{Items: []string{"x"}, Fingerprint: m.Tags.Fingerprint}).Do())
	check(c.Instances.SetLabels(project, zone, "m", &compute.InstancesSetLabelsRequest{Labels: map[string]string{"a": "b"}, LabelFingerprint: m.LabelFingerprint}).Do())
	if text, err := c.Instances.GetSerialPortOutput(project, zone, "m").Start(8).Do(); err != nil || text.Contents != "m\n" || text.Next != 10 {
		t.Errorf("serial: %+v %v", text, err)
	}
	if got := w.backend.net().Machines[0]; got.Tags[0] != "x" || got.NIC.External.String() == address.Address {
		t.Errorf("machine behind the API: %+v", got)
	}
	_, err = c.Instances.SetLabels(project, zone, "m", &compute.InstancesSetLabelsRequest{LabelFingerprint: m.LabelFingerprint}).Do()
	wantError(t, err, 412, "conditionNotMet")
	_, err = c.Instances.Get(project, zone, "n").Do()
	wantError(t, err, 404, "notFound")
	_, err = c.Subnetworks.Delete(project, region, "s").Do()
	wantError(t, err, 400, "resourceInUseByAnotherResource")
	if p, err := c.Projects.Get(project).Do(); err != nil || p.Name != project || len(p.Quotas) == 0 {
		t.Errorf("project: %+v %v", p, err)
	}
	if z, err := c.Zones.List(project).Filter("name eq europe-west1-.*").Do(); err != nil || len(z.Items) != 3 {
		t.Errorf("zones: %+v %v", z, err)
	}
	if r, err := c.Regions.Get(project, "us-central1").Do(); err != nil || len(r.Zones) != 4 {
		t.Errorf("region: %+v %v", r, err)
	}
	if mt, err := c.MachineTypes.Get(project, zone, "n1-standard-1").Do(); err != nil || mt.GuestCpus != 1 || mt.MemoryMb != 3840 {
		t.Errorf("machine type: %+v %v", mt, err)
	}
	if d, err := c.DiskTypes.Get(project, zone, "pd-ssd").Do(); err != nil || d.DefaultDiskSizeGb != 100 {
		t.Errorf("disk type: %+v %v", d, err)
	}
	read, change := w.s.Counts()
	if read == 0 || change != 11 {
		t.Errorf("counted %d reading and %d changing calls", read, change)
	}
}

func wantError(t *testing.T, err error, code int, reason string) {
	t.Helper()
	var g *googleapi.Error
	if !errors.As(err, &g) || g.Code != code || len(g.Errors) == 0 || g.Errors[0].Reason != reason {
		t.Errorf("got %v, want %d %s", err, code, reason)
	}
}
