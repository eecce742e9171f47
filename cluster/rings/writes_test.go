package rings

import (
	"strings"
	"testing"
	"time"

	"hakube/replicate"
)

// clockAt is a clock that is off by so much, known to within a second.
func clockAt(off time.Duration) replicate.Clock {
	return replicate.Clock{Least: off - time.Second/2, Most: off + time.Second/2, Known: true}
}

// TestClockWhy: nobody's clock is right by itself, the operator's least of all, from
// which all are measured.
func TestClockWhy(t *testing.T) {
	const no = 99 * time.Hour // Compute Engine's is not known
	for _, x := range []struct {
		name    string
		cloud   time.Duration
		masters []time.Duration
		says    []string // of each master, "" is that it is right
	}{
		{"all agree", 0, []time.Duration{0, time.Second, -time.Second}, []string{"", "", ""}},
		{"the operator's is off", -time.Hour, []time.Duration{-time.Hour, -time.Hour}, []string{"", ""}},
		{"one master", 0, []time.Duration{time.Minute}, []string{"its clock is 59s ahead of Compute Engine's"}},
		{"one of two", 0, []time.Duration{0, -time.Minute}, []string{"", "its clock is 59s behind Compute Engine's"}},
		{"two against Compute Engine", time.Hour, []time.Duration{0, 0}, []string{"", ""}},
		{"one of three, alone", no, []time.Duration{time.Minute, 0, 0}, []string{"its clock is 59s ahead of those of the other masters", "", ""}},
		{"two, alone", no, []time.Duration{0, time.Minute}, []string{"", "its clock is 59s ahead of that of m1, and which of them is right is not known"}},
		{"within what is borne", 0, []time.Duration{5 * time.Second, -5 * time.Second}, []string{"", ""}},
		{"one master, alone", no, []time.Duration{time.Second}, []string{""}},
	} {
		s := surveyOf("+++"[:len(x.masters)])
		s.Clocks = map[string]replicate.Clock{}
		if x.cloud != no {
			s.Cloud = clockAt(x.cloud)
		}
		for i, m := range s.Masters {
			s.Clocks[m.Name] = clockAt(x.masters[i])
		}
		if got, want := s.OperatorWhy(), "the clock of this machine, where hakube runs, is 1h0m0s ahead of Compute Engine's"; (got == want) != (x.name == "the operator's is off") || got != "" && got != want {
			t.Errorf("%s: of the operator's it says %q", x.name, got)
		}
		for i, m := range s.Masters {
			if got := s.ClockWhy(m.Name); got != x.says[i] {
				t.Errorf("%s: of %s it says %q, want %q", x.name, m.Name, got, x.says[i])
			}
		}
	}
}

// TestSlowAnswer: a machine that took its time to answer is not said to be off.
func TestSlowAnswer(t *testing.T) {
	at := time.Now()
	slow := replicate.ClockAt(at, at, at.Add(-20*time.Second), at)
	if d := slow.Apart(clockAt(0)); d != 0 {
		t.Errorf("apart by %s", d)
	}
	if d := replicate.ClockAt(at.Add(time.Minute), at.Add(time.Minute), at, at.Add(time.Second)).Apart(clockAt(0)); d < 58*time.Second || d > time.Minute {
		t.Errorf("apart by %s, want 58.5 s", d)
	}
}

// TestRefusals: an alarm is looked after where it was raised; failing that at the leader.
// Of a ring without quorum each member's own word counts.
func TestRefusals(t *testing.T) {
	for _, x := range []struct {
		marks string
		of    replicate.MemberID
		at    string
	}{{"+++", "m2", "m2"}, {"+++", "beef", "m1"}, {"+++", "", "m1"}, {"+", "m1", "m1"}, {"+--", "m1", "m1"}} {
		s := surveyOf(x.marks)
		for _, m := range s.Masters {
			if own, heard := s.Answers[m.Name]["main"]; heard {
				own.Alarms = []replicate.Alarm{{Member: x.of, Kind: replicate.AlarmSpace}}
				s.Answers[m.Name]["main"] = own
			}
		}
		got := s.Refusals("main")
		if len(got) != 1 || got[0].Machine != x.at || !strings.Contains(got[0].Why, "alarm NOSPACE of ") {
			t.Errorf("%s, alarm of %q: %+v, want %s", x.marks, x.of, got, x.at)
		}
		if s.MayChange() == nil || len(s.Refusals("events")) != 0 || s.RefusedBy(x.at) == "" {
			t.Errorf("%s, alarm of %q: it may be changed, or events refuses too", x.marks, x.of)
		}
	}
}

// TestFullDisk: a tenth is to be free, of the bytes and of the inodes; of a file system
// without a table of inodes only the bytes count.
func TestFullDisk(t *testing.T) {
	for _, x := range []struct {
		disk replicate.Disk
		full bool
	}{
		{replicate.Disk{}, false}, {replicate.Disk{Bytes: 100, Free: 10}, false}, {replicate.Disk{Bytes: 100, Free: 9}, true},
		{replicate.Disk{Bytes: 100, Free: 50, Inodes: 1000, FreeInodes: 99}, true}, {replicate.Disk{Bytes: 100, Free: 50, Inodes: 1000, FreeInodes: 100}, false},
	} {
		if got := x.disk.Full(); (got != "") != x.full {
			t.Errorf("%+v: %q", x.disk, got)
		}
	}
}
