package cluster

import (
	"context"
	"errors"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/replicate"
)

// silence is why nothing runs on the machine over ssh, nil if something does.
func (r *env) silence(ctx context.Context, of inventory.Object) error {
	_, err := r.ringsOn(ctx, of)
	if run := (*replicate.RunError)(nil); errors.As(err, &run) && run.Err == nil || errors.Is(err, replicate.ErrDenied) {
		return nil // it answered, if only to say that it is no master yet
	}
	return err
}

// bootLimit is how long a machine may take from power to its first answer over
// ssh: a fifth of what the API may take, at most three minutes.
func (r *env) bootLimit() time.Duration {
	return min(r.want.Settings.InitTimeout.Duration()/5, 3*time.Minute)
}

// noBoot is the firmware's word that there is nothing to boot from.
type noBoot struct{ word string }

func (e *noBoot) Error() string { return "it does not boot: " + e.word }

// firmware are words on the console of a machine whose boot disk is no good: of
// the UEFI firmware of Compute Engine, and of its older one.
var firmware = []string{"No bootable option or device was found", "No bootable device", "Boot failed: not a bootable disk"}

// answers waits until a machine answers. before is what its console had before it
// was started.
func (r *env) answers(ctx context.Context, of inventory.Object, before string) error {
	return plan.Until(ctx, plan.Condition{
		For: "ssh to " + of.Name, Every: r.poll, Limit: r.bootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			err := r.silence(ctx, of)
			if err == nil {
				return true, "", nil
			}
			for _, word := range firmware {
				if strings.Contains(r.consoleAfter(ctx, of.Zone, of.Name, before), word) {
					return false, "", plan.Permanent(&noBoot{word})
				}
			}
			return false, "", err
		},
	})
}
