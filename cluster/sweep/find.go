package sweep

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb" // Compute Engine's own messages

	"hakube/cluster/inventory"
	"hakube/cluster/settings"
	"hakube/gce"
)

// Find reads what is left behind, at the same time what the look around before it has
// not read already, and judges it. A list that cannot be read is an error: nothing is taken down
// before it is known what would stay.
func Find(ctx context.Context, r *inventory.Reader, want *settings.Spec, have *inventory.Inventory) (mine, perhaps []*Judged, err error) {
	l := &lineup{want: want, anchored: len(have.Objects) > 0, machines: map[string]seen{}}
	machines, err := inventory.Listed(ctx, r.Seen.Lists, inventory.Instance, r.GCE.AggregatedInstances)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range machines {
		s := seen{ours: r.Mark.Owns(m.GetDescription()), tags: m.GetTags().GetItems()}
		for _, nic := range m.GetNetworkInterfaces() {
			s.network = gce.Base(nic.GetNetwork())
		}
		l.machines[gce.Base(m.GetZone())+"/"+m.GetName()] = s
	}
	f := &orphans{l: l, users: &inventory.Collector{Mark: r.Mark}}
	if err := gce.Parallel(orphanReads(ctx, r, f)...); err != nil {
		return nil, nil, err
	}
	have.Uses = append(have.Uses, f.users.Used...)
	judge(f.list)
	own := ""
	if nets := have.Of(inventory.Network); len(nets) > 0 {
		own = nets[0].Name
	}
	near := map[string]bool{}
	for _, o := range have.Objects {
		near[cmp.Or(o.Zone, o.Region)], near[settings.Zone(o.Zone).Region()] = true, true
	}
	for _, s := range f.list {
		if s.network == own {
			s.Network = own
		}
		if s.says == ours && !s.known {
			s.Why = "Kubernetes did not make it"
		}
		switch {
		case s.says == ours && s.known:
			mine = append(mine, s)
		case s.Network != "", s.says == unknown && s.known && l.anchored && (s.Zone != "" && near[s.Zone] || s.Zone == "" && s.Region != "" && near[s.Region]):
			perhaps = append(perhaps, s)
		}
	}
	for _, list := range [][]*Judged{mine, perhaps} {
		slices.SortFunc(list, func(a, b *Judged) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name, b.Name))
		})
	}
	return mine, perhaps, nil
}

// orphans collects them from reads that run at the same time.
type orphans struct {
	l     *lineup
	users *inventory.Collector // of what is ours
	mu    sync.Mutex
	list  []*Judged
}

// add takes a thing that this cluster's mark is not on. more judges it and fills in
// what only its kind has.
func (f *orphans) add(k inventory.Kind, x inventory.Described, place string, more func(*Judged)) {
	mark := settings.MarkFields(x.GetDescription())
	if f.l.want.Mark.Owns(x.GetDescription()) {
		return
	}
	s := &Judged{Of: k, Id: x.GetId(), key: keyOf(x.GetName())}
	s.Kind, s.Name, s.Place, s.Owner, s.Billed = string(k), x.GetName(), place, owner(x.GetDescription()), billed[k]
	switch x := x.(type) {
	case *computepb.ForwardingRule:
		s.Address = x.GetIPAddress()
	case *computepb.Address:
		s.Address = x.GetAddress()
	}
	s.known = kubernetesSays(x.GetDescription()) || s.key != ""
	s.Why = "nothing tells which cluster it is of"
	if gce.Region(place) != "" && strings.Count(place, "-") == 2 {
		s.Zone = place
	} else {
		s.Region = place
	}
	if more != nil {
		more(s)
	}
	if mark != nil {
		s.says, s.Owner, s.Why = theirs, "cluster "+mark["cluster"], "hakube made it for that cluster"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, s)
}

// addAll lists a collection whose objects show nothing but their names.
func addAll[T inventory.Described](f *orphans, k inventory.Kind, list func() ([]T, error), place func(T) (string, bool)) func() error {
	return func() error {
		all, err := list()
		for _, x := range all {
			if p, ok := place(x); ok && (kubernetesSays(x.GetDescription()) || keyOf(x.GetName()) != "") {
				f.add(k, x, p, nil)
			}
		}
		return err
	}
}

// ofRegion keeps what is in a region: the global ones are not Services'.
func ofRegion[T interface{ GetRegion() string }](x T) (string, bool) {
	return gce.Base(x.GetRegion()), x.GetRegion() != ""
}

func ofProject[T any](T) (string, bool) { return "", true }

