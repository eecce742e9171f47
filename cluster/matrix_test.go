package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/cluster/inventory"
	"hakube/cluster/label"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/replicate/etcdtest"
)

// A matrixMode is a line of the matrix: how to get to where the command begins,
// and the command.
type matrixMode struct {
	name string
	// prepare returns who looks at it, if that is not the one whose command it is.
	prepare func(*world, *operator) *operator
	run     func(context.Context, *operator, func(plan.Event)) (*Summary, error)
	// preview is what up would still do; nil of a removal.
	preview func(*operator) (int, error)
	// more tells that the command, run again when all is done, does one more.
	more bool
	// quorum tells that no ring may be without one: of those that take or make the
	// only master it is not asked.
	quorum  bool
	removes bool
	// partly tells that what a cut leaves can look like a smaller command of the
	// same kind, which status names then: a pool of the cluster that was to go.
	partly bool
	// one tells that each third call goes wrong, in one of the ways, by turns: of a list
	// that is those of other lines one after the other, or has fifty calls that are alike.
	one bool
}

func up(change func(*operator) *operator) func(context.Context, *operator, func(plan.Event)) (*Summary, error) {
	return func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return change(o).Up(ctx, report)
	}
}

func down(change func(*operator) *operator) func(context.Context, *operator, func(plan.Event)) (*Summary, error) {
	return func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return change(o).Down(ctx, report)
	}
}

func preview(change func(*operator) *operator) func(*operator) (int, error) {
	return func(o *operator) (int, error) { return change(o).PreviewUp(context.Background(), nil) }
}

