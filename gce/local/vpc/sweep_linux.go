package vpc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"hakube/gce/local/vpc/ruleset"
)

// Sweep removes everything of a VPC that has its names, also after its process has died:
// the machines' namespaces, the VPC's, the host's link and with it the routes.
// Processes in a machine's namespace are not ended, but cut off.
func Sweep(o Options) error {
	var errs []error
	names, err := namespaces(o)
	errs = append(errs, err)
	// Links first: they go although something may still live in a namespace.
	if slices.Contains(names, o.vpcNS()) {
		if ns, err := netns.GetFromName(o.vpcNS()); err == nil {
			errs = append(errs, sweepLinks(ns), ns.Close())
		}
		errs = append(errs, remove(onHost, o.hostLink()))
	}
	for _, name := range names {
		errs = append(errs, removeNS(name))
	}
	if err := errors.Join(errs...); err != nil || o.Record == "" {
		return err
	}
	if err := os.Remove(o.Record); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting which namespaces are ours: %w", err)
	}
	return nil
}

func sweepLinks(ns netns.NsHandle) error {
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return nil // a name without a namespace: nothing in it
	}
	defer h.Close()
	ls, err := again(h.LinkList)
	if err != nil {
		return fmt.Errorf("listing the machines' links: %w", err)
	}
	var errs []error
	for _, l := range ls {
		if l.Type() == "veth" {
			errs = append(errs, remove(h, l.Attrs().Name))
		}
	}
	return errors.Join(errs...)
}

// Leftovers lists what of a VPC is in the kernel: nothing after a Sweep.
func Leftovers(o Options) ([]string, error) {
	var left []string
	names, err := namespaces(o)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		left = append(left, "network namespace "+name)
	}
	l, err := find(onHost, o.hostLink())
	if err != nil || l == nil {
		return left, err
	}
	left = append(left, "link "+o.hostLink())
	rs, err := hostRoutes()
	for _, r := range rs {
		if p := prefixOf(r.Dst); r.LinkIndex == l.Attrs().Index && ruleset.External.Overlaps(p) {
			left = append(left, "route "+ruleset.Show(p))
		}
	}
	return left, err
}

// namespaces are the names of the VPC's and the machines' namespaces.
func namespaces(o Options) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", filepath.Clean(netnsDir), err)
	}
	ours := func(name string) bool { return strings.HasPrefix(name, o.prefix()+"-") }
	if o.Record != "" {
		made, err := o.recorded()
		if err != nil {
			return nil, err
		}
		ours = func(name string) bool { return slices.Contains(made, name) }
	}
	var names []string
	for _, e := range entries {
		if ours(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
