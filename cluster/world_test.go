package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/cluster/env"
	"hakube/cluster/inventory"
	"hakube/cluster/lease"
	"hakube/cluster/plan"
	"hakube/cluster/settings"
	"hakube/cluster/step"
	"hakube/gce"
	"hakube/gce/emulator"
	"hakube/gce/gcetest"
	"hakube/gce/local/model"
	"hakube/replicate"
	"hakube/replicate/etcdtest"
	"hakube/scripts"
)

// A world is an embedded GCE whose machines answer what this package asks of
// them and nothing else: ssh, the API server of a control plane that lives on
// the master's disk, and the phases of the startup-script.
type world struct {
	*gcetest.Twin
	t testing.TB

	mu       sync.Mutex
	planes   map[uint64]*plane // by the id of the master's data disk
	machines map[emulator.MachineKey]*machine
	exited   func(emulator.MachineKey)
	fault    func(*http.Request) emulator.Fault
	after    func(time.Duration) <-chan time.Time                              // the embedded GCE's clock; nil: the real one
	fail     map[string]string                                                 // by machine or role: why its script gives up
	console  string                                                            // what a machine prints before its script gives up
	printed  map[emulator.MachineKey]string                                    // by machines whose scripts gave up, since they were made
	models   *model.Machines                                                   // what its machines are; nil: those of this file
	dial     func(ctx context.Context, network, addr string) (net.Conn, error) // reaches external addresses
}

// A machine is one that runs.
type machine struct {
	emulator.Machine
	plane *plane // of a master
	ssh   net.Listener
	api   *httptest.Server
	key   ssh.Signer
}

func newPlaneWorld(t testing.TB) *world {
	w := &world{t: t, planes: map[uint64]*plane{}, machines: map[emulator.MachineKey]*machine{}, fail: map[string]string{}, printed: map[emulator.MachineKey]string{}}
	w.dial = w.dialMachine
	w.start(w)
	return w
}

// newWorld is one of model machines, whose clusters are newborn. Whoever calls a
// machine that is stopped hears after a second, not at the end of his own patience,
// that nobody answers.
func newWorld(t testing.TB) *world {
	w, _ := modelWorld(t, model.New(t.TempDir()))
	dial := w.dial
	w.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		return dial(ctx, network, addr)
	}
	return w
}

// newModelWorld is one of model machines: they answer as real ones do, with
// rings of as many masters as there are, which are not newborn: see used.
func newModelWorld(t testing.TB) (*world, *model.Machines) { return newModelWorldWith(t) }

func newModelWorldWith(t testing.TB, change ...func(*emulator.Options)) (*world, *model.Machines) {
	return modelWorld(t, model.New(t.TempDir(), used), change...)
}

// used lets clusters be founded as such that have lived a year and are quiet now:
// 6,000 entries in both rings, so that who joins is sent a snapshot; 100 MB of
// objects, which come in parts; an authority of that age. Nothing writes to a model's
// ring by itself, so the silence lasts.
func used(o *etcdtest.Options) {
	o.Used = etcdtest.Used{Entries: 6000, Bytes: 100 << 20, Age: 365 * 24 * time.Hour}
	o.Slow = 40 << 20
}

func modelWorld(t testing.TB, m *model.Machines, change ...func(*emulator.Options)) (*world, *model.Machines) {
	w := &world{t: t, models: m, dial: func(ctx context.Context, _, addr string) (net.Conn, error) {
		to, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return m.Dial(ctx, to)
	}}
	w.start(m, change...)
	m.Attach(w.Server.MetadataFor)
	return w, m
}

// start starts the embedded GCE in front of machines.
func (w *world) start(machines emulator.Backend, change ...func(*emulator.Options)) {
	w.Twin = gcetest.Start(w.t, func(o *emulator.Options) {
		o.Backend = machines
		for _, f := range change {
			f(o)
		}
		o.Fault = func(r *http.Request) emulator.Fault {
			w.mu.Lock()
			f := w.fault
			w.mu.Unlock()
			if f == nil {
				return emulator.Fault{}
			}
			return f(r)
		}
		o.After = func(d time.Duration) <-chan time.Time {
			w.mu.Lock()
			after := w.after
			w.mu.Unlock()
			if after == nil {
				after = time.After
			}
			return after(d)
		}
	})
}