// matrixModes are the seven of hakube, some of them twice.
func matrixModes() []matrixMode {
	same := func(o *operator) *operator { return o }
	poolC := func(n settings.Count) func(*operator) *operator {
		return func(o *operator) *operator { return o.pool(zoneC, n) }
	}
	master := func(zone settings.Zone) func(*operator) *operator {
		return func(o *operator) *operator { return o.replica(zone) }
	}
	threeZones := func(o *operator) *operator {
		return o.again(func(s *settings.Settings) {
			s.Zones, s.MasterZones = settings.Zones{zoneB, zoneC}, settings.Zones{zoneB, zoneC, zoneD}
		})
	}
	anywhere := func(o *operator) *operator { return o.again(func(s *settings.Settings) { s.Zone = "" }) }
	after := func(commands ...func(*operator) *operator) func(*world, *operator) *operator {
		return func(w *world, o *operator) *operator {
			for _, c := range commands {
				w.mustUp(c(o))
			}
			return o
		}
	}
	addons := func(names settings.Addons) func(*operator) *operator {
		return func(o *operator) *operator {
			return o.again(func(s *settings.Settings) { s.Addons, s.MasterAccount = names, "default" })
		}
	}
	withoutAddons := func(o *operator) *operator { // by hand: unset is as it is
		return addons(allAddons)(o).again(func(s *settings.Settings) { s.Addons = settings.NoAddons })
	}
	copies := func(often settings.DiskSnapshots) func(*operator) *operator {
		return func(o *operator) *operator { return o.again(func(s *settings.Settings) { s.DiskSnapshots = often }) }
	}
	withoutCopies := func(o *operator) *operator { // by hand: unset is as it is
		return copies(settings.Daily)(o).again(func(s *settings.Settings) { s.DiskSnapshots = settings.NoSnapshots })
	}
	sized := func(most settings.Count) func(*operator) *operator {
		return func(o *operator) *operator { return o.autoscaled(1, most) }
	}
	fourOf := func(w *world, o *operator) *operator { // as the cluster autoscaler leaves a pool
		w.mustUp(o.autoscaled(1, 5))
		w.resize(zoneB, 4)
		return o
	}
	poolD := func(o *operator) *operator { return o.pool(zoneD, 1) }
	one := after(same)
	larger := func(o *operator) *operator { return o.ofType("e2-standard-4") }
	second := func(n settings.Count, taints label.Taints) func(*operator) *operator {
		return func(o *operator) *operator { return o.named("gpu", zoneB, n, taints) }
	}
	both := after(same, second(2, "dedicated=gpu:NoSchedule"))
	withPoolC := after(same, poolC(3), poolD)
	two := after(same, master(zoneC))
	three := after(same, master(zoneC), master(zoneD))
	rollTo4 := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return o.withMasters("e2-standard-4").RollMasters(ctx, false, report)
	}
	rollsTo4 := func(o *operator) (int, error) {
		return o.withMasters("e2-standard-4").PreviewRollMasters(context.Background(), false, nil)
	}
	groups := func(is settings.Bool) func(context.Context, *operator, func(plan.Event)) (*Summary, error) {
		return func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
			return o.saysGroups(is).RollMasters(ctx, false, report)
		}
	}
	groupsPreview := func(is settings.Bool) func(*operator) (int, error) {
		return func(o *operator) (int, error) {
			return o.saysGroups(is).PreviewRollMasters(context.Background(), false, nil)
		}
	}
	groupedThree := func(w *world, o *operator) *operator {
		eye := three(w, o)
		if _, err := o.saysGroups(true).RollMasters(context.Background(), false, w.events()); err != nil {
			w.t.Fatal(err)
		}
		return eye
	}
	ofTwoPools := after(same, poolC(1))
	rollPool := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return larger(o).RollPool(ctx, zoneB, false, report)
	}
	rollsPool := func(o *operator) (int, error) {
		return larger(o).PreviewRollPool(context.Background(), zoneB, false, nil)
	}
	rollAll := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return larger(o).withMasters("e2-standard-4").Roll(ctx, false, report)
	}
	rollsAll := func(o *operator) (int, error) {
		return larger(o).withMasters("e2-standard-4").PreviewRoll(context.Background(), false, nil)
	}
	rotates := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return o.Rotate(ctx, inventory.RotateCertificates, report)
	}
	exchanges := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return o.Rotate(ctx, inventory.RotateEncryptionKey, report)
	}
	exchangesTokens := func(of string) func(context.Context, *operator, func(plan.Event)) (*Summary, error) {
		return func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
			return o.Rotate(ctx, of, report)
		}
	}
	exchanged := func(w *world, o *operator) *operator {
		three(w, o)
		if _, err := o.Rotate(context.Background(), inventory.RotateTokenKey, w.events()); err != nil {
			w.t.Fatal(err)
		}
		_, err := w.kube(o).Secrets("default").Create(context.Background(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "token"}, Type: corev1.SecretTypeServiceAccountToken,
			Data: map[string][]byte{corev1.ServiceAccountTokenKey: []byte("old")}}, metav1.CreateOptions{})
		if err != nil {
			w.t.Fatal(err)
		}
		return o
	}
	newer := func(o *operator) *operator { return o.to("v1.36.4").again(fromMirror) }
	mirrored := func(commands ...func(*operator) *operator) func(*world, *operator) *operator {
		return func(w *world, o *operator) *operator {
			for _, c := range commands {
				w.mustUp(c(o.again(fromMirror)))
			}
			return o
		}
	}
	upgradeMasters := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return newer(o).Upgrade().RollMasters(ctx, false, report)
	}
	upgradesMasters := func(o *operator) (int, error) {
		return newer(o).Upgrade().PreviewRollMasters(context.Background(), false, nil)
	}
	upgradeAll := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return newer(o).Upgrade().Roll(ctx, false, report)
	}
	upgradesAll := func(o *operator) (int, error) {
		return newer(o).Upgrade().PreviewRoll(context.Background(), false, nil)
	}
	mastersNewer := func(w *world, o *operator) *operator {
		mirrored(same)(w, o)
		if _, err := upgradeMasters(context.Background(), o, w.events()); err != nil {
			w.t.Fatal(err)
		}
		return o
	}
	upgradePool := func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
		return newer(o).Upgrade().RollPool(ctx, zoneB, false, report)
	}
	upgradesPool := func(o *operator) (int, error) {
		return newer(o).Upgrade().PreviewRollPool(context.Background(), zoneB, false, nil)
	}
	// Somebody else's key is not on the master yet: the first call.
	stranger := func(w *world, _ *operator) *operator {
		return after(same, poolD)(w, w.operator())
	}
	return []matrixMode{
		{name: "create", prepare: after(), run: up(same), preview: preview(same)},
		{name: "add_pool", prepare: stranger, run: up(poolC(2)), preview: preview(poolC(2)), quorum: true},
		{name: "add_pool_smaller", prepare: withPoolC, run: up(poolC(1)), preview: preview(poolC(1)), quorum: true},
		{name: "pool_changed", prepare: one, run: up(larger), preview: preview(larger), quorum: true, one: true},
		{name: "second_pool", prepare: one, run: up(second(2, "dedicated=gpu:NoSchedule")), preview: preview(second(2, "dedicated=gpu:NoSchedule")), quorum: true, one: true},
		{name: "second_pool_changed", prepare: both, run: up(second(2, "dedicated=gpu:NoExecute")), preview: preview(second(2, "dedicated=gpu:NoExecute")), quorum: true, one: true},
		{name: "remove_second_pool", prepare: both, run: down(second(2, "dedicated=gpu:NoSchedule")), quorum: true, removes: true, one: true},
		{name: "add_replica_1to2", prepare: one, run: up(master(zoneC)), preview: preview(same), more: true, quorum: true},
		{name: "add_replica_2to3", prepare: two, run: up(master(zoneD)), preview: preview(same), more: true, quorum: true},
		{name: "span_1to3", prepare: one, run: up(threeZones), preview: preview(threeZones), quorum: true, one: true},
		{name: "span_0to3", prepare: after(), run: up(threeZones), preview: preview(threeZones), one: true},
		{name: "evacuate", prepare: two, run: func(ctx context.Context, o *operator, report func(plan.Event)) (*Summary, error) {
			return o.Evacuate(ctx, string(zoneB), "", report)
		}, preview: func(o *operator) (int, error) {
			return o.PreviewEvacuate(context.Background(), string(zoneB), "", nil)
		}, quorum: true, one: true},
		{name: "roll_3", prepare: three, run: rollTo4, preview: rollsTo4, quorum: true, one: true},
		{name: "groups_on", prepare: three, run: groups(true), preview: groupsPreview(true), quorum: true, one: true},
		{name: "groups_off", prepare: groupedThree, run: groups(false), preview: groupsPreview(false), quorum: true, one: true},
		{name: "roll_1", prepare: one, run: rollTo4, preview: rollsTo4, one: true},
		{name: "roll_pool", prepare: one, run: rollPool, preview: rollsPool, quorum: true, one: true},
		{name: "roll_all", prepare: ofTwoPools, run: rollAll, preview: rollsAll, one: true},
		{name: "upgrade_masters_3", prepare: mirrored(same, master(zoneC), master(zoneD)), run: upgradeMasters, preview: upgradesMasters, quorum: true, one: true},
		{name: "upgrade_pool", prepare: mastersNewer, run: upgradePool, preview: upgradesPool, quorum: true, one: true},
		{name: "upgrade_all", prepare: mirrored(same), run: upgradeAll, preview: upgradesAll, one: true},
		{name: "remove_replica_3to2", prepare: three, run: down(master(zoneD)), quorum: true, removes: true},
		{name: "remove_replica_2to1", prepare: two, run: down(master(zoneC)), quorum: true, removes: true},
		{name: "remove_pool", prepare: withPoolC, run: down(poolC(0)), quorum: true, removes: true},
		{name: "remove_cluster_zone", prepare: one, run: down(same), removes: true, partly: true},
		{name: "addons_create", prepare: after(), run: up(addons(allAddons)), preview: preview(addons(allAddons)), one: true},
		{name: "addons_on", prepare: after(addons(settings.NoAddons)), run: up(addons(allAddons)), preview: preview(addons(allAddons)), one: true},
		{name: "addons_off", prepare: after(addons(allAddons)), run: up(withoutAddons), preview: preview(withoutAddons), one: true},
		{name: "snapshots_on", prepare: one, run: up(copies(settings.Hourly)), preview: preview(copies(settings.Hourly)), quorum: true},
		{name: "snapshots_off", prepare: after(copies(settings.Daily)), run: up(withoutCopies), preview: preview(withoutCopies), quorum: true},
		{name: "autoscaler_on", prepare: after(addons(settings.NoAddons)), run: up(sized(5)), preview: preview(sized(5)), one: true},
		{name: "autoscaler_limits", prepare: fourOf, run: up(sized(2)), preview: preview(sized(2)), quorum: true, one: true},
		{name: "autoscaler_pool_gone", prepare: after(sized(5), poolC(1)), run: down(poolC(0)), quorum: true, removes: true, one: true},
		{name: "remove_cluster_snapshots", prepare: after(copies(settings.Hourly)), run: down(same), removes: true, partly: true, one: true},
		{name: "remove_cluster_addons", prepare: after(addons(allAddons)), run: down(same), removes: true, partly: true, one: true},
		{name: "remove_cluster", prepare: after(same, master(zoneC), poolD), run: down(anywhere), removes: true, partly: true},
		{name: "rotate_certificates", prepare: three, run: rotates, preview: preview(same), quorum: true},
		{name: "rotate_encryption_key", prepare: three, run: exchanges, preview: preview(same), quorum: true, one: true},
		{name: "rotate_service_account_key", prepare: three, run: exchangesTokens(inventory.RotateTokenKey), preview: preview(same), quorum: true, one: true},
		{name: "rotate_ca", prepare: three, run: exchangesTokens(inventory.RotateCA), preview: preview(same), quorum: true, one: true},
		{name: "rotate_join_token", prepare: after(same, poolC(1), second(1, "")), run: exchangesTokens(inventory.RotateJoinToken), preview: preview(same), quorum: true, one: true},
		{name: "rotate_etcd_ca", prepare: three, run: exchangesTokens(inventory.RotateEtcdCA), preview: preview(same), quorum: true, one: true},
		{name: "rotate_ssh", prepare: after(same, master(zoneC), poolC(1)), run: exchangesTokens(inventory.RotateSSH), preview: preview(same), quorum: true, one: true},
		{name: "distrust_service_account_key", prepare: exchanged, run: exchangesTokens(inventory.DistrustTokenKey), preview: preview(same), quorum: true, one: true},
	}
}

