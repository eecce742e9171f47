package env

import (
	"context"
	"errors"
	"time"

	"hakube/cluster/plan"
	"hakube/gce"
)

// LetGo repeats the removal of something another object used until a moment
// ago: Google says "in use" for some seconds after the user is gone.
func (r *Env) LetGo(ctx context.Context, what string, remove func(context.Context) error) error {
	last, err := r.whileInUse(ctx, what+" to be let go of", r.Poll, remove)
	if last != nil {
		return last
	}
	return err
}

// TakeOver gives the API's address to something else, as soon as Google says that its
// holder has let go. Each pause is time in which the API is dark, so they are short.
func (r *Env) TakeOver(ctx context.Context, give func(context.Context) error) error {
	last, err := r.whileInUse(ctx, "the address to be free", min(r.Poll, 200*time.Millisecond), give)
	return errors.Join(err, last)
}

// whileInUse makes a change again for as long as its error is that something is in use.
// last is the change's own error, err that of the wait.
func (r *Env) whileInUse(ctx context.Context, what string, every time.Duration, change func(context.Context) error) (last, err error) {
	err = r.Until(ctx, plan.Condition{
		For: what, Every: every, Limit: r.Deps.LetGo,
		Check: func(ctx context.Context) (bool, string, error) {
			err := change(ctx)
			if last == nil || ctx.Err() == nil { // an error of the limit says nothing
				last = err
			}
			if gce.InUse(err) {
				return false, err.Error(), nil
			}
			return true, "", nil
		},
	})
	return last, err
}
