package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/replicate/etcdtest"
)

// withMasters is the same operator, whose masters are to be of that machine type.
func (o *operator) withMasters(name settings.Name) *operator {
	return o.again(func(s *settings.Settings) { s.MasterSize = name })
}

// machines are the masters' machines, by name: their types, their addresses in the network,
// and when the disks of their data were made.
func (c *sickCluster) machines() (types, addresses, disks map[string]string) {
	c.t.Helper()
	types, addresses, disks = map[string]string{}, map[string]string{}, map[string]string{}
	for i, name := range c.names {
		m, err := c.Client.Instances(c.zones[i]).Get(context.Background(), name)
		if gce.IsNotFound(err) {
			types[name] = "gone"
			continue
		}
		c.must(err)
		d, err := c.Client.Disks(c.zones[i]).Get(context.Background(), name+"-pd")
		c.must(err)
		types[name], addresses[name], disks[name] = gce.Base(m.GetMachineType()), m.GetNetworkInterfaces()[0].GetNetworkIP(), d.GetCreationTimestamp()
	}
	return types, addresses, disks
}

// TestRoll: masters of another type are planned with the reason, and made again one after
// the other, who leads last, with their data, names, votes and addresses in the network;
// what is as it is wanted is left, by the same and by whoever names nothing.
func TestRoll(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{3, 1} {
		if testing.Short() && masters == 1 {
			continue
		}
		c := newSick(t, masters)
		_, addresses, disks := c.machines()
		larger := c.o.withMasters("e2-standard-4")
		var told Rolling
		larger.OnRoll(func(x Rolling) error { told = x; return nil })
		c.unchanged(func() {
			if n, err := larger.PreviewRollMasters(t.Context(), false, c.events()); err != nil || n < 5*masters {
				t.Errorf("plan: %d steps, %v", n, err)
			}
		})
		for _, m := range told.Masters {
			if m.Why != "MASTER_SIZE=e2-standard-2 (now it is e2-standard-4)" {
				t.Errorf("it tells of %+v", m)
			}
		}
		if len(told.Masters) != masters || told.Dark != (masters < 3) {
			t.Errorf("it tells %+v", told)
		}
		st, err := c.o.Status(t.Context())
		c.must(err)
		last := ""
		for _, m := range st.Rings["main"] {
			if m.Leader {
				last = m.Member
			}
		}
		s, err := larger.RollMasters(t.Context(), false, c.events())
		c.must(err)
		if len(s.Rolled) != masters || s.Rolled[masters-1] != last || s.Dark == nil {
			t.Errorf("made again: %v, with the leader %s; dark %+v", s.Rolled, last, s.Dark)
		}
		types, now, same := c.machines()
		for name, is := range types {
			if is != "e2-standard-4" {
				t.Errorf("%s is of type %s", name, is)
			}
		}
		if diff := cmp.Diff(disks, same); diff != "" {
			t.Errorf("disks (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(addresses, now); diff != "" {
			t.Errorf("addresses (-before +after):\n%s", diff)
		}
		c.whole(masters)
		c.rolled(larger)
		c.rolled(c.o)
		nothingToDo(t, c.world, c.o)
		c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
	}
}

// rolled looks that there is nothing to roll, and nothing that speaks of it.
func (c *sickCluster) rolled(o *operator) {
	c.t.Helper()
	c.unchanged(func() {
		if n, err := o.PreviewRollMasters(context.Background(), false, nil); err != nil || n != 0 {
			c.t.Errorf("plan of it once more: %d steps, %v", n, err)
		}
	})
	if s, err := o.RollMasters(context.Background(), false, c.events()); err != nil || !s.Nothing || len(s.Rolled) > 0 {
		c.t.Errorf("once more: %+v, %v", s, err)
	}
	if s, err := o.Status(context.Background()); err != nil || len(s.Unfinished) > 0 {
		c.t.Errorf("unfinished: %+v, %v", s.Unfinished, err)
	}
}

// TestRollOfAnotherScript: masters of another hakube's startup script are made again, which
// up tells of; those of this one only with all.
func TestRollOfAnotherScript(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 1)
	c.post("zones/"+c.zones[0]+"/instances/"+c.names[0]+"/setMetadata", c.withScript("#!/bin/bash\n# of before\n"))
	s := c.mustUp(c.o)
	if !slices.ContainsFunc(s.Warnings, func(w string) bool {
		return strings.Contains(w, "the startup script is of another hakube") && strings.Contains(w, "\thakube roll masters")
	}) {
		t.Errorf("up warns of %q", s.Warnings)
	}
	r, err := c.o.RollMasters(t.Context(), false, c.events())
	c.must(err)
	if !slices.Equal(r.Rolled, c.names) {
		t.Errorf("made again: %v", r.Rolled)
	}
	c.rolled(c.o)
	if r, err = c.o.RollMasters(t.Context(), true, c.events()); err != nil || !slices.Equal(r.Rolled, c.names) {
		t.Errorf("all of them: %+v, %v", r, err)
	}
	c.rolled(c.o)
	c.whole(1)
}

