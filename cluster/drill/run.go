package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/plan"
	"hakube/cluster/refusal"
	"hakube/cluster/status"
	"hakube/scripts/cure"
)

// Prepare looks at the cluster and says which drills may be made. It changes nothing.
func (f *Field) Prepare(ctx context.Context) (plans []Plan, skipped []Skip, err error) {
	before, err := status.Read(ctx, f.Task)
	if err != nil {
		return nil, nil, err
	}
	s := before.Conclude()
	if f.Have.Holder.Drill != "" {
		return nil, nil, &refusal.Refused{
			Why:  fmt.Sprintf("drill %s of %s was not taken back", f.Have.Holder.Drill, f.Have.Holder.DrillOn),
			Cure: cure.Hint("take it back first", cure.UndoDrill()),
		}
	}
	for _, name := range f.Names {
		x, known := Named(name)
		if !known {
			return nil, nil, fmt.Errorf("there is no drill %q", name)
		}
		p, err := f.prepare(ctx, s, x)
		no := (*refusal.Refused)(nil)
		switch {
		case err == nil:
			plans = append(plans, p)
		case f.All && errors.As(err, &no):
			skipped = append(skipped, Skip{x.Name, no.Why})
		default:
			return nil, nil, err
		}
	}
	return plans, skipped, f.mayBegin(ctx)
}

// called is the drill as it was typed.
func (f *Field) called() string {
	if f.All {
		return "all"
	}
	return f.Names[0]
}

// mayBegin refuses to begin with a cluster that fails already: whatever it shows then is not
// of the drill. An API server that is slow for a moment is not that: it is looked at again.
func (f *Field) mayBegin(ctx context.Context) error {
	for n := 1; ; n++ {
		v, err := f.Look(ctx)
		if err != nil || v.Valid || f.Anyway {
			return err
		}
		if n == looksBefore || sleep(ctx, f.Poll) != nil {
			return &refusal.Refused{
				Why:  fmt.Sprintf("cluster %s is not valid before any drill: %s", f.Want.Names.Prefix, v.Problems[0].Why),
				Cure: cure.Hints(cure.Hint("see all that fails", cure.Validate()), cure.Hint("make it all the same", f.anyway(f.On, f.called()))),
			}
		}
	}
}

// looksBefore is how many looks in a row have to find that a cluster fails already.
const looksBefore = 4

