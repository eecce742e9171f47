package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	compute "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"
)

// autoscaler makes the calls of Kubernetes' cluster-autoscaler v1.36, which is no module
// that could be had: those of cluster-autoscaler/cloudprovider/gce/autoscaling_gce_client.go,
// with the same client, in the order of a group that is found, grown, looked at and shrunk.
// https://github.com/kubernetes/autoscaler/tree/cluster-autoscaler-1.36.1/cluster-autoscaler/cloudprovider/gce
func autoscaler() error {
	s, err := compute.NewService(context.Background())
	if err != nil {
		return err
	}
	g := s.InstanceGroupManagers
	wait := func(ctx context.Context, op *compute.Operation, err error) error { // with zoneOperations.wait, over and over
		for err == nil && op.Status != "DONE" {
			op, err = s.ZoneOperations.Wait(project, zone, op.Name).Context(ctx).Do()
		}
		if err == nil && op.Error != nil {
			err = fmt.Errorf("%+v", op.Error.Errors)
		}
		return err
	}
	check("make a pool", func(ctx context.Context) error {
		op, err := s.InstanceTemplates.Insert(project, &compute.InstanceTemplate{Name: "pool", Properties: &compute.InstanceProperties{
			MachineType:       "e2-standard-2",
			Disks:             []*compute.AttachedDisk{{Boot: true, AutoDelete: true, InitializeParams: &compute.AttachedDiskInitializeParams{SourceImage: "projects/debian-cloud/global/images/family/debian-12", DiskSizeGb: 20}}},
			NetworkInterfaces: []*compute.NetworkInterface{{Network: "global/networks/default"}},
		}}).Context(ctx).Do()
		for err == nil && op.Status != "DONE" {
			op, err = s.GlobalOperations.Wait(project, op.Name).Context(ctx).Do()
		}
		if err != nil {
			return err
		}
		op, err = g.Insert(project, zone, &compute.InstanceGroupManager{Name: "pool", BaseInstanceName: "pool", TargetSize: 1, InstanceTemplate: "global/instanceTemplates/pool"}).Context(ctx).Do()
		return wait(ctx, op, err)
	})
	check("list groups of the zone", func(ctx context.Context) error {
		var all []string
		err := g.List(project, zone).Pages(ctx, func(p *compute.InstanceGroupManagerList) error {
			for _, x := range p.Items {
				all = append(all, x.Name)
			}
			return nil
		})
		if err == nil && !slices.Contains(all, "pool") {
			err = fmt.Errorf("%q", all)
		}
		return err
	})
	check("what a node will be", func(ctx context.Context) error { return template(ctx, s) })
	members := func(ctx context.Context, want int) error {
		var found []*compute.ManagedInstance
		err := g.ListManagedInstances(project, zone, "pool").Pages(ctx, func(p *compute.InstanceGroupManagersListManagedInstancesResponse) error {
			found = append(found, p.ManagedInstances...)
			return nil
		})
		if err != nil || len(found) != want {
			return errors.Join(err, fmt.Errorf("%d members", len(found)))
		}
		for _, m := range found {
			if !strings.HasSuffix(m.Version.InstanceTemplate, "/global/instanceTemplates/pool") || !strings.Contains(m.Instance, "/zones/"+zone+"/instances/pool-") || m.CurrentAction == "" {
				return fmt.Errorf("%+v", m)
			}
		}
		return nil
	}
	check("its members", func(ctx context.Context) error { return members(ctx, 1) })
	check("grow it by names", func(ctx context.Context) error {
		op, err := g.CreateInstances(project, zone, "pool", &compute.InstanceGroupManagersCreateInstancesRequest{
			Instances: []*compute.PerInstanceConfig{{Name: "pool-aaaa"}, {Name: "pool-bbbb"}},
		}).Context(ctx).Do()
		return wait(ctx, op, err)
	})
	check("its members then", func(ctx context.Context) error { return members(ctx, 3) })
	check("machines tell of their group", func(ctx context.Context) error { return created(ctx, s) })
	check("delete a member, and one that is none", func(ctx context.Context) error {
		url := func(name string) string {
			return "https://www.googleapis.com/compute/v1/projects/" + project + "/zones/" + zone + "/instances/" + name
		}
		op, err := g.DeleteInstances(project, zone, "pool", &compute.InstanceGroupManagersDeleteInstancesRequest{
			Instances: []string{url("pool-aaaa"), url("pool-zzzz")}, SkipInstancesOnValidationError: true,
		}).Context(ctx).Do()
		return wait(ctx, op, err)
	})
	check("take back what never came", func(ctx context.Context) error {
		op, err := g.Resize(project, zone, "pool", 1).Context(ctx).Do()
		return wait(ctx, op, err)
	})
	check("its size", func(ctx context.Context) error {
		x, err := g.Get(project, zone, "pool").Context(ctx).Do()
		if err == nil && (x.TargetSize != 1 || x.TargetSuspendedSize != 0 || x.BaseInstanceName != "pool" || x.Status == nil || x.ListManagedInstancesResults == "") {
			err = fmt.Errorf("%+v", x)
		}
		return err
	})
	check("a group that is none", func(ctx context.Context) error {
		_, err := g.Get(project, zone, "nobody").Context(ctx).Do()
		if e := (*googleapi.Error)(nil); !errors.As(err, &e) || e.Code != http.StatusNotFound {
			return fmt.Errorf("%v", err)
		}
		return nil
	})
	check("delete the pool", func(ctx context.Context) error {
		op, err := g.Delete(project, zone, "pool").Context(ctx).Do()
		if err := wait(ctx, op, err); err != nil {
			return err
		}
		op, err = s.InstanceTemplates.Delete(project, "pool").Context(ctx).Do()
		for err == nil && op.Status != "DONE" {
			op, err = s.GlobalOperations.Wait(project, op.Name).Context(ctx).Do()
		}
		return err
	})
	return nil
}

// template is how the autoscaler knows of a node that is not there: from the group's
// template, and its machine type.
func template(ctx context.Context, s *compute.Service) error {
	x, err := s.InstanceGroupManagers.Get(project, zone, "pool").Context(ctx).Do()
	if err != nil {
		return err
	}
	name := x.InstanceTemplate[strings.LastIndexByte(x.InstanceTemplate, '/')+1:]
	t, err := s.InstanceTemplates.Get(project, name).Context(ctx).Do()
	if err != nil {
		return err
	}
	m, err := s.MachineTypes.Get(project, zone, t.Properties.MachineType).Context(ctx).Do()
	if err == nil && (m.GuestCpus != 2 || m.MemoryMb != 8192 || t.Properties.Disks[0].InitializeParams.DiskSizeGb != 20) {
		err = fmt.Errorf("%+v of %+v", m, t.Properties)
	}
	return err
}

// created: whose a machine is, it says in its metadata.
func created(ctx context.Context, s *compute.Service) error {
	of := 0
	err := s.Instances.List(project, zone).Filter("").Pages(ctx, func(p *compute.InstanceList) error {
		for _, i := range p.Items {
			for _, x := range i.Metadata.Items {
				if x.Key == "created-by" && strings.HasSuffix(*x.Value, "/zones/"+zone+"/instanceGroupManagers/pool") {
					of++
				}
			}
		}
		return nil
	})
	if err == nil && of != 3 {
		err = fmt.Errorf("%d machines", of)
	}
	return err
}
