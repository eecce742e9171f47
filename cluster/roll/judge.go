package roll

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/settings"
	"hakube/cluster/status"
	"hakube/cluster/step"
	"hakube/cluster/task"
	"hakube/gce"
	"hakube/scripts/cure"
)

// A Master is one, what it would be made with now, and why it is to be made again.
type Master struct {
	inventory.Object
	Want  settings.Spec
	Why   string // "": it is as it is to be
	Moves bool   // into a group of its own, or out of that
	Old   bool   // it has a machine, which goes
	Half  bool   // a roll that was cut has taken its machine, or not seen it back
	Leads int    // rings and controllers that it leads
}

// A Plan is what a roll comes to: the masters that are made again, in their order, and those
// that are left as they are.
type Plan struct {
	Rolls, Stays []Master
}

// Dark tells that nobody serves while one of the masters is away.
func (p *Plan) Dark() bool { return len(p.Rolls)+len(p.Stays) < 3 }

// Judge says which masters are to be made again with the settings, and refuses what may
// not be: a roll takes a master away, so all others have to be well. note is what is to be
// written down of it ([Noted]).
// runs are the versions of Kubernetes that masters say they run, of an upgrade; a machine that
// was repaired after others may have another one in its metadata.
func Judge(ctx context.Context, r *task.Task, s *status.Snapshot, said settings.Settings, note inventory.Roll, runs map[string]string) (*Plan, error) {
	if len(s.Masters) == 0 {
		return nil, &refusal.Refused{
			Why:  fmt.Sprintf("cluster %s has no master, nor the disk of one", s.Names.Prefix),
			Cure: s.Anew(),
		}
	}
	p := &Plan{}
	said = note.Over(said)
	if err := Stays(r, said); err != nil {
		return nil, err
	}
	leads := leaders(ctx, r, s)
	for _, m := range s.Masters {
		x := Master{Object: m.Object, Want: r.LikeMaster(m.Object, said), Leads: leads[m.Name]}
		i := r.Seen.Machines[m.Zone+"/"+m.Name]
		if m.Status != "" && i != nil {
			x.Why = step.WhyAgain(i, r.BootOf(m.Object), &x.Want, &note)
			if to := string(x.Want.Settings.KubeVersion); x.Why == "" && runs[m.Name] != "" && runs[m.Name] != to {
				x.Why = fmt.Sprintf("%s=%s (now it is %s)", settings.OfVersion, runs[m.Name], to)
			}
			x.Old = x.Why != ""
			made, _ := r.Have.Made(m.Object)
			x.Moves = made != bool(x.Want.Settings.MasterGroups)
		}
		if why := s.NotWhole(m); why != "" {
			if x.Half = r.Have.Holder.Roll.OfMasters() && m.Disk; !x.Half {
				return nil, &refusal.Refused{
					Why:  fmt.Sprintf("%s fails: %s; masters are made again one after the other, while all others serve", m.Name, why),
					Cure: cure.Hint("bring it back first", cure.Repair(m.Name)),
				}
			}
			x.Why = strings.TrimPrefix(x.Why+", it is not whole: "+why, ", ")
		}
		if x.Why == "" && r.Have.Holder.Roll.OfMasters() && s.Cordoned(m) {
			x.Half, x.Why = true, "its node is cordoned by a run that was cut"
		}
		if err := fits(ctx, r, s, m); err != nil {
			return nil, err
		}
		if x.Why == "" {
			p.Stays = append(p.Stays, x)
		} else {
			p.Rolls = append(p.Rolls, x)
		}
	}
	return p, p.ordered(s)
}

// Without leaves out those that the run has made again. One of them that fails by now ends
// it: the next would be one more.
func (p *Plan) Without(done []string) error {
	for _, m := range p.Rolls {
		if m.Half && slices.Contains(done, m.Name) {
			return &refusal.Refused{
				Why:  fmt.Sprintf("%s was made again, and fails: %s", m.Name, m.Why),
				Cure: cure.Hints(cure.Hint("bring it back first", cure.Repair(m.Name)), cure.Hint("then go on with the others", cure.Same())),
			}
		}
	}
	p.Rolls = slices.DeleteFunc(p.Rolls, func(m Master) bool { return slices.Contains(done, m.Name) })
	return nil
}

// OnlyGroups leaves the others as they are: what up does of groups.
func (p *Plan) OnlyGroups() {
	var rolls []Master
	for _, m := range p.Rolls {
		if m.Moves || m.Half {
			rolls = append(rolls, m)
		} else {
			m.Why = ""
			p.Stays = append(p.Stays, m)
		}
	}
	p.Rolls = rolls
}

// ordered puts them in their order: what is half done first, and who leads last.
func (p *Plan) ordered(s *status.Snapshot) error {
	slices.SortStableFunc(p.Rolls, func(a, b Master) int {
		switch {
		case a.Half != b.Half && a.Half:
			return -1
		case a.Half != b.Half:
			return 1
		}
		return a.Leads - b.Leads
	})
	if len(p.Rolls) > 1 && p.Rolls[1].Half {
		return &refusal.Refused{
			Why:  fmt.Sprintf("%s and %s fail, and masters are made again one after the other", p.Rolls[0].Name, p.Rolls[1].Name),
			Cure: cure.Hint("bring them back first", cure.Repair()),
		}
	}
	if len(p.Rolls) == 0 {
		return nil
	}
	if !s.Quorum() && !p.Rolls[0].Half {
		return s.Curable()
	}
	return nil
}

// Stays refuses a setting that no other machine makes otherwise.
func Stays(r *task.Task, said settings.Settings) error {
	var words []string
	for _, d := range r.Want.Differs(&said) {
		if settings.StaysWithData(d.Variable) {
			words = append(words, fmt.Sprintf("%s=%s (it is %s)", d.Variable, d.Want, d.Was))
		}
	}
	if len(words) == 0 {
		return nil
	}
	no := &refusal.Refused{
		Why:  "machines are made again, those of masters around their data, and that does not change " + strings.Join(words, ", "),
		Cure: "leave it out: what a master's data and its control plane were made with stays",
	}
	if said.Says(settings.OfVersion) && said.KubeVersion != r.Want.Settings.KubeVersion {
		no.Cure = cure.Hints(no.Cure, cure.Hint("another version of Kubernetes comes with an upgrade", cure.Upgrade(string(said.KubeVersion))))
	}
	return no
}

// fits refuses a master whose data would go with its machine, or are another's.
func fits(ctx context.Context, r *task.Task, s *status.Snapshot, m status.ObservedMaster) error {
	if err := status.OwnsDisk(ctx, r, m); err != nil {
		return err
	}
	disk := s.Names.DiskOf(m.Name)
	for _, d := range r.Seen.Machines[m.Zone+"/"+m.Name].GetDisks() {
		if gce.Base(d.GetSource()) == disk && d.GetAutoDelete() {
			return &refusal.Refused{
				Why:  fmt.Sprintf("disk %s has all that %s must not lose, and is set to be deleted with its machine", disk, m.Name),
				Cure: cure.Hint("have it stay", cure.Compute(fmt.Sprintf("instances set-disk-auto-delete %s --zone=%s --disk=%s --no-auto-delete", m.Name, m.Zone, disk))),
			}
		}
	}
	return nil
}
