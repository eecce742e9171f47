package rotate

import (
	"fmt"
	"slices"
	"time"

	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/status"
	"hakube/scripts/cure"
)

// A Master is one, and whether it has new certificates by now.
type Master struct {
	inventory.Object
	Done bool
	Half bool // it fails, as one may whose run was cut
}

// A Plan is what a rotation comes to.
type Plan struct {
	inventory.Rotation
	Begun   bool // by a run that was cut: this one goes on with it
	Masters []Master
}

// Left are the masters that have the old certificates, in their order.
func (p *Plan) Left() (list []Master) {
	for _, m := range p.Masters {
		if !m.Done {
			list = append(list, m)
		}
	}
	return list
}

// Judge says what a rotation of certificates comes to, and refuses one that could end with a
// master that nobody talks to: all have to be well, and their authorities have to live for
// a while. A run that was cut may have left one master half done, which is the first to go
// on with.
func Judge(s *status.Snapshot, now time.Time) (*Plan, error) {
	if len(s.Masters) == 0 {
		return nil, &refusal.Refused{Why: fmt.Sprintf("cluster %s has no master, nor the disk of one", s.Names.Prefix), Cure: s.Anew()}
	}
	p := &Plan{Rotation: inventory.NewRotation(inventory.RotateCertificates, now)}
	if begun := s.Held.Rotation; begun != nil && s.Unrotated(begun) {
		p.Rotation, p.Begun = *begun, true
	}
	for _, m := range s.Masters {
		x := Master{Object: m.Object, Done: p.Begun && s.Rings.Rotated[m.Name] == p.ID}
		switch why := why(s, m); {
		case why == "":
		case p.Begun && !x.Done && !slices.ContainsFunc(p.Masters, func(o Master) bool { return o.Half }) && s.Quorum():
			x.Half = true
		default:
			return nil, &refusal.Refused{
				Why:  fmt.Sprintf("%s fails: %s; certificates are made anew while all masters are well, so that what comes of it is seen", m.Name, why),
				Cure: cure.Hint("bring it back first", cure.Repair(m.Name)),
			}
		}
		p.Masters = append(p.Masters, x)
	}
	if !s.Quorum() {
		return nil, s.Curable()
	}
	if ends := s.Rings.AuthoritiesEnding(now); len(ends) > 0 && len(p.Left()) > 0 {
		c := ends[0]
		verb := "ends"
		if !c.Ends.After(now) {
			verb = "ended"
		}
		return nil, &refusal.Refused{
			Why:  fmt.Sprintf("the authority %s of %s %s on %s, and what it signs ends with it: new certificates would help nobody", c.Name, c.Master, verb, c.Ends.Format(time.DateOnly)),
			Cure: "hakube does not exchange authorities: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/ tells how it is done by hand",
		}
	}
	slices.SortStableFunc(p.Masters, func(a, b Master) int {
		switch {
		case a.Half == b.Half:
			return 0
		case a.Half:
			return -1
		}
		return 1
	})
	return p, nil
}

// why a master is not well, "" if it is.
func why(s *status.Snapshot, m status.ObservedMaster) string {
	if why := s.NotWhole(m); why != "" {
		return why
	}
	if err := s.Rings.Silent[m.Name]; err != nil {
		return "it serves, and could not be asked: " + err.Error()
	}
	return ""
}