// An undisturbed run of a mode.
type undisturbed struct {
	start, end []string
	calls      []changing
}

// TestMatrix lets each changing call of each mode go wrong in each way there is.
// What comes next ends where an undisturbed run does: the command that status
// names, or the same again, or the removal of everything.
func TestMatrix(t *testing.T) {
	besideOthers(t)
	var mu sync.Mutex
	calls, cuts, bad := 0, 0, 0
	var report []string
	asked, begun := map[string]bool{}, 0
	modes := matrixModes()
	t.Cleanup(func() {
		for _, x := range troubles { // unless -run chose among the modes
			if begun == len(modes) && !asked[x.name] {
				t.Errorf("nothing is ever %s", x.name)
			}
		}
		slices.Sort(report)
		for _, line := range report {
			fmt.Println("REPORT TestMatrix:", line)
		}
		fmt.Printf("REPORT TestMatrix: matrix: %d modes, %d changing calls × up to %d faults = %d cuts, %d failures\n",
			len(modes), calls, len(troubles), cuts, bad)
	})
	whole := 0
	for _, m := range modes {
		row := whole // of those that meet each trouble at each call
		if !m.one {
			whole++
		}
		if testing.Short() && (m.one || row%3 != 0) {
			begun++ // nothing would be cut: each of them has a test of its own that runs it as it is
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			u := m.undisturbed(t)
			n := 0
			t.Cleanup(func() { // after its cuts
				mu.Lock()
				defer mu.Unlock()
				begun, calls, cuts = begun+1, calls+len(u.calls), cuts+n
				report = append(report, fmt.Sprintf("%s: %d cuts", m.name, n))
			})
			for i, x := range troubles {
				for k, c := range u.calls {
					if x.faults[c.way] == nil || m.one && i != oneOf(k, c) || shortForms && !m.one && (row+k+2*i)%3 != 0 ||
						testing.Short() && k != sample(row, i, x, u.calls) {
						continue
					}
					t.Run(fmt.Sprintf("call=%02d_%s/%s", k+1, c.name, x.name), func(t *testing.T) {
						t.Parallel()
						t.Cleanup(func() {
							mu.Lock()
							defer mu.Unlock()
							asked[x.name] = true
							n++
							if t.Failed() {
								bad++
							}
						})
						m.cut(t, u, c, x, k+i)
					})
				}
			}
		})
	}
}

