package rings

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"hakube/replicate"
)

// surveyOf is a survey of masters m1, m2 … in zones a, b …, all of which vote in both
// rings: '+' lives, '-' is stopped, '?' could not be asked, 'x' answers and its etcd
// does not run.
func surveyOf(marks string) *Survey {
	s := &Survey{Answers: map[string]map[string]replicate.Ring{}, Silent: map[string]error{}}
	var members []replicate.Member
	living := 0
	for i, mark := range marks {
		m := Master{Name: fmt.Sprintf("m%d", i+1), Zone: string(rune('a' + i)), Status: "RUNNING"}
		if mark == '-' {
			m.Status = "TERMINATED"
		}
		s.Masters = append(s.Masters, m)
		members = append(members, replicate.Member{ID: replicate.MemberID(m.Name), PeerURLs: []string{"https://" + m.Name + "." + m.Zone + ".c.p.internal:2380"}})
		if mark == '+' || mark == '?' {
			living++
		}
	}
	for i, mark := range marks {
		m := s.Masters[i]
		switch mark {
		case '-', '?':
			s.Silent[m.Name] = errors.New("silent")
			continue
		case 'x':
			s.Answers[m.Name] = map[string]replicate.Ring{"main": {Error: "it does not run"}, "events": {Error: "it does not run"}}
			continue
		}
		r := replicate.Ring{ID: replicate.MemberID(m.Name), Members: members, Index: int64(100 - i), Healthy: living > len(marks)/2}
		if r.Healthy {
			r.Leader = replicate.MemberID("m1")
		}
		s.Answers[m.Name] = map[string]replicate.Ring{"main": r, "events": r}
	}
	return s
}

// TestArithmetic: what is said of a ring follows from the answers alone.
func TestArithmetic(t *testing.T) {
	for _, c := range []struct {
		marks    string
		text     string
		quorum   QuorumStatus
		survives string
		problems int
	}{
		{"+", "1 voter, 1 alive: none may fail", QuorumStatus{1, 1, 1}, "0 []", 0},
		{"++", "2 voters, 2 alive, quorum 2: none may fail", QuorumStatus{2, 2, 2}, "0 []", 0},
		{"+++", "3 voters, 3 alive, quorum 2: 1 more may fail, or all of zone a or b or c", QuorumStatus{3, 3, 2}, "1 [a b c]", 0},
		{"+-+", "3 voters, 2 alive, quorum 2: none may fail", QuorumStatus{3, 2, 2}, "0 [b]", 1},
		{"+x+", "3 voters, 2 alive, quorum 2: none may fail", QuorumStatus{3, 2, 2}, "0 [b]", 1},
		{"+--", "3 voters, 1 alive, quorum 2: quorum is lost", QuorumStatus{3, 1, 2}, "0 []", 1},
		// Two agreed on something, and only one of them could be asked.
		{"+?", "2 voters, 1 alive, quorum 2: quorum is lost", QuorumStatus{2, 2, 2}, "0 []", 0},
		// One of two that could not be asked lives, nobody knows which.
		{"+??", "3 voters, 1 alive, quorum 2: quorum is lost", QuorumStatus{3, 2, 2}, "0 []", 2},
	} {
		t.Run(c.marks, func(t *testing.T) {
			s := surveyOf(c.marks)
			for _, ring := range Names {
				if got := s.QuorumText(ring); got != c.text {
					t.Errorf("%s: %q, want %q", ring, got, c.text)
				}
				if got, _, ok := s.Quorum(ring); !ok || got != c.quorum {
					t.Errorf("%s: %+v, want %+v", ring, got, c.quorum)
				}
				if got := s.Problems(ring); len(got) != c.problems {
					t.Errorf("%s: problems %q, want %d", ring, got, c.problems)
				}
			}
			if x := s.Survives(); x == nil || fmt.Sprint(x.Masters, " ", x.Zones) != c.survives {
				t.Errorf("it survives %+v, want %s", x, c.survives)
			}
		})
	}
}

