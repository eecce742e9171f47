package cluster

import (
	"cmp"
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// prepared is the wait until a replica's startup-script has done all it can do
// alone: disk, runtime, binaries, images. Quorum was not touched so far.
func (r *run) prepared(of inventory.Object) plan.Step { return prepared{r, of} }

type prepared struct {
	*run
	of inventory.Object
}

func (p prepared) String() string { return p.of.Name + " is prepared" }
func (prepared) Waits()           {}

func (p prepared) Observe(ctx context.Context) (plan.State, error) {
	phase, err := p.phase(ctx)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent, Why: "there is no such machine yet"}, nil
	case err != nil:
		return plan.State{}, err
	case isPrepared(phase):
		return exists(phase)
	}
	return plan.State{Is: plan.Absent, Why: cmp.Or(phase, "boots")}, nil
}

func isPrepared(phase string) bool {
	return phase == scripts.PhasePrepared || phase == scripts.PhaseRunning
}

func (p prepared) phase(ctx context.Context) (string, error) {
	const path = scripts.GuestNamespace + "/" + scripts.GuestPhase
	got, err := p.GCE.Instances(p.of.Zone).GuestAttributes(ctx, p.of.Name, path)
	return got[path], err
}

func (p prepared) Do(ctx context.Context) error {
	if p.have.Has(p.of) { // it may be a voter that was stopped for long
		return p.whileStirred(ctx, p.of, p.wait)
	}
	return p.wait(ctx)
}

func (p prepared) wait(ctx context.Context) error {
	g := &guest{run: p.run, zone: p.of.Zone, name: p.of.Name}
	return plan.Until(ctx, plan.Condition{
		For: p.of.Name + " to be prepared", Every: p.poll, Limit: p.want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			phase, err := g.phase(ctx)
			return err == nil && (isPrepared(phase) || p.joins(phase)), cmp.Or(phase, "boots"), err
		},
	})
}

// joins tells that an earlier run's command is at work on it, which the next one
// waits for.
func (prepared) joins(phase string) bool { return strings.HasPrefix(phase, "joining") }

func (prepared) Undo(context.Context) error { return nil } // it goes with the machine

// controlPlane is a master's own API server, asked at the machine's own
// address. It comes last before the traffic and goes first after it.
func (r *run) controlPlane(of inventory.Object) plan.Step { return controlPlane{r, of} }

type controlPlane struct {
	*run
	of inventory.Object
}

func (c controlPlane) String() string { return "control plane of " + c.of.Name }

func (c controlPlane) Observe(ctx context.Context) (plan.State, error) {
	if c.mode.removes && c.of.Status != "RUNNING" {
		return plan.State{Is: plan.Absent, Why: "the machine is " + cmp.Or(c.of.Status, "not there")}, nil
	}
	ip, err := c.external(ctx, c.of)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no such machine"}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	if why, gave := c.silentRetire(); gave {
		return plan.State{Is: plan.Absent, Why: why}, nil
	}
	why := c.ready(ctx, ip)
	switch {
	case !kube.Answers(why):
		if c.mode.removes {
			why = "it does not answer" // which is what is wanted
		}
		return plan.State{Is: plan.Absent, Why: why}, nil
	case why != "":
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	phase, err := prepared(c).phase(ctx)
	if err != nil {
		return plan.State{}, err
	}
	if phase != scripts.PhaseRunning {
		return plan.State{Is: plan.Partial, Why: phase}, nil
	}
	return exists("ready")
}

// Do joins it. The script waits for the API server itself.
func (c controlPlane) Do(ctx context.Context) error {
	if c.mode.repairs {
		if err := c.revive(ctx); err != nil {
			return err
		}
	}
	return c.overSSH(ctx, c.of, c.want.Settings.InitTimeout.Duration(), func(ctx context.Context, h replicate.Host) error {
		if err := plan.Gate(ctx); err != nil {
			return err
		}
		return replicate.JoinControlPlane(ctx, c.deps.SSH, h)
	})
}

// retireLimit is how long a master may take to end its API server in order.
const retireLimit = 90 * time.Second

// Undo lets connections drain and ends the API server in order, so that its
// clients are told and go to another master. One that cannot be asked is
// removed all the same; that is said.
func (c controlPlane) Undo(ctx context.Context) error {
	host, err := c.host(ctx, c.of)
	if err == nil {
		limited, cancel := plan.Within(ctx, retireLimit)
		defer cancel()
		err = replicate.Retire(limited, c.deps.SSH, host, retireDrain)
	}
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		why := c.of.Name + " was not stopped in order: " + err.Error()
		c.unretired = &why
		c.warn(why)
	}
	return nil
}

// retireDrain is for the balancer to notice that the master is out of its group,
// and for short requests to end.
const retireDrain = 2 * time.Second

func (c controlPlane) silentRetire() (why string, gave bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unretired == nil {
		return "", false
	}
	return *c.unretired, true
}

// masterNode is a master's Node in Kubernetes. Its kubelet makes it; when the
// machine goes nobody else takes it away, there being no cloud controller.
func (r *env) masterNode(of inventory.Object) plan.Step { return masterNode{r, of} }

type masterNode struct {
	env *env
	of  inventory.Object
}

func (n masterNode) String() string { return "node " + n.of.Name }

func (n masterNode) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.env.kube(ctx)
	if err != nil {
		return plan.State{}, err
	}
	_, err = client.Nodes().Get(ctx, n.of.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return plan.State{Is: plan.Absent}, nil
	case err != nil:
		return plan.State{}, err
	}
	return exists("")
}

func (masterNode) Do(context.Context) error { return nil } // its kubelet's

func (n masterNode) Undo(ctx context.Context) error {
	client, err := n.env.kube(ctx)
	if err != nil {
		return err
	}
	return client.DeleteNode(ctx, n.of.Name)
}
