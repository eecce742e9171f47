package cluster

import (
	"context"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh" // the operator's key is a signer

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/sweep"
	"hakube/gce"
	"hakube/replicate"
)

// Deps is everything outside of this process that a cluster is worked on with.
type Deps struct {
	GCE *gce.Client
	// InRegion returns a client for another region. It is asked when no zone
	// was named and the region had to be found out. Nil means GCE will do.
	InRegion func(ctx context.Context, region string) (*gce.Client, error)
	SSH      *replicate.Runner
	Signer   ssh.Signer // the operator's key
	User     string     // whom the operator logs in as
	// Dial reaches the external addresses of the cluster from this machine.
	// Nil dials directly.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// ProxyURL goes into the kubeconfig entry; "" is none.
	ProxyURL string
	// Kubeconfig is a list of paths as in the variable.
	Kubeconfig string
	// Cloud tells clouds apart that may have projects of the same names: the
	// directory of an embedded GCE, "" for Google.
	Cloud string
	// MirrorDefault is where machines fetch from when KUBE_MIRROR is not set.
	MirrorDefault string
	// Poll is the pause between two looks while waiting; one second if zero.
	Poll time.Duration
	// Ready is how long an API server may take to say whether it is ready; five
	// seconds if zero.
	Ready time.Duration
	// Lease is how long a run has the cluster to itself without a sign of life; a
	// minute if zero.
	Lease time.Duration
	// PID is what the lease names this process by; its own number if zero.
	PID int
	// LetGo is how long the cloud may say that something is in use after its
	// user is gone; a minute if zero.
	LetGo time.Duration
}

// A Cluster is what the settings describe, in the cloud that Deps reach. It
// holds nothing of what is there: each method looks for itself.
type Cluster struct {
	settings  settings.Settings
	deps      Deps
	leftovers func(context.Context, sweep.Found) (bool, error) // see OnLeftovers
	smaller   func(context.Context, Smaller) error             // see OnSmaller
}

// New makes no call.
func New(s settings.Settings, d Deps) *Cluster {
	if d.Poll == 0 {
		d.Poll = time.Second
	}
	if d.Ready == 0 {
		d.Ready = readyLimit
	}
	if d.PID == 0 {
		d.PID = os.Getpid()
	}
	if d.Lease == 0 {
		d.Lease = lease.DefaultLength
	}
	if d.LetGo == 0 {
		d.LetGo = time.Minute
	}
	if d.Dial == nil {
		d.Dial = new(net.Dialer).DialContext
	}
	return &Cluster{settings: s, deps: d}
}

// OnLeftovers has f called in a down or a preview of the whole cluster when
// something was found that hakube did not make, before anything is changed.
// Whether f returns true or HAKUBE_SWEEP is, Ours are removed with the cluster;
// an error ends the run. Without f the setting alone decides.
func (c *Cluster) OnLeftovers(f func(context.Context, sweep.Found) (sweep bool, err error)) {
	c.leftovers = f
}

// Up makes the cluster as the settings want it, or brings it there; with
// KUBE_USE_EXISTING_MASTER only the zone's pool of nodes, with
// KUBE_REPLICATE_EXISTING_MASTER one more master ([Settings.Mode]). The summary
// says where it is and what was seen of it.
//
// While another run changes the cluster it waits for that one, and so does Down.
func (c *Cluster) Up(ctx context.Context, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.alone(ctx, settings.Up, report, func(ctx context.Context, l *lease.Lease, report func(plan.Event)) error {
		r, items, err := c.up(ctx, l, doing(report))
		if err != nil {
			return err
		}
		if err := r.walk(ctx, items, report); err != nil {
			return err
		}
		s = r.summary()
		return nil
	})
	return s.warned(warning), err
}

// Down removes the cluster and everything that carries its mark, or with
// KUBE_USE_EXISTING_MASTER the zone's pool of nodes, or with
// KUBE_DELETE_NODES=false one master ([Settings.Mode]). Only the last needs a
// living cluster; from one that lives nodes are drained first. When something
// with the mark is left the error is a [Leftovers], when something is left that
// hakube did not make a [*Remains]; the summary lists both too.
func (c *Cluster) Down(ctx context.Context, report func(plan.Event)) (s *Summary, err error) {
	warning, err := c.alone(ctx, settings.Down, report, func(ctx context.Context, l *lease.Lease, report func(plan.Event)) error {
		s = nil
		r, items, err := c.down(ctx, l, doing(report), false)
		if err != nil {
			return err
		}
		if len(items) == 0 {
			s = &Summary{Nothing: true, Mode: r.mode.name, Context: r.want.Context, Zone: r.want.Zone, Warnings: r.warnings}
			return nil
		}
		if err = r.walk(ctx, items, report); err == nil {
			err = r.remains()
		}
		s = r.summary()
		return err
	})
	return s.warned(warning), err
}

// PreviewUp is the walk of Up without acting; it returns how many steps Up
// would take.
func (c *Cluster) PreviewUp(ctx context.Context, report func(plan.Event)) (changes int, err error) {
	ctx = gce.Patience(ctx, gce.RunBudget)
	_, items, err := c.up(ctx, nil, looking)
	if err != nil {
		return 0, err
	}
	return plan.Preview(ctx, items, report)
}

// PreviewDown is the walk of Down without acting.
func (c *Cluster) PreviewDown(ctx context.Context, report func(plan.Event)) (changes int, err error) {
	ctx = gce.Patience(ctx, gce.RunBudget)
	_, items, err := c.down(ctx, nil, looking, true)
	if err != nil {
		return 0, err
	}
	return plan.Preview(ctx, items, report)
}

// Waiting passes on why a verb of the cloud has not returned yet; it is for
// [gce.Options].
func Waiting(w gce.Wait) {
	if w.Context != nil {
		plan.Note(w.Context, w.String())
	}
}

// operator is who works on the cluster, as its spec takes it.
func (d *Deps) operator() settings.Operator {
	by := settings.Operator{Kubeconfig: d.Kubeconfig, MirrorDefault: d.MirrorDefault}
	if d.Signer != nil {
		by.Login = replicate.AuthorizedLine(d.User, d.Signer)
	}
	return by
}
