package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hakube/gce/emulator"
	"hakube/gce/local/console"
	"hakube/gce/local/mirror"
)

// A Host is what Serve needs to know of the machines besides what the API
// needs: real ones are made by this package, model ones come from outside.
type Host struct {
	emulator.Backend
	// Attach is called once, when the API is there: machines need it for their
	// metadata. Machines that are adopted ask before, and wait for it.
	Attach func(*emulator.Server)
	// Dial connects to an external address of a machine when the machine has no
	// address on this host. nil: machines are reached directly.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Halt ends all machines, in an orderly way, and takes the network down. It
	// is called after the API and the backend are closed: the objects stay as
	// they are, and a later start boots the machines again.
	Halt func(context.Context) error
	// Mirror is the address of the mirror as machines see it, "" if there is none.
	Mirror string
	// Kubernetes are the versions that machines can be made of by now. nil: all that hakube knows
	// how to make, since nothing of them is run.
	Kubernetes func() []string
	// External is where external addresses come from; the emulator's default
	// when empty. Those of real machines are routes of this host, so they have few.
	External netip.Prefix
}

func (h *Host) versions() []string {
	if h.Kubernetes == nil {
		return mirror.Versions()
	}
	return h.Kubernetes()
}

// Serve is the daemon: it serves the embedded GCE of dir until ctx is done,
// then halts the machines. The address is written to the directory once
// requests are answered.
func Serve(ctx context.Context, dir string, o Options, host func() (*Host, error), logger *slog.Logger) (err error) {
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if err := CheckListen(o.Listen); err != nil {
		return err
	}
	l, was, err := listen(dir, o.Listen)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // closed by the HTTP server already, or never used
	// Before the address is kept: a cut must not leave a new one with the old token.
	token, err := ensureToken(dir, was != "")
	if err != nil {
		return err
	}
	err = errors.Join(writeJSON(optionsFile(dir), o), replaceFile(keptFile(dir), []byte(l.Addr().String()+"\n")))
	if err != nil {
		return err
	}
	h, err := host()
	if err != nil {
		return err
	}
	api, err := emulator.New(emulator.Options{Path: storeFile(dir), Backend: h.Backend, Latency: emulator.Latency(o.Latency), External: h.External, Policies: o.Policies, Log: logger})
	if err != nil {
		return errors.Join(err, h.Close())
	}
	h.Attach(api)

	front, err := held(api)
	if err != nil {
		return errors.Join(err, api.Close())
	}
	d := &daemon{api: api, front: front, host: h, options: o, endpoint: "http://" + l.Addr().String(), was: was, visitors: newVisitors()}
	d.console = console.Handler(api, console.About{Endpoint: d.endpoint, Machines: string(o.Machines), Latency: o.Latency, Project: Project})
	server := &http.Server{
		Handler: &gate{sum(token), d.visitors, api.Guard, d}, MaxHeaderBytes: headerMost,
		ReadHeaderTimeout: headerLimit, IdleTimeout: 5 * time.Minute, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	at := struct {
		Endpoint string `json:"endpoint"`
		PID      int    `json:"pid"`
	}{d.endpoint, os.Getpid()}
	if err := writeJSON(addressFile(dir), at); err != nil {
		return errors.Join(err, server.Close(), api.Close())
	}
	logger.Info("serving", "endpoint", d.endpoint, "machines", o.Machines, "latency", o.Latency)

	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serving the embedded GCE: %w", err), api.Close())
	case <-ctx.Done():
	}
	logger.Info("stopping")
	err = errors.Join(os.Remove(addressFile(dir)), server.Close(), api.Close()) // and with it the backend
	// Limited, since who stopped us waits; a machine that does not end in time is killed.
	halt, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return errors.Join(err, h.Halt(halt))
}

// headerLimit is how long the head of a request may take, and headerMost how many
// bytes it may have; the emulator limits the rest.
var headerLimit = 10 * time.Second

const headerMost = 128 << 10

// listen takes the address that the last daemon here had, whether it was stopped
// or killed, if the port is ours to choose: kubeconfigs and shells have it. What
// it was is told when it is another now.
func listen(dir, address string) (l net.Listener, was string, err error) {
	if was, err = keptAddress(dir); err != nil {
		return nil, "", err
	}
	if a, err := net.ResolveTCPAddr("tcp", address); err == nil && a.Port == 0 && was != "" {
		if before, err := net.ResolveTCPAddr("tcp", was); err == nil && before.IP.Equal(a.IP) {
			if l, err := net.Listen("tcp", was); err == nil {
				return l, "", nil
			}
		}
	}
	if l, err = net.Listen("tcp", address); err != nil {
		return nil, "", fmt.Errorf("listening for the embedded GCE: %w", err)
	}
	if was == l.Addr().String() {
		was = ""
	}
	return l, was, nil
}

// keptAddress is where the last daemon of dir answered, "" if none did.
func keptAddress(dir string) (string, error) {
	b, err := os.ReadFile(keptFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		was, err := endpointOf(dir) // of an earlier version that was killed
		if err != nil {
			return "", nil //nolint:nilerr // nothing that would do
		}
		return was, nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the last address of the embedded GCE: %w", err)
	}
	was := strings.TrimSpace(string(b))
	if CheckListen(was) != nil {
		return "", nil // not written by us: none
	}
	return was, nil
}

// endpointOf is where the last daemon of dir answers or answered, unless it was stopped.
func endpointOf(dir string) (hostport string, err error) {
	var at struct{ Endpoint string }
	b, err := os.ReadFile(addressFile(dir))
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil {
		return "", err
	}
	u, err := url.Parse(at.Endpoint)
	if err != nil {
		return "", err
	}
	return u.Host, CheckListen(u.Host)
}

// CheckListen refuses to serve anybody but this machine: the token is all there is
// to show, and it travels in the clear.
func CheckListen(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listening on %s: not an address of loopback; the embedded GCE is for this machine only", listen)
	}
	return nil
}

// daemon is the HTTP handler: the Compute Engine API and what is beside it, all
// behind the [gate].
type daemon struct {
	api      *emulator.Server
	front    http.Handler // api, as requests get to it
	host     *Host
	options  Options
	endpoint string
	was      string // the address before, when it could not be had again
	console  http.Handler
	visitors *visitors
}

func (d *daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		d.connect(w, r)
	case r.URL.Path == statusPath:
		d.status(w)
	case r.URL.Path == consolePath:
		d.invite(w, r)
	case strings.HasPrefix(r.URL.Path, console.Path):
		d.console.ServeHTTP(w, r)
	default:
		d.front.ServeHTTP(w, r)
	}
}

func (d *daemon) status(w http.ResponseWriter) {
	read, change := d.api.Counts()
	w.Header().Set("Content-Type", "application/json")
	// The client may be gone; there is nobody to tell then.
	_ = json.NewEncoder(w).Encode(Status{
		Running: true, Endpoint: d.endpoint, Machines: d.options.Machines, Latency: d.options.Latency,
		Calls: &Calls{Read: read, Change: change}, Objects: d.api.Objects(), Projects: d.api.Projects(), Moved: d.was,
		Project: Project, Mirror: d.host.Mirror, Versions: d.host.versions(), PID: os.Getpid(),
	})
}

// writeJSON replaces a file as a whole, or leaves it as it was.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return replaceFile(path, append(b, '\n'))
}

// replaceFile is that for any text. The file is its owner's only.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
