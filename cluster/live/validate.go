// Package live has the facts about a cluster that lives, asked of its API: Nodes, pods,
// this operator's credentials, and that all of it works together.
package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/kube"
	"hakube/cluster/plan"
	"hakube/cluster/pool"
	"hakube/cluster/rings"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/replicate"
	"hakube/scripts"
	"hakube/scripts/cure"
)

// Validate gathers evidence that the cluster works: its masters and the nodes
// of all zones by name, both
// etcd rings asked on the master itself, the API's own word, and CoreDNS.
func Validate(r *task.Task, tell func(*Evidence)) plan.Step {
	leaves := r.Mode.Leaves
	left := func(o inventory.Object) bool { return o.Zone == leaves } // nobody waits for what may be dead
	var half *inventory.Roll
	if begun := r.Have.Rolling(r.Want.Names); begun.OfMasters() && !r.Mode.Rolls {
		half = begun
	}
	return &validate{half: half, env: r.Env, masters: r.Masters(), groups: slices.DeleteFunc(r.EveryGroup(), left), replica: r.Replica.Name, leaves: leaves, rejoins: r.Rejoins, tell: tell}
}

type validate struct {
	env      *env.Env
	masters  []inventory.Object
	groups   []inventory.Object // of all pools
	replica  string             // that is added, and may vote nowhere yet
	leaves   string             // the zone that is left
	rejoins  *pool.Rejoining
	half     *inventory.Roll // of masters, that another run began and did not end; nil if none was
	tell     func(*Evidence) // for the summary
	evidence *Evidence
	nodeless []inventory.Object // masters that vote and are no Nodes, by the last look
	unwell   bool               // the API or an etcd ring, by the last look
	ended    []inventory.Object // masters whose removal was begun and not gone through with, by the last look
}

// validateLimit is how long the last parts may take; CoreDNS is the slowest.
const validateLimit = 5 * time.Minute

// halfStall is how long a ring or the API may be unwell while a roll of masters is half done, and
// a master away that a removal was taking away: what these have ended comes back by other commands
// alone, however long somebody waits.
const halfStall = 30 * time.Second

func (*validate) String() string { return "cluster is valid" }
func (*validate) Waits()         {}

// MasterRoleLabel is on each master's Node.
const MasterRoleLabel = "node-role.kubernetes.io/control-plane"

func (v *validate) Observe(ctx context.Context) (plan.State, error) {
	why, err := v.look(ctx, pool.Recent)
	if err != nil {
		return plan.State{Is: plan.Absent, Why: kube.Plainly(err)}, nil
	}
	if why != "" {
		return plan.State{Is: plan.Partial, Why: why}, nil
	}
	e := v.evidence
	return plan.Exists(fmt.Sprintf("%d nodes, rings %s, CoreDNS %s",
		len(e.Nodes), strings.Join(slices.Sorted(maps.Keys(e.Rings)), " and "), e.CoreDNS))
}

func (v *validate) Do(ctx context.Context) error {
	due := func() bool { return true }
	err := v.env.Until(ctx, plan.Condition{
		For: "the cluster to be valid", Every: v.env.Poll, Limit: validateLimit,
		Stall: halfStall, Moved: func() bool { return len(v.ended) == 0 && (v.half == nil || !v.unwell) }, // CoreDNS and nodes come without that roll
		Check: func(ctx context.Context) (bool, string, error) {
			why, err := v.look(ctx, pool.Read)
			for _, m := range v.nodeless {
				word, failed := register(ctx, v.env, m, v.rejoins)
				why, err = why+"; "+m.Name+" "+word, errors.Join(err, failed)
			}
			if why != "" && due() {
				if failed := v.stirSick(ctx); failed != nil {
					err = errors.Join(errors.New(why), failed)
				}
				due = v.env.After(ctx, env.StirEvery)
			}
			return err == nil && why == "", why, err
		},
	})
	if err != nil && ctx.Err() == nil && v.half != nil {
		err = fmt.Errorf("%w; %s of the %s was begun and is not done", err, v.half.What(), v.half)
		return &env.Sick{Err: err, Cure: cure.Hints(cure.Hint("end that", v.half.Command()), cure.Hint("see what fails then", cure.Status()))}
	}
	if err != nil && ctx.Err() == nil {
		return &env.Sick{Err: err, Cure: v.goOn()}
	}
	return err
}

