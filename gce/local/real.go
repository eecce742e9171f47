package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hakube/gce/emulator"
	"hakube/gce/local/dns"
	"hakube/gce/local/image"
	"hakube/gce/local/machine"
	"hakube/gce/local/mirror"
	"hakube/gce/local/trust"
	"hakube/gce/local/vpc"
	"hakube/gce/local/vpc/ruleset"
	"hakube/scripts/cure"
)

// real is the backend of real machines: machines, their network, and the
// services inside it that every machine can reach.
type real struct {
	*machine.Host
	options  machine.Options
	network  *vpc.VPC
	lock     *hostLock
	now      atomic.Pointer[emulator.Network] // as last synced
	api      chan *emulator.Server            // holds the server once it is attached
	services []func() error                   // their ends
}

// NoBoundary is what whoever starts real machines has to know; package machine
// says what root on one of them gets of the host, and what not.
const NoBoundary = "root on these machines is kept from this host's devices, settings and modules, but not from all of its kernel: " +
	"let nobody use them who may not be root here"

// mirrorAddress is where machines find the mirror.
var mirrorAddress = "http://" + ruleset.Mirror.String()

// A needError is what is missing for real machines.
type needError struct{ what string }

func (e needError) Error() string { return "real machines need " + e.what }

// Hint names the way without.
func (e needError) Hint() string {
	return cure.Hint("model machines need nothing", cure.LocalModel())
}

// able says whether real machines can run here at all.
func able() error {
	if runtime.GOOS != "linux" {
		return needError{"Linux"}
	}
	if os.Geteuid() != 0 {
		return needError{"root"}
	}
	return nil
}

// Prepare makes what real machines boot and fetch, as far as it is not cached,
// and returns the mirror, to be closed. say is told what takes long.
func Prepare(ctx context.Context, say func(string)) (*mirror.Mirror, error) {
	if err := able(); err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	if err := mountable(cache, "HAKUBE_CACHE_DIR"); err != nil {
		return nil, err
	}
	if _, err := checkDir(cache, "HAKUBE_CACHE_DIR"); err != nil { // what is in it runs as root
		return nil, err
	}
	if err := lacking(cache, thisHost); err != nil {
		return nil, err
	}
	if _, err := image.Build(ctx, image.Options{Dir: cache, Progress: say}); err != nil {
		return nil, err
	}
	return mirror.Prepare(ctx, mirror.Options{Dir: cache, Progress: say})
}

// Kubectl is the path of a kubectl of the clusters' version in the cache, ""
// when there is none yet.
func Kubectl(ctx context.Context) (string, error) {
	cache, err := mirror.CacheDir()
	if err != nil {
		return "", noHome("cache", err, "HAKUBE_CACHE_DIR")
	}
	if _, err := checkDir(cache, "HAKUBE_CACHE_DIR"); err != nil { // whoever asks runs it
		return "", err
	}
	return mirror.CachedKubectl(ctx, mirror.Options{Dir: cache})
}

// NewReal makes the host of real machines with its state in dir.
func NewReal(ctx context.Context, dir string, logger *slog.Logger) (_ *Host, err error) {
	if err := mountable(dir, "HAKUBE_LOCAL_DIR"); err != nil {
		return nil, err
	}
	if err := able(); err != nil {
		return nil, err
	}
	lock, err := lockHost(dir) // before what takes minutes: another may have the machines
	if err != nil {
		return nil, err
	}
	files, err := Prepare(ctx, func(text string) { logger.Info(text) })
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, errors.Join(err, lock.Unlock(), files.Close())
	}
	network, err := vpc.New(networkOf(dir))
	if err != nil {
		return nil, errors.Join(err, lock.Unlock(), files.Close())
	}
	r := &real{network: network, lock: lock, api: make(chan *emulator.Server, 1)}
	r.now.Store(&emulator.Network{})
	r.services = append(r.services, files.Close, network.Close)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.closeServices(), lock.Unlock())
		}
	}()
	authority, err := trust.Open(authorityFile(dir), replaceFile)
	if err != nil {
		return nil, err
	}
	r.options = machine.Options{
		Dir: dir, Cache: cache, NetNS: network.Machine, Trust: authority.Certificate(),
		NetNSGone: func(m emulator.Machine) {
			if err := network.Release(m); err != nil {
				logger.Warn("releasing the network of a machine", "machine", m.Name, "error", err)
			}
		},
		Log: func(err error) { logger.Warn("machines", "error", err) },
	}
	if r.Host, err = machine.New(r.options); err != nil {
		return nil, err
	}
	if err := errors.Join(r.serve(files, logger), r.serveAPIs(authority, logger)); err != nil {
		return nil, errors.Join(err, r.Host.Close())
	}
	return &Host{
		Backend: r, Mirror: mirrorAddress, Kubernetes: files.Has, Halt: r.halt,
		Attach: func(s *emulator.Server) { r.api <- s },
	}, nil
}

