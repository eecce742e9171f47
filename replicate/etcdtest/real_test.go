package etcdtest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A realRing is etcd itself: processes on loopback, asked over HTTP.
type realRing struct {
	program string
	dir     string
	ports   map[string][2]int // by name: of the client and of the peer
	gates   map[string]string // by name: where the others reach it, if not at its port
	running map[string]*process
	more    []string      // arguments
	silence time.Duration // after which an answer is taken not to come; 0 is patience
}

// patience is how long a busy host may keep etcd from what it does at once otherwise. It only
// ends a wait; impatience is for what a ring without quorum is asked, which never answers.
const patience, impatience = time.Minute, 1500 * time.Millisecond

type process struct {
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
}

// findEtcd finds what the embedded GCE's mirror has made or fetched, or one in PATH.
func findEtcd(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("HAKUBE_CACHE_DIR")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Skip("there is no cache directory: ", err)
		}
		cache = filepath.Join(dir, "hakube")
	}
	found, err := filepath.Glob(filepath.Join(cache, "mirror", "etcd-*", "bin", "etcd"))
	if err != nil {
		t.Fatal(err)
	}
	if path, err := exec.LookPath("etcd"); err == nil {
		found = append(found, path)
	}
	for _, path := range found {
		out, err := exec.Command(path, "--version").Output()
		if version := "etcd Version: 3.6."; err == nil && strings.HasPrefix(string(out), version) {
			return path
		}
	}
	t.Skipf("there is no etcd 3.6 in %s nor in PATH: \"hakube local prepare\" makes one", cache)
	return ""
}

func newRealRing(program, dir string, names ...string) (*realRing, error) {
	r := &realRing{program: program, dir: dir, ports: map[string][2]int{}, running: map[string]*process{}}
	var open []net.Listener // all at once, so that no two are the same
	for _, n := range names {
		var ports [2]int
		for i := range ports {
			l, err := listenLow()
			if err != nil {
				return nil, err
			}
			open = append(open, l)
			ports[i] = l.Addr().(*net.TCPAddr).Port
		}
		r.ports[n] = ports
	}
	for _, l := range open {
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// listenLow listens on a port that is free and below those the kernel gives to whoever asks for
// any: between the moment it is let go and etcd's start no other test is given it, of this
// package nor of stories of the command line, which have those below 26000.
func listenLow() (l net.Listener, err error) {
	for range 100 {
		port := 26000 + rand.IntN(6000)
		if _, taken := given.LoadOrStore(port, true); taken {
			continue
		}
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			return l, nil
		}
	}
	return nil, errors.Join(errors.New("no port is free"), err)
}

var given sync.Map // ports, each once: who has one may listen on it much later

func (r *realRing) peerURL(name string) string {
	if u := r.gates[name]; u != "" {
		return u
	}
	return r.listens(name)
}

func (r *realRing) listens(name string) string {
	return fmt.Sprintf("http://127.0.0.1:%d", r.ports[name][1])
}

// start runs a member with its data, or one that joins those of a list.
func (r *realRing) start(name, state string, list []string) error {
	var initial []string
	for _, n := range list {
		initial = append(initial, n+"="+r.peerURL(n))
	}
	client := fmt.Sprintf("http://127.0.0.1:%d", r.ports[name][0])
	log, err := os.OpenFile(filepath.Join(r.dir, name+".log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
	cmd := exec.Command(r.program, "--name="+name, "--data-dir="+r.data(name),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+r.listens(name), "--initial-advertise-peer-urls="+r.peerURL(name),
		"--initial-cluster="+strings.Join(initial, ","), "--initial-cluster-state="+state, "--initial-cluster-token=model",
		"--heartbeat-interval=50", "--election-timeout=500", "--unsafe-no-fsync", "--log-level=warn", "--feature-gates=InitialCorruptCheck=true")
	cmd.Args = append(cmd.Args, r.more...)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{cmd, make(chan struct{})}
	r.running[name] = p
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.over)
	}()
	return nil
}

func (r *realRing) data(name string) string { return filepath.Join(r.dir, name) }

// stop ends a member as a failing machine does.
func (r *realRing) stop(name string) {
	if p := r.running[name]; p != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.over
		delete(r.running, name)
	}
}

func (r *realRing) end() {
	for name := range r.running {
		r.stop(name)
	}
}

// runs tells whether the process has not ended by itself.
func (r *realRing) runs(name string) bool {
	p := r.running[name]
	if p == nil {
		return false
	}
	select {
	case <-p.over:
		return false
	default:
		return true
	}
}