// Run makes the drills one after the other. One that does not pass ends none of the others;
// what could not be taken back ends all.
func (f *Field) Run(ctx context.Context, plans []Plan, skipped []Skip) (*Report, error) {
	r := &Report{
		Cluster: f.Want.Names.Prefix, Project: f.Want.Project, Since: time.Now().UTC().Format(time.RFC3339), Passed: true,
		Drills: []Result{}, Skipped: append([]Skip{}, skipped...),
	}
	f.of = len(plans)
	for i, p := range plans {
		f.n = i + 1
		x, err := f.drill(ctx, p)
		if x != nil {
			r.Drills = append(r.Drills, x.result())
			r.Passed = r.Passed && x.passed()
		}
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// A course is one drill as it goes.
type course struct {
	*Field
	Plan
	register *Register
	events   *events // nil where the API has none
	nodes    *watch
	load     *workload // nil where no pods of anybody's run
	probe    *probe
	lost     bool      // what was deleted stays so
	moved    time.Time // its pods were all elsewhere, or there again
	warm     time.Time // measuring began
	failed   time.Time // the failure began
	undoing  time.Time
	undone   time.Time
	end      time.Time
	whole    bool
	marks    []Mark
	said     []Said
	judged   []Check
}

func (c *course) say(kind plan.Kind, why string) {
	begin := c.failed
	if begin.IsZero() {
		begin = time.Now()
	}
	if c.Say != nil {
		c.Say(plan.Event{
			N: c.n, Of: c.of, Step: "drill " + c.Name + " of " + c.On.Name, Kind: kind, Why: why, Elapsed: time.Since(begin),
			About: plan.Thing{Kind: string(c.On.Kind), Name: c.On.Name, Zone: c.On.Zone},
		})
	}
}

func (c *course) mark(what string) {
	c.marks = append(c.marks, Mark{after(time.Now(), c.failed), what})
	c.say(plan.Waiting, what)
}

// drill makes one. Nothing of it is left when it returns, unless the error says so.
func (f *Field) drill(ctx context.Context, p Plan) (*course, error) {
	c := &course{Field: f, Plan: p}
	if err := f.Record(ctx, p.Name, p.On.Name); err != nil {
		return nil, err
	}
	left := context.WithoutCancel(ctx)
	err := c.measure(ctx)
	c.warm = time.Now()
	if err == nil {
		err = c.failAndUndo(ctx)
	}
	c.end = time.Now()
	c.measured()
	c.judged = c.checks()
	err = errors.Join(err, f.Sweep(left))
	kind := plan.Made
	why := fmt.Sprintf("passed: writes stalled %.1f s at most", c.stall().Seconds())
	if err != nil || !c.passed() {
		kind, why = plan.Failed, "not passed"
	}
	if !c.failed.IsZero() {
		c.say(kind, why)
	}
	if c.undone.IsZero() && !c.failed.IsZero() {
		return c, err // the record stays: it is what the next run takes back
	}
	return c, errors.Join(err, f.Record(left, "", ""))
}

// measure begins to ask what is asked all the while.
func (c *course) measure(ctx context.Context) error {
	config, err := c.apiConfig(ctx)
	if err != nil {
		return err
	}
	if c.register, err = BeginRegister(ctx, config, drillName); err != nil {
		return err
	}
	client, err := c.client(ctx)
	if err != nil {
		return err
	}
	if has, err := canDo(ctx, client, "events", "create"); err != nil {
		return err
	} else if has {
		if c.events, err = beginEvents(ctx, config); err != nil {
			return err
		}
	}
	nodes, via, err := c.watchNodes(ctx, c.Plan)
	if err != nil {
		return err
	}
	c.nodes = nodes
	if c.load, err = c.startWorkload(ctx, c.Plan); err != nil {
		return err
	}
	c.probe = c.startProbe(ctx, via, c.load.url())
	if c.failure == deletes {
		return c.makeNamespace(ctx)
	}
	return nil
}

// measured ends all of that.
func (c *course) measured() {
	if c.probe != nil {
		c.probe.end()
	}
	if c.nodes != nil {
		c.nodes.end()
	}
	if c.events != nil {
		c.events.end()
	}
	if c.register != nil {
		c.register.End()
	}
}

// stall is the longest time without an acknowledged write.
func (c *course) stall() time.Duration {
	if c.register == nil || c.failed.IsZero() {
		return 0
	}
	return c.register.StallBetween(c.failed, c.end)
}

// failAndUndo is the failure, what is seen meanwhile, and its end.
func (c *course) failAndUndo(ctx context.Context) error {
	if err := sleep(ctx, c.Warm); err != nil {
		return err
	}
	c.failed = time.Now()
	c.say(plan.Making, c.Fails)
	err := c.begin(context.WithoutCancel(ctx), c.Plan)
	if err == nil {
		c.mark("failed: " + c.Fails)
		err = c.hold(ctx)
	}
	c.undoing = time.Now()
	if undo := c.undo(ctx, c.Scenario, c.machines...); undo != nil {
		return errors.Join(err, undo)
	}
	c.undone = time.Now()
	c.mark("taken back: " + c.Undo)
	if err != nil {
		return err
	}
	return c.becomeWhole(ctx)
}

// hold waits for as long as the failure is to be there, and looks as a person would.
func (c *course) hold(ctx context.Context) error {
	if err := sleep(ctx, c.Hold); err != nil {
		return err
	}
	for limit := c.failed.Add(c.Found); c.Scenario.NotReady && c.found().IsZero() && time.Now().Before(limit); {
		if err := sleep(ctx, c.Poll); err != nil {
			return err
		}
	}
	if at := c.found(); c.Scenario.NotReady && !at.IsZero() {
		c.marks = append(c.marks, Mark{after(at, c.failed), "its Node is not Ready"})
	}
	if c.load != nil && (c.Moves && c.load.moves || c.Scenario.Replaces) {
		if err := c.moves(ctx); err != nil {
			return err
		}
	}
	v, err := c.Look(ctx)
	if err != nil {
		return nil // what it would have said is missing then, and that is checked
	}
	for _, p := range v.Problems {
		if !strings.HasSuffix(p.Why, status.NotTakenBack) { // of the drill itself
			c.said = append(c.said, Said(p))
		}
	}
	c.mark(fmt.Sprintf("validate names %d problems", len(c.said)))
	if c.failure == deletes {
		c.lookForNamespace(ctx, v.Status)
	}
	return nil
}

// found is when the Nodes of all that fails were found out; zero: not all were.
func (c *course) found() time.Time { return c.nodes.allLost(c.names()) }

// moves waits until all pods of the workload are there that are to be, none on what fails;
// one of them is deleted first where that is the question. With one master nobody is to make
// it again, so that is waited for only as long as the failure is there.
func (c *course) moves(ctx context.Context) error {
	limit := time.Now().Add(workloadLimit)
	if c.Scenario.Replaces {
		if err := c.load.deleteOne(ctx); err != nil {
			return err
		}
		c.mark("a pod of the workload was deleted")
		if c.masters == 1 {
			limit = time.Now().Add(c.Settle)
		}
	}
	for time.Now().Before(limit) {
		nodes, err := c.load.on(ctx)
		if err == nil && len(nodes) >= workloadPods && !slices.ContainsFunc(nodes, c.fails) {
			c.moved = time.Now()
			c.mark("all pods of the workload are there, none on what fails")
			return nil
		}
		if err := sleep(ctx, c.Poll); err != nil {
			return err
		}
	}
	return nil
}

// becomeWhole waits until the cluster is valid.
func (c *course) becomeWhole(ctx context.Context) error {
	if err := c.Record(ctx, "", ""); err != nil { // it would be a problem itself
		return err
	}
	for limit := time.Now().Add(c.Whole); ; {
		v, err := c.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && v.Valid:
			c.whole = true
			c.mark("the cluster is valid")
			return nil
		case time.Now().After(limit):
			why := err
			if err == nil {
				why = status.Invalid(v.Problems)
			}
			c.mark("the cluster is not valid: " + why.Error())
			return nil
		case err == nil:
			c.say(plan.Waiting, "not valid yet: "+v.Problems[0].Why)
		}
		if err := sleep(ctx, c.Poll); err != nil {
			return err
		}
	}
}

// lookForNamespace notes whether what was deleted stays so, and what of it somebody has kept.
func (c *course) lookForNamespace(ctx context.Context, s *status.Status) {
	client, err := c.client(ctx)
	if err != nil {
		return
	}
	_, err = client.Namespaces().Get(ctx, drillName, metav1.GetOptions{})
	left, listed := client.ConfigMaps(drillName).List(ctx, metav1.ListOptions{})
	c.lost = apierrors.IsNotFound(err) && listed == nil && len(left.Items) == 0
	switch {
	case s.Backup == nil:
		c.mark("nobody said where backups are: what is deleted now is lost")
	case s.Backup.Newest == nil:
		c.mark("no verified backup is in " + s.Backup.Place + ": what is deleted now is lost")
	case s.Backup.Newest.Age != nil:
		c.mark(fmt.Sprintf("the newest verified backup is %d s old: what was made since is lost", *s.Backup.Newest.Age))
	}
}
