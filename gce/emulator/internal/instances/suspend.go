package instances

import (
	"context"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A machine that is suspended stands still with its memory. It keeps its disks and
// addresses, can be resumed, stopped (its memory is lost then) or deleted, and
// nothing else is done to it.

func suspendInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		switch doc.Str(o, "status") {
		case "RUNNING":
			o["status"] = "SUSPENDING"
		case "SUSPENDING", "SUSPENDED":
		default:
			return problem.NotReady(r)
		}
		return nil
	})
}

func suspend(ctx context.Context, k *api.Job) error {
	m, ok := machine.At(k.S, k.Target)
	if !ok {
		return problem.NotFound(k.Target)
	}
	if s := doc.Str(k.S.Store.Read(k.Target), "status"); s != "SUSPENDING" {
		return nil
	}
	if err := k.S.Opts.Backend.Suspend(ctx, m); err != nil {
		if ctx.Err() != nil {
			return err
		}
		_ = setStatus(k.S, k.Target, "RUNNING", "SUSPENDING") // it runs: what failed is said
		return err
	}
	return k.Step("suspended", func(t *store.Tx) error {
		if o := t.Edit(k.Target); o != nil && doc.Str(o, "status") == "SUSPENDING" {
			o["status"], o["lastSuspendedTimestamp"] = "SUSPENDED", doc.Stamp(k.S.Opts.Now())
		}
		return nil
	})
}

func resumeInstance(c *api.Call) (doc.Obj, error) {
	return c.Change(named(c), nil, func(t *store.Tx) error {
		r, o, err := edited(c, t)
		if err != nil {
			return err
		}
		if doc.Str(o, "status") != "SUSPENDED" {
			return problem.Refuse("Instance '%s' cannot be resumed: it is %s, not SUSPENDED.", r, doc.Str(o, "status"))
		}
		o["status"], o["lastStartTimestamp"] = "PROVISIONING", doc.Stamp(c.S.Opts.Now())
		return nil
	})
}

// resume lets the machine go on. One that cannot is SUSPENDED again.
func (l *Lifecycle) resume(ctx context.Context, k *api.Job) error {
	m, ok := machine.At(k.S, k.Target)
	if !ok {
		return problem.NotFound(k.Target)
	}
	if err := setStatus(k.S, k.Target, "STAGING", "PROVISIONING"); err != nil {
		return err
	}
	l.ended.Delete(m.MachineKey)
	if err := k.S.Opts.Backend.Resume(ctx, m); err != nil {
		if ctx.Err() == nil {
			_ = setStatus(k.S, k.Target, "SUSPENDED", "STAGING") // as it was: what failed is said
		}
		return err
	}
	if err := setStatus(k.S, k.Target, "RUNNING", "STAGING"); err != nil {
		return err
	}
	if _, dead := l.ended.LoadAndDelete(m.MachineKey); dead {
		l.Exited(m.MachineKey)
	}
	return k.S.Net.Apply(ctx)
}
