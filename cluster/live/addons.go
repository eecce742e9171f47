package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"hakube/cluster/addons"
	"hakube/cluster/env"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/task"
)

// Addons is the fact that the cluster has the addons that are to be, and no other, and
// that their pods are ready. Nothing else waits for it: machines join without.
func Addons(r *task.Task) []plan.Step { return addonsOf(r, false) }

// AddonsApplied is the half of it that needs no node: masters have the programs fetched
// and started while nodes boot, which takes as long.
func AddonsApplied(r *task.Task) []plan.Step { return addonsOf(r, true) }

func addonsOf(r *task.Task, applied bool) []plan.Step {
	sets, asked, err := r.Addons()
	if !asked && err == nil {
		return nil
	}
	ending := r.AddonValues()
	ending.Ending = true
	return []plan.Step{&withAddons{env: r.Env, sets: sets, ending: ending, err: err, applied: applied}}
}

type withAddons struct {
	env     *env.Env
	sets    []addons.Set
	ending  addons.Values // of those that go
	err     error         // of a manifest
	applied bool          // which is enough: nobody asks for their pods
}

// addonLimit is how long images may take to be fetched, and pods to be ready.
const addonLimit = 5 * time.Minute

func (s *withAddons) String() string {
	names := []string{}
	for _, a := range s.sets {
		names = append(names, a.Name)
	}
	text := "addons " + strings.Join(names, ", ")
	if len(names) == 0 {
		text = "no addons"
	}
	if s.applied {
		text += ", as manifests"
	}
	return text
}
func (*withAddons) Waits() {}

func (s *withAddons) Observe(ctx context.Context) (plan.State, error) {
	if s.err != nil {
		return plan.State{}, s.err
	}
	client, err := s.env.Kube(ctx)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	todo, err := s.todo(ctx, client)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	why := todo.words()
	if len(why) == 0 && !s.applied {
		if why, err = s.sick(ctx, client); err != nil {
			return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
		}
	}
	if len(why) > 0 {
		return plan.State{Is: plan.Partial, Why: strings.Join(why, "; ")}, nil
	}
	return plan.Exists("")
}

// A change is what is between the addons there are and those that are to be.
type change struct {
	remove []kube.Applied
	apply  []addons.Set
	was    map[string]kube.Applied
}

func (c change) words() (list []string) {
	for _, a := range c.remove {
		list = append(list, a.Name+" is there")
	}
	for _, a := range c.apply {
		was, ok := c.was[a.Name]
		switch {
		case !ok:
			list = append(list, a.Name+" is not there")
		case was.Digest == "":
			list = append(list, a.Name+" is there in part")
		default:
			list = append(list, a.Name+" "+was.Version+" is other than it is to be")
		}
	}
	return list
}

func (s *withAddons) todo(ctx context.Context, client *kube.Client) (change, error) {
	c := change{was: map[string]kube.Applied{}}
	all, err := client.Applied(ctx)
	if err != nil {
		return c, err
	}
	for _, a := range all {
		c.was[a.Name] = a
		if !slices.ContainsFunc(s.sets, func(x addons.Set) bool { return x.Name == a.Name }) {
			c.remove = append(c.remove, a)
		}
	}
	for _, a := range s.sets {
		if was := c.was[a.Name]; was.Digest != a.Digest {
			c.apply = append(c.apply, a)
		}
	}
	// Whoever waits for all of them waits less when what is slow starts first.
	slices.SortStableFunc(c.apply, func(a, b addons.Set) int { return cmp.Compare(rank(a), rank(b)) })
	return c, nil
}

// rank is where an addon is applied: slow ones first.
func rank(a addons.Set) int {
	if a.Slow {
		return 0
	}
	return 1
}

// sick is what is missing of the pods.
func (s *withAddons) sick(ctx context.Context, client *kube.Client) (list []string, err error) {
	for _, a := range s.sets {
		missing, err := a.Missing(func(w addons.Workload) (string, error) { return client.Rollout(ctx, w.Path(), w.OnNodes) })
		if err != nil {
			return nil, err
		}
		if missing != "" {
			list = append(list, a.Name+": "+missing)
		}
	}
	return list, nil
}

func (s *withAddons) Do(ctx context.Context) error {
	client, err := s.env.Kube(ctx)
	if err != nil {
		return err
	}
	todo, err := s.todo(ctx, client)
	if err != nil {
		return err
	}
	if err := s.leave(ctx, client, todo.remove); err != nil {
		return err
	}
	for _, a := range todo.remove {
		err := s.end(ctx, client, a)
		if err == nil && a.Name == settings.ClusterAutoscaler {
			err = s.unscale(ctx, client, a)
		}
		if err == nil {
			err = remove(ctx, client, a)
		}
		if err != nil {
			return fmt.Errorf("removing addon %s: %w", a.Name, err)
		}
	}
	for _, a := range todo.apply {
		if err := s.apply(ctx, client, a, todo.was[a.Name]); err != nil {
			return fmt.Errorf("applying addon %s: %w", a.Name, err)
		}
	}
	if s.applied {
		return nil
	}
	err = s.env.Until(ctx, plan.Condition{
		For: "the addons to be ready", Every: s.env.Poll, Limit: addonLimit,
		Check: func(ctx context.Context) (bool, string, error) { return s.ready(ctx, client) },
	})
	if err != nil && ctx.Err() == nil {
		return &env.Sick{Err: err}
	}
	return err
}