// goOn is what ends removals that were cut, one way or the other; "" without any.
func (v *validate) goOn() string {
	var hints []string
	for _, m := range v.ended {
		hints = append(hints, cure.Hint("the removal of "+m.Name+" was begun and is not done: end it", cure.RemoveMaster(m.Zone, m.Name)),
			cure.Hint("or have it serve again", cure.Repair(m.Name)))
	}
	return cure.Hints(hints...)
}

// endedOf are those of the masters whose control plane a removal has ended: both programs of it
// that would come back by themselves after anything else, the API server and the kubelet, are
// gone while their machine and its etcds are well; or a ring has removed its member, and the
// other has not.
func (v *validate) endedOf(ctx context.Context, away []inventory.Object, s *rings.Survey) (list []inventory.Object) {
	for _, m := range away {
		in, out, answers := 0, 0, 0
		for _, ring := range rings.Names {
			x, _, known := s.Ring(ring)
			if !known || !x.Healthy {
				continue
			}
			is := slices.ContainsFunc(x.Members, func(y replicate.Member) bool {
				name, zone := rings.MachineOf(y)
				return name == m.Name && zone == m.Zone
			})
			switch {
			case !is:
				out++
			case s.Answers[m.Name][ring].ID != "":
				in, answers = in+1, answers+1
			default:
				in++
			}
		}
		if in > 0 && out > 0 || answers == len(rings.Names) && v.nobodyOn(ctx, m) {
			list = append(list, m)
		}
	}
	return list
}

// nobodyOn tells that a master was through with its script, and has no API server.
func (v *validate) nobodyOn(ctx context.Context, m inventory.Object) bool {
	phase, err := v.env.Phase(ctx, m)
	if err != nil || phase != scripts.PhaseRunning {
		return false
	}
	ip, err := v.env.External(ctx, m)
	return err == nil && kube.NobodyThere(v.env.Ready(ctx, ip))
}

func (*validate) Undo(context.Context) error { return nil } // never unwanted

// all are the masters, with what was seen of them since.
func (v *validate) all() []inventory.Object { return v.env.AsSeen(v.masters) }

// stirSick gives those rings something to agree on that have quorum and a voter
// which takes no part: it may have come back after a long time.
func (v *validate) stirSick(ctx context.Context) error {
	s := v.env.Survey(ctx, v.all())
	for _, ring := range rings.Names {
		if x, _, _ := s.Ring(ring); !x.Healthy || len(s.Problems(ring)) == 0 {
			continue
		}
		if err := v.env.Stir(ctx, ring, v.all()); err != nil {
			return err
		}
	}
	return nil
}

// look gathers everything and returns what is not as it should be yet.
func (v *validate) look(ctx context.Context, read func(context.Context, *env.Env, []inventory.Object) (pool.Pool, error)) (why string, err error) {
	v.nodeless, v.ended, v.unwell = nil, nil, true
	client, err := v.env.Kube(ctx)
	if err != nil {
		return "", err
	}
	ip, err := v.env.Address(ctx)
	if err != nil {
		return "", err
	}
	e := &Evidence{Ready: "ok"}
	var notes [4]string
	var p pool.Pool
	var s *rings.Survey
	err = gce.Parallel(
		func() error {
			if notes[0] = v.env.Ready(ctx, ip); notes[0] != "" {
				notes[0] = "API: " + notes[0]
			}
			return nil
		},
		func() (err error) {
			p, err = read(ctx, v.env, v.groups)
			e.Nodes = NodesOf(p.Nodes)
			return err
		},
		func() error {
			s = v.env.SurveyWrites(ctx, v.all())
			e.Rings = map[string]replicate.Ring{}
			for _, name := range rings.Names {
				e.Rings[name], _, _ = s.Ring(name)
			}
			var wrong []string
			for _, name := range rings.Names {
				wrong = append(wrong, s.Problems(name)...)
			}
			notes[2] = strings.Join(wrong, "; ")
			return v.lasting(s)
		},
		func() error {
			ready, all, err := client.CoreDNS(ctx)
			e.CoreDNS = fmt.Sprintf("%d of %d pods ready", ready, all)
			if err == nil && ready == 0 {
				notes[3] = "CoreDNS: " + e.CoreDNS
			}
			return err
		},
	)
	if err != nil {
		return "", err
	}
	v.unwell = notes[0] != "" || notes[2] != ""
	var away []inventory.Object
	notes[1], away = v.nodesMissing(e.Nodes, p, s)
	v.ended = v.endedOf(ctx, away, s)
	v.evidence = e
	v.tell(e)
	return strings.Join(slices.DeleteFunc(notes[:], func(s string) bool { return s == "" }), "; "), nil
}