// said is its log since it was started. Where etcd gives its reason is not the end
// of it: a stack or two may follow.
func (r *realRing) said(name string) string {
	text, _ := os.ReadFile(filepath.Join(r.dir, name+".log"))
	return string(text)
}

// ask calls etcd's JSON gateway. An answer that does not come is what a ring
// without quorum gives.
func (r *realRing) ask(name, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(r.silence, patience))
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d/v3/%s", r.ports[name][0], path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	a, err := http.DefaultClient.Do(q)
	if errors.Is(err, context.DeadlineExceeded) {
		return errNoQuorum
	}
	if err != nil {
		return err
	}
	defer a.Body.Close() //nolint:errcheck // all of it is read
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		var e struct {
			Message string `json:"message"`
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("%s: %s", a.Status, text)
		}
		return errors.New(e.Message)
	}
	return json.Unmarshal(text, answer)
}

type realMember struct {
	ID       string   `json:"ID"` // decimal
	Name     string   `json:"name"`
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"isLearner"`
}

// members are as one member remembers them.
func (r *realRing) members(via string) ([]realMember, error) {
	var answer struct {
		Members []realMember `json:"members"`
	}
	err := r.ask(via, "cluster/member/list", map[string]any{"linearizable": false}, &answer)
	return answer.Members, err
}

// id finds a member by name, 1 if there is none.
func (r *realRing) id(via, name string) (string, error) {
	all, err := r.members(via)
	for _, m := range all {
		if slices.Contains(m.PeerURLs, r.peerURL(name)) {
			return m.ID, nil
		}
	}
	return "1", err
}

func (r *realRing) add(via, name string) error {
	return r.ask(via, "cluster/member/add", map[string]any{"peerURLs": []string{r.peerURL(name)}, "isLearner": true}, &struct{}{})
}

func (r *realRing) change(via, verb, name string) error {
	id, err := r.id(via, name)
	if err != nil {
		return err
	}
	return r.ask(via, "cluster/member/"+verb, map[string]any{"ID": id}, &struct{}{})
}

func (r *realRing) put(via string) error {
	return r.ask(via, "kv/put", map[string]any{"key": "aw==", "value": "dg=="}, &struct{}{})
}

func (r *realRing) read(via string) error {
	return r.ask(via, "kv/range", map[string]any{"key": "aw=="}, &struct{}{})
}

// leader is whom a member follows, "0" or "" for none.
func (r *realRing) leader(via string) string {
	var answer struct {
		Leader string `json:"leader"`
	}
	if err := r.ask(via, "maintenance/status", map[string]any{}, &answer); err != nil {
		return ""
	}
	return answer.Leader
}

// indexes are what a member counts as committed and as applied.
func (r *realRing) indexes(via string) (committed, applied int64) {
	var answer struct {
		Committed int64 `json:"raftIndex,string"`
		Applied   int64 `json:"raftAppliedIndex,string"`
	}
	if err := r.ask(via, "maintenance/status", map[string]any{}, &answer); err != nil {
		return 0, 0
	}
	return answer.Committed, answer.Applied
}

// term is how often a ring has had leaders, as a member knows; "" if it does not say.
func (r *realRing) term(via string) string {
	var answer struct {
		Term string `json:"raftTerm"`
	}
	if err := r.ask(via, "maintenance/status", map[string]any{}, &answer); err != nil {
		return ""
	}
	return answer.Term
}

// shape is who is in a ring, for comparing: "a b(learner) c(unnamed)".
func (r *realRing) shape(via string) (string, error) {
	all, err := r.members(via)
	var list []string
	for _, m := range all {
		for name := range r.ports {
			if slices.Contains(m.PeerURLs, r.peerURL(name)) {
				list = append(list, shapeOf(name, m.Name, m.Learner))
			}
		}
	}
	slices.Sort(list)
	return strings.Join(list, " "), err
}

func shapeOf(name, called string, learner bool) string {
	if learner {
		name += "(learner)"
	}
	if called == "" {
		name += "(unnamed)"
	}
	return name
}

// shape is the same of the model's.
func (b *bench) shape(via string) string {
	var list []string
	for _, m := range b.m[via].data.State.Members {
		name := strings.TrimSuffix(strings.TrimPrefix(m.PeerURLs[0], "https://"), ":"+strconv.Itoa(peerPorts[ringMain]))
		list = append(list, shapeOf(name, m.Name, m.Learner))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
