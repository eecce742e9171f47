// Package gce gives Compute Engine's collections typed verbs: Get, List,
// Insert, Delete and the few others a cluster needs. A changing verb returns
// when its operation is done on the server, so that "returned nil" means "has
// taken hold"; everything else is an [*Error] with a [Class] and often a hint.
//
// Messages are computepb's own types; names are plain names, not URLs. The
// package knows nothing of clusters and must not import cluster, replicate,
// scripts or gce/emulator (which must not import it either, or the two would
// share their mistakes).
//
// It is built on cloud.google.com/go/compute/apiv1, Google's own REST client,
// for its types, URLs and decoding. What that client does badly is done here:
// waiting for operations (operation.go), trying again (retry.go), telling
// errors apart (errors.go) and cancelling lists (transport.go).
package gce

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	compute "cloud.google.com/go/compute/apiv1"
	"google.golang.org/api/cloudresourcemanager/v1"
	"google.golang.org/api/iam/v1"
	"google.golang.org/api/option"
)

// Options say which project to talk about and to whom.
type Options struct {
	Project string // required
	Region  string // of subnetworks, addresses and balancers
	// Endpoint is where the API is, "http://127.0.0.1:8080", without a path.
	// Empty means Google, with Application Default Credentials. With an
	// endpoint nothing is authenticated, unless HTTPClient does it.
	Endpoint string
	// HTTPClient carries the calls, and authenticates them if that is needed.
	// Only its Transport is used.
	HTTPClient *http.Client
	UserAgent  string // "hakube" when empty
	// Waiting is called, in the goroutine of the verb, while an operation runs
	// or a call waits to be tried again. Nil is silence.
	Waiting func(Wait)
	Clock   Clock // the zero value is the real one
}

// A Wait is why a verb has not returned yet.
type Wait struct {
	Context  context.Context // the verb's
	Verb     string          // "creating"
	Object   string          // "instance kubernetes-master"
	Elapsed  time.Duration   // since the wait began
	Limit    time.Duration   // when it is given up
	Progress int             // of the operation, in percent; many tell only 0 and 100
	Err      error           // why the call is tried again; nil while an operation runs
}

// String is one line for people, without Elapsed.
func (w Wait) String() string {
	if w.Err != nil {
		return w.Verb + " " + w.Object + ": trying again after: " + message(w.Err)
	}
	return w.Verb + " " + w.Object
}

// A Client speaks for one project. It is safe for concurrent use and makes
// no call before the first verb.
type Client struct {
	*connection
	run *Run // what its calls share; nil is nothing
}

// A connection is what clients of one project and region have in common.
type connection struct {
	options Options
	http    *http.Client
	trips   *trips
	clock   Clock
	jitter  func() float64 // [0,1)

	networks         lazy[*compute.NetworksClient]
	subnetworks      lazy[*compute.SubnetworksClient]
	firewalls        lazy[*compute.FirewallsClient]
	addresses        lazy[*compute.AddressesClient]
	disks            lazy[*compute.DisksClient]
	snapshots        lazy[*compute.SnapshotsClient]
	policies         lazy[*compute.ResourcePoliciesClient]
	instances        lazy[*compute.InstancesClient]
	templates        lazy[*compute.InstanceTemplatesClient]
	groups           lazy[*compute.InstanceGroupManagersClient]
	unmanaged        lazy[*compute.InstanceGroupsClient]
	healthChecks     lazy[*compute.RegionHealthChecksClient]
	services         lazy[*compute.RegionBackendServicesClient]
	rules            lazy[*compute.ForwardingRulesClient]
	routes           lazy[*compute.RoutesClient]
	pools            lazy[*compute.TargetPoolsClient]
	globalServices   lazy[*compute.BackendServicesClient]
	globalChecks     lazy[*compute.HealthChecksClient]
	zones            lazy[*compute.ZonesClient]
	regions          lazy[*compute.RegionsClient]
	machineTypes     lazy[*compute.MachineTypesClient]
	diskTypes        lazy[*compute.DiskTypesClient]
	acceleratorTypes lazy[*compute.AcceleratorTypesClient]
	images           lazy[*compute.ImagesClient]
	projects         lazy[*compute.ProjectsClient]
	globalOperations lazy[*compute.GlobalOperationsClient]
	regionOperations lazy[*compute.RegionOperationsClient]
	zoneOperations   lazy[*compute.ZoneOperationsClient]
	resourceManager  lazy[*cloudresourcemanager.Service]
	iam              lazy[*iam.Service]
}

