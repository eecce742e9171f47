package cluster

import (
	"context"
	"errors"
	"strings"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
)

// together makes reads at the same time and joins their errors.
func together(reads ...func() error) error {
	errs := make([]error, len(reads))
	var wg sync.WaitGroup
	for i, f := range reads {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(distinct(errs)...)
}

// distinct leaves out what says the same as one before it: with the API
// switched off every read fails in the same words.
func distinct(errs []error) (list []error) {
	seen := map[string]bool{}
	for _, err := range errs {
		var e *gce.Error
		if errors.As(err, &e) && e.Message != "" {
			if seen[e.Message] {
				continue
			}
			seen[e.Message] = true
		}
		list = append(list, err)
	}
	return list
}

// found collects marked objects from reads that run at the same time.
type found struct {
	mark     settings.Mark
	reserved func(*gce.Client, *computepb.Address) // told of addresses of ours; nil is nobody
	mu       sync.Mutex
	list     []object
	used     []use // whoever's
	// accessConfigs are, by external address, the flags that name the access config which has it.
	accessConfigs map[string][]string
}

// add tells whether the object is ours.
func (f *found) add(o object, description string) bool {
	if !f.mark.Owns(description) {
		return false
	}
	fields := settings.MarkFields(description)
	o.role, o.multizone = fields["role"], fields["multizone"]
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, o)
	return true
}

// The reads of an inventory, one call each.

func (r *run) findInstances(ctx context.Context, f *found) func() error {
	return func() error {
		all, err := r.gce.AggregatedInstances(ctx)
		for _, x := range all {
			o := instanceOf(x)
			if f.add(o, x.GetDescription()) {
				r.saw.instance(x)
			}
			f.usesOfInstance(o, x)
		}
		return err
	}
}

func (r *run) findDisks(ctx context.Context, f *found) func() error {
	return func() error {
		all, err := r.gce.AggregatedDisks(ctx)
		for _, x := range all {
			o := object{kind: kindDisk, name: x.GetName(), zone: gce.Base(x.GetZone()), used: len(x.GetUsers()) > 0}
			if f.add(o, x.GetDescription()) {
				r.saw.disk(x)
			}
			f.usedBy(o, x.GetUsers())
		}
		return err
	}
}

func (r *run) findGroups(ctx context.Context, f *found) func() error {
	return func() error {
		all, err := r.gce.AggregatedInstanceGroupManagers(ctx)
		for _, x := range all {
			o := object{
				kind: kindGroup, name: x.GetName(), zone: gce.Base(x.GetZone()), region: gce.Base(x.GetRegion()), size: int(x.GetTargetSize()),
				most: settings.MarkFields(x.GetDescription())[mostKey],
			}
			f.add(o, x.GetDescription())
			f.usesOfGroup(o, x)
		}
		return err
	}
}

// findNetworks also returns the region in which our network has a subnetwork
// of our name.
func (r *run) findNetworks(ctx context.Context, f *found, region *string) func() error {
	return func() error {
		all, err := r.gce.Networks().List(ctx)
		r.saw.networks = all
		for _, x := range all {
			o := object{kind: kindNetwork, name: x.GetName()}
			f.add(o, x.GetDescription())
			f.usesOfNetwork(o, x)
			if x.GetName() == r.want.Names.Network() {
				*region = regionOfSubnetwork(x.GetSubnetworks(), r.want.Names.Subnetwork())
			}
		}
		return err
	}
}

func (r *run) findMasterGroups(ctx context.Context, f *found) func() error {
	return func() error {
		all, err := r.gce.AggregatedInstanceGroups(ctx)
		for _, x := range all { // those of managed groups have no description of ours
			o := object{kind: kindMasterGroup, name: x.GetName(), zone: gce.Base(x.GetZone()), region: gce.Base(x.GetRegion()), size: int(x.GetSize())}
			f.add(o, x.GetDescription())
			f.uses(o, x.GetDescription(), x.GetNetwork())
		}
		return err
	}
}

func (r *run) findGlobals(ctx context.Context, f *found) []func() error {
	return []func() error{
		r.findMasterGroups(ctx, f),
		func() error {
			all, err := r.gce.Firewalls().List(ctx)
			for _, x := range all {
				f.add(object{kind: kindFirewall, name: x.GetName()}, x.GetDescription())
			}
			return err
		},
		func() error {
			all, err := r.gce.InstanceTemplates().List(ctx)
			for _, x := range all {
				o := object{kind: kindTemplate, name: x.GetName()}
				f.add(o, x.GetDescription())
				f.usesOfTemplate(o, x)
			}
			return err
		},
	}
}

