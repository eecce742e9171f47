package live

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"hakube/gce/emulator/recorded"
)

// A File is what a run found. It has words of Google's API, numbers of seconds, versions
// and zones, and of the project nothing.
type File struct {
	Format     int      `json:"format"`
	Date       string   `json:"date"`
	API        string   `json:"api"` // who answered
	Zones      []string `json:"zones"`
	Hakube     string   `json:"hakube"` // its version, with the commit
	Kubernetes string   `json:"kubernetes"`
	Image      string   `json:"image"`
	Ended      string   `json:"ended"` // why it did not come to its end; "" if it did

	Steps       []Step       `json:"steps"`
	Dark        []Dark       `json:"dark"` // what probes of the API saw while its address moved
	Guests      []Guest      `json:"guests"`
	Operations  []Operation  `json:"operations"`
	Conformance []Part       `json:"conformance"`
	Compared    Compared     `json:"compared"`
	Differences []Difference `json:"differences"`
	// Unrecorded is what is known now of methods that are not in the table of recordings:
	// fields with the sort of their values, first states, the form of errors.
	Unrecorded []*recorded.Fact `json:"unrecorded"`
}

// A Step is a command.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Well    bool    `json:"well"`
}

// Dark is for how long the API did not answer, in seconds.
type Dark struct {
	Command string  `json:"command,omitempty"`
	Step    string  `json:"step,omitempty"`
	Probes  int     `json:"probes"`
	Failed  int     `json:"failed"`
	Longest float64 `json:"longest"`
	Total   float64 `json:"total"`
	Steps   []Dark  `json:"steps,omitempty"` // in which any failed
}

// A Guest is how a machine came up.
type Guest struct {
	Role   string  `json:"role"` // master, replica or node
	Phases []Phase `json:"phases"`
}

// A Phase of its script, with the seconds of the script's own clock at its end; null
// where it did not say.
type Phase struct {
	Name string `json:"name"`
	Done *int   `json:"done"`
}

// An Operation is how long those of a method took by Google's own times, in seconds.
type Operation struct {
	Method string  `json:"method"`
	N      int     `json:"n"`
	Failed int     `json:"failed"`
	Least  float64 `json:"least"`
	Median float64 `json:"median"`
	Most   float64 `json:"most"`
}

// A Part of the conformance suite.
type Part struct {
	Name string   `json:"name"`
	Well bool     `json:"well"`
	Said []string `json:"said,omitempty"` // if not
}

// Compared is how much was held to the table.
type Compared struct {
	Exchanges int `json:"exchanges"`
	Methods   int `json:"methods"`
	Checks    int `json:"checks"`
}

// A Difference is one from the table. Known is the reason that lists it: that the embedded
// GCE differs so too, or that something else was asked for. With "" it is news.
type Difference struct {
	Method string `json:"method"`
	What   string `json:"what"` // missing, extra, type, value, message or refused
	Field  string `json:"field"`
	Table  string `json:"table"`
	Got    string `json:"got"`
	Known  string `json:"known"`
}

// Of a project, its account and its addresses there is nothing in a file.
var private = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`), "EMAIL"},
	{regexp.MustCompile(`ya29\.[A-Za-z0-9_.-]+`), "TOKEN"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`), "ADDRESS"},
	{regexp.MustCompile(`\b\d{9,}\b`), "NUMBER"},
	{regexp.MustCompile(`/(tmp|home|root|Users|var)/[^\s"\\]*`), "PATH"},
}

// clean replaces what is nobody's business, and looks again.
func (f *File) clean(project string) error {
	js, err := json.Marshal(f)
	if err != nil {
		return err
	}
	text := regexp.MustCompile(`(?i)`+regexp.QuoteMeta(project)).ReplaceAllString(string(js), "PROJECT")
	for _, p := range private {
		text = p.is.ReplaceAllString(text, p.as)
	}
	if strings.Contains(strings.ToLower(text), strings.ToLower(project)) {
		return fmt.Errorf("the file would name project %s: it is not written", project)
	}
	*f = File{}
	return json.Unmarshal([]byte(text), f)
}
