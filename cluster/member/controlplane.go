package member

import (
	"cmp"
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
)

// Prepared is the wait until a replica's startup-script has done all it can do
// alone: disk, runtime, binaries, images; and until it lets hakube in. Google's agent
// starts before sshd does, and makes accounts after that: on a busy machine the script
// is through first. Quorum was not touched so far.
func Prepared(r *task.Task, of inventory.Object) plan.Step {
	return prepared{r.Env, of, r.Guest(of), r.MastersBut(of.Name)}
}

type prepared struct {
	env     *env.Env
	of      inventory.Object
	machine env.Guest
	others  []inventory.Object // the masters but this one
}

func (p prepared) String() string    { return p.of.Name + " is prepared" }
func (p prepared) About() plan.Thing { return task.Thing(p.of) }
func (prepared) Waits()              {}

func (p prepared) Observe(ctx context.Context) (plan.State, error) {
	phase, err := p.env.Phase(ctx, p.of)
	switch {
	case gce.IsNotFound(err):
		return plan.State{Is: plan.Absent, Why: "there is no such machine yet"}, nil
	case err != nil:
		return plan.State{}, err
	case env.IsPrepared(phase):
		if _, err := p.env.RingsOn(ctx, p.of); env.InTheWay(err) {
			return plan.State{Is: plan.Absent, Why: phase + ", and does not let us in yet: " + err.Error()}, nil
		}
		return plan.Exists(phase)
	}
	return plan.State{Is: plan.Absent, Why: cmp.Or(phase, "boots")}, nil
}

func (p prepared) Do(ctx context.Context) error {
	if p.machine.There { // it may be a voter that was stopped for long
		return p.env.WhileStirred(ctx, p.others, p.wait)
	}
	return p.wait(ctx)
}

func (p prepared) wait(ctx context.Context) error {
	g := p.machine
	err := p.env.Until(ctx, plan.Condition{
		For: p.of.Name + " to be prepared", Every: p.env.Poll, Limit: p.env.Want.Settings.InitTimeout.Duration(),
		Check: func(ctx context.Context) (bool, string, error) {
			phase, err := g.Phase(ctx)
			return err == nil && (env.IsPrepared(phase) || env.Joins(phase)), cmp.Or(phase, "boots"), err
		},
	})
	if err != nil {
		return err
	}
	return p.env.OverSSH(ctx, p.of, rings.AskLimit, func(ctx context.Context, _ replicate.Host) error {
		_, err := p.env.RingsOn(ctx, p.of)
		if !env.InTheWay(err) {
			return nil
		}
		return err
	})
}

func (prepared) Undo(context.Context) error { return nil } // it goes with the machine

// ControlPlane is a master's own API server, asked at the machine's own
// address. It comes last before the traffic and goes first after it.
func ControlPlane(r *task.Task, of inventory.Object) plan.Step {
	return &controlPlane{env: r.Env, of: of, goes: r.Mode.Removes, revives: r.Mode.Repairs}
}

type controlPlane struct {
	env       *env.Env
	of        inventory.Object
	goes      bool
	revives   bool   // it was there, and is brought back before it is made again
	unretired string // why it could not be stopped in order, once that was tried
}

func (c *controlPlane) String() string    { return "control plane of " + c.of.Name }
func (c *controlPlane) About() plan.Thing { return task.Thing(c.of) }

