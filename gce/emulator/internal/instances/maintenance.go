package instances

import (
	"context"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// simulateMaintenanceEvent does to a machine what happens when the host under
// it is serviced (https://cloud.google.com/compute/docs/instances/simulating-host-maintenance).
func simulateMaintenanceEvent(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err == nil && doc.Str(o, "status") != "RUNNING" {
			return problem.NotReady(r)
		}
		return err
	})
}

// maintain has the event follow as an operation of the system. A preemptible
// machine is preempted: powered off softly and left TERMINATED, where its
// managed group makes it anew. Of the others one is moved while it runs, so that
// nothing is seen of it, or ended and, unless automaticRestart is false,
// started again elsewhere.
func maintain(_ context.Context, k *api.Job) error {
	return k.Step("begun", func(t *store.Tx) error {
		o := t.Get(k.Target)
		if o == nil {
			return problem.NotFound(k.Target)
		}
		event := "instances.migrateOnHostMaintenance"
		switch scheduling := doc.Sub(o, "scheduling"); {
		case preemptible(scheduling):
			event = "instances.preempted"
		case doc.Str(scheduling, "onHostMaintenance") == "TERMINATE":
			event = "instances.terminateOnHostMaintenance"
		}
		t.Edit(k.S.Accept(t, event, k.Target, doc.Obj{}, "", nil))["user"] = "system"
		return nil
	})
}

func preemptible(scheduling doc.Obj) bool {
	return doc.Bool(scheduling, "preemptible") || doc.Str(scheduling, "provisioningModel") == "SPOT"
}

// checkScheduling completes what a preemptible machine always has, and refuses
// what it cannot have (https://cloud.google.com/compute/docs/instances/preemptible#limitations:
// no move during maintenance, no restart by itself).
func checkScheduling(o doc.Obj, field string) error {
	if !preemptible(o) {
		return nil
	}
	if doc.Bool(o, "automaticRestart") {
		return problem.Refuse("Scheduling must have automaticRestart be false when preemptible is true.")
	}
	if m := doc.Str(o, "onHostMaintenance"); m == "MIGRATE" {
		return problem.Invalid(field+".onHostMaintenance", m, "Scheduling must have onHostMaintenance be TERMINATE when preemptible is true.")
	}
	doc.Fill(o, doc.Obj{"preemptible": true, "automaticRestart": false, "onHostMaintenance": "TERMINATE"})
	return nil
}

// evacuate ends a machine that cannot be moved, and starts it again.
func (l *Lifecycle) evacuate(ctx context.Context, k *api.Job) error {
	o := k.S.Store.Read(k.Target)
	if o == nil {
		return problem.NotFound(k.Target)
	}
	if !k.Took("ended") {
		if err := shutDown(ctx, k); err != nil {
			return err
		}
		err := k.Step("ended", func(t *store.Tx) error {
			o := t.Edit(k.Target)
			if o == nil || !doc.Bool(doc.Sub(o, "scheduling"), "automaticRestart") {
				return nil
			}
			o["status"], o["lastStartTimestamp"] = "PROVISIONING", doc.Stamp(k.S.Opts.Now())
			return nameEphemeral(k.S, t, k.Target, o)
		})
		if err != nil {
			return err
		}
	}
	if o = k.S.Store.Read(k.Target); doc.Str(o, "status") == "TERMINATED" {
		return nil
	}
	if err := l.boot(ctx, k.Target); err != nil {
		if ctx.Err() == nil {
			fell(ctx, k.S, k.Target)
		}
		return err
	}
	return nil
}
