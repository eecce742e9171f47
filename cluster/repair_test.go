package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"hakube/cluster/refusal"
	"hakube/cluster/repair"
	"hakube/cluster/rings"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
)

// A sick cluster is one of model machines in which something failed.
type sickCluster struct {
	*world
	o       *operator
	names   []string // the masters, the first-born first
	zones   []string
	patient int // which of them fails
	kept    *keeper
	backup  string                    // its file, if one was kept
	before  map[string]map[string]any // objects of a cluster beside which another one is made
}

// newSick makes a cluster of so many masters. The last of them is to fail.
func newSick(t *testing.T, masters int) *sickCluster {
	t.Helper()
	w, _ := newModelWorld(t)
	return sickOf(t, w, masters)
}

func sickOf(t *testing.T, w *world, masters int, change ...func(*settings.Settings)) *sickCluster {
	t.Helper()
	o := w.operator(append(change, func(s *settings.Settings) { s.NumNodes, s.InitTimeout = 1, settings.Seconds(20*time.Second) })...)
	c := &sickCluster{world: w, o: o, names: []string{"kubernetes-master"}, zones: []string{string(zoneB)}, patient: masters - 1}
	// Silence is waited for again and again.
	o.deps.Ready = 3 * time.Second
	o.deps.SSH = replicate.NewRunner(replicate.Options{Signer: o.deps.Signer, Dial: w.dial, Timeout: 6 * time.Second})
	t.Cleanup(func() { o.deps.SSH.Close() })
	w.mustUp(o)
	for _, zone := range []settings.Zone{zoneC, zoneD}[:masters-1] {
		c.names = append(c.names, w.mustUp(o.replica(zone)).Replica)
		c.zones = append(c.zones, string(zone))
	}
	_, err := c.configMaps().Create(context.Background(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "written-before"}}, metav1.CreateOptions{})
	c.must(err)
	return c
}

func (c *sickCluster) configMaps() corev1client.ConfigMapInterface {
	c.t.Helper()
	client, err := c.o.runFor(settings.StatusVerb, hold{}).Kube(context.Background())
	c.must(err)
	return client.ConfigMaps("default")
}

func (c *sickCluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// guest is the i-th master's machine.
func (c *sickCluster) guest(i int) *etcdtest.Guest {
	c.t.Helper()
	g, err := c.models.Guest(c.names[i], c.zones[i])
	c.must(err)
	return g
}

func (c *sickCluster) deleteMachine(i int) {
	c.t.Helper()
	c.must(c.Client.Instances(c.zones[i]).Delete(context.Background(), c.names[i]))
}

func (c *sickCluster) deleteDisk(i int) {
	c.t.Helper()
	c.must(c.Client.Disks(c.zones[i]).Delete(context.Background(), c.names[i]+"-pd"))
}

// partitioned is a master whose etcds do not reach the others, while all else does.
const partitioned = "partitioned from the others"

// failures are the states of a master that fails.
var failures = []struct {
	name   string
	happen func(*sickCluster, int)
	says   string // in its line of status
	// lost: its data are gone, so that one master is lost, and two are without quorum.
	lost bool
	// refused is what repair says that cannot end it; "" is that it ends well.
	refused string
}{
	{"stopped", func(c *sickCluster, i int) {
		c.must(c.Client.Instances(c.zones[i]).Stop(context.Background(), c.names[i]))
	}, "stopped: the machine is TERMINATED", false, ""},
	{"gone", func(c *sickCluster, i int) { c.deleteMachine(i) }, "gone: there is its disk and no machine", false, ""},
	{"disk gone", func(c *sickCluster, i int) { c.deleteMachine(i); c.deleteDisk(i) }, "gone: it is in a ring and there is no machine", true, ""},
	{"disk lost under it", func(c *sickCluster, i int) { c.must(c.guest(i).LoseDataDisk()) }, "not ready: API", true, ""},
	{"boot disk lost", func(c *sickCluster, i int) { c.must(c.guest(i).LoseBootDisk()) }, "unreachable: API", false, ""},
	{"foreign disk", func(c *sickCluster, i int) {
		c.must(c.guest(i).MarkDisk("local/other"))
		c.must(c.Client.Instances(c.zones[i]).Reset(context.Background(), c.names[i]))
		c.phase(i, "failed: ")
	}, "failed: mounting the disk: the disk master-pd belongs to cluster local/other", false, "belongs to cluster local/other, not to local/kubernetes: hakube neither uses nor deletes it"},
	{"etcd main stopped", func(c *sickCluster, i int) { c.must(c.guest(i).StopEtcd(replicate.RingMain)) }, "not ready: API: not ready: etcd", false, ""},
	{"etcd events stopped", func(c *sickCluster, i int) { c.must(c.guest(i).StopEtcd(replicate.RingEvents)) }, "", false, ""},
	{"etcd main lost", func(c *sickCluster, i int) { c.must(c.guest(i).LoseEtcd(replicate.RingMain)) }, "not ready: API: not ready: etcd", true, ""},
	{"etcd events corrupt", func(c *sickCluster, i int) { c.must(c.guest(i).CorruptEtcd(replicate.RingEvents)) }, "", true, ""},
	{"off the network", func(c *sickCluster, i int) { c.must(c.guest(i).CutOff()) }, "unreachable: API", false, "boots, as its console says, and is not reached"},
	{partitioned, func(c *sickCluster, i int) { c.must(c.guest(i).Isolate(rings.Names...)) }, "not ready: API: not ready: etcd", false, "cut off from"},
	{"API server hangs", func(c *sickCluster, i int) { c.guest(i).Wedge(etcdtest.WedgeMute) }, "not ready: API: no answer", false, ""},
	{"API server is not ready", func(c *sickCluster, i int) { c.guest(i).Wedge(etcdtest.WedgeUnready) }, "not ready: API: not ready", false, ""},
}

// phase waits until a master's script says so.
func (c *sickCluster) phase(i int, begin string) {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		phase := c.guest(i).Phase()
		if strings.HasPrefix(phase, begin) {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s is at %q, want %q", c.names[i], phase, begin)
		}
	}
}