func (c *controlPlane) Observe(ctx context.Context) (plan.State, error) {
	if c.goes && c.of.Status != "RUNNING" {
		return plan.State{Is: plan.Absent, Why: "the machine is " + cmp.Or(c.of.Status, "not there")}, nil
	}
	ip, err := c.env.External(ctx, c.of)
	if gce.IsNotFound(err) {
		return plan.State{Is: plan.Absent, Why: "there is no such machine"}, nil
	}
	if errors.Is(err, env.ErrNoAddress) && !c.goes {
		return plan.State{Is: plan.Absent, Why: err.Error()}, nil
	}
	if err != nil {
		return plan.State{}, err
	}
	if c.unretired != "" {
		return plan.State{Is: plan.Absent, Why: c.unretired}, nil
	}
	why := c.env.Ready(ctx, ip)
	switch {
	case !kube.Answers(why):
		if c.goes {
			why = "it does not answer" // which is what is wanted
		}
		return plan.State{Is: plan.Absent, Why: why}, nil
	case why != "":
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	phase, err := c.env.Phase(ctx, c.of)
	if err != nil {
		return plan.State{}, err
	}
	if phase != scripts.PhaseRunning {
		return plan.State{Is: plan.Partial, Why: phase}, nil
	}
	return plan.Exists("ready")
}

// Do joins it. The script waits for the API server itself.
func (c *controlPlane) Do(ctx context.Context) error {
	if c.revives {
		if err := c.revive(ctx); err != nil {
			return err
		}
	}
	return c.env.OverSSH(ctx, c.of, c.env.Want.Settings.InitTimeout.Duration(), func(ctx context.Context, h replicate.Host) error {
		if err := c.env.Gate.Ask(ctx); err != nil {
			return err
		}
		return replicate.JoinControlPlane(ctx, c.env.Deps.SSH, h)
	})
}

// retireLimit is how long a master may take to end its API server in order.
const retireLimit = 90 * time.Second

// Undo lets connections drain and ends the API server in order, so that its
// clients are told and go to another master. One that cannot be asked is
// removed all the same; that is said.
func (c *controlPlane) Undo(ctx context.Context) error {
	host, err := c.env.Host(ctx, c.of)
	if err == nil {
		limited, cancel := c.env.Within(ctx, retireLimit)
		defer cancel()
		err = replicate.Retire(limited, c.env.Deps.SSH, host, retireDrain)
	}
	if err != nil {
		c.unretired = c.of.Name + " was not stopped in order: " + err.Error()
		c.env.Warn(c.unretired)
	}
	return nil
}

// retireDrain is for the balancer to notice that the master is out of its group,
// and for short requests to end.
const retireDrain = 2 * time.Second

// NodeOf is a master's Node in Kubernetes. Its kubelet makes it; when the
// machine goes nobody else takes it away, there being no cloud controller.
func NodeOf(r *env.Env, of inventory.Object) plan.Step { return masterNode{r, of} }

type masterNode struct {
	env *env.Env
	of  inventory.Object
}

func (n masterNode) String() string    { return "node " + n.of.Name }
func (n masterNode) About() plan.Thing { return task.Thing(n.of) }

func (n masterNode) Observe(ctx context.Context) (plan.State, error) {
	client, err := n.env.Kube(ctx)
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
	return plan.Exists("")
}

func (masterNode) Do(context.Context) error { return nil } // its kubelet's

func (n masterNode) Undo(ctx context.Context) error {
	client, err := n.env.Kube(ctx)
	if err != nil {
		return err
	}
	return client.DeleteNode(ctx, n.of.Name)
}

// reviveLimit is how long scripts/revive-api.sh may take: it ends a process twice
// and gives each new one 90 s.
const reviveLimit = 4 * time.Minute

// revive gets a master's API server going, the least thing first: its process, its
// kubelet, and when both do not help the machine.
func (c *controlPlane) revive(ctx context.Context) error {
	phase, err := c.env.Phase(ctx, c.of)
	if err != nil || phase == scripts.PhasePrepared || env.Joins(phase) {
		return err // it joins
	}
	ready := false
	err = c.env.OverSSH(ctx, c.of, reviveLimit, func(ctx context.Context, h replicate.Host) (err error) {
		ready, err = replicate.ReviveAPI(ctx, c.env.Deps.SSH, h)
		return err
	})
	if err != nil || ready {
		return err
	}
	if err := c.env.Gate.Ask(ctx); err != nil {
		return err
	}
	plan.Note(ctx, "its process and its kubelet were restarted in vain: the machine is reset")
	if err := c.env.GCE.Instances(c.of.Zone).Reset(ctx, c.of.Name); err != nil {
		return err
	}
	return c.env.Answers(ctx, c.of, "")
}
