package etcdtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hakube/scripts"
)

// A spaceTwin is a ring with a small quota in the model and in reality. What hakube asks
// of a master is asked of etcd itself by the very scripts.
type spaceTwin struct {
	*both
	t   *testing.T
	dir string // of an etcdctl that finds the real members
}

const spaceQuota = 2 << 20

func newSpaceTwin(t *testing.T, names ...string) *spaceTwin {
	program := findEtcd(t)
	ctl := filepath.Join(filepath.Dir(program), "etcdctl")
	if _, err := os.Stat(ctl); err != nil {
		t.Skip("there is no etcdctl beside etcd: ", err)
	}
	r, err := newRealRing(program, t.TempDir(), names...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.end)
	r.more = []string{fmt.Sprint("--quota-backend-bytes=", spaceQuota)}
	s := &spaceTwin{t: t, dir: t.TempDir(), both: &both{
		bench: newBench(t, Options{Quota: spaceQuota}, "a"), real: r, log: t.Logf, data: map[string]bool{"a": true}, added: map[string]int64{}}}
	s.must(os.WriteFile(filepath.Join(s.dir, "client.key"), []byte("key"), 0o600))
	s.must(os.WriteFile(filepath.Join(s.dir, "etcdctl"), fmt.Appendf(nil, `#!/usr/bin/env bash
args=()
for a; do case $a in --endpoints=*) args+=("--endpoints=$ENDPOINT") ;; --cacert=* | --cert=* | --key=*) ;; *) args+=("$a") ;; esac; done
exec %q "${args[@]}"
`, ctl), 0o700))
	s.must(r.start("a", "new", []string{"a"}))
	s.must(s.agree(question{"start", "a"}))
	for _, n := range names[1:] {
		for _, what := range []string{"add", "start", "promote"} {
			s.must(s.ask(question{what, n}, "a"))
		}
	}
	return s
}

func (s *spaceTwin) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// script runs one of hakube's on the machine of a real member.
func (s *spaceTwin) script(on, text string, args ...string) []byte {
	s.t.Helper()
	text = strings.NewReplacer("/usr/local/bin", s.dir, "/mnt/disks/master-pd/etcd/pki", s.dir).Replace(text)
	cmd := exec.Command("bash", append([]string{"-s", "--"}, args...)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("ENDPOINT=http://127.0.0.1:%d", s.real.ports[on][0]))
	cmd.Stdin = strings.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v: %s", err, stderr.String())
	}
	return out
}

// space runs a part of etcd-space in both.
func (s *spaceTwin) space(on, verb string) {
	s.t.Helper()
	do := map[string]func(*member) error{"compact": (*member).compact, "defragment": (*member).defragment, "disarm": (*member).disarm}[verb]
	model := do(s.m[on])
	if errors.Is(model, errCompacted) {
		model = nil // to the script too
	}
	var real struct{ Error string }
	s.must(json.Unmarshal(s.script(on, scripts.EtcdSpace, verb, "main"), &real))
	said := ""
	if model != nil {
		said = model.Error()
	}
	s.t.Logf("%s through %s: %q", verb, on, real.Error)
	if said != real.Error {
		s.t.Errorf("%s through %s: the model says %q, etcd %q", verb, on, said, real.Error)
	}
}

const large = 200 << 10

// put writes a large value to the same key in both; get and remove are about it.
func (s *spaceTwin) put(on string) error {
	s.t.Helper()
	return s.compared("put", s.putModel(on), s.putReal(on))
}

func (s *spaceTwin) putModel(on string) error {
	_, err := s.m[on].write(map[string]json.RawMessage{"k": json.RawMessage(`"` + strings.Repeat("x", large) + `"`)})
	return err
}

func (s *spaceTwin) putReal(on string) error {
	value := bytes.Repeat([]byte("x"), large)
	return s.real.ask(on, "kv/put", map[string]any{"key": "aw==", "value": base64.StdEncoding.EncodeToString(value)}, &struct{}{})
}

// fill has each refuse: pages of a real file are not used up to the last byte.
func (s *spaceTwin) fill(on string) {
	s.t.Helper()
	for _, put := range []func(string) error{s.putModel, s.putReal} {
		for n := 0; ; n++ {
			err := put(on)
			if same(errNoSpace, err) {
				break
			}
			s.must(err)
			if n > 50*spaceQuota/large {
				s.t.Fatal("it never was full")
			}
		}
	}
}

func (s *spaceTwin) get(on string) error {
	s.t.Helper()
	_, model := s.m[on].read()
	return s.compared("get", model, s.real.read(on))
}

func (s *spaceTwin) remove(on string) error {
	s.t.Helper()
	_, model := s.m[on].write(nil, "k")
	return s.compared("remove", model, s.real.ask(on, "kv/deleterange", map[string]any{"key": "aw=="}, &struct{}{}))
}

func (s *spaceTwin) compared(what string, model, real error) error {
	s.t.Helper()
	s.t.Logf("%s: %v", what, real)
	if !same(model, real) {
		s.t.Errorf("%s: the model says %v, etcd %v", what, model, real)
	}
	return real
}