// oneOf picks the way in which each third call goes wrong, -1 for the others.
func oneOf(k int, c changing) int {
	for n := range troubles {
		if i := (k/3 + n) % len(troubles); k%3 == 0 && troubles[i].faults[c.way] != nil {
			return i
		}
	}
	return -1
}

// sample picks the call at which something goes wrong in a short test, -1 for
// none: each trouble comes up, in one or two of the modes that meet all at each call, at
// calls that are spread.
func sample(row, i int, x trouble, calls []changing) int {
	if (row/3+i)%4 != 0 {
		return -1
	}
	for n := range calls {
		if k := (row*5 + i*7 + n) % len(calls); x.faults[calls[k].way] != nil {
			return k
		}
	}
	return -1
}

// matrixWorld is a world of model machines whose every call goes by a saboteur.
func matrixWorld(t *testing.T) (*world, *saboteur, *quorumWatch) {
	s, q := &saboteur{haste: newHaste()}, &quorumWatch{}
	w, _ := modelWorld(t, modelsFor(t, used, func(o *etcdtest.Options) { o.Fault, o.Ring = s.machine, q.ring }))
	w.mu.Lock()
	w.fault, w.after = s.cloud, s.after
	w.mu.Unlock()
	w.dial, w.clock = within(reach, w.dial), s.haste.after
	return w, s, q
}

