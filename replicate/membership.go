package replicate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"hakube/scripts"
)

// What etcd may say no to for the moment; errors.Is finds them.
var (
	// ErrNotInSync: a learner is promoted only when it has nearly all that the
	// leader has.
	ErrNotInSync = errors.New("the learner has not caught up")
	// ErrUnhealthy: etcd changes who is in a ring only when its members have been
	// connected for five seconds.
	ErrUnhealthy = errors.New("the ring's members are not all connected yet")
	// ErrBusy: a member makes no proposal while it has more than 5,000 entries to
	// apply, or was sent the ring's data and has seen no entry since.
	ErrBusy = errors.New("the member takes no proposals")
	// ErrTooManyLearners: one at a time.
	ErrTooManyLearners = errors.New("the ring has a learner already")
)

// An EtcdError is etcd's own refusal of a change.
type EtcdError struct {
	Verb, Ring, Host string
	Text             string // etcd's words
}

func (e *EtcdError) Error() string {
	return fmt.Sprintf("%s ring %s through %s: %s", e.Verb, e.Ring, e.Host, e.Text)
}

// Is sorts etcd's words (api/v3rpc/rpctypes/error.go).
func (e *EtcdError) Is(target error) bool {
	for text, kind := range map[string]error{
		"can only promote a learner member which is in sync with leader": ErrNotInSync,
		"unhealthy cluster":                                         ErrUnhealthy,
		"too many learner members in cluster":                       ErrTooManyLearners,
		"etcdserver: too many requests":                             ErrBusy,
		"re-configuration failed due to not enough started members": ErrUnhealthy,
	} {
		if target == kind && strings.Contains(e.Text, text) {
			return true
		}
	}
	return false
}

// peerPorts are where members of a ring listen for each other.
var peerPorts = map[string]int{RingMain: 2380, RingEvents: 2381}

// PeerURL is where the member of a ring on a machine is reached by the others:
// by the machine's zonal DNS name, which stays when it is made again. A project
// of a domain, example.com:web, is c.web.example.com.internal.
// (Compute Engine documentation, Internal DNS)
func PeerURL(ring, machine, zone, project string) string {
	if domain, name, ok := strings.Cut(project, ":"); ok {
		project = name + "." + domain
	}
	return fmt.Sprintf("https://%s.%s.c.%s.internal:%d", machine, zone, project, peerPorts[ring])
}

// AddLearner makes the member with a peer URL a learner of a ring, and returns
// its id. One that is in the ring already, voting or not, stays as it is.
func AddLearner(ctx context.Context, r *Runner, via Host, ring, peerURL string) (MemberID, error) {
	return r.changeMember(ctx, via, ring, "adding "+peerURL+" to", peerURL,
		func(m Member, there bool) []string {
			if there {
				return nil
			}
			return []string{"add", ring, peerURL}
		},
		func(_ Member, there bool) bool { return there })
}

// Follows tells whether the member of a ring on a machine gets what the ring agrees
// on through another one now; nil is yes. Promote it only then: etcd asks how far
// a learner had come, not whether it lives, and a learner that was cut off does
// not know it, since it takes no part in elections. A vote for such a one would
// end a ring of one for good (tried on 3.6.8). It returns what the member says.
func Follows(ctx context.Context, r *Runner, via, on Host, ring string) (own Ring, err error) {
	// Without an answer from the learner itself the way to via is not to blame, so it
	// is no ConnectError.
	look := func() error {
		rings, err := Rings(ctx, r, on)
		if err != nil {
			return fmt.Errorf("%w: asking %s whether it lives, before it gets a vote: %v", ErrNotInSync, on.Name, err)
		}
		own = rings[ring]
		return nil
	}
	if err := look(); err != nil {
		return own, err
	}
	id := own.ID
	if id == "" {
		return own, fmt.Errorf("%w: %s", ErrNotInSync, cmp.Or(own.Error, "its etcd does not answer"))
	}
	if err := Agree(ctx, r, via, ring, id); err != nil {
		return own, err
	}
	theirs, err := Rings(ctx, r, via)
	if err != nil {
		return own, err
	}
	for range followLooks {
		if err := look(); err != nil {
			return own, err
		}
		if own.Index >= theirs[ring].Index && own.ID == id {
			return own, nil
		}
		select {
		case <-ctx.Done():
			return own, ctx.Err()
		case <-time.After(followPause):
		}
	}
	return own, fmt.Errorf("%w: %s has entry %d of ring %s and %s has %d, so the two do not reach each other or it is slow",
		ErrNotInSync, on.Name, own.Index, ring, via.Name, theirs[ring].Index)
}