// raise is an alarm of a member that etcd would raise by itself.
func (s *spaceTwin) raise(kind, of string) {
	s.t.Helper()
	id := memberID(0)
	real := "0"
	if of != "" {
		id = s.id(of)
		var err error
		real, err = s.real.id("a", of)
		s.must(err)
	}
	s.must(s.m["a"].raise(alarm{id, kind}))
	s.must(s.real.ask("a", "maintenance/alarm", map[string]any{"action": "ACTIVATE", "memberID": real, "alarm": kind}, &struct{}{}))
}

// status compares what etcd-status tells of both, and returns that in short.
func (s *spaceTwin) status(on string) string {
	s.t.Helper()
	text, model := s.told(on, patience)
	s.t.Logf("status of %s: %s", on, text)
	if text != model {
		s.t.Errorf("status of %s: the model says %s, etcd %s", on, model, text)
	}
	return text
}

// told is the status of both, once they are the same or the limit is over.
func (s *spaceTwin) told(on string, limit time.Duration) (text, model string) {
	s.t.Helper()
	model = s.brief(s.m[on].look(true), func(id string) string { return s.named(id, s.m[on].look(false).Members) })
	for deadline := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		var real struct{ Rings map[string]statusRing }
		s.must(json.Unmarshal(s.script(on, scripts.EtcdStatus, "writes"), &real))
		x := real.Rings["main"]
		text = s.brief(x, func(id string) string { return s.named(id, x.Members) })
		if text == model || time.Now().After(deadline) {
			return text, model
		}
	}
}

// full is a twin whose members have raised their own alarms. Once one has, nothing more is
// written, and whether the other is as full by then is a matter of which pages it had freed
// when: on a busy host it may stay below, and then they are begun anew.
func full(t *testing.T, begun func(*spaceTwin)) *spaceTwin {
	t.Helper()
	for n := 1; ; n++ {
		s := newSpaceTwin(t, "a", "b")
		begun(s)
		s.fill("a")
		s.fill("b") // each raises its own, when it is asked or when it has the entry
		for _, on := range []string{"b", "a", "b"} {
			s.script(on, scripts.EtcdStatus, "writes") // which asks for a write: on a busy host a's alarm was late
		}
		same := true
		for _, on := range []string{"b", "a"} {
			text, model := s.told(on, 5*time.Second)
			same = same && text == model
		}
		if same || n == 5 {
			return s
		}
		t.Log("they are not full alike")
		s.real.end()
	}
}

func (s *spaceTwin) named(id string, members []statusMember) string {
	if i := slices.IndexFunc(members, func(m statusMember) bool { return m.ID == id }); i >= 0 {
		return members[i].Name
	}
	if id == "" {
		return "nobody"
	}
	return "one that is gone"
}

func (s *spaceTwin) brief(x statusRing, name func(string) string) string {
	var alarms []string
	for _, a := range x.Alarms {
		alarms = append(alarms, a.Kind+" of "+name(a.Member))
	}
	slices.Sort(alarms)
	return fmt.Sprintf("healthy %t, alarms %q, writes %q, near its quota %t", x.Healthy, alarms, x.Writes, x.Size > x.Quota*9/10)
}

// TestSpaceSameAsEtcd fills a ring until etcd refuses to write, and has it write again,
// by hakube's scripts, in the model and in etcd itself; then the same with an alarm for
// data that differ.
func TestSpaceSameAsEtcd(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts etcd, which changes members only when they have been connected for five seconds")
	}
	var s *spaceTwin
	expect := func(on string, words ...string) {
		t.Helper()
		text := s.status(on)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("status of %s is %s, want %q", on, text, w)
			}
		}
	}
	s = full(t, func(twin *spaceTwin) {
		s = twin
		expect("a", "healthy true", "alarms []", `writes ""`)
	})
	for _, on := range []string{"b", "a"} { // b first: one that was turned away by a's alarm raises its own when it is asked again
		expect(on, "healthy true", `alarms ["NOSPACE of a" "NOSPACE of b"]`, `writes "etcdserver: mvcc: database space exceeded"`, "near its quota true")
	}
	if s.get("b") != nil || s.remove("b") != nil || s.put("b") == nil {
		t.Error("a full ring does not read, or takes no deletion, or writes")
	}
	s.space("b", "compact")
	s.space("b", "compact") // again is no error
	expect("b", "NOSPACE of a", "database space exceeded")
	s.space("a", "defragment")
	expect("a", "NOSPACE of a", "near its quota false", "database space exceeded")
	s.space("b", "defragment")
	s.space("a", "disarm")
	expect("a", "alarms []", `writes ""`)
	if s.put("b") != nil {
		t.Error("it takes no writes afterwards")
	}

	s.raise(alarmCorrupt, "b")
	for _, on := range []string{"a", "b"} {
		expect(on, "healthy true", `alarms ["CORRUPT of b"]`, `writes "etcdserver: corrupt cluster"`)
		if s.get(on) != nil || s.put(on) == nil || s.remove(on) == nil {
			t.Errorf("a ring with data that differ does not read, or writes through %s", on)
		}
	}
	s.space("a", "compact")
	s.must(s.ask(question{"remove", "b"}, "a")) // who is in it can be changed
	expect("a", `alarms ["CORRUPT of one that is gone"]`, "corrupt cluster")
	s.space("a", "disarm")
	expect("a", "alarms []", `writes ""`)
	s.raise(alarmCorrupt, "")
	expect("a", `alarms ["CORRUPT of nobody"]`)
	s.space("a", "disarm")
	expect("a", "alarms []", `writes ""`)
}