// reach is how long a connection may take; more, when nobody is there, costs a test
// its time.
const reach = 200 * time.Millisecond

func (m matrixMode) undisturbed(t *testing.T) (u undisturbed) {
	w, s, _ := matrixWorld(t)
	o := w.operator()
	eye := m.prepare(w, o)
	u.start = w.picture(eye)
	s.watch(changing{}, trouble{}, nil)
	if _, err := m.run(context.Background(), o, w.events()); err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	_, u.calls = s.rest()
	u.end = w.picture(eye)
	w.mustDown(o.again(func(s *settings.Settings) { s.Zone = "" }))
	return u
}

// hang is when a run whose limits are hurried hangs.
const hang = 5 * time.Minute

// cut lets a run meet a trouble at a call, and returns how it ended.
func (s *saboteur) cut(t *testing.T, at changing, do trouble, run func(context.Context) error) error {
	t.Helper()
	hung, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	ctx, stop := context.WithCancelCause(hung)
	defer stop(nil)
	why := errKilled
	if do.stops {
		why = context.Canceled
	}
	s.watch(at, do, func() { stop(why) })
	err := run(ctx)
	hit, _ := s.rest()
	t.Logf("the run ended with: %v", err)
	if hung.Err() != nil {
		t.Fatal("it waited without a limit")
	}
	if !hit {
		t.Fatalf("%s number %d was not made", at.name, at.nth)
	}
	return err
}

// cut is one field of the matrix. By turns what comes next is another.
func (m matrixMode) cut(t *testing.T, u undisturbed, at changing, x trouble, turn int) {
	w, s, q := matrixWorld(t)
	before := w.objects()
	o := w.operator()
	o.deps.LetGo = 5 * time.Second // an address takes longer to move on a busy host than the second of other tests
	eye := m.prepare(w, o)
	q.set(m.quorum)

	limit := o.settings.GroupTimeout
	if _, is := x.faults[at.way].(stuck); is {
		o.settings.GroupTimeout = settings.Seconds(10 * time.Second) // nothing but a limit ends what waits for it
	}
	err := s.cut(t, at, x, func(ctx context.Context) error {
		_, err := m.run(ctx, o, w.events())
		return err
	})
	o.settings.GroupTimeout = limit
	o.deps.LetGo, eye.deps.LetGo = 30*time.Second, 30*time.Second // nothing is stuck any more
	if err != nil && slices.Contains(x.rides, at.way) {
		t.Errorf("it was to ride over it, and ended with: %v", err)
	}
	now := w.picture(eye)
	if err == nil && !cmp.Equal(now, u.end) {
		t.Errorf("it said it was done (-undisturbed +this):\n%s", shorter(u.end, now))
	}
	done := cmp.Equal(m.named(w, eye, u), u.end)
	switch {
	case turn%3 == 2 && x.dies: // nobody finishes it
	case turn%2 == 0:
		m.follow(w, o, eye, u)
		now = w.picture(eye)
	case !done || !m.more:
		m.again(w, o)
		now = w.picture(eye)
	default: // it had done all, so the same again is one more
		m.oneMore(w, o)
		now = u.end
	}
	if turn%3 != 2 || !x.dies {
		if !cmp.Equal(now, u.end) {
			t.Errorf("it ends elsewhere (-undisturbed +this):\n%s", shorter(u.end, now))
		}
		if m.preview != nil {
			if n, err := m.preview(o); err != nil || n != 0 {
				t.Errorf("there is still something to do: %d steps, %v", n, err)
			}
		}
	}
	if lost := q.was(); len(lost) > 0 {
		t.Errorf("quorum was lost: %v", lost)
	}
	q.set(false)
	all := o.again(func(s *settings.Settings) { s.Zone = "" })
	w.mustDown(all)
	if s := w.mustDown(all); !s.Nothing {
		t.Error("the second down found something")
	}
	if diff := cmp.Diff(before, w.objects()); diff != "" {
		t.Errorf("objects after down (-before +after):\n%s", diff)
	}
}

