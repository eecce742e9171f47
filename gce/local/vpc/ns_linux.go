package vpc

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// netnsDir is where ip netns keeps named namespaces.
const netnsDir = "/run/netns"

// protocolID marks our routes (rtm_protocol), as in "proto 172"; numbers above
// 4 are the user's to give.
const protocolID = 172

// ensureNS opens the named namespace, and makes it when it is not there. A
// file that names no namespace (its maker died half-way) is replaced.
func ensureNS(name string) (netns.NsHandle, error) {
	path := filepath.Join(netnsDir, name)
	if isNS(path) {
		ns, err := netns.GetFromPath(path)
		if err != nil {
			return netns.None(), fmt.Errorf("opening namespace %s: %w", name, err)
		}
		return ns, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return netns.None(), fmt.Errorf("removing what is left of namespace %s: %w", name, err)
	}
	ns := netns.None()
	err := onThread(func() (err error) {
		ns, err = netns.NewNamed(name) // and moves this thread into it
		return err
	})
	if err != nil {
		return netns.None(), fmt.Errorf("making namespace %s: %w", name, err)
	}
	return ns, nil
}

// ensureRecordedNS is ensureNS for a name that is written down first, so that one whose
// maker dies is known for ours.
func (o Options) ensureRecordedNS(name string) (netns.NsHandle, error) {
	if err := o.record(name); err != nil {
		return netns.None(), err
	}
	return ensureNS(name)
}

// record writes a name down once.
func (o Options) record(name string) error {
	if o.Record == "" {
		return nil
	}
	names, err := o.recorded()
	if err != nil || slices.Contains(names, name) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.Record), 0o711); err != nil {
		return fmt.Errorf("writing down namespace %s: %w", name, err)
	}
	f, err := os.OpenFile(o.Record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing down namespace %s: %w", name, err)
	}
	_, err = f.WriteString(name + "\n")
	return errors.Join(err, f.Close())
}

// recorded are the names that were written down.
func (o Options) recorded() ([]string, error) {
	b, err := os.ReadFile(o.Record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which namespaces are ours: %w", err)
	}
	return strings.Fields(string(b)), nil
}

// removeNS takes the name away; the namespace goes with its last process.
func removeNS(name string) error {
	path := filepath.Join(netnsDir, name)
	// EINVAL: the file is there and nothing is mounted on it.
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	return nil
}

func isNS(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.NSFS_MAGIC
}

// within runs f on a thread that is inside ns. Sockets and processes made by f
// stay there.
func within(ns netns.NsHandle, f func() error) error {
	return onThread(func() error {
		if err := netns.Set(ns); err != nil {
			return fmt.Errorf("entering namespace: %w", err)
		}
		return f()
	})
}

// onThread runs f on a thread of its own, which f may move to another network
// namespace. If it cannot be brought back it ends with the goroutine, so no
// other goroutine ever runs in the wrong namespace.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("opening the host's namespace: %w", err)
			return
		}
		defer func() { _ = home.Close() }() // only a descriptor for reading
		err = f()
		if back := netns.Set(home); back != nil {
			done <- errors.Join(err, fmt.Errorf("returning to the host's namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// sysctls writes switches of ns. /proc/sys/net shows those of the thread that looks.
func sysctls(ns netns.NsHandle, values map[string]string) error {
	return within(ns, func() error {
		for name, value := range values {
			err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0)
			if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "net/ipv6/") {
				continue // a kernel without IPv6
			}
			if err != nil {
				return fmt.Errorf("setting sysctl %s: %w", name, err)
			}
		}
		return nil
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// prefixOf is the other way round; the zero Prefix for nil.
func prefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	a, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	if !ok {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a.Unmap(), bits)
}

// find looks a link up by name; nil when it is not there.
func find(h *netlink.Handle, name string) (netlink.Link, error) {
	l, err := h.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding link %s: %w", name, err)
	}
	return l, nil
}

// remove takes a link away, if it is there still.
func remove(h *netlink.Handle, name string) error {
	l, err := find(h, name)
	if err != nil || l == nil {
		return err
	}
	if err := h.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing link %s: %w", name, err)
	}
	return nil
}

// onHost speaks netlink in the host's namespace.
var onHost = &netlink.Handle{}

// again repeats a listing that the kernel changed while it was read.
func again[T any](list func() (T, error)) (v T, err error) {
	for range 10 {
		if v, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return v, err
}