// withScript is a change of the first master's metadata to another startup script.
func (c *sickCluster) withScript(text string) doc {
	c.t.Helper()
	i, err := c.Client.Instances(c.zones[0]).Get(context.Background(), c.names[0])
	c.must(err)
	items := []any{}
	for _, x := range i.GetMetadata().GetItems() {
		if x.GetKey() == "startup-script" {
			x.Value = &text
		}
		items = append(items, doc{"key": x.GetKey(), "value": x.GetValue()})
	}
	return doc{"fingerprint": i.GetMetadata().GetFingerprint(), "items": items}
}

// TestRollStops: a master that does not come back ends the walk with the others serving,
// status names the way on, and that ends it.
func TestRollStops(t *testing.T) {
	long(t, "TestRoll")
	besideOthers(t)
	var broken atomic.Bool
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) {
		o.Installing = func(string, func(string)) error {
			if broken.Load() {
				return errors.New("no space left on device")
			}
			return nil
		}
	}))
	c := sickOf(t, w, 3)
	broken.Store(true)
	hurried := c.o.withMasters("e2-standard-4").again(func(s *settings.Settings) { s.InitTimeout = settings.Seconds(10e9) })
	_, err := hurried.RollMasters(t.Context(), false, c.events())
	if err == nil || !strings.Contains(err.Error(), "no other master was touched") {
		t.Fatalf("it ended with %v", err)
	}
	types, _, _ := c.machines()
	larger := 0
	for _, is := range types {
		if is != "e2-standard-2" {
			larger++
		}
	}
	if larger != 1 {
		t.Errorf("machines are %v", types)
	}
	s, err := c.o.Status(t.Context())
	c.must(err)
	if !s.Address.Ready || s.Quorum["main"].Alive < 2 || len(s.Unfinished) != 1 || s.Unfinished[0].Command != "MASTER_SIZE=e2-standard-4 hakube roll masters" {
		t.Errorf("status: %+v, %+v, %+v", s.Address, s.Quorum, s.Unfinished)
	}
	broken.Store(false)
	c.must(c.follow(c.o, s.Unfinished[0].Command))
	if types, _, _ = c.machines(); slices.ContainsFunc(c.names, func(n string) bool { return types[n] != "e2-standard-4" }) {
		t.Errorf("machines are %v", types)
	}
	c.rolled(c.o)
	c.whole(3)
}

// TestRollRefusals: what would be refused on the way is refused before, with what helps, and
// nothing is changed.
func TestRollRefusals(t *testing.T) {
	besideOthers(t)
	c := newSick(t, 3)
	refused := func(o *operator, why, cures string) {
		t.Helper()
		for name, run := range map[string]func() error{
			"roll": func() error { _, err := o.RollMasters(t.Context(), true, c.events()); return err },
			"plan": func() error { _, err := o.PreviewRollMasters(t.Context(), true, nil); return err },
		} {
			c.unchanged(func() {
				err := run()
				hint := ""
				if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
					hint = h.Hint()
				}
				if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(hint, cures) {
					t.Errorf("%s: %v; %s", name, err, hint)
				}
			})
		}
	}
	refused(c.o.again(func(s *settings.Settings) { s.KubeVersion = "v1.37.0" }), "that does not change KUBE_VERSION=v1.37.0 (it is v", "leave it out")
	refused(c.o.again(func(s *settings.Settings) { s.Audit = !s.Audit }), "that does not change HAKUBE_AUDIT=", "leave it out")
	refused(c.o.withMasters("e2-standard-5"), `MASTER_SIZE="e2-standard-5": zone europe-west1-`, "")
	no := errors.New("rather not")
	asked := c.o.withMasters("e2-standard-4")
	asked.OnRoll(func(Rolling) error { return no })
	refused(asked, "rather not", "")
	c.must(c.Client.Instances(c.zones[2]).Stop(t.Context(), c.names[2]))
	refused(c.o, c.names[2]+" fails: stopped", "hakube repair "+c.names[2])
}

// TestUpNamesRoll: what up cannot change on a master, and a roll can, is refused with that.
func TestUpNamesRoll(t *testing.T) {
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	w.unchanged(func() {
		_, err := o.withMasters("e2-standard-4").Up(t.Context(), func(plan.Event) {})
		if h := (interface{ Hint() string })(nil); !errors.As(err, &h) || !strings.Contains(h.Hint(), "\thakube roll masters") {
			t.Errorf("up with another type: %v", err)
		}
	})
}