var _ emulator.Backend = (*world)(nil)

func (w *world) CreateDisk(context.Context, emulator.Disk) error { return nil }
func (w *world) AttachDisk(context.Context, emulator.Machine, emulator.Attachment) error {
	return nil // nothing here uses disks
}
func (w *world) DetachDisk(context.Context, emulator.Machine, emulator.Attachment) error { return nil }
func (w *world) GrowDisk(context.Context, emulator.Disk) error                           { return nil }
func (w *world) Suspend(context.Context, emulator.Machine) error                         { return nil }
func (w *world) Resume(context.Context, emulator.Machine) error                          { return nil }
func (w *world) Sync(context.Context, emulator.Network) error                            { return nil }
func (w *world) Watch(exited func(emulator.MachineKey))                                  { w.exited = exited }
func (w *world) Serial(m emulator.Machine, _ int64) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []byte(w.printed[m.MachineKey]), nil
}
func (w *world) Health(emulator.Balancer) (map[netip.Addr]bool, error) {
	return nil, nil // nothing here is behind a balancer
}
func (w *world) DeleteDisk(_ context.Context, d emulator.Disk) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.planes, d.ID)
	return nil
}

// Close ends what still listens.
func (w *world) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.machines {
		m.halt()
	}
	return nil
}

func (m *machine) halt() {
	if m.api != nil {
		m.api.Close()
	}
	if m.ssh != nil {
		m.ssh.Close()
	}
}

// Start boots a machine: its script runs at once.
func (w *world) Start(_ context.Context, m emulator.Machine) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.machines[m.MachineKey] != nil {
		return nil
	}
	x := &machine{Machine: m}
	w.machines[m.MachineKey] = x
	role := m.Metadata[scripts.KeyRole]
	reason := cmp.Or(w.fail[m.Name], w.fail[role])
	if reason == "" {
		var err error
		if role == scripts.RoleMaster {
			err = w.startMaster(x)
		} else {
			reason = w.join(x)
		}
		if err != nil {
			return err
		}
	}
	if reason != "" {
		w.printed[m.MachineKey] += fmt.Sprintf("[%s] boot\n%shakube: %s%s\n", time.Now(), w.console, scripts.PhaseFailed, reason)
		return w.tell(m.MachineKey, "hakube/phase", scripts.PhaseFailed+reason)
	}
	return w.tell(m.MachineKey, "hakube/phase", scripts.PhaseRunning)
}

func (w *world) startMaster(x *machine) error {
	for _, d := range x.Disks {
		if d.Device != step.MasterDevice {
			continue
		}
		if w.planes[d.ID] == nil {
			w.planes[d.ID] = newPlane(w.t, x.Machine)
		}
		x.plane = w.planes[d.ID]
	}
	if x.plane == nil {
		return fmt.Errorf("the master has no data disk")
	}
	x.plane.mastered(x.Machine)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	if x.key, err = ssh.NewSignerFromKey(private); err != nil {
		return err
	}
	if x.ssh, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	go w.serveSSH(x)
	x.api = httptest.NewUnstartedServer(x.plane)
	x.api.Config.ErrorLog = log.New(io.Discard, "", 0) // clients with old certificates
	x.api.TLS = x.plane.serverTLS(x.NIC.External)
	x.api.StartTLS()
	kind, value, _ := strings.Cut(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(x.key.PublicKey()))), " ")
	return w.tell(x.MachineKey, "hostkeys/"+kind, value)
}

// join makes a node of the machine if a control plane takes its token.
func (w *world) join(x *machine) (reason string) {
	address := x.Metadata[scripts.KeyAddress]
	for _, m := range w.machines {
		if m.plane != nil && m.NIC.External.String() == address {
			return m.plane.join(x.Machine)
		}
	}
	return "nobody answers at " + address
}

// tell writes a guest attribute as the machine does.
func (w *world) tell(key emulator.MachineKey, path, value string) error {
	h, ok := w.Server.MetadataFor(key)
	if !ok {
		return fmt.Errorf("no metadata for %s", key.Name)
	}
	r := httptest.NewRequest(http.MethodPut, "/computeMetadata/v1/instance/guest-attributes/"+path, strings.NewReader(value))
	r.Header.Set("Metadata-Flavor", "Google")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return fmt.Errorf("writing guest attribute %s: %d %s", path, rec.Code, rec.Body)
	}
	return nil
}

