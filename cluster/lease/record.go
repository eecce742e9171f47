package lease

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"
)

// The labels of the reserved address that are the lease. Keys and values are of
// lower-case letters, digits, "_" and "-", 63 at most ("Label resources", Compute
// Engine). They stay when the lease is given back: so whoever read the address
// before sees by its fingerprint that somebody had it since.
const (
	runKey    = "hakube-lease"        // id of the run that has it, or had it last
	holderKey = "hakube-lease-holder" // user_host_process
	hostKey   = "hakube-lease-host"   // whose process numbers they are
	forKey    = "hakube-lease-for"    // add-replica_europe-west1-c
	untilKey  = "hakube-lease-until"  // Unix time in milliseconds by the holder's clock, or leaseFree
)

// Keys are all of them, for who compares clusters and not runs.
func Keys() []string {
	return []string{runKey, holderKey, hostKey, forKey, untilKey}
}

const free = "free"

// A Record is what a lease says.
type Record struct{ run, holder, host, purpose, until string }

// RecordOf is what labels say of a lease; the zero value when they say nothing.
func RecordOf(labels map[string]string) Record {
	return Record{
		run: labels[runKey], holder: labels[holderKey], host: labels[hostKey],
		purpose: labels[forKey], until: labels[untilKey],
	}
}

// On returns labels with the lease in them.
func (r Record) On(labels map[string]string) map[string]string {
	all := maps.Clone(labels)
	if all == nil {
		all = map[string]string{}
	}
	all[runKey], all[holderKey], all[hostKey] = r.run, r.holder, r.host
	all[forKey], all[untilKey] = r.purpose, r.until
	return all
}

// Taken tells that it was not given back. Its holder may be dead.
func (r Record) Taken() bool { return r.run != "" && r.until != free }

// expires is when it ends by its holder's clock.
func (r Record) expires() time.Time {
	ms, _ := strconv.ParseInt(r.until, 10, 64) // by hand somebody may have put anything there: long over
	return time.UnixMilli(ms)
}

// String is "root on ci-1 (process 4711): add replica in europe-west1-c".
func (r Record) String() string {
	who := strings.Split(r.holder, "_")
	if len(who) != 3 {
		return fmt.Sprintf("%q: %q", r.holder, r.purpose)
	}
	what, zone, found := strings.Cut(r.purpose, "_")
	what = strings.ReplaceAll(what, "-", " ")
	if found {
		what += " in " + zone
	}
	return fmt.Sprintf("%s on %s (process %s): %s", who[0], who[1], who[2], what)
}

// recordFor is a process of this host with a new run.
func recordFor(user string, pid int, purpose, zone string) Record {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host"
	}
	if zone != "" {
		purpose += "_" + zone
	}
	return Record{
		run:     hex.EncodeToString(id[:]),
		holder:  word(user, 20) + "_" + word(host, 30) + "_" + strconv.Itoa(pid),
		host:    processes(),
		purpose: strings.ReplaceAll(strings.ToLower(purpose), " ", "-"),
	}
}

// word makes a label's part of any text.
func word(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	return cmp.Or(s[:min(len(s), most)], "unknown")
}

// processes names the set of process numbers this process is in: a boot of a
// kernel, and the namespace, since containers may share a host's name. "" where
// that cannot be told.
func processes() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(append(boot, space...))
	return hex.EncodeToString(sum[:8])
}

// dead tells that the holder was a process of this host that is no more, so that
// nobody has to wait for its lease to end.
func (r Record) dead() bool {
	who := strings.Split(r.holder, "_")
	if r.host == "" || r.host != processes() {
		return false
	}
	pid, err := strconv.Atoi(who[len(who)-1])
	if err != nil || pid <= 0 {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5)
	return strings.HasPrefix(state, "Z")           // killed, and nobody has waited for it yet
}

// Status is the run that has the lease, nil if none has. Whether it is
// alive is a guess where the clocks differ; nothing is decided by it.
func (r Record) Status() *RunStatus {
	if !r.Taken() {
		return nil
	}
	return &RunStatus{By: r.String(), Alive: !r.dead() && time.Now().Before(r.expires())}
}

// A RunStatus is a run that has the lease: it is at work, or was cut.
type RunStatus struct {
	By    string `json:"by"`    // "root on ci-1 (process 4711): add replica in europe-west1-c"
	Alive bool   `json:"alive"` // as far as can be told
}
