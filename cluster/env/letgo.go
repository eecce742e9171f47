package env

import (
	"context"

	"hakube/cluster/plan"
	"hakube/gce"
)

// LetGo repeats the removal of something another object used until a moment
// ago: Google says "in use" for some seconds after the user is gone.
func (r *Env) LetGo(ctx context.Context, what string, remove func(context.Context) error) error {
	var last error
	err := plan.Until(ctx, plan.Condition{
		For: what + " to be let go of", Every: r.Poll, Limit: r.Deps.LetGo,
		Check: func(ctx context.Context) (bool, string, error) {
			err := remove(ctx)
			if last == nil || ctx.Err() == nil { // an error of the limit says nothing
				last = err
			}
			if gce.InUse(err) {
				return false, err.Error(), nil
			}
			return true, "", nil
		},
	})
	if last != nil {
		return last
	}
	return err
}
