package cluster

import (
	"fmt"
	"strings"
)

// Refused is hakube's own no: what it found is not what it may act on.
type Refused struct {
	Why  string
	Cure string
}

func (r *Refused) Error() string { return r.Why }

// Hint says what would help.
func (r *Refused) Hint() string { return r.Cure }

// Finding marks it for package plan: nothing went wrong in looking.
func (r *Refused) Finding() {}

// foreign refuses an object that has one of our names and not our mark.
func foreign(object, description string) error {
	whose := "it carries no mark of hakube"
	if f := markFields(description); f != nil {
		whose = fmt.Sprintf("it belongs to cluster %s of project %s", f["cluster"], f["project"])
	}
	return &Refused{
		Why:  object + " is there already and is not this cluster's: " + whose,
		Cure: "delete or rename it, or choose other names with KUBE_GCE_INSTANCE_PREFIX; hakube never touches what it did not make",
	}
}

// A difference is a setting an object was made with another value of.
type difference struct{ variable, was, want string }

// drift refuses an object that differs from the settings in a way that cannot
// be changed on it; nil when nothing differs.
func drift(object string, all ...difference) error {
	var was []string
	for _, d := range all {
		if d.was != d.want {
			was = append(was, fmt.Sprintf("%s=%s (now it is %s)", d.variable, or(d.was, `""`), or(d.want, `""`)))
		}
	}
	if len(was) == 0 {
		return nil
	}
	return &Refused{
		Why:  fmt.Sprintf("%s was made with %s", object, strings.Join(was, ", ")),
		Cure: "use the value it was made with, or take the cluster down first: this cannot be changed on what exists",
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