// New returns a client. Its error is an [*Error] with a hint when there are no
// credentials or no project.
func New(ctx context.Context, o Options) (*Client, error) {
	if o.Project == "" {
		return nil, &Error{
			Verb: "opening", Object: "compute engine", Message: "no project is set", Reason: reasonNoProject,
		}
	}
	var err error
	if o.Endpoint, err = endpoint(o.Endpoint); err != nil {
		return nil, err
	}
	if o.UserAgent == "" {
		o.UserAgent = "hakube"
	}
	c := &Client{connection: &connection{options: o, clock: o.Clock.orReal(), jitter: realJitter}}
	base := o.HTTPClient
	switch {
	case base != nil:
	case o.Endpoint != "":
		base = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	default:
		if base, err = GoogleHTTP(ctx); err != nil {
			return nil, err
		}
	}
	c.trips = newTrips(base.Transport, o.UserAgent)
	c.http = c.trips.client()

	c.networks.make = compute.NewNetworksRESTClient
	c.subnetworks.make = compute.NewSubnetworksRESTClient
	c.firewalls.make = compute.NewFirewallsRESTClient
	c.addresses.make = compute.NewAddressesRESTClient
	c.disks.make = compute.NewDisksRESTClient
	c.snapshots.make = compute.NewSnapshotsRESTClient
	c.policies.make = compute.NewResourcePoliciesRESTClient
	c.instances.make = compute.NewInstancesRESTClient
	c.templates.make = compute.NewInstanceTemplatesRESTClient
	c.groups.make = compute.NewInstanceGroupManagersRESTClient
	c.unmanaged.make = compute.NewInstanceGroupsRESTClient
	c.healthChecks.make = compute.NewRegionHealthChecksRESTClient
	c.services.make = compute.NewRegionBackendServicesRESTClient
	c.rules.make = compute.NewForwardingRulesRESTClient
	c.routes.make = compute.NewRoutesRESTClient
	c.pools.make = compute.NewTargetPoolsRESTClient
	c.globalServices.make = compute.NewBackendServicesRESTClient
	c.globalChecks.make = compute.NewHealthChecksRESTClient
	c.zones.make = compute.NewZonesRESTClient
	c.regions.make = compute.NewRegionsRESTClient
	c.machineTypes.make = compute.NewMachineTypesRESTClient
	c.diskTypes.make = compute.NewDiskTypesRESTClient
	c.acceleratorTypes.make = compute.NewAcceleratorTypesRESTClient
	c.images.make = compute.NewImagesRESTClient
	c.projects.make = compute.NewProjectsRESTClient
	c.globalOperations.make = compute.NewGlobalOperationsRESTClient
	c.regionOperations.make = compute.NewRegionOperationsRESTClient
	c.zoneOperations.make = compute.NewZoneOperationsRESTClient
	c.resourceManager.make = cloudresourcemanager.NewService
	c.iam.make = iam.NewService
	return c, nil
}

// Project returns the project the client speaks for.
func (c *Client) Project() string { return c.options.Project }

// Region returns the region of the client's regional collections.
func (c *Client) Region() string { return c.options.Region }

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// endpoint checks s and brings it to the form the REST clients want: no
// trailing slash and no path, since they append "/compute/v1/…" themselves.
func endpoint(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	s = strings.TrimRight(s, "/")
	s = strings.TrimSuffix(s, "/compute/v1")
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", &Error{
			Verb: "opening", Object: "compute engine", Err: err,
			Message: "the endpoint is no http or https URL: " + s,
		}
	}
	return s, nil
}

// A lazy is a REST client that is made at first use: a short command needs
// a few of them all.
type lazy[C any] struct {
	make func(context.Context, ...option.ClientOption) (C, error)
	once sync.Once
	c    C
	err  error
}

func (l *lazy[C]) get(c *Client) (C, error) {
	l.once.Do(func() {
		opts := []option.ClientOption{option.WithHTTPClient(c.http)}
		if c.options.Endpoint != "" {
			opts = append(opts, option.WithEndpoint(c.options.Endpoint))
		}
		// The HTTP client is given, so making the REST client makes no call
		// and needs no context of the verb that happens to come first.
		l.c, l.err = l.make(context.Background(), opts...)
	})
	return l.c, l.err
}