// serve opens the services inside the network.
func (r *real) serve(files *mirror.Mirror, logger *slog.Logger) error {
	serveHTTP := func(at netip.Addr, h http.Handler) error {
		l, err := r.network.Listen("tcp", net.JoinHostPort(at.String(), "80"))
		if err != nil {
			return fmt.Errorf("serving machines at %s: %w", at, err)
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
		go func() { _ = s.Serve(l) }() // ends with Close
		r.services = append(r.services, s.Close)
		return nil
	}
	archive, mirrored := image.Archive(), files.Handler()
	if err := serveHTTP(ruleset.Mirror, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.IsAbs() || r.Method == http.MethodConnect { // apt's, which takes it for a proxy
			archive.ServeHTTP(w, r)
			return
		}
		mirrored.ServeHTTP(w, r)
	})); err != nil {
		return err
	}
	if err := serveHTTP(ruleset.Metadata, http.HandlerFunc(r.metadata)); err != nil {
		return err
	}
	at := net.JoinHostPort(ruleset.Metadata.String(), "53")
	p, err := r.network.ListenPacket("udp", at)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", err)
	}
	l, err := r.network.Listen("tcp", at)
	if err != nil {
		return fmt.Errorf("serving DNS: %w", errors.Join(err, p.Close()))
	}
	names, err := dns.Serve(dns.Resolver{Lookup: r.network.From, Services: emulator.ServiceNames(), APIs: ruleset.APIs}, p, l)
	if err != nil {
		return err
	}
	r.services = append(r.services, names.Close)
	return nil
}

// serveAPIs opens the door that machines know by the names of Google's services.
func (r *real) serveAPIs(authority *trust.Authority, logger *slog.Logger) error {
	config, err := authority.Server(emulator.ServiceNames())
	if err != nil {
		return err
	}
	l, err := r.network.Listen("tcp", net.JoinHostPort(ruleset.APIs.String(), "443"))
	if err != nil {
		return fmt.Errorf("serving machines at %s: %w", ruleset.APIs, err)
	}
	s := &http.Server{
		TLSConfig: config, MaxHeaderBytes: headerMost, ReadHeaderTimeout: headerLimit, IdleTimeout: 5 * time.Minute,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // whoever does not trust us says so at each try
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if api := r.attached(req.Context()); api != nil {
				api.Inside().ServeHTTP(w, req)
			}
		}),
	}
	go func() { _ = s.ServeTLS(l, "", "") }() // ends with Close
	r.services = append(r.services, s.Close)
	return nil
}

// attached is the API, which comes after the network; nil when nobody waits any more.
func (r *real) attached(ctx context.Context) *emulator.Server {
	select {
	case api := <-r.api:
		r.api <- api // for the next one
		return api
	case <-ctx.Done():
		return nil
	}
}

// metadata answers the machine that asks. The server tells machines apart by
// their own address only: a pod's is nobody's.
func (r *real) metadata(w http.ResponseWriter, req *http.Request) {
	api := r.attached(req.Context())
	if api == nil {
		return
	}
	from, err := netip.ParseAddrPort(req.RemoteAddr)
	if err == nil {
		n, address := r.network.From(from.Addr())
		for _, m := range n.Machines {
			if m.NIC.Address != address {
				continue
			}
			if h, ok := api.MetadataFor(m.MachineKey); ok {
				h.ServeHTTP(w, req)
				return
			}
		}
	}
	http.Error(w, "not a machine's own address", http.StatusForbidden)
}

// Sync implements [emulator.Backend].
func (r *real) Sync(ctx context.Context, n emulator.Network) error {
	r.now.Store(&n)
	return r.network.Sync(ctx, n)
}

// Health implements [emulator.Backend].
func (r *real) Health(b emulator.Balancer) (map[netip.Addr]bool, error) { return r.network.Health(b) }

// Close lets go of machines and network; both go on without us.
func (r *real) Close() error { return errors.Join(r.closeServices(), r.Host.Close()) }

func (r *real) closeServices() error {
	var errs []error
	for i := len(r.services) - 1; i >= 0; i-- {
		errs = append(errs, r.services[i]())
	}
	r.services = nil
	return errors.Join(errs...)
}

// halt ends all machines, after Close so that nobody takes it for machines
// that ended by themselves, and then the network.
func (r *real) halt(ctx context.Context) error {
	o := r.options
	o.NetNSGone = nil // the network goes as a whole
	h, err := machine.New(o)
	if err != nil {
		return err
	}
	var all errgroup.Group
	for _, m := range r.now.Load().Machines {
		all.Go(func() error { return h.Stop(ctx, m, true) })
	}
	return errors.Join(all.Wait(), h.Close(), vpc.Sweep(networkOf(r.options.Dir)), r.lock.Unlock())
}

// sweep removes what a daemon of dir left in the kernel, and the machines' disks.
func sweep(ctx context.Context, dir string) error {
	if err := able(); err != nil {
		return err
	}
	if err := machine.Sweep(ctx, dir); err != nil {
		return err
	}
	lock, err := lockHost(dir)
	if busy := (*busyError)(nil); errors.As(err, &busy) {
		return nil // the network on this host is another's
	} else if err != nil {
		return err
	}
	return errors.Join(vpc.Sweep(networkOf(dir)), lock.Unlock())
}

// networkOf is how a state directory's network is told from what others have named
// like it.
func networkOf(dir string) vpc.Options {
	return vpc.Options{Record: filepath.Join(dir, "run", "namespaces")}
}