// TestRepair lets one master fail, in each way and with one, two and three of them.
// Status names it with the command, and that ends it with the voters of before; or
// it is refused, with the way out, and nothing is changed.
func TestRepair(t *testing.T) {
	besideOthers(t)
	for masters := 1; masters <= 3; masters++ {
		for i, f := range failures {
			if testing.Short() && (i+masters)%12 != 0 || f.name == partitioned && masters == 1 {
				continue
			}
			t.Run(fmt.Sprintf("masters=%d/%s", masters, f.name), func(t *testing.T) {
				c := newSick(t, masters)
				p := c.patient
				f.happen(c, p)
				st, err := c.o.Status(context.Background())
				c.must(err)
				c.says(st, f.says)
				s, err := c.o.Repair(context.Background(), "", c.events())
				var no *refusal.Refused
				switch {
				case f.refused != "" || f.lost && masters < 3:
					if !errors.As(err, &no) || no.Cure == "" {
						t.Fatalf("repair ended with %v", err)
					}
					t.Logf("refused: %v\nhint: %s", err, no.Cure)
					if f.refused != "" && !strings.Contains(err.Error(), f.refused) {
						t.Errorf("repair says %v, want %q", err, f.refused)
					}
					if f.lost && masters == 2 && !strings.Contains(no.Cure, "hakube repair --from-survivor "+c.names[0]) {
						t.Errorf("the way out is %q", no.Cure)
					}
					if f.lost && masters == 1 && !strings.Contains(no.Cure, "hakube down") {
						t.Errorf("the way out is %q", no.Cure)
					}
				case err != nil:
					t.Fatal(err)
				case !slices.Equal(s.Repaired, c.names[p:p+1]):
					t.Errorf("repaired %v", s.Repaired)
				default:
					c.whole(masters)
					c.nothingMore()
				}
				c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
			})
		}
	}
}

// says looks for words in the patient's line, and for a command that ends it.
func (c *sickCluster) says(st *status.Status, words string) {
	c.t.Helper()
	for _, m := range st.Masters {
		if m.Name == c.names[c.patient] && !strings.Contains(m.State+": "+m.Why, words) {
			c.t.Errorf("status says %s: %s, want %q", m.State, m.Why, words)
		}
	}
	found := false
	for _, u := range st.Unfinished {
		c.t.Logf("unfinished: %s: %s or %s", u.Step, u.Command, u.Or)
		found = found || strings.Contains(u.Command+u.Or, "hakube repair") || len(st.Masters) == 1 && strings.HasSuffix(u.Command, "hakube up")
	}
	if !found && len(st.Masters) > 0 {
		c.t.Errorf("no repair is named: %+v", st.Unfinished)
	}
}

// whole looks for the voters of before in both rings, and at all else.
func (c *sickCluster) whole(masters int) {
	c.t.Helper()
	v, err := c.o.ValidateWithin(context.Background(), time.Minute, func(*status.Validity, error) {})
	c.must(err)
	if !v.Valid {
		c.t.Errorf("not valid: %+v", v.Problems)
	}
	for _, ring := range rings.Names {
		var voters []string
		for _, x := range v.Status.Rings[ring] {
			if x.Voter {
				voters = append(voters, x.Member+" "+x.Zone)
			}
		}
		slices.Sort(voters)
		var want []string
		for i := range c.names[:masters] {
			want = append(want, c.names[i]+" "+c.zones[i])
		}
		slices.Sort(want)
		if !slices.Equal(voters, want) {
			c.t.Errorf("ring %s has %v, want %v", ring, voters, want)
		}
	}
	if masters > 1 && len(v.Status.Balancer.Backends) != masters {
		c.t.Errorf("backends are %+v", v.Status.Balancer)
	}
	if _, err := c.configMaps().Get(context.Background(), "written-before", metav1.GetOptions{}); err != nil {
		c.t.Errorf("what was written before: %v", err)
	}
}