// TestNobodyTells: what nobody told is not known, which is not that nobody votes.
func TestNobodyTells(t *testing.T) {
	s := surveyOf("??")
	if _, ok := s.Healthy(); ok {
		t.Error("a master is healthy")
	}
	if _, _, ok := s.Quorum("main"); ok || s.Members("main") != nil || s.Survives() != nil {
		t.Errorf("something is known: %v, %v", s.Members("main"), s.Survives())
	}
	if why := s.Why(); why == nil || !strings.Contains(why.Error(), "m1 in a: silent\nm2 in b: silent") {
		t.Errorf("why: %v", why)
	}
	if got := s.Problems("main"); len(got) != 1 || !strings.HasPrefix(got[0], "etcd main: no answer: m1 in a: silent") {
		t.Errorf("problems: %q", got)
	}
}

// TestHealthy: changes go through a master that is not the one they are about.
func TestHealthy(t *testing.T) {
	s := surveyOf("+++")
	for _, c := range []struct {
		except []string
		want   string
	}{{nil, "m1"}, {[]string{"m1"}, "m2"}, {[]string{"m1", "m2"}, "m3"}, {[]string{"m1", "m2", "m3"}, ""}} {
		if m, ok := s.Healthy(c.except...); m.Name != c.want || ok != (c.want != "") {
			t.Errorf("except %q: %q, %t, want %q", c.except, m.Name, ok, c.want)
		}
	}
	s.Answers["m1"]["events"] = replicate.Ring{Error: "no leader"} // one ring of the two is not enough
	if m, _ := s.Healthy(); m.Name != "m2" {
		t.Errorf("with a ring unhealthy on m1: %q", m.Name)
	}
	if n := s.Behind("main", "m3"); n != 2 {
		t.Errorf("m3 is %d entries behind, want 2", n)
	}
}

// TestAsk: a machine that does not run is not asked, and one that cannot be reached
// is silent, not absent.
func TestAsk(t *testing.T) {
	var asked []string
	masters := []Master{{Name: "up", Zone: "a", Status: "RUNNING"}, {Name: "off", Zone: "b", Status: "TERMINATED"}, {Name: "gone", Zone: "c"}}
	s := Ask(context.Background(), nil, nil, masters, func(_ context.Context, m Master) (replicate.Host, error) {
		asked = append(asked, m.Name)
		return replicate.Host{}, errors.New("no way to it")
	}, replicate.Glance)
	if !slices.Equal(asked, []string{"up"}) {
		t.Errorf("asked %q", asked)
	}
	for name, want := range map[string]string{"up": "no way to it", "off": "the machine is TERMINATED", "gone": "the machine is not there"} {
		if err := s.Silent[name]; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if len(s.Answers) > 0 {
		t.Errorf("answers: %v", s.Answers)
	}
}

// TestCourses: only members of a ring without quorum tell whether it comes nearer.
func TestCourses(t *testing.T) {
	far, s := Courses{}, surveyOf("+--")
	if !far.Moved(s) || far.Moved(s) {
		t.Error("the first look moves, the same again does not")
	}
	r := s.Answers["m1"]["main"]
	r.Index++
	s.Answers["m1"]["main"] = r
	if !far.Moved(s) {
		t.Error("an entry more is no movement")
	}
	if whole := surveyOf("+++"); (Courses{}).Moved(whole) {
		t.Error("rings that have quorum are waited for")
	}
}

// TestMachineOf reads names off peer URLs: the name a member gives itself is empty at first.
func TestMachineOf(t *testing.T) {
	for _, c := range []struct{ url, name, zone string }{
		{"https://m1.europe-west1-b.c.p.internal:2380", "m1", "europe-west1-b"},
		{"https://192.0.2.1:2380", "192", "0"},
		{"https://stray:2380", "stray:2380", ""},
	} {
		if name, zone := MachineOf(replicate.Member{PeerURLs: []string{c.url}}); name != c.name || zone != c.zone {
			t.Errorf("%s: %q in %q", c.url, name, zone)
		}
	}
	if name, zone := MachineOf(replicate.Member{Name: "m9"}); name != "m9" || zone != "" {
		t.Errorf("without a URL: %q in %q", name, zone)
	}
}
