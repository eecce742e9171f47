package env

import (
	"context"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/ssh" // the operator's key is a signer

	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
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
	KeyFile  string     // that the operator's key is in, "" if in none
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
	// Versions are those of Kubernetes that there are where MirrorDefault is, or that model
	// machines can play.
	Versions settings.Releases
	// Poll is the pause between two looks while waiting; one second if zero.
	Poll time.Duration
	// Clock is what limits of waits, scripts and questions are taken from; nil is this
	// machine's.
	Clock plan.Clock
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

// readyLimit is how long an API server may take to say whether it is ready.
const readyLimit = 5 * time.Second

// OrDefaults fills in what was left zero.
func (d Deps) OrDefaults() Deps {
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
	return d
}

// forRun makes all calls to Compute Engine those of one run.
func (d Deps) forRun(run *gce.Run) Deps {
	if d.GCE != nil {
		d.GCE = d.GCE.For(run)
	}
	if inRegion := d.InRegion; inRegion != nil {
		d.InRegion = func(ctx context.Context, region string) (*gce.Client, error) {
			c, err := inRegion(ctx, region)
			if err != nil {
				return nil, err
			}
			return c.For(run), nil
		}
	}
	return d
}

// Operator is who works on the cluster, as its spec takes it.
func (d *Deps) Operator() settings.Operator {
	by := settings.Operator{Kubeconfig: d.Kubeconfig, MirrorDefault: d.MirrorDefault, Versions: d.Versions}
	if d.Signer != nil {
		by.Login = replicate.AuthorizedLine(d.User, d.Signer)
	}
	return by
}
