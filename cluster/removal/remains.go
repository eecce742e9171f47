package removal

import (
	"fmt"
	"slices"
	"strings"

	"hakube/cluster/inventory"
	"hakube/cluster/sweep"
	"hakube/cluster/task"
	"hakube/scripts/cure"
)

// OrphansLeft is how a down ends that took away all it may, and left behind what
// hakube did not make.
type OrphansLeft struct {
	Cluster string
	Ours    []sweep.Orphan // a down that sweeps removes them
	Perhaps []sweep.Orphan // in the cluster's own network, and not shown to be the cluster's
	Kept    []string       // of the cluster's own, because of them
}

func (e *OrphansLeft) Error() string {
	var lines []string
	if n := len(e.Ours); n > 0 {
		lines = append(lines, fmt.Sprintf("cluster %s left %s behind that hakube did not make:", e.Cluster, things(n)))
		lines = append(lines, indented(e.Ours)...)
	}
	if n := len(e.Perhaps); n > 0 {
		lines = append(lines, fmt.Sprintf("%s in its network, and nothing shows that it is the cluster's:", things(n)))
		for _, l := range e.Perhaps {
			lines = append(lines, "  "+l.String()+": "+l.Why)
		}
	}
	if bill := sweep.Bill(append(slices.Clone(e.Ours), e.Perhaps...)); bill != "" {
		lines = append(lines, "Google bills it until it is deleted: "+bill)
	}
	if len(e.Kept) > 0 {
		lines = append(lines, strings.Join(e.Kept, " and ")+" stays until then")
	}
	return strings.Join(lines, "\n")
}

// Hint says what removes what may be another's; how to sweep the rest depends
// on how the run was called.
func (e *OrphansLeft) Hint() string {
	if len(e.Perhaps) == 0 {
		return ""
	}
	return cure.Hints(cure.Hint("delete by hand what is in the way, and run it again", cure.Same()), cure.Hint("or leave the network where it is", cure.Same().With("KUBE_DELETE_NETWORK", "false")))
}

func things(n int) string {
	if n == 1 {
		return "1 thing"
	}
	return fmt.Sprintf("%d things", n)
}

func indented(list []sweep.Orphan) (lines []string) {
	for _, l := range list {
		lines = append(lines, "  "+l.String())
	}
	return lines
}

// OrphansLeftBy is the error of a removal that left something behind; nil if it
// did not, or if nobody need do anything about it.
func OrphansLeftBy(r *task.Task) error {
	e := &OrphansLeft{Cluster: string(r.Want.Settings.Prefix), Ours: Staying(r)}
	for _, s := range r.Perhaps {
		if s.Network != "" {
			e.Perhaps = append(e.Perhaps, s.Orphan)
		}
	}
	for _, o := range r.Kept {
		if o.Role != inventory.RoleSSH { // it goes without saying
			e.Kept = append(e.Kept, o.String())
		}
	}
	if len(e.Ours)+len(e.Perhaps) == 0 {
		return nil
	}
	return e
}