func orphanReads(ctx context.Context, r *inventory.Reader, f *orphans) []func() error {
	l, c, seen := f.l, r.GCE, r.Seen.Lists
	return []func() error{
		func() error {
			all, err := inventory.Listed(ctx, seen, inventory.Firewall, c.Firewalls().List)
			for _, x := range all {
				f.add(inventory.Firewall, x, "", func(s *Judged) {
					s.network = gce.Base(x.GetNetwork())
					s.says, s.Why = l.tagged(s.network, x.GetTargetTags())
					s.known = s.known || strings.HasPrefix(s.Name, "k8s-fw-")
				})
			}
			return err
		},
		func() error {
			all, err := c.Routes().List(ctx)
			for _, x := range all {
				if x.GetNextHopGateway() != "" || x.GetNextHopNetwork() != "" || x.GetRouteType() == "SUBNET" {
					continue // they come and go with the network
				}
				f.add(inventory.Route, x, "", func(s *Judged) {
					s.network, s.Why = gce.Base(x.GetNetwork()), "it leads to no machine of this cluster"
					if hop := x.GetNextHopInstance(); hop != "" {
						s.says, s.Why = l.machine(hop)
						_, there := l.machines[zoneOfLink(hop)+"/"+gce.Base(hop)]
						// By a name alone only what Kubernetes made is this cluster's.
						s.known = there || x.GetDescription() == NodeRoute
					}
					if s.network != l.want.Names.Network() {
						s.says = theirs
					}
				})
			}
			return err
		},
		func() error {
			all, err := c.AggregatedTargetPools(ctx)
			for _, x := range all {
				f.add(inventory.TargetPool, x, gce.Base(x.GetRegion()), func(s *Judged) { s.says, s.Why = l.all(x.GetInstances()) })
			}
			return err
		},
		func() error {
			all, err := inventory.Listed(ctx, seen, inventory.Disk, c.AggregatedDisks)
			for _, x := range all {
				if x.GetZone() != "" && kubernetesSays(x.GetDescription()) {
					f.add(inventory.Disk, x, gce.Base(x.GetZone()), func(s *Judged) { s.disk(l, x) })
				}
			}
			return err
		},
		func() error {
			all, err := inventory.Listed(ctx, seen, inventory.InstanceGroup, c.AggregatedInstanceGroups)
			for _, x := range all {
				if x.GetZone() != "" && keyOf(x.GetName()) != "" {
					f.add(inventory.InstanceGroup, x, gce.Base(x.GetZone()), func(s *Judged) {
						if s.network = gce.Base(x.GetNetwork()); s.network != "" && s.network != l.want.Names.Network() {
							s.says = theirs
						}
					})
				}
			}
			return err
		},
		func() error {
			all, err := c.Snapshots().List(ctx)
			for _, x := range all {
				if label := x.GetLabels()[settings.Label]; kubernetesSays(x.GetDescription()) && label == string(l.want.Settings.Prefix) {
					f.add(inventory.Snapshot, x, "", func(s *Judged) {
						s.Size, s.says, s.Why = settings.Gigabytes(x.GetDiskSizeGb()), ours, "it has the label "+settings.Label+"="+label
					})
				}
			}
			return err
		},
		addAll(f, inventory.ForwardingRule, inventory.Noting(ctx, c, f.users, inventory.ForwardingRule, c.AggregatedForwardingRules), ofRegion),
		addAll(f, inventory.BackendService, inventory.Noting(ctx, c, f.users, inventory.BackendService, c.AggregatedBackendServices), ofRegion),
		addAll(f, inventory.Address, func() ([]*computepb.Address, error) { return c.AggregatedAddresses(ctx) }, ofRegion),
		addAll(f, inventory.HealthCheck, func() ([]*computepb.HealthCheck, error) { return c.GlobalHealthChecks().List(ctx) }, ofProject),
		addAll(f, inventory.HTTPHealthCheck, func() ([]*gce.HTTPHealthCheck, error) { return c.HTTPHealthChecks().List(ctx) }, ofProject),
	}
}

// disk judges a volume's disk: by the machines that have it, or by the label.
func (s *Judged) disk(l *lineup, x *computepb.Disk) {
	s.Size, s.Class, s.fingerprint, s.labels = settings.Gigabytes(x.GetSizeGb()), gce.Base(x.GetType()), x.GetLabelFingerprint(), x.GetLabels()
	label := s.labels[settings.Label]
	switch users := x.GetUsers(); {
	case len(users) > 0:
		s.says, s.Why = l.all(users)
		s.Unlabelled = s.says == ours && label != string(l.want.Settings.Prefix)
	case label == string(l.want.Settings.Prefix):
		s.says, s.Why = ours, "it has the label "+settings.Label+"="+label
	case label != "":
		s.says, s.Why = theirs, "it has the label "+settings.Label+"="+label
	default:
		s.Why = "no machine has it and no label tells whose it is"
	}
}