// named: status says what is half done and which command ends it, and says nothing
// when nothing is. A pool's machines come and go by themselves, so both are looked
// at until they are of one moment. It returns what there is then.
func (m matrixMode) named(w *world, o *operator, u undisturbed) (now []string) {
	w.t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		now = w.picture(o)
		whole := cmp.Equal(now, u.start) || cmp.Equal(now, u.end)
		s, err := o.Status(context.Background())
		if none := (*status.NoCluster)(nil); errors.As(err, &none) {
			s = &status.Status{}
		} else if err != nil {
			w.t.Fatalf("status: %v", err)
		}
		if whole != (len(s.Unfinished) == 0) {
			if time.Since(begin) < 2*time.Minute {
				continue
			}
			w.t.Errorf("half done %t, and unfinished is %+v\n(-start +now):\n%s\n(-end +now):\n%s", !whole, s.Unfinished, shorter(u.start, now), shorter(u.end, now))
		}
		w.t.Logf("status: %+v", s.Unfinished)
		for _, x := range s.Unfinished {
			if !strings.Contains(x.Command, "hakube ") {
				w.t.Errorf("no command ends %q: %q", x.Step, x.Command)
			}
		}
		return now
	}
}

// follow does what status says, as long as it does, and the mode if that has led
// back to where that began.
func (m matrixMode) follow(w *world, o, eye *operator, u undisturbed) {
	w.t.Helper()
	for round := 1; ; round++ {
		s, err := eye.Status(context.Background())
		var none *status.NoCluster
		if errors.As(err, &none) {
			break
		}
		if err != nil {
			w.t.Fatalf("status: %v", err)
		}
		if len(s.Unfinished) == 0 {
			break
		}
		if round == 4 {
			w.t.Fatalf("still unfinished after three commands: %+v", s.Unfinished)
		}
		command := m.meant(s.Unfinished[0])
		if err := w.follow(o, command); err != nil {
			w.t.Fatalf("%s: %v", command, err)
		}
	}
	if now := w.picture(eye); !cmp.Equal(now, u.end) {
		if !cmp.Equal(now, u.start) && !m.partly {
			w.t.Errorf("what status named leads elsewhere (-start +this):\n%s\n(-undisturbed +this):\n%s", shorter(u.start, now), shorter(u.end, now))
		}
		m.again(w, o)
	}
}

// meant is the command that goes on with what the mode began, where status leaves
// the choice because the looks do not tell.
func (m matrixMode) meant(x status.Unfinished) string {
	if m.removes && strings.HasSuffix(x.Or, "down") || !m.removes && strings.HasSuffix(x.Or, "up") {
		return x.Or
	}
	return x.Command
}

func (m matrixMode) again(w *world, o *operator) {
	w.t.Helper()
	if _, err := m.run(context.Background(), o, w.events()); err != nil {
		w.t.Fatalf("again: %v", err)
	}
}

// oneMore is the known exception: after its very last change all is done, and a
// replica that is asked for again is another one.
func (m matrixMode) oneMore(w *world, o *operator) {
	w.t.Helper()
	before, err := o.Status(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := m.run(context.Background(), o, w.events())
	if err != nil {
		w.t.Fatalf("one more: %v", err)
	}
	if got := mastersOf(w.t.(*testing.T), s); len(got) != len(before.Masters)+1 {
		w.t.Errorf("masters are %v, there were %d", got, len(before.Masters))
	}
}
