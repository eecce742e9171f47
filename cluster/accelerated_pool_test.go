package cluster

import (
	"context"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/gpu"
	"hakube/cluster/plan"
	"hakube/cluster/preflight"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/gce"
	"hakube/gce/emulator"
)

// accelerated is the same operator, whose pool's nodes are to have accelerators.
func (o *operator) accelerated(size settings.Name, cards gpu.Cards) *operator {
	x := o.again(func(s *settings.Settings) { s.NodeSize, s.Accelerators = size, cards })
	x.settings = x.settings.Said("NODE_ACCELERATORS", true)
	return x
}

// machinesOf are the machines of a pool's Nodes, as Compute Engine has them.
func (w *world) machinesOf(o *operator, pool string) (list []*computepb.Instance) {
	w.t.Helper()
	for _, n := range w.nodesOf(o, pool) {
		i, err := w.Client.Instances(n.Labels[corev1.LabelTopologyZone]).Get(context.Background(), n.Name)
		if err != nil {
			w.t.Fatal(err)
		}
		list = append(list, i)
	}
	return list
}

const t4, two4 = "type=nvidia-tesla-t4,count=1", "type=nvidia-tesla-t4,count=2"

// TestAcceleratedPool: of two pools of a zone one has accelerators. Its machines are not
// moved while they run and have no Secure Boot, its Nodes are marked as kube-up's and GKE's
// are, and no other pool is another one by it. They are read back, and changed as all of a
// pool is.
func TestAcceleratedPool(t *testing.T) {
	long(t, "TestPools")
	besideOthers(t)
	w := newWorld(t)
	o := w.operator()
	w.mustUp(o)
	cards := o.named("gpu", zoneB, 1, "nvidia.com/gpu=present:NoSchedule").accelerated("n1-standard-4", t4)
	w.mustUp(cards)
	check := func(want gpu.Cards) {
		t.Helper()
		nodes, machines := w.nodesOf(o, "gpu"), w.machinesOf(o, "gpu")
		if len(nodes) != 1 || nodes[0].Labels[gpu.Label] != want.Kind() {
			t.Errorf("nodes of gpu: %+v, want label %s", nodes, want.Kind())
		}
		for _, m := range machines {
			has := gpu.Cards("")
			for _, a := range m.GetGuestAccelerators() {
				has = gpu.Of(gce.Base(a.GetAcceleratorType()), int(a.GetAcceleratorCount()))
			}
			moves := m.GetScheduling().GetOnHostMaintenance() == "MIGRATE"
			boot := m.GetShieldedInstanceConfig()
			if has != want || moves != (want == "") || !m.GetScheduling().GetAutomaticRestart() || boot.GetEnableSecureBoot() != (want == "") || !boot.GetEnableVtpm() || !boot.GetEnableIntegrityMonitoring() {
				t.Errorf("%s has %s, scheduling %v and boot %v; want %s", m.GetName(), has, m.GetScheduling(), boot, want)
			}
		}
	}
	check(t4)
	for _, m := range w.machinesOf(o, "") {
		if len(m.GetGuestAccelerators()) > 0 || m.GetScheduling().GetOnHostMaintenance() != "MIGRATE" || !m.GetShieldedInstanceConfig().GetEnableSecureBoot() {
			t.Errorf("%s of the other pool: %v, %v", m.GetName(), m.GetGuestAccelerators(), m.GetScheduling())
		}
	}
	bare := o.again(func(s *settings.Settings) { s.Pool, s.UseExistingMaster = "gpu", true })
	bare.settings = bare.settings.Said("NUM_NODES", false).Said("NODE_ACCELERATORS", false)
	for _, same := range []*operator{cards, bare, o} {
		nothingToDo(t, w, same)
	}

	var why string
	more := bare.accelerated("", two4)
	more.settings = more.settings.Said("NODE_SIZE", false)
	if _, err := more.PreviewUp(context.Background(), func(e plan.Event) { why += e.Why }); err != nil || !strings.Contains(why, "1 of 1 to be replaced, NODE_ACCELERATORS="+t4+" (now it is "+two4+")") {
		t.Errorf("plan: %v, %q", err, why)
	}
	plain := w.made(zoneB)
	w.mustUp(more)
	check(two4)
	nothingToDo(t, w, bare)
	for _, n := range w.nodesOf(o, "") {
		if _, kept := plain[n.Name]; !kept {
			t.Errorf("%s of the other pool was replaced", n.Name)
		}
	}

	w.mustUp(o.named("other", zoneB, 1, "")) // like the first pool: it takes no accelerators of any
	if m := w.machinesOf(o, "other"); len(m) != 1 || len(m[0].GetGuestAccelerators()) > 0 {
		t.Errorf("a new pool is made of %v", m)
	}
	w.mustUp(bare.accelerated("e2-standard-2", ""))
	check("")
	nothingToDo(t, w, bare)
}

