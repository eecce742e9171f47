package emulator

import "context"

// simulateMaintenanceEvent does to a machine what happens when the host under
// it is serviced (https://cloud.google.com/compute/docs/instances/simulating-host-maintenance).
func simulateMaintenanceEvent(c *call) (obj, error) {
	return c.change(c.named(), nil, func(t *tx) error {
		r, o, err := c.edited(t)
		if err == nil && str(o, "status") != "RUNNING" {
			return notReady(r)
		}
		return err
	})
}

// maintain has the event follow as an operation of the system. A preemptible
// machine is preempted: powered off softly and left TERMINATED, where its
// managed group makes it anew. Of the others one is moved while it runs, so that
// nothing is seen of it, or ended and, unless automaticRestart is false,
// started again elsewhere.
func maintain(_ context.Context, k *task) error {
	return k.step("begun", func(t *tx) error {
		o := t.get(k.Target)
		if o == nil {
			return notFound(k.Target)
		}
		event := "instances.migrateOnHostMaintenance"
		switch scheduling := sub(o, "scheduling"); {
		case preemptible(scheduling):
			event = "instances.preempted"
		case str(scheduling, "onHostMaintenance") == "TERMINATE":
			event = "instances.terminateOnHostMaintenance"
		}
		t.edit(k.s.accept(t, event, k.Target, obj{}, "", nil))["user"] = "system"
		return nil
	})
}

func preemptible(scheduling obj) bool {
	return flag(scheduling, "preemptible") || str(scheduling, "provisioningModel") == "SPOT"
}

// checkScheduling completes what a preemptible machine always has, and refuses
// what it cannot have (https://cloud.google.com/compute/docs/instances/preemptible#limitations:
// no move during maintenance, no restart by itself).
func checkScheduling(o obj, field string) error {
	if !preemptible(o) {
		return nil
	}
	if flag(o, "automaticRestart") {
		return refuse("Scheduling must have automaticRestart be false when preemptible is true.")
	}
	if m := str(o, "onHostMaintenance"); m == "MIGRATE" {
		return invalid(field+".onHostMaintenance", m, "Scheduling must have onHostMaintenance be TERMINATE when preemptible is true.")
	}
	fill(o, obj{"preemptible": true, "automaticRestart": false, "onHostMaintenance": "TERMINATE"})
	return nil
}

// evacuate ends a machine that cannot be moved, and starts it again.
func evacuate(ctx context.Context, k *task) error {
	o := k.s.store.read(k.Target)
	if o == nil {
		return notFound(k.Target)
	}
	if !k.passed("ended") {
		if err := shutDown(ctx, k); err != nil {
			return err
		}
		err := k.step("ended", func(t *tx) error {
			o := t.edit(k.Target)
			if o == nil || !flag(sub(o, "scheduling"), "automaticRestart") {
				return nil
			}
			o["status"], o["lastStartTimestamp"] = "PROVISIONING", stamp(k.s.opts.Now())
			return k.s.nameEphemeral(t, k.Target, o)
		})
		if err != nil {
			return err
		}
	}
	if o = k.s.store.read(k.Target); str(o, "status") == "TERMINATED" {
		return nil
	}
	if err := k.s.boot(ctx, k.Target); err != nil {
		if ctx.Err() == nil {
			k.s.fell(ctx, k.Target)
		}
		return err
	}
	return nil
}
