package instances

import (
	"context"
	"strings"
	"sync"

	"hakube/gce/emulator/backend"
	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/disks"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/networks"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/store"
)

// A Lifecycle starts and ends the machines behind the instances.
type Lifecycle struct {
	S     *api.Server
	ended sync.Map // MachineKey: machines that ended before they were RUNNING
}

// bringUp is the work of insert and start: disks, machine, network. If the
// machine of a new instance cannot be made, the instance goes away with the
// disks made for it, as at Google when a zone is full.
func (l *Lifecycle) bringUp(ctx context.Context, k *api.Job) error {
	err := l.boot(ctx, k.Target)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !strings.HasSuffix(k.Method, ".insert") {
		fell(ctx, k.S, k.Target)
		return err
	}
	if e := discard(ctx, k.S, k, true); e != nil {
		k.S.Opts.Log.Error("clearing away a failed instance", "instance", string(k.Target), "error", e)
	}
	return err
}

func (l *Lifecycle) boot(ctx context.Context, r doc.Ref) error {
	s := l.S
	o := s.Store.Read(r)
	if o == nil {
		return problem.NotFound(r)
	}
	for _, a := range doc.Objects(o, "disks") {
		if err := disks.RealDisk(ctx, s, doc.RefOf(doc.Str(a, "source"))); err != nil {
			return err
		}
	}
	if err := setStatus(s, r, "STAGING", "PROVISIONING"); err != nil {
		return err
	}
	m, ok := machine.At(s, r)
	if !ok {
		return problem.NotFound(r)
	}
	l.ended.Delete(m.MachineKey)
	if err := s.Opts.Backend.Start(ctx, m); err != nil {
		return err
	}
	if err := setStatus(s, r, "RUNNING", "STAGING", "PROVISIONING"); err != nil {
		return err
	}
	if _, dead := l.ended.LoadAndDelete(m.MachineKey); dead {
		l.Exited(m.MachineKey)
	}
	return s.Net.Apply(ctx)
}

// setStatus moves an instance from one of the states named; in any other it stays.
func setStatus(s *api.Server, r doc.Ref, to string, from ...string) error {
	return s.Store.Update(func(t *store.Tx) error {
		for _, f := range from {
			if doc.Str(t.Get(r), "status") == f {
				t.Edit(r)["status"] = to
			}
		}
		return nil
	})
}

func shutDown(ctx context.Context, k *api.Job) error {
	r := k.Target
	o := k.S.Store.Read(r)
	if o == nil {
		return problem.NotFound(r)
	}
	if doc.Str(o, "status") == "TERMINATED" {
		return nil
	}
	if err := setStatus(k.S, r, "STOPPING", "RUNNING"); err != nil {
		return err
	}
	m, _ := machine.At(k.S, r)
	if err := k.S.Opts.Backend.Stop(ctx, m, true); err != nil {
		return err
	}
	halted(k.S, r)
	return k.S.Net.Apply(ctx)
}

// halted makes an instance TERMINATED: its addresses that are not reserved
// are let go.
func halted(s *api.Server, r doc.Ref) {
	err := s.Store.Update(func(t *store.Tx) error {
		o := t.Edit(r)
		if o == nil || doc.Str(o, "status") == "TERMINATED" {
			return nil
		}
		o["status"], o["lastStopTimestamp"] = "TERMINATED", doc.Stamp(s.Opts.Now())
		for _, nic := range doc.Objects(o, "networkInterfaces") {
			for _, ac := range doc.Objects(nic, "accessConfigs") {
				if networks.ReservedAs(t, doc.Str(ac, "natIP")) == "" {
					delete(ac, "natIP")
				}
			}
		}
		return nil
	})
	if err != nil {
		s.Opts.Log.Error("noting that a machine ended", "instance", string(r), "error", err)
	}
}

// Exited is told by the backend that a machine ended by itself.
func (l *Lifecycle) Exited(key backend.MachineKey) {
	s := l.S
	s.Spawn(func() {
		r := doc.RefIn(key.Project, "zones/"+key.Zone, "instances", key.Name)
		o := s.Store.Read(r)
		if o == nil || doc.ID(o) != key.ID {
			return
		}
		switch doc.Str(o, "status") {
		case "RUNNING":
		case "STAGING":
			l.ended.Store(key, true) // before Start returned: boot looks
			return
		default:
			return // we end it ourselves
		}
		halted(s, r)
		s.Net.Request()
		s.Settled()
	})
}

// reboot pulls the plug and starts again.
func (l *Lifecycle) reboot(ctx context.Context, k *api.Job) error {
	m, ok := machine.At(k.S, k.Target)
	if !ok {
		return problem.NotFound(k.Target)
	}
	if !k.Took("stopped") {
		if err := setStatus(k.S, k.Target, "STAGING", "RUNNING"); err != nil {
			return err
		}
		if err := k.S.Opts.Backend.Stop(ctx, m, false); err != nil {
			return err
		}
		if err := k.Step("stopped", func(*store.Tx) error { return nil }); err != nil {
			return err
		}
	}
	if err := l.boot(ctx, k.Target); err != nil {
		if ctx.Err() == nil {
			fell(ctx, k.S, k.Target)
		}
		return err
	}
	return nil
}

// fell clears up after a machine that could not be started.
func fell(ctx context.Context, s *api.Server, r doc.Ref) {
	if m, ok := machine.At(s, r); ok {
		if err := s.Opts.Backend.Stop(ctx, m, false); err != nil {
			s.Opts.Log.Error("clearing up after a machine that did not start", "instance", string(r), "error", err)
		}
	}
	halted(s, r)
	s.Net.Request()
}

// nameEphemeral gives access configs without a reserved address one of the
// pool, as each start does.
func nameEphemeral(s *api.Server, t *store.Tx, r doc.Ref, o doc.Obj) error {
	for _, nic := range doc.Objects(o, "networkInterfaces") {
		for _, ac := range doc.Objects(nic, "accessConfigs") {
			if doc.Str(ac, "natIP") == "" {
				ip, err := networks.ClaimExternal(s, t, r, "", "")
				if err != nil {
					return err
				}
				ac["natIP"] = ip
				t.Put(r, o) // the next search must see it
			}
		}
	}
	return nil
}