// Agree has a ring agree on one more entry of its log, which changes nothing. member
// is one of it, for the script's usage.
func Agree(ctx context.Context, r *Runner, via Host, ring string, member MemberID) error {
	var answer struct {
		Error string `json:"error"`
	}
	err := r.ask(ctx, via, scripts.EtcdMember, &answer, "agree", ring, string(member))
	if err == nil && answer.Error != "" {
		err = &EtcdError{Verb: "agreeing in", Ring: ring, Host: via.Name, Text: answer.Error}
	}
	return err
}

// A member that follows has an entry within milliseconds. Each look takes a
// moment on a real machine.
const (
	followLooks = 20
	followPause = 50 * time.Millisecond
)

// Promote gives the learner with a peer URL a vote, see Follows.
func Promote(ctx context.Context, r *Runner, via Host, ring, peerURL string) error {
	_, err := r.changeMember(ctx, via, ring, "promoting "+peerURL+" in", peerURL,
		func(m Member, there bool) []string {
			if there && !m.Learner {
				return nil
			}
			return []string{"promote", ring, string(m.ID)}
		},
		func(m Member, there bool) bool { return there && !m.Learner })
	return err
}

// Remove takes the member with a peer URL out of a ring.
func Remove(ctx context.Context, r *Runner, via Host, ring, peerURL string) error {
	_, err := r.changeMember(ctx, via, ring, "removing "+peerURL+" from", peerURL,
		func(m Member, there bool) []string {
			if !there {
				return nil
			}
			return []string{"remove", ring, string(m.ID)}
		},
		func(_ Member, there bool) bool { return !there })
	return err
}

// changeMember looks, acts and looks again: an answer may be lost after the
// change took hold, and the list alone says what is (D3). change returns what to
// ask for, nil if nothing is to be done.
func (r *Runner) changeMember(ctx context.Context, via Host, name, verb, peerURL string, change func(Member, bool) []string, holds func(Member, bool) bool) (MemberID, error) {
	look := func() (m Member, there bool, err error) {
		rings, err := Rings(ctx, r, via)
		if err != nil {
			return m, false, err
		}
		if ring := rings[name]; !ring.Healthy {
			return m, false, &EtcdError{Verb: verb, Ring: name, Host: via.Name, Text: ring.Error}
		}
		m, there = rings[name].ByPeerURL(peerURL)
		return m, there, nil
	}
	m, there, err := look()
	if err != nil {
		return "", err
	}
	args := change(m, there)
	if args == nil {
		return m.ID, nil
	}
	if len(args) == 3 && args[2] == "" {
		return "", &EtcdError{Verb: verb, Ring: name, Host: via.Name, Text: "there is no such member"}
	}
	var answer struct {
		Error string `json:"error"`
	}
	failed := r.ask(ctx, via, scripts.EtcdMember, &answer, args...)
	if failed == nil && answer.Error != "" {
		failed = &EtcdError{Verb: verb, Ring: name, Host: via.Name, Text: answer.Error}
	}
	m, there, err = look()
	switch {
	case err != nil:
		return "", errors.Join(failed, err)
	case holds(m, there):
		return m.ID, nil
	case failed == nil:
		failed = &EtcdError{Verb: verb, Ring: name, Host: via.Name, Text: "etcd said yes, and the list says no"}
	}
	return "", failed
}

// ask runs a script and reads its line of JSON.
func (r *Runner) ask(ctx context.Context, h Host, script string, answer any, args ...string) error {
	out, err := r.Run(ctx, h, script, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, answer); err != nil {
		name, _ := scripts.Name(script) // it ran, so it has one
		return fmt.Errorf("reading %s of %s: %w", name, h.Name, err)
	}
	return nil
}