// TestFromSurvivor goes on with one master when the others and their disks are
// gone, or one of two; never while quorum lives. What was written before is there.
func TestFromSurvivor(t *testing.T) {
	besideOthers(t)
	for _, masters := range []int{2, 3} {
		if testing.Short() && masters == 3 {
			continue
		}
		t.Run(fmt.Sprintf("masters=%d", masters), func(t *testing.T) {
			c := newSick(t, masters)
			asked := 0
			ask := func(l repair.Loss) error {
				asked++
				t.Log(strings.Join(l.Lines, "\n"))
				return nil
			}
			var no *refusal.Refused
			if _, err := c.o.FromSurvivor(context.Background(), c.names[0], nil, ask); !errors.As(err, &no) || asked != 0 || !strings.HasSuffix(no.Cure, "\thakube repair") {
				t.Errorf("while quorum lives: %v", err)
			}
			for i := 1; i < masters; i++ {
				c.deleteMachine(i)
				c.deleteDisk(i)
			}
			st, err := c.o.Status(context.Background())
			c.must(err)
			if len(st.Unfinished) == 0 || st.Unfinished[0].Command != "hakube repair --from-survivor "+c.names[0] {
				t.Errorf("status names %+v", st.Unfinished)
			}
			if _, err := c.o.Repair(context.Background(), "", nil); !errors.As(err, &no) || !strings.Contains(no.Cure, "--from-survivor "+c.names[0]) {
				t.Errorf("repair: %v", err)
			}
			stop := errors.New("no")
			if _, err := c.o.FromSurvivor(context.Background(), c.names[0], nil, func(repair.Loss) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("after a no: %v", err)
			}
			s, err := c.o.FromSurvivor(context.Background(), c.names[0], c.events(), ask)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(s.GivenUp)
			if want := slices.Sorted(slices.Values(c.names[1:])); asked != 1 || !slices.Equal(s.GivenUp, want) {
				t.Errorf("asked %d times, given up %v", asked, s.GivenUp)
			}
			c.whole(1)
			if h, err := c.o.runFor(settings.Up, hold{}).Holder(context.Background()); err != nil || h.Machine != c.names[0] {
				t.Errorf("the address is held by %+v, %v", h, err)
			}
			if got := mastersOf(t, c.mustUp(c.o.replica(zoneC))); len(got) != 2 {
				t.Errorf("grown again: %v", got)
			}
			c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}

// TestUpOnLostVoter: up starts no voter without its data, and founds no second
// cluster in place of one; repair does it right.
func TestUpOnLostVoter(t *testing.T) {
	besideOthers(t)
	for _, x := range []struct {
		name    string
		patient int
		blank   bool // there is a disk of its name, with nothing on it
		says    string
	}{
		{"replica", 2, false, "it takes no other member before all are"},
		{"replica, new disk", 2, true, "has no data of it"},
		{"first-born", 0, false, "lives in zone europe-west1-c and europe-west1-d, not in europe-west1-b"},
		{"first-born, new disk", 0, true, "waiting for the cluster to be valid"},
	} {
		if testing.Short() && (x.patient == 0 || x.blank) {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			c := newSick(t, 3)
			c.patient = x.patient
			c.deleteMachine(c.patient)
			c.deleteDisk(c.patient)
			if x.blank {
				r := c.o.runFor(settings.Up, hold{})
				_, err := step.InsertDisk(context.Background(), r.Env, c.names[c.patient]+"-pd", c.zones[c.patient], nil)
				c.must(err)
			}
			up := c.o
			if c.patient > 0 {
				up = c.o.replica(settings.Zone(c.zones[c.patient]))
			}
			said := error(nil)
			for limit := 8 * time.Second; limit < 2*time.Minute; limit *= 2 { // on a busy host it comes later to what it waits for
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				_, said = up.Up(ctx, c.events())
				cancel()
				if said == nil || strings.Contains(said.Error(), x.says) {
					break
				}
			}
			if said == nil || !strings.Contains(said.Error(), x.says) {
				t.Errorf("up ended with %v", said)
			}
			_, err := c.o.Repair(context.Background(), "", c.events())
			c.must(err)
			c.whole(3)
			c.mustDown(c.o.again(func(s *settings.Settings) { s.Zone = "" }))
		})
	}
}
