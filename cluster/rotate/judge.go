package rotate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hakube/cluster/access"
	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/refusal"
	"hakube/cluster/rings"
	"hakube/cluster/status"
	"hakube/scripts/cure"
)

// A Master is one, and whether it is through with the rotation by now.
type Master struct {
	inventory.Object
	Done bool
	Half bool // it fails, as one may whose run was cut
}

// A Plan is what a rotation comes to.
type Plan struct {
	inventory.Rotation
	Begun bool // by a run that was cut: this one goes on with it
	// Signs is how tokens of service accounts name the key that all masters sign with, where
	// others are to be distrusted, and Until when pods may hold one by these.
	Signs   string
	Until   time.Time // and of a certificate authority, when another one began to sign
	Masters []Master
	Groups  []inventory.Object // of nodes, where what they are made with is made anew
}

// Left are the masters that are not through with it, in their order.
func (p *Plan) Left() (list []Master) {
	for _, m := range p.Masters {
		if !m.Done {
			list = append(list, m)
		}
	}
	return list
}

// Any tells whether there is anything to do.
func (p *Plan) Any() bool { return p.OfNodes() || len(p.Left()) > 0 }

// Names are those of what it is made of anew: masters that are not through with it, or groups of nodes.
func (p *Plan) Names() (names []string) {
	for _, g := range p.Groups {
		names = append(names, g.Name)
	}
	for _, m := range p.Left() {
		names = append(names, m.Name)
	}
	return names
}

// WritesKubeconfig tells whether this operator's entry is needed, and may be made anew.
func (p *Plan) WritesKubeconfig() bool {
	return slices.Contains([]string{inventory.RotateEncryptionKey, inventory.DistrustTokenKey, inventory.RotateCA, inventory.DistrustCA, inventory.RotateJoinToken}, p.Of)
}

// MadeAnew is what each rotation is of, in words.
var MadeAnew = map[string]string{
	inventory.RotateCertificates:  "all certificates that masters show",
	inventory.RotateEncryptionKey: "the key that Secrets are encrypted with in etcd",
	inventory.RotateTokenKey:      "the key that tokens of service accounts are signed with",
	inventory.DistrustTokenKey:    "which keys tokens of service accounts are taken by: the one that signs",
	inventory.RotateCA:            "the cluster's certificate authority, and all certificates that it signed for masters",
	inventory.DistrustCA:          "which certificate authorities are trusted: the one that signs",
	inventory.RotateJoinToken:     "the token that machines of nodes join with",
	inventory.RotateEtcdCA:        "the certificate authority of etcd, and all certificates that it signed",
	inventory.RotateSSH:           "the ssh key of this operator that it lets in",
}