// attribute reads a metadata item as the machine sees it now, "" if there is none.
func (w *world) attribute(key emulator.MachineKey, name string) string {
	return w.metadata(key, "instance/attributes/"+name)
}

func (w *world) metadata(key emulator.MachineKey, path string) string {
	h, ok := w.Server.MetadataFor(key)
	if !ok {
		return ""
	}
	r := httptest.NewRequest(http.MethodGet, "/computeMetadata/v1/"+path, nil)
	r.Header.Set("Metadata-Flavor", "Google")
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		return ""
	}
	return rec.Body.String()
}

func (w *world) Stop(_ context.Context, m emulator.Machine, _ bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if x := w.machines[m.MachineKey]; x != nil {
		x.halt()
		delete(w.machines, m.MachineKey)
	}
	return nil
}

// objects is everything in the project, by path; a list that is empty counts
// as one that is not there. Who had the lease last is left out.
func (w *world) objects() map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, o := range w.Server.Snapshot() {
		maps.DeleteFunc(o.Doc, func(_ string, v any) bool {
			l, ok := v.([]any)
			return ok && len(l) == 0
		})
		if labels, ok := o.Doc["labels"].(map[string]any); ok {
			for _, k := range lease.Keys() {
				delete(labels, k)
			}
			delete(o.Doc, "labelFingerprint")
		}
		all[o.Path] = o.Doc
	}
	forgetGrowths(all)
	return all
}

// forgetGrowths leaves out what is written down of growths that are done: a run that could not
// give the lease back could not take it away either.
func forgetGrowths(all map[string]map[string]any) {
	for _, doc := range all {
		labels, _ := doc["labels"].(map[string]any)
		for k, v := range labels {
			zone, is := strings.CutPrefix(k, inventory.GrowthKey)
			size := 0.0
			for path, group := range all {
				if n, ok := group["targetSize"].(float64); ok && strings.Contains(path, "/zones/"+zone+"/instanceGroupManagers/") {
					size += n
				}
			}
			if is && strings.HasSuffix(v.(string), fmt.Sprintf("-%d", int(size))) {
				delete(labels, k)
			}
		}
	}
}

// dialMachine reaches external addresses of the world.
func (w *world) dialMachine(ctx context.Context, network, addr string) (net.Conn, error) {
	ip, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	target := ""
	for _, m := range w.machines {
		if m.plane == nil || m.NIC.External.String() != ip {
			continue
		}
		switch port {
		case "22":
			target = m.ssh.Addr().String()
		case "443":
			target = m.api.Listener.Addr().String()
		}
	}
	w.mu.Unlock()
	if target == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("nobody is at %s", addr)}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, target)
}

// serveSSH takes whoever's key is in the machine's metadata.
func (w *world) serveSSH(x *machine) {
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if on := w.attribute(x.MachineKey, scripts.KeyOSLogin); strings.EqualFold(cmp.Or(on, w.metadata(x.MachineKey, "project/attributes/"+scripts.KeyOSLogin)), "true") {
			return nil, errors.New("OS Login is on")
		}
		want := c.User() + ":" + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		for line := range strings.Lines(w.attribute(x.MachineKey, scripts.KeySSHKeys)) {
			if strings.HasPrefix(line, want) {
				return nil, nil
			}
		}
		return nil, fmt.Errorf("unknown key")
	}}
	config.AddHostKey(x.key)
	for {
		conn, err := x.ssh.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			server, channels, requests, err := ssh.NewServerConn(conn, config)
			if err != nil {
				return
			}
			defer server.Close()
			go ssh.DiscardRequests(requests)
			for c := range channels {
				channel, requests, err := c.Accept()
				if err != nil {
					return
				}
				go w.session(x, channel, requests)
			}
		}()
	}
}