func findRegionals(ctx context.Context, client *gce.Client, f *found) []func() error {
	region := client.Region()
	if region == "" {
		return nil
	}
	return []func() error{
		func() error {
			all, err := client.Subnetworks().List(ctx)
			for _, x := range all {
				f.add(object{kind: kindSubnetwork, name: x.GetName(), region: region}, x.GetDescription())
			}
			return err
		},
		func() error {
			all, err := client.Addresses().List(ctx)
			for _, x := range all {
				o := object{kind: kindAddress, name: x.GetName(), region: region}
				f.add(o, x.GetDescription())
				f.usesOfAddress(o, x)
				if f.reserved != nil && f.mark.Owns(x.GetDescription()) {
					f.reserved(client, x)
				}
			}
			return err
		},
		func() error {
			all, err := client.HealthChecks().List(ctx)
			for _, x := range all {
				f.add(object{kind: kindHealthCheck, name: x.GetName(), region: region}, x.GetDescription())
			}
			return err
		},
		func() error {
			all, err := client.BackendServices().List(ctx)
			for _, x := range all {
				f.add(object{kind: kindService, name: x.GetName(), region: region}, x.GetDescription())
			}
			return err
		},
		func() error {
			all, err := client.ForwardingRules().List(ctx)
			for _, x := range all {
				f.add(object{kind: kindRule, name: x.GetName(), region: region}, x.GetDescription())
			}
			return err
		},
	}
}

// look reads where the cluster lives and who has its address, in five calls at
// the same time.
func (r *run) look(ctx context.Context) (*inventory, error) {
	v := &inventory{}
	f := &found{mark: r.want.Mark}
	reads := []func() error{r.findInstances(ctx, f), r.findDisks(ctx, f), r.findGroups(ctx, f),
		r.findNetworks(ctx, f, &v.subnetRegion)}
	if r.gce.Region() != "" {
		reads = append(reads, func() (err error) {
			v.held, err = r.holder(ctx)
			var no *refusal.Refused
			if r.mode == settings.Create && errors.As(err, &no) {
				return nil // told with all the other names that are taken
			}
			return err
		})
	}
	err := together(reads...)
	v.objects, v.uses, v.accessConfigs = sorted(f.list), f.used, f.accessConfigs
	if err == nil {
		err = r.lease.CheckFree()
	}
	if err == nil {
		err = r.sureOfMasters(ctx, v)
	}
	r.asItIs(v)
	return v, err
}

// lookForMarks reads everything in the project that carries our mark, but for
// what the settings say to leave.
func (r *run) lookForMarks(ctx context.Context) (*inventory, error) {
	v := &inventory{}
	f := &found{mark: r.want.Mark, reserved: func(client *gce.Client, a *computepb.Address) {
		if a.GetName() == r.want.Names.Address() {
			r.lease.Observe(client.Addresses(), a)
			v.held = heldOf(a)
		}
	}}
	reads := []func() error{r.findInstances(ctx, f), r.findDisks(ctx, f), r.findGroups(ctx, f),
		r.findNetworks(ctx, f, &v.subnetRegion)}
	reads = append(reads, r.findGlobals(ctx, f)...)
	reads = append(reads, findRegionals(ctx, r.gce, f)...)
	err := together(reads...)
	if err == nil {
		err = r.lease.CheckFree()
	}
	v.uses, v.accessConfigs = f.used, f.accessConfigs
	for _, o := range sorted(f.list) {
		if !bool(r.want.Settings.DeleteNetwork) && (o.role == roleNetwork || o.role == roleSSH) {
			continue
		}
		v.objects = append(v.objects, o)
	}
	r.asItIs(v)
	return v, err
}

// regionOfSubnetwork finds the region in the URLs of a network's subnetworks:
// …/regions/europe-west1/subnetworks/kubernetes-subnet-default.
func regionOfSubnetwork(urls []string, name string) string {
	for _, u := range urls {
		rest, ok := strings.CutSuffix(u, "/subnetworks/"+name)
		if ok {
			return gce.Base(rest)
		}
	}
	return ""
}