// TestAcceleratedSpot: what may be taken away takes its own quota of accelerators, once there
// is one, and all of it is judged before the first change.
func TestAcceleratedSpot(t *testing.T) {
	w := newWorldWith(t, func(o *emulator.Options) {
		o.Quotas = map[string]float64{"NVIDIA_T4_GPUS": 0, "PREEMPTIBLE_NVIDIA_T4_GPUS": 1}
	})
	o := w.operator(func(s *settings.Settings) { s.NumNodes = 1 })
	w.mustUp(o)
	spot := o.named("gpu", zoneB, 1, "").accelerated("n1-standard-4", t4).again(func(s *settings.Settings) { s.SpotNode = true })
	w.mustUp(spot)
	for _, m := range w.machinesOf(o, "gpu") {
		if m.GetScheduling().GetProvisioningModel() != "SPOT" || m.GetScheduling().GetAutomaticRestart() || len(m.GetGuestAccelerators()) != 1 {
			t.Errorf("%s: %v, %v", m.GetName(), m.GetScheduling(), m.GetGuestAccelerators())
		}
	}
	before := w.objects()
	for x, want := range map[*operator]string{
		spot.again(func(s *settings.Settings) { s.NumNodes = 2 }):       "quota PREEMPTIBLE_NVIDIA_T4_GPUS of region europe-west1: 1 more are needed, and 1 of 1 are used",
		o.named("two", zoneB, 1, "").accelerated("n1-standard-4", two4): "quota NVIDIA_T4_GPUS of region europe-west1: 2 more are needed, and 0 of 0 are used",
		spot.again(func(s *settings.Settings) { s.NodeDiskSize = 50 }):  "quota PREEMPTIBLE_NVIDIA_T4_GPUS", // one more while it is replaced
	} {
		if _, err := x.Up(context.Background(), w.events()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if now := w.objects(); len(now) != len(before) {
		t.Errorf("%d objects, and %d before", len(now), len(before))
	}
}

// TestJudgeAccelerators: of what the embedded GCE has no machines of: types that have
// accelerators of themselves, and such as are given up.
func TestJudgeAccelerators(t *testing.T) {
	l4 := &computepb.AcceleratorType{Name: new("nvidia-l4"), MaximumCardsPerInstance: new(int32(8))}
	g2 := &computepb.MachineType{Name: new("g2-standard-4"), GuestCpus: new(int32(4)), Accelerators: []*computepb.Accelerators{{GuestAcceleratorType: new("nvidia-l4"), GuestAcceleratorCount: new(int32(1))}}}
	for _, c := range []struct {
		cards   gpu.Cards
		kind    *computepb.AcceleratorType
		machine *computepb.MachineType
		want    string
	}{
		{"type=nvidia-l4,count=1", l4, g2, ""},
		{"type=nvidia-l4,count=1", l4, nil, ""},
		{"type=nvidia-l4,count=2", l4, g2, "NODE_ACCELERATORS=type=nvidia-l4,count=2: machines of type g2-standard-4 have type=nvidia-l4,count=1 of themselves, and take no others"},
		{"type=nvidia-l4,count=16", l4, g2, "NODE_ACCELERATORS=type=nvidia-l4,count=16: a machine has 8 of type nvidia-l4 at most"},
		{"type=nvidia-l4,count=1", &computepb.AcceleratorType{Name: new("nvidia-l4"), Deprecated: &computepb.DeprecationStatus{State: new("OBSOLETE")}}, g2, "NODE_ACCELERATORS: accelerator type nvidia-l4 is OBSOLETE"},
	} {
		var no error = preflight.JudgeAccelerators(c.cards, c.kind, c.machine).OrNil()
		var said refusal.Blockers
		if no != nil {
			said = no.(refusal.Blockers)
		}
		if (no == nil) != (c.want == "") || no != nil && !strings.HasPrefix(said[0].Why, c.want) {
			t.Errorf("%s on %s: %v, want %q", c.cards, c.machine.GetName(), no, c.want)
		}
	}
}