// lasting is what no waiting ends.
func (*validate) lasting(s *rings.Survey) error {
	for _, ring := range rings.Names {
		if x, _, _ := s.Ring(ring); len(x.Alarms) > 0 {
			return plan.Permanent(s.MayChange())
		}
	}
	if err := s.MayChange(); err != nil && len(s.Refusals(replicate.RingMain))+len(s.Refusals(replicate.RingEvents)) == 0 {
		return plan.Permanent(err) // a disk, a clock
	}
	return nil
}

// NodesOf is the list for people: masters first, then by name.
func NodesOf(items []corev1.Node) (nodes []Node) {
	for i := range items {
		n := &items[i]
		_, master := n.Labels[MasterRoleLabel]
		why := kube.NotReady(n)
		nodes = append(nodes, Node{
			Name: n.Name, Master: master, Ready: why == "", Why: why,
			Zone: n.Labels["topology.kubernetes.io/zone"], Version: n.Status.NodeInfo.KubeletVersion,
		})
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		if a.Master != b.Master {
			if a.Master {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return nodes
}

// nodesMissing is what is missing of the masters and of all zones' nodes. A
// master that votes nowhere is half made or half removed: waiting for its Node
// would be in vain, but it is said.
// It returns the others whose Nodes are not Ready as well.
func (v *validate) nodesMissing(nodes []Node, p pool.Pool, s *rings.Survey) (why string, away []inventory.Object) {
	var wrong []string
	_, known := s.Healthy() // or else nobody says who votes
	for _, m := range v.all() {
		if m.Zone == v.leaves {
			continue
		}
		votes := !known
		for _, ring := range rings.Names {
			votes = votes || slices.ContainsFunc(s.Voters(ring), func(x replicate.Voter) bool { return x.Name == m.Name })
		}
		if !votes && m.Name != v.replica {
			v.env.Warn(cure.Hint(fmt.Sprintf("master %s in %s votes in no etcd ring: it is half made or half removed; see what ends it", m.Name, m.Zone), cure.Status()))
			continue
		}
		if why := masterMissing(nodes, m.Name); why != "" {
			wrong = append(wrong, why)
			if m.Name != v.replica {
				away = append(away, m)
			}
		}
		if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Name == m.Name }) {
			v.nodeless = append(v.nodeless, m)
		}
	}
	if len(wrong) > 0 {
		return strings.Join(wrong, "; "), away
	}
	missing := p.Missing()
	if len(missing) <= int(v.env.Want.Settings.AllowNotReady) {
		return "", away
	}
	return fmt.Sprintf("%d nodes are not Ready: %s", len(missing), pool.Few(missing)), away
}

func masterMissing(nodes []Node, master string) string {
	for _, n := range nodes {
		if n.Name == master {
			if n.Ready {
				return ""
			}
			return "node " + master + ": " + n.Why
		}
	}
	return "master " + master + " is no node yet"
}

// Evidence is what was seen of a cluster that works.
type Evidence struct {
	Nodes   []Node                    `json:"nodes"`   // masters first, then by name
	Rings   map[string]replicate.Ring `json:"rings"`   // "main" and "events"
	Ready   string                    `json:"readyz"`  // the API's own word: "ok"
	CoreDNS string                    `json:"coredns"` // "2 of 2 pods ready"
}

// A Node is a machine as Kubernetes sees it.
type Node struct {
	Name    string `json:"name"`
	Master  bool   `json:"master"`
	Ready   bool   `json:"ready"`
	Why     string `json:"why"` // when it is not Ready
	Zone    string `json:"zone"`
	Version string `json:"version"` // of its kubelet
}
