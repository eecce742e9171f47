package cluster

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/gce/emulator"
	"hakube/replicate"
)

// unheard is a world in which the organisation lets nobody read guest attributes.
const unheard = "compute.disableGuestAttributesAccess"

// TestHeardByConsole: where nobody may read guest attributes each command ends as ever:
// host keys and phases come over the serial port, masters that fail are repaired, and a
// machine that gives up says why.
func TestHeardByConsole(t *testing.T) {
	ctx := context.Background()
	w, o := underPolicy(t, unheard)
	w.mustUp(o)
	second := o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true })
	w.mustUp(second)
	st, err := o.Status(ctx)
	if err != nil || len(st.Masters) != 2 || len(st.Unfinished) > 0 || st.Masters[0].State != status.StateReady || st.Masters[1].State != status.StateReady {
		t.Errorf("status: %+v, %v", st, err)
	}
	if err := w.Client.Instances("europe-west1-b").Stop(ctx, "kubernetes-master"); err != nil {
		t.Fatal(err)
	}
	if st, err = o.Status(ctx); err != nil || len(st.Masters) != 2 { // of a machine that is stopped there is no output
		t.Errorf("status with a stopped master: %+v, %v", st, err)
	}
	if _, err := o.Repair(ctx, "", nil); err != nil {
		t.Fatalf("repair: %v", err)
	}
	if v, err := o.Validate(ctx); err != nil || !v.Valid {
		t.Errorf("after the repair: %+v, %v", v, err)
	}
	if _, err := o.again(func(s *settings.Settings) { s.Zone, s.DeleteNodes = "europe-west1-c", false }).Down(ctx, nil); err != nil {
		t.Errorf("down of a master: %v", err)
	}
}

// TestConsoleOfAnother: a machine whose console tells other keys than answer is not spoken
// to, and the hint names what can be read there.
func TestConsoleOfAnother(t *testing.T) {
	w, o := underPolicy(t, unheard)
	w.mustUp(o)
	host := w.host(o, "kubernetes-master")
	if len(host.HostKeys) != 1 || !host.ByConsole {
		t.Fatalf("%+v", host)
	}
	key := &replicate.HostKeyError{Host: host.Name, Zone: host.Zone, Address: host.Address, Offered: host.HostKeys[0], Expected: host.HostKeys, ByConsole: host.ByConsole}
	if hint := key.Hint(); !strings.Contains(hint, "\tgcloud compute instances get-serial-port-output kubernetes-master --zone=europe-west1-b") {
		t.Errorf("hint %q", hint)
	}
	if key.Expected = nil; !strings.Contains(key.Hint(), "get-serial-port-output kubernetes-master --zone=europe-west1-b") {
		t.Errorf("hint %q", key.Hint())
	}
}

// TestPolicyComesLater: a cluster that is there when the organisation begins to forbid
// guest attributes, or whose policies the account may not read, is one like all others.
func TestPolicyComesLater(t *testing.T) {
	forbids, closed := false, false
	w, _ := newModelWorldWith(t, func(o *emulator.Options) {
		o.Fault = func(r *http.Request) emulator.Fault {
			switch {
			case forbids && strings.HasSuffix(r.URL.Path, "/getGuestAttributes"):
				return emulator.Fault{Status: 412, Reason: "conditionNotMet", Message: "Constraint constraints/compute.disableGuestAttributesAccess violated for project 1."}
			case closed && strings.HasSuffix(r.URL.Path, ":getEffectiveOrgPolicy"):
				return emulator.Fault{Status: 403, Reason: "forbidden", Message: "The caller does not have permission"}
			}
			return emulator.Fault{}
		}
	})
	o := w.operator(func(s *settings.Settings) { s.Multizone = true })
	w.mustUp(o)
	forbids, closed = true, true
	w.mustUp(o.again(func(s *settings.Settings) { s.Zone, s.ReplicateMaster = "europe-west1-c", true }))
	if v, err := o.Validate(context.Background()); err != nil || !v.Valid {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestConsoleWithheld: an account that may read neither is told before anything is made.
func TestConsoleWithheld(t *testing.T) {
	w, _ := newModelWorldWith(t, func(o *emulator.Options) {
		o.Policies, o.Withheld = []string{unheard}, []string{"compute.instances.getSerialPortOutput"}
	})
	o := w.operator(func(s *settings.Settings) { s.Multizone = true })
	_, changes := w.counts(func() {
		_, err := o.Up(context.Background(), nil)
		var unchanged *Unchanged
		if err == nil || !errors.As(err, &unchanged) || !strings.Contains(err.Error(), "has not got on project local: compute.instances.getSerialPortOutput") {
			t.Errorf("up: %v", err)
		}
	})
	if changes != 0 {
		t.Errorf("%d changes were made", changes)
	}
}

// TestRepairUnseen: where nobody may read serial output a master that does not boot is
// brought back all the same.
func TestRepairUnseen(t *testing.T) {
	long(t, "TestRepair")
	besideOthers(t)
	w, _ := newModelWorldWith(t, func(o *emulator.Options) { o.Policies = []string{"compute.disableInstanceDataAccessApis"} })
	c := sickOf(t, w, 2)
	c.must(c.guest(1).LoseBootDisk())
	if _, err := c.o.Repair(t.Context(), c.names[1], w.events()); err != nil {
		t.Fatal(err)
	}
	if v, err := c.o.Validate(t.Context()); err != nil || !v.Valid {
		t.Errorf("%+v, %v", v, err)
	}
}
