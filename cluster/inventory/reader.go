package inventory

import (
	"cmp"
	"context"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"

	"hakube/cluster/lease"
	"hakube/cluster/settings"
	"hakube/gce"
)

// A Reader finds out what there is of a cluster. Lists may be behind by a moment:
// what was just made is not on them yet, and what was just deleted still is. Before
// something is concluded from a list that a person would have to put right, the
// objects themselves are asked.
type Reader struct {
	GCE      *gce.Client // of the cluster's region, once that is known
	InRegion func(ctx context.Context, region string) (*gce.Client, error)
	Mark     settings.Mark
	Lease    *lease.Lease // learns who has the address; nil is nobody
	Seen     *Memory
}

// Collector is a new one for reads of this cluster, which remembers in Seen what is ours.
func (r *Reader) Collector() *Collector { return &Collector{Mark: r.Mark, seen: r.Seen} }

// Lists are the reads of whole kinds, one call each, to be made at the same time.
// Regional ones are of the reader's region, and none while that is not known.
func (r *Reader) Lists(ctx context.Context, f *Collector, kinds ...Kind) (reads []func() error) {
	for _, k := range kinds {
		if row := k.Row(); row.scope != acrossRegion || r.GCE.Region() != "" {
			reads = append(reads, func() error { return row.List(ctx, r.GCE, f) })
		}
	}
	return reads
}

// RegionalKinds are those of which a cluster has one each in its region.
var RegionalKinds = []Kind{Subnetwork, Address, HealthCheck, BackendService, ForwardingRule, ResourcePolicy}

// At is the client for a region.
func (r *Reader) At(ctx context.Context, region string) (*gce.Client, error) {
	if r.GCE.Region() == region || r.InRegion == nil {
		return r.GCE, nil
	}
	return r.InRegion(ctx, region)
}

// Enter makes region the reader's.
func (r *Reader) Enter(ctx context.Context, region string) error {
	client, err := r.At(ctx, region)
	if err != nil {
		return err
	}
	r.GCE = client
	return nil
}

// Region is the region of the reader's client, "" while that is not known.
func (r *Reader) Region() string { return r.GCE.Region() }

// Regional is an object of the reader's region.
func (r *Reader) Regional(k Kind, name string) Object {
	return Object{Kind: k, Name: name, Region: r.Region()}
}

// Ask reads one object by its name; it is the zero value when there is none,
// and when it does not carry our mark.
func (r *Reader) Ask(ctx context.Context, o Object) (Object, error) {
	row := o.Kind.Row()
	if row.Read == nil || row.scope == withinZone && o.Zone == "" { // somebody else's kind, or a regional group or disk, which hakube never makes: the list is all there is
		return o, nil
	}
	client, err := r.At(ctx, cmp.Or(o.Region, r.Region()))
	if err != nil {
		return Object{}, err
	}
	f := r.Collector()
	f.Reserved = func(c *gce.Client, a *computepb.Address) { r.Lease.Observe(c.Ungated().Addresses(), a) }
	x, err := row.Read(ctx, client, o)
	if gce.IsNotFound(err) {
		return Object{}, nil
	}
	if err != nil {
		return Object{}, err
	}
	f.Take(client, o, x)
	if len(f.List) == 0 {
		return Object{}, nil
	}
	r.Seen.Asked(o, x)
	return f.List[0], nil
}

// AskAll asks for all of them at the same time and returns those there are.
func (r *Reader) AskAll(ctx context.Context, list []Object) ([]Object, error) {
	there, reads := make([]Object, len(list)), make([]func() error, len(list))
	atOnce := make(chan struct{}, 16)
	for i, o := range list {
		reads[i] = func() (err error) {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			there[i], err = r.Ask(ctx, o)
			return err
		}
	}
	err := gce.Parallel(reads...)
	return slices.DeleteFunc(there, func(o Object) bool { return o.Name == "" }), err
}

// AddUnlisted adds to what was found those of the objects that no list showed.
func (r *Reader) AddUnlisted(ctx context.Context, v *Inventory, list ...Object) error {
	list = slices.DeleteFunc(list, v.Has)
	more, err := r.AskAll(ctx, list)
	v.Objects = Sorted(append(v.Objects, more...))
	return err
}

// ConfirmMasters asks each master and its disk whether it is there, and for the
// one that has the address, which the address knows at once: where the cluster
// lives and whom to ask about it follows from them.
func (r *Reader) ConfirmMasters(ctx context.Context, v *Inventory) error {
	var masters []Object
	if h := v.Holder; h.Machine != "" {
		masters = append(masters, Object{Kind: Instance, Name: h.Machine, Zone: h.Zone})
	}
	v.Objects = slices.DeleteFunc(v.Objects, func(o Object) bool {
		is := o.Role == RoleMaster || o.Role == RoleMasterDisk
		if is && (o.Kind != Instance || o.Name != v.Holder.Machine || o.Zone != v.Holder.Zone) {
			masters = append(masters, o)
		}
		return is
	})
	return r.AddUnlisted(ctx, v, masters...)
}

// Recheck runs a judgement of what was found again over what is really there,
// if it is a refusal: a list may have misled it.
func (r *Reader) Recheck(ctx context.Context, v *Inventory, judge func() error) error {
	refused := judge()
	if refused == nil {
		return nil
	}
	there, err := r.AskAll(ctx, v.Objects)
	if err != nil {
		return err
	}
	v.Objects = there
	return judge()
}

// Noting is a list of which users takes note: who uses what.
func Noting[T Described](ctx context.Context, c *gce.Client, users *Collector, k Kind, list func(context.Context) ([]T, error)) func() ([]T, error) {
	return func() ([]T, error) {
		all, err := list(ctx)
		for _, x := range all {
			users.Take(c, Object{Kind: k, Name: x.GetName(), Zone: ZoneOf(x), Region: RegionOf(x)}, x)
		}
		return all, err
	}
}
