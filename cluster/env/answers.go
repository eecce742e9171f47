package env

import (
	"context"
	"errors"
	"strings"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/plan"
	"hakube/replicate"
)

// Silence is why nothing runs on the machine over ssh, nil if something does.
func (r *Env) Silence(ctx context.Context, of inventory.Object) error {
	_, err := r.RingsOn(ctx, of)
	if run := (*replicate.RunError)(nil); errors.As(err, &run) && run.Err == nil || errors.Is(err, replicate.ErrDenied) {
		return nil // it answered, if only to say that it is no master yet
	}
	return err
}

// BootLimit is how long a machine may take from power to its first answer over
// ssh: a fifth of what the API may take, at most three minutes.
func (r *Env) BootLimit() time.Duration {
	return min(r.Want.Settings.InitTimeout.Duration()/5, 3*time.Minute)
}

// NoBoot is the firmware's word that there is nothing to boot from.
type NoBoot struct{ word string }

func (e *NoBoot) Error() string { return "it does not boot: " + e.word }

// firmware are words on the console of a machine whose boot disk is no good: of
// the UEFI firmware of Compute Engine, and of its older one.
var firmware = []string{"No bootable option or device was found", "No bootable device", "Boot failed: not a bootable disk"}

// Answers waits until a machine answers. before is what its console had before it
// was started.
func (r *Env) Answers(ctx context.Context, of inventory.Object, before string) error {
	return r.Until(ctx, plan.Condition{
		For: "ssh to " + of.Name, Every: r.Poll, Limit: r.BootLimit(),
		Check: func(ctx context.Context) (bool, string, error) {
			err := r.Silence(ctx, of)
			if err == nil {
				return true, "", nil
			}
			for _, word := range firmware {
				if strings.Contains(r.ConsoleAfter(ctx, of.Zone, of.Name, before), word) {
					return false, "", plan.Permanent(&NoBoot{word})
				}
			}
			return false, "", err
		},
	})
}
