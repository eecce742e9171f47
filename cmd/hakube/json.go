package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"hakube/cluster"
	"hakube/cluster/drill"
	"hakube/cluster/plan"
	"hakube/gce/local"
)

// What --json prints is an interface: "hakube help json" is made from the types
// below and holds for all of it. Keys may be added without a new number; one that
// goes, or comes to mean something else, is a new number.
const schemaNumber = 1

// An envelope is how each object begins.
type envelope struct {
	Schema int    `json:"schema"`
	Type   string `json:"type"`
	Time   string `json:"time"`
}

// Each key is always there. What is not known, or does not apply, is null; a list
// of nothing is empty.
type (
	// A jsonStep is what happens to a step, or has happened.
	jsonStep struct {
		N       int       `json:"n"`
		Of      int       `json:"of"`
		Step    string    `json:"step"`
		Event   plan.Kind `json:"event"`
		Why     string    `json:"why"`
		Elapsed float64   `json:"elapsed"`
		Kind    string    `json:"kind"`
		Name    string    `json:"name"`
		Zone    string    `json:"zone"`
		Region  string    `json:"region"`
		Action  string    `json:"action"`
		State   string    `json:"state"`
	}
	runResult struct {
		*cluster.Summary
		Actions []jsonStep `json:"actions"`
	}
	planResult struct {
		Changes   int                  `json:"changes"`
		Steps     []jsonStep           `json:"steps"`
		Orphans   []cluster.Orphan     `json:"leftovers"`
		Perhaps   []cluster.Orphan     `json:"perhaps"`
		Smaller   *cluster.Smaller     `json:"smaller"`
		Reduced   []cluster.Smaller    `json:"reduced"`
		Surplus   []string             `json:"surplus"`
		Crossings []string             `json:"crossings"`
		Rolls     []cluster.Rolled     `json:"rolls"`
		PoolRolls []cluster.RolledPool `json:"poolRolls"`
		Rotations []cluster.Rolled     `json:"rotations"`
	}
	localResult struct {
		local.Status
		PID   *int   `json:"pid"`
		State string `json:"state"`
		Dir   string `json:"dir"`
	}
	versionResult struct {
		Hakube     string `json:"hakube"`
		Revision   string `json:"revision"`
		Kubernetes string `json:"kubernetes"`
		Go         string `json:"go"`
		Platform   string `json:"platform"`
	}
)

// results are the types of what goes to standard output, by the command.
var results = map[string]reflect.Type{
	"up": reflect.TypeFor[runResult](), "down": reflect.TypeFor[runResult](), "repair": reflect.TypeFor[runResult](),
	"plan": reflect.TypeFor[planResult](), "status": reflect.TypeFor[cluster.Status](), "validate": reflect.TypeFor[cluster.Validity](), "kubeconfig": reflect.TypeFor[cluster.Credentials](), "backup": reflect.TypeFor[backupResult](), "backups": reflect.TypeFor[backupsResult](), "restore": reflect.TypeFor[runResult](), "evacuate": reflect.TypeFor[runResult](), "drill": reflect.TypeFor[drill.Report](), "roll": reflect.TypeFor[runResult](), "upgrade": reflect.TypeFor[runResult](), "rotate": reflect.TypeFor[runResult](),
	"local status": reflect.TypeFor[localResult](), "version": reflect.TypeFor[versionResult](),
}

// messages are the lines on standard error that say something, beside steps. The
// text is also under the key of the line's type.
var messages = []string{"note", "warning", "error", "hint", "interrupting", "interrupted"}

// orphanLines are those about what a cluster leaves behind.
var orphanLines = []string{"leftover", "perhaps"}

// enveloped is an object with its envelope, on one line. An empty text says
// nothing, so it is null. (Compact JSON has :"" nowhere else: in a text the quote
// is escaped.)
func enveloped(kind string, v any) ([]byte, error) {
	head, err := json.Marshal(envelope{schemaNumber, kind, time.Now().UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	line := append(append(head[:len(head)-1], ','), body[1:]...)
	return bytes.ReplaceAll(line, []byte(`:""`), []byte(":null")), nil
}

// resultOf is a run's result with what it did.
func (u *ui) resultOf(s *cluster.Summary) runResult {
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.IsNil() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
	return runResult{s, append([]jsonStep{}, u.did...)}
}

// done keeps what has been changed, for the result.
func (u *ui) done(e plan.Event) {
	switch e.Kind {
	case plan.Made, plan.Removed, plan.Failed:
		u.did = append(u.did, lineOf(e))
	}
}

// lineOf is a step's event for a program; elapsed is in seconds.
func lineOf(e plan.Event) jsonStep {
	action, state := "", ""
	switch e.Kind {
	case plan.Looking:
		action, state = "look", "running"
	case plan.Making:
		action, state = "make", "running"
	case plan.Removing:
		action, state = "remove", "running"
	case plan.Waiting:
		action, state = "wait", "running"
	case plan.Kept:
		action, state = "keep", "done"
	case plan.Made:
		action, state = "make", "done"
	case plan.Removed:
		action, state = "remove", "done"
	case plan.Failed:
		state = "failed"
	case plan.WouldMake:
		action, state = "make", "planned"
	case plan.WouldRemove:
		action, state = "remove", "planned"
	case plan.WouldWait:
		action, state = "wait", "planned"
	}
	return jsonStep{
		N: e.N, Of: e.Of, Step: e.Step, Event: e.Kind, Why: e.Why, Elapsed: float64(e.Elapsed.Milliseconds()) / 1000,
		Kind: e.About.Kind, Name: e.About.Name, Zone: e.About.Zone, Region: e.About.Region, Action: action, State: state,
	}
}

// localOf is what --json prints of an embedded GCE.
func localOf(s local.Status, dir string) localResult {
	r := localResult{Status: s, State: "stopped", Dir: dir}
	if s.Running {
		r.State, r.PID = "running", &s.PID
	}
	if r.Objects == nil {
		r.Objects = map[string]int{}
	}
	return r
}

// message is something said, for a program: text under the key of its type, which
// is how it was before there were types, and as why; code is the exit code an
// error ends with; commands are those to run, whole.
func message(kind, text string, commands []string, code int) map[string]any {
	m := map[string]any{kind: text, "why": text, "commands": append([]string{}, commands...), "code": nil}
	switch {
	case kind == "interrupted":
		m["code"] = exitInterrupted
	case kind == "error" && code != exitDone:
		m["code"] = code
	}
	return m
}

// wantsJSON tells whether a command line asks for JSON, also one that is wrong:
// whoever reads JSON reads errors as JSON.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	return slices.ContainsFunc(args, func(a string) bool {
		return slices.Contains([]string{"--json", "-json", "--json=true", "-json=true"}, a)
	})
}