// Judge says what a rotation comes to, and refuses one that could end with a master that
// nobody talks to: all have to be well, and another rotation has to be done. A run that was
// cut may have left one master half done, which is the first to go on with.
func Judge(s *status.Snapshot, of string, now time.Time) (*Plan, error) {
	if len(s.Masters) == 0 {
		return nil, &refusal.Refused{Why: fmt.Sprintf("cluster %s has no master, nor the disk of one", s.Names.Prefix), Cure: s.Anew()}
	}
	p := &Plan{Rotation: inventory.NewRotation(of, now)}
	if begun := s.Held.Rotation; begun != nil && s.Unrotated(begun) {
		if begun.Of != of {
			return nil, &refusal.Refused{
				Why:  fmt.Sprintf("%s is not done, which was begun on %s", begun.What(), begun.Since().Format(time.RFC3339)),
				Cure: cure.Hint("bring it to its end first", begun.Command()),
			}
		}
		p.Rotation, p.Begun = *begun, true
	}
	if p.OfNodes() {
		return p, p.joins(s)
	}
	for _, m := range s.Masters {
		x := Master{Object: m.Object, Done: p.Begun && s.Rotated(&p.Rotation, m)}
		switch why := why(s, m); {
		case why == "":
		case p.Begun && !x.Done && !slices.ContainsFunc(p.Masters, func(o Master) bool { return o.Half }) && s.Quorum():
			x.Half = true
		default:
			return nil, &refusal.Refused{
				Why:  fmt.Sprintf("%s fails: %s; %s is made while all masters are well, so that what comes of it is seen", m.Name, why, p.What()),
				Cure: cure.Hint("bring it back first", cure.Repair(m.Name)),
			}
		}
		p.Masters = append(p.Masters, x)
	}
	if !s.Quorum() {
		return nil, s.Curable()
	}
	if len(p.Left()) > 0 {
		if err := needs(s, of, now); err != nil {
			return nil, err
		}
	}
	if err := p.may(s); err != nil {
		return nil, err
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

// OfOther makes it another rotation where one of an ssh key was begun that is not this operator's:
// that key is elsewhere, and this one's is exchanged all the same.
func (p *Plan) OfOther(e *env.Env, now time.Time) error {
	switch {
	case p.Of != inventory.RotateSSH:
	case e.Deps.KeyFile == "":
		return errors.New("this operator's ssh key is in no file")
	case p.Begun && !access.Begun(e, p.ID):
		p.Rotation, p.Begun = inventory.NewRotation(p.Of, now), false
	}
	return nil
}

// joins refuses an exchange of the token that could not come to its end.
func (p *Plan) joins(s *status.Snapshot) error {
	if why := s.Silent(); why != "" {
		return &refusal.Refused{Why: "the API does not answer, which keeps join tokens: " + why, Cure: cure.Hint("bring it back first", cure.Repair())}
	}
	return p.tells(s)
}

// tells refuses to tell nodes something else that are being replaced.
func (p *Plan) tells(s *status.Snapshot) error {
	if why, ends := s.Replacing(); why != "" {
		return &refusal.Refused{Why: why + "; " + p.What() + " is made while all nodes of a pool are of one template", Cure: cure.Hint("end that first", ends)}
	}
	p.Groups = s.Groups()
	return nil
}

// may refuses what somebody would be lost by, or what leaves too much behind.
func (p *Plan) may(s *status.Snapshot) error {
	switch p.Of {
	case inventory.DistrustTokenKey:
		return p.distrusts(s)
	case inventory.RotateCA:
		return p.reissues(s)
	case inventory.DistrustCA:
		return p.distrustsAuthority(s)
	case inventory.RotateSSH:
		return p.tells(s)
	}
	return nil
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

// needs is what a rotation lacks, whatever masters are like: of certificates authorities that
// live for a while, of an encryption key one that there is.
func needs(s *status.Snapshot, of string, now time.Time) error {
	switch of {
	case inventory.RotateEncryptionKey:
		return encrypted(s)
	case inventory.RotateTokenKey, inventory.DistrustTokenKey, inventory.RotateCA, inventory.DistrustCA, inventory.RotateEtcdCA, inventory.RotateSSH:
		return nil
	}
	ends := s.Rings.AuthoritiesEnding(now)
	if len(ends) == 0 {
		return nil
	}
	c := ends[0]
	verb := "ends"
	if !c.Ends.After(now) {
		verb = "ended"
	}
	no := &refusal.Refused{
		Why:  fmt.Sprintf("the authority %s of %s %s on %s, and what it signs ends with it: new certificates would help nobody", c.Name, c.Master, verb, c.Ends.Format(time.DateOnly)),
		Cure: "hakube does not exchange this one: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/ tells how it is done by hand",
	}
	switch c.Name {
	case rings.ClusterAuthority:
		no.Cure = cure.Hint("exchange the authority, with all that it signed", cure.Rotate(inventory.RotateCA))
	case rings.EtcdAuthority:
		no.Cure = cure.Hint("exchange the authority, with all that it signed", cure.Rotate(inventory.RotateEtcdCA))
	}
	return no
}

// encrypted is nil where each master encrypts Secrets as hakube has it.
func encrypted(s *status.Snapshot) error {
	for _, m := range s.Masters {
		if x, heard := s.Rings.Encryption[m.Name]; heard && len(x.Keys) == 0 {
			return &refusal.Refused{
				Why:  fmt.Sprintf("%s has no key that hakube made to encrypt Secrets with: the cluster was made without (HAKUBE_ENCRYPT_SECRETS=false, or by an older hakube), or somebody configured it otherwise", m.Name),
				Cure: "hakube encrypts no cluster later: https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/ tells how it is done by hand",
			}
		}
	}
	return nil
}

// distrusts refuses to distrust a key that a master signs with. Where there is no other one it
// has been done: the same typed again after a cut changes nothing.
func (p *Plan) distrusts(s *status.Snapshot) error {
	most := 0
	for _, m := range s.Masters {
		x := s.Rings.TokenKeys[m.Name]
		most = max(most, x.Keys)
		if x.Signs == "" || p.Signs != "" && x.Signs != p.Signs {
			return &refusal.Refused{
				Why:  fmt.Sprintf("%s signs tokens of service accounts with another key than others do", m.Name),
				Cure: cure.Hint("have all sign with one first", cure.Rotate(inventory.RotateTokenKey)),
			}
		}
		p.Signs = x.Signs
	}
	if most < 2 && !p.Begun {
		for i := range p.Masters {
			p.Masters[i].Done = true
		}
		return nil
	}
	if since := s.RotatedTokens(); !p.Begun && !since.IsZero() {
		p.Until = since.Add(status.TokensPass)
	}
	return nil
}
