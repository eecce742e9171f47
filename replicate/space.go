package replicate

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"hakube/scripts"
	"hakube/scripts/cure"
)

// An Alarm is why a ring refuses writes. It is the ring's: every member keeps to it,
// and keeps it, until it is disarmed, also when the one that raised it is gone.
type Alarm struct {
	Member MemberID `json:"member"` // "": etcd cannot tell whose data are wrong
	Kind   string   `json:"kind"`
}

// Kinds of alarms (etcd, api/etcdserverpb: AlarmType).
const (
	AlarmSpace   = "NOSPACE" // a member's database is larger than its quota: no writes, but deletions
	AlarmCorrupt = "CORRUPT" // a member's data differ from the others': no writes, deletions neither
)

var alarmKind = regexp.MustCompile(`^[A-Z]{1,32}$`)

func checkAlarms(list []Alarm) error {
	for _, a := range list {
		if a.Member != "" && !memberID.MatchString(string(a.Member)) || !alarmKind.MatchString(a.Kind) {
			return fmt.Errorf("%.100q of %.100q is no alarm", a.Kind, a.Member)
		}
	}
	return nil
}

// Has tells whether the ring has an alarm of the kind.
func (r Ring) Has(kind string) bool {
	return slices.ContainsFunc(r.Alarms, func(a Alarm) bool { return a.Kind == kind })
}

// Corrupt tells whether etcd has found a member's data to differ from the others'.
func (r Ring) Corrupt(id MemberID) bool {
	return id != "" && slices.Contains(r.Alarms, Alarm{id, AlarmCorrupt})
}

// NameOf is what people call a member: by its machine, or by its id if it is none of
// the ring.
func (r Ring) NameOf(id MemberID) string {
	for _, m := range r.Members {
		if m.ID == id && len(m.PeerURLs) > 0 {
			name, _, _ := strings.Cut(strings.TrimPrefix(m.PeerURLs[0], "https://"), ".")
			return name
		}
	}
	if id == "" {
		return "a member that etcd cannot name"
	}
	return "member " + string(id) + ", which is gone"
}

// Refuses is why a ring takes no writes, "" as far as it is known to take them.
func (r Ring) Refuses() string {
	var parts []string
	for _, a := range r.Alarms {
		parts = append(parts, "alarm "+a.Kind+" of "+r.NameOf(a.Member))
	}
	if len(parts) == 0 && r.Writes != "" {
		return r.Writes
	}
	return strings.Join(parts, ", ")
}

// MayChange judges whether who is in a ring may be changed now: not while it takes no
// writes. Nothing that joins such a ring would work, and what is wrong with it has to
// be found out while all are still there who have its data.
func MayChange(ring string, x Ring) error {
	why := x.Refuses()
	if why == "" {
		return nil
	}
	return &QuorumError{
		Ring: ring,
		Why:  fmt.Sprintf("etcd ring %s takes no writes: %s", ring, why),
		Cure: cure.Hint("have it take writes again first", cure.Repair()),
	}
}

// Compact has a ring forget all that was before its newest revision. Whoever reads
// older ones is told so, and begins anew.
func Compact(ctx context.Context, r *Runner, via Host, ring string) error {
	return r.space(ctx, via, ring, "compact", "compacting")
}

// Defragment has a machine's own member give back what is free inside its database's
// file. It answers nobody meanwhile, so it is never done to two at once.
func Defragment(ctx context.Context, r *Runner, on Host, ring string) error {
	return r.space(ctx, on, ring, "defragment", "defragmenting the member of")
}

// Disarm has a ring forget its alarms.
func Disarm(ctx context.Context, r *Runner, via Host, ring string) error {
	return r.space(ctx, via, ring, "disarm", "disarming the alarms of")
}

// Restart has a machine's own member end and begin again.
func Restart(ctx context.Context, r *Runner, on Host, ring string) error {
	return r.space(ctx, on, ring, "restart", "restarting the member of")
}

func (r *Runner) space(ctx context.Context, h Host, ring, verb, doing string) error {
	var answer struct {
		Error string `json:"error"`
	}
	err := r.ask(ctx, h, scripts.EtcdSpace, &answer, verb, ring)
	if err == nil && answer.Error != "" {
		err = &EtcdError{Verb: doing, Ring: ring, Host: h.Name, Text: answer.Error}
	}
	return err
}