func (w *world) session(x *machine, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer channel.Close()
	for r := range requests {
		if r.Type != "exec" {
			_ = r.Reply(r.Type == "env", nil)
			continue
		}
		_ = r.Reply(true, nil)
		var script bytes.Buffer
		_, _ = script.ReadFrom(channel)
		status := uint32(0)
		name, err := scripts.Name(script.String())
		switch {
		case err == nil && name == "admin-kubeconfig":
			_, _ = channel.Write(x.plane.adminConf)
		case err == nil && name == "etcd-status":
			fmt.Fprintf(channel, `{"rings":{"main":%s,"events":%s}}`, ringJSON(x.Machine), ringJSON(x.Machine))
		default:
			fmt.Fprintf(channel.Stderr(), "this machine does not know %q\n", name)
			status = 1
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
		return
	}
}

func ringJSON(m emulator.Machine) string {
	return fmt.Sprintf(`{"id":"8e9e05c52164694d","index":1,"members":[{"id":"8e9e05c52164694d","name":%q,"peerURLs":["https://%s.%s.c.local.internal:2380"],"learner":false}],`+
		`"leader":"8e9e05c52164694d","healthy":true,"revision":1,"error":""}`, m.Name, m.Name, m.Zone)
}

// An operator is somebody with a key, a kubeconfig and settings.
type operator struct {
	*Cluster
	kubeconfig string
}

// deadPID is the number of no process: the lease of a run that a test kills is
// over at once, as that of a killed process is. Tests of the lease take another.
const deadPID = 1 << 30

// operator returns one who wants a cluster of 1 master and 2 nodes.
func (w *world) operator(change ...func(*settings.Settings)) *operator {
	w.t.Helper()
	s, _, err := settings.Load(settings.Up, map[string]string{"KUBERNETES_PROVIDER": "local", "KUBE_GCE_ZONE": gcetest.Zone, "NUM_NODES": "2"},
		func(settings.Provider) string { return gcetest.Project })
	if err != nil {
		w.t.Fatal(err)
	}
	s.InitTimeout, s.GroupTimeout, s.ReadyGrace = settings.Seconds(time.Minute), settings.Seconds(time.Minute), settings.Seconds(time.Millisecond)
	for _, f := range change {
		s = byHand(s, f)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	o := &operator{kubeconfig: filepath.Join(w.t.TempDir(), "kube", "config")}
	runner := replicate.NewRunner(replicate.Options{Signer: signer, Dial: w.dial, Timeout: 2 * time.Second})
	w.t.Cleanup(func() {
		if err := runner.Close(); err != nil {
			w.t.Logf("closing ssh: %v", err) // its machine may be gone
		}
	})
	client := w.Client
	if s.Zone.Region() != gcetest.Region {
		client = w.NewClient(w.t, func(g *gce.Options) { g.Region = s.Zone.Region() })
	}
	o.Cluster = New(s, env.Deps{
		GCE: client, SSH: runner, Signer: signer, User: "me", Dial: w.dial, Kubeconfig: o.kubeconfig, Poll: time.Millisecond, LetGo: time.Second,
		PID: deadPID,
		InRegion: func(_ context.Context, region string) (*gce.Client, error) {
			return w.NewClient(w.t, func(g *gce.Options) { g.Region = region }), nil
		},
	})
	return o
}

// byHand changes settings as somebody does who sets variables.
func byHand(s settings.Settings, change func(*settings.Settings)) settings.Settings {
	was := reflect.ValueOf(s)
	change(&s)
	is := reflect.ValueOf(s)
	for _, f := range settings.Fields() {
		if !reflect.DeepEqual(was.FieldByIndex(f.Index).Interface(), is.FieldByIndex(f.Index).Interface()) {
			s = s.Said(f.Tag.Get("envconfig"), s.TextOf(f) != "") // nobody sets an empty one
		}
	}
	return s
}

// again is the same operator with other settings.
func (o *operator) again(change func(*settings.Settings)) *operator {
	c := *o.Cluster
	c.settings = byHand(c.settings, change)
	return &operator{Cluster: &c, kubeconfig: o.kubeconfig}
}

// events collects what a run says, and is shown when the test fails.
func (w *world) events() func(plan.Event) {
	return func(e plan.Event) {
		if e.Kind.Final() || e.Kind == plan.Waiting {
			w.t.Logf("[%d/%d] %s: %s %s", e.N, e.Of, e.Step, e.Kind, e.Why)
		}
	}
}
