package cluster

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"cloud.google.com/go/compute/apiv1/computepb" // Compute Engine's own messages

	"hakube/cluster/settings"
	"hakube/gce"
)

// findStrays reads what is left behind, in ten calls at the same time, and
// judges it. A list that cannot be read is an error: nothing is taken down
// before it is known what would stay.
func (r *run) findStrays(ctx context.Context) (mine, perhaps []*stray, err error) {
	l := &lineup{want: &r.want, anchored: len(r.have.objects) > 0, machines: map[string]seen{}}
	machines, err := r.gce.AggregatedInstances(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range machines {
		s := seen{ours: r.owns(m.GetDescription()), tags: m.GetTags().GetItems()}
		for _, nic := range m.GetNetworkInterfaces() {
			s.network = gce.Base(nic.GetNetwork())
		}
		l.machines[gce.Base(m.GetZone())+"/"+m.GetName()] = s
	}
	f := &strays{l: l, users: &found{mark: r.want.Mark}}
	if err := together(r.strayReads(ctx, f)...); err != nil {
		return nil, nil, err
	}
	r.have.uses = append(r.have.uses, f.users.used...)
	judge(f.list)
	own := ""
	if nets := r.have.of(kindNetwork); len(nets) > 0 {
		own = nets[0].name
	}
	near := map[string]bool{}
	for _, o := range r.have.objects {
		near[cmp.Or(o.zone, o.region)], near[settings.Zone(o.zone).Region()] = true, true
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
		case s.Network != "", s.says == unknown && s.known && l.anchored && (s.zone != "" && near[s.zone] || s.zone == "" && s.region != "" && near[s.region]):
			perhaps = append(perhaps, s)
		}
	}
	for _, list := range [][]*stray{mine, perhaps} {
		slices.SortFunc(list, func(a, b *stray) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name, b.Name))
		})
	}
	return mine, perhaps, nil
}

// strays collects them from reads that run at the same time.
type strays struct {
	l     *lineup
	users *found // of what is ours
	mu    sync.Mutex
	list  []*stray
}

// described is what every object of Compute Engine says of itself.
type described interface {
	GetId() uint64
	GetName() string
	GetDescription() string
}

// add takes a thing that this cluster's mark is not on. more judges it and fills in
// what only its kind has.
func (f *strays) add(k kind, x described, place string, more func(*stray)) {
	mark := settings.MarkFields(x.GetDescription())
	if f.l.want.Mark.Owns(x.GetDescription()) {
		return
	}
	s := &stray{kind: k, id: x.GetId(), key: keyOf(x.GetName())}
	s.Kind, s.Name, s.Place, s.Owner = string(k), x.GetName(), place, owner(x.GetDescription())
	s.known = kubernetesSays(x.GetDescription()) || s.key != ""
	s.Why = "nothing tells which cluster it is of"
	if gce.Region(place) != "" && strings.Count(place, "-") == 2 {
		s.zone = place
	} else {
		s.region = place
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
func addAll[T described](f *strays, k kind, list func() ([]T, error), place func(T) (string, bool)) func() error {
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

// noting is a list each of whose objects is looked at in passing.
func noting[T any](ctx context.Context, list func(context.Context) ([]T, error), note func(T)) func() ([]T, error) {
	return func() ([]T, error) {
		all, err := list(ctx)
		for _, x := range all {
			note(x)
		}
		return all, err
	}
}

// regional keeps what is in a region: the global ones are not Services'.
func regional[T interface{ GetRegion() string }](x T) (string, bool) {
	return gce.Base(x.GetRegion()), x.GetRegion() != ""
}

func global[T any](T) (string, bool) { return "", true }

func (r *run) strayReads(ctx context.Context, f *strays) []func() error {
	l, c := f.l, r.gce
	return []func() error{
		func() error {
			all, err := c.Firewalls().List(ctx)
			for _, x := range all {
				f.add(kindFirewall, x, "", func(s *stray) {
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
				f.add(kindRoute, x, "", func(s *stray) {
					s.network, s.Why = gce.Base(x.GetNetwork()), "it leads to no machine of this cluster"
					if hop := x.GetNextHopInstance(); hop != "" {
						s.says, s.Why = l.machine(hop)
						_, there := l.machines[zoneOfLink(hop)+"/"+gce.Base(hop)]
						// By a name alone only what Kubernetes made is this cluster's.
						s.known = there || x.GetDescription() == nodeRoute
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
				f.add(kindPool, x, gce.Base(x.GetRegion()), func(s *stray) { s.says, s.Why = l.all(x.GetInstances()) })
			}
			return err
		},
		func() error {
			all, err := c.AggregatedDisks(ctx)
			for _, x := range all {
				if x.GetZone() != "" && kubernetesSays(x.GetDescription()) {
					f.add(kindDisk, x, gce.Base(x.GetZone()), func(s *stray) { s.disk(l, x) })
				}
			}
			return err
		},
		func() error {
			all, err := c.AggregatedInstanceGroups(ctx)
			for _, x := range all {
				if x.GetZone() != "" && keyOf(x.GetName()) != "" {
					f.add(kindMasterGroup, x, gce.Base(x.GetZone()), func(s *stray) {
						if s.network = gce.Base(x.GetNetwork()); s.network != "" && s.network != l.want.Names.Network() {
							s.says = theirs
						}
					})
				}
			}
			return err
		},
		addAll(f, kindRule, noting(ctx, c.AggregatedForwardingRules, f.users.usesOfRule), regional),
		addAll(f, kindService, noting(ctx, c.AggregatedBackendServices, f.users.usesOfService), regional),
		addAll(f, kindAddress, func() ([]*computepb.Address, error) { return c.AggregatedAddresses(ctx) }, regional),
		addAll(f, kindHealthCheck, func() ([]*computepb.HealthCheck, error) { return c.GlobalHealthChecks().List(ctx) }, global),
		addAll(f, kindHTTPCheck, func() ([]*gce.HTTPHealthCheck, error) { return c.HTTPHealthChecks().List(ctx) }, global),
	}
}

// disk judges a volume's disk: by the machines that have it, or by the label.
func (s *stray) disk(l *lineup, x *computepb.Disk) {
	s.Size, s.fingerprint, s.labels = gigabytes(x.GetSizeGb()), x.GetLabelFingerprint(), x.GetLabels()
	label := s.labels[settings.Label]
	switch users := x.GetUsers(); {
	case len(users) > 0:
		s.says, s.Why = l.all(users)
		s.unlabelled = s.says == ours && label != string(l.want.Settings.Prefix)
	case label == string(l.want.Settings.Prefix):
		s.says, s.Why = ours, "it has the label "+settings.Label+"="+label
	case label != "":
		s.says, s.Why = theirs, "it has the label "+settings.Label+"="+label
	default:
		s.Why = "no machine has it and no label tells whose it is"
	}
}
