package etcdtest

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"hakube/replicate/etcdtest/kubeapi"
)

// How full a master's data disk is, and what time it is on a machine.

// Crowd is what else is on a data disk beside the members' databases.
type Crowd struct {
	Bytes  int64 `json:"bytes,omitempty"`
	Inodes int64 `json:"inodes,omitempty"`
}

// diskFullness is the JSON of scripts/etcd-status.sh about the disk.
type diskFullness struct {
	Bytes      int64 `json:"bytes"`
	Free       int64 `json:"free"`
	Inodes     int64 `json:"inodes"`
	FreeInodes int64 `json:"freeInodes"`
}

const (
	defaultDisk   = 20 << 30 // of one whose size nobody told
	bytesPerInode = 16 << 10 // as mkfs.ext4 makes them
)

// diskBytes is how large the disk is that the machine has now.
func (g *Guest) diskBytes() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return cmp.Or(g.m.Sizes["master-pd"], defaultDisk)
}

// fullness is of the file system, which is as large as the disk was when it was grown
// last. The lock is held.
func (g *Guest) fullness() diskFullness {
	if g.control == nil {
		return diskFullness{}
	}
	x := &g.control.disk.content
	d := diskFullness{Bytes: x.FileSystem}
	used := x.Crowd.Bytes
	for _, data := range x.Rings {
		used += data.size()
	}
	d.Inodes = d.Bytes / bytesPerInode
	d.Free, d.FreeInodes = max(0, d.Bytes-used), max(0, d.Inodes-x.Crowd.Inodes)
	return d
}

// growFiles makes the file system as large as the disk, as each mount does.
func (g *Guest) growFiles(d *dataDisk) error {
	size := g.diskBytes()
	if d.content.FileSystem >= size {
		return nil
	}
	d.content.FileSystem = size
	return d.save()
}

// Grow tells the machine that a disk is larger now, by its path, if it has that. Its
// file system is not.
func (g *Guest) Grow(path string, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for device, has := range g.m.Disks {
		if has == path && g.m.Sizes != nil {
			g.m.Sizes[device] = bytes
		}
	}
}

// CrowdDisk puts other things on the disk master-pd, in the place of those before, so
// that so many bytes and inodes are left.
func (g *Guest) CrowdDisk(free, freeInodes int64) error {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return fmt.Errorf("crowding the disk of %s: it is not mounted", g.m.Name)
	}
	g.control.disk.content.Crowd = Crowd{}
	d := g.fullness()
	g.control.disk.content.Crowd = Crowd{d.Free - free, d.FreeInodes - freeInodes}
	return g.control.disk.save()
}

// SkewClock sets the machine's clock to another time. A reboot sets it right.
func (g *Guest) SkewClock(by time.Duration) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	g.skew = by
}

// clock is what time it is there. The lock is held.
func (g *Guest) clock() float64 { return float64(time.Now().Add(g.skew).UnixMicro()) / 1e6 }

// tendMachine is scripts/tend-machine.sh.
func tendMachine(_ context.Context, c Call) int {
	g := c.Guest
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	text := ""
	switch {
	case len(c.Args) != 1 || c.Args[0] != "disk" && c.Args[0] != "clock":
		return c.fail("usage: disk|clock")
	case c.Args[0] == "clock":
		g.skew = 0
	case g.control == nil:
		text = "open: No such file or directory while opening /dev/disk/by-id/google-master-pd"
	default:
		if err := g.growFiles(g.control.disk); err != nil {
			text = err.Error()
		}
	}
	return c.answer(map[string]string{"error": text})
}

// AgeCertificates has what the machine shows to others end in so long.
func (g *Guest) AgeCertificates(left time.Duration) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	g.ends = time.Now().Add(left)
}

// AgeAuthority has its cluster's authority, and what that signed here, end in so long.
func (g *Guest) AgeAuthority(left time.Duration) {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	g.caEnds = time.Now().Add(left)
}

// Rotated is which rotation of its certificates was done here last.
func (g *Guest) Rotated() string {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return ""
	}
	return g.control.disk.content.Rotated
}

// rotateCertificates is scripts/rotate-certificates.sh: what listens shows another certificate
// for the next connection, and the administrator's is another one.
func rotateCertificates(ctx context.Context, c Call) int {
	if len(c.Args) != 1 || c.Args[0] == "" {
		return c.fail("usage: rotate-certificates ROTATION")
	}
	s, code := c.onMaster(ctx)
	if code != 0 {
		return code
	}
	g := s.Guest
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	d := g.control.disk
	if d.content.Rotated == c.Args[0] {
		return c.answer(map[string]string{"rotated": c.Args[0]})
	}
	cert, key, err := d.content.PKI.admin(0)
	if err == nil {
		d.content.AdminConf, err = withKey(d.content.AdminConf, cert, key)
	}
	if err == nil {
		err = d.save()
	}
	if err != nil {
		return c.fail("%v", err)
	}
	if g.control.serving != nil {
		if g.control.serving, err = s.servingTLS(d); err != nil {
			return c.fail("%v", err)
		}
	}
	g.ends = time.Time{}
	g.w.happened()
	if !g.ready() || g.control.rings() != nil {
		return c.fail("API server and etcd show their new certificates: not after 120 s")
	}
	d.content.Rotated = c.Args[0]
	if err := d.save(); err != nil {
		return c.fail("%v", err)
	}
	return c.answer(map[string]string{"rotated": c.Args[0]})
}

var (
	clientCertificate = regexp.MustCompile(`(client-certificate-data: ).*`)
	clientKey         = regexp.MustCompile(`(client-key-data: ).*`)
)

// withKey is a kubeconfig with another certificate and key.
func withKey(conf string, cert, key []byte) (string, error) {
	if !clientCertificate.MatchString(conf) || !clientKey.MatchString(conf) {
		return "", errors.New("the kubeconfig of the administrator has no certificate")
	}
	b64 := base64.StdEncoding.EncodeToString
	conf = clientCertificate.ReplaceAllString(conf, "${1}"+b64(cert))
	return clientKey.ReplaceAllString(conf, "${1}"+b64(key)), nil
}

// certificates are what the machine shows to others. A model has two, of its cluster's
// authority and its administrator.
func (g *Guest) certificates() []map[string]any {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	list := []map[string]any{}
	if g.control == nil || g.control.disk.content.PKI == nil {
		return list
	}
	ca, err := g.control.disk.content.PKI.ca()
	if err != nil {
		return list // it cannot be told what does not parse
	}
	admin := ca.NotAfter
	if !g.caEnds.IsZero() {
		admin = g.caEnds
	}
	list = append(list, map[string]any{"name": "ca", "ends": admin.Unix()})
	if !g.ends.IsZero() {
		admin = g.ends
	}
	return append(list, map[string]any{"name": "admin.conf", "ends": admin.Unix()})
}

// CrowdDNS has both pods of CoreDNS on one machine, and nowhere else when that fails; "" spreads them
// again.
func (w *World) CrowdDNS(machine string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crowded = machine
	w.happened()
}

// Resolves tells whether the cluster's DNS answers who asks on a master: there is a pod of it that
// Kubernetes takes for Ready. While that cannot be asked nothing changes of who answers.
func (g *Guest) Resolves() bool {
	g.w.mu.Lock()
	defer g.w.mu.Unlock()
	if g.control == nil {
		return true
	}
	s, err := g.control.main().read()
	if err != nil {
		return true
	}
	pods, err := g.w.coreDNS(s.contents())
	return err != nil || slices.ContainsFunc(pods, func(o kubeapi.Object) bool { return o.(*corev1.Pod).Status.Phase == corev1.PodRunning })
}
