package env

import (
	"context"
	"fmt"

	"hakube/gce"
	"hakube/scripts"
)

// noGuestAttributes is the policy by which nobody may read guest attributes.
const noGuestAttributes = "constraints/compute.disableGuestAttributesAccess"

// told is what a machine says of itself below a path of guest attributes, by their
// names. Where the organisation lets nobody read these it is what the machine says on
// its serial console: found out by the refusal, so that it holds too where policies may
// not be read, or came after the cluster.
func (r *Env) told(ctx context.Context, zone, name, path string) (map[string]string, error) {
	instances := r.GCE.Instances(zone)
	var refused error
	if !r.byConsole() {
		got, err := instances.GuestAttributes(ctx, name, path)
		if gce.ForbiddenBy(err) != noGuestAttributes {
			return got, err
		}
		refused = err
	}
	text, err := instances.Console(ctx, name)
	switch {
	case gce.ForbiddenBy(err) != "" && refused != nil:
		return nil, fmt.Errorf("%w; its serial console instead: %w", refused, err)
	case err != nil:
		return nil, err
	}
	r.mu.Lock()
	r.console = true
	r.mu.Unlock()
	return scripts.Told(text, path), nil
}

// byConsole tells whether guest attributes were refused in this run.
func (r *Env) byConsole() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.console
}