// ready makes again a workload that somebody deleted, and says what is missing.
func (s *withAddons) ready(ctx context.Context, client *kube.Client) (bool, string, error) {
	why, err := s.sick(ctx, client)
	for _, a := range s.sets {
		gone := func(w string) bool {
			return strings.HasPrefix(w, a.Name+": ") && strings.HasSuffix(w, ": "+kube.NotThere)
		}
		if err == nil && slices.ContainsFunc(why, gone) {
			err = s.applyAll(ctx, client, a)
		}
	}
	return err == nil && len(why) == 0, strings.Join(why, "; "), err
}

func (*withAddons) Undo(context.Context) error { return nil } // never unwanted

// apply makes an addon what it is to be. What it had before and has no more goes.
func (s *withAddons) apply(ctx context.Context, client *kube.Client, a addons.Set, was kube.Applied) error {
	record := kube.Applied{Name: a.Name, Version: a.Version}
	for _, o := range a.Objects {
		record.Paths = append(record.Paths, o.Path)
	}
	keep := slices.Clone(record.Paths)
	for _, p := range was.Paths {
		if !slices.Contains(keep, p) && !addons.Stays(p) {
			record.Paths = append(record.Paths, p)
		}
	}
	if err := client.Record(ctx, record); err != nil {
		return err
	}
	if err := s.applyAll(ctx, client, a); err != nil {
		return err
	}
	for _, p := range record.Paths[len(keep):] {
		if err := client.Delete(ctx, p); err != nil {
			return err
		}
	}
	record.Paths, record.Digest = keep, a.Digest
	return client.Record(ctx, record)
}

// servedLimit is how long masters may take to serve a kind that was defined just now.
const servedLimit = time.Minute

func (s *withAddons) applyAll(ctx context.Context, client *kube.Client, a addons.Set) error {
	for _, o := range a.Objects {
		err := s.env.Until(ctx, plan.Condition{
			For: "the API to serve its kind", Every: s.env.Poll, Limit: servedLimit,
			Check: func(ctx context.Context) (bool, string, error) {
				err := client.Apply(ctx, o.Path, o.JSON)
				if apierrors.IsNotFound(err) {
					return false, kube.Plainly(err), nil
				}
				return err == nil, "", err
			},
		})
		if err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	return nil
}

// endLimit is how long pods may take to run as those that go.
const endLimit = 2 * time.Minute

// end has programs let go of what would outlive them. A machine that does not take it up in
// time is told of: it forgets at its next boot.
func (s *withAddons) end(ctx context.Context, client *kube.Client, was kube.Applied) error {
	a, ok := addons.Named(was.Name)
	if !ok || !a.Ends {
		return nil
	}
	last, err := a.For(s.ending)
	if err != nil {
		return err
	}
	if err := begin(ctx, client, was); err != nil {
		return err
	}
	for i, w := range a.Workloads {
		if missing, err := client.Rollout(ctx, w.Path(), w.OnNodes); err != nil {
			return err
		} else if missing == kube.NotThere {
			continue // it was removed by a run that was cut
		}
		o := last.Objects[len(last.Objects)-len(a.Workloads)+i]
		if err := client.Apply(ctx, o.Path, o.JSON); err != nil {
			return fmt.Errorf("%s: %w", o.Path, err)
		}
	}
	err = s.env.Until(ctx, plan.Condition{
		For: "the pods of " + a.Name + " to let go", Every: s.env.Poll, Limit: endLimit,
		Check: func(ctx context.Context) (bool, string, error) {
			missing, err := a.Missing(func(w addons.Workload) (string, error) { return client.Rollout(ctx, w.Path(), true) })
			return err == nil && (missing == "" || strings.HasSuffix(missing, kube.NotThere)), missing, err
		},
	})
	if err != nil && ctx.Err() == nil {
		s.env.Warn("addon " + a.Name + " is removed although " + kube.Plainly(err) + "; what it left on machines goes when they boot again")
		return nil
	}
	return err
}

// begin has it written down that an addon is not whole any more.
func begin(ctx context.Context, client *kube.Client, a kube.Applied) error {
	if a.Digest == "" {
		return nil
	}
	a.Digest = ""
	return client.Record(ctx, a)
}

// remove takes an addon away, its programs first: they write.
func remove(ctx context.Context, client *kube.Client, a kube.Applied) error {
	if err := begin(ctx, client, a); err != nil {
		return err
	}
	var errs []error
	for _, p := range slices.Backward(a.Paths) {
		if addons.Stays(p) {
			continue
		}
		if err := client.Delete(ctx, p); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return client.Forget(ctx, a.Name)
}
