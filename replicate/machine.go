package replicate

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"hakube/scripts"
)

// A Disk is how full a master's data disk is; all zero if that is not known.
type Disk struct {
	Bytes  int64 `json:"bytes"`
	Free   int64 `json:"free"`
	Inodes int64 `json:"inodes"` // 0 also of a file system that makes them as needed
	// FreeInodes is how many more files there can be.
	FreeInodes int64 `json:"freeInodes"`
}

func (d Disk) check() error {
	if d.Free < 0 || d.Free > d.Bytes || d.FreeInodes < 0 || d.FreeInodes > d.Inodes {
		return fmt.Errorf("a disk with %d of %d bytes and %d of %d inodes free", d.Free, d.Bytes, d.FreeInodes, d.Inodes)
	}
	return nil
}

// LeastFree is how much of a master's data disk is to be free, in percent of its bytes
// and of its inodes. A member of a ring needs room for a second copy of its database
// while it is sent one or is defragmented, and ends when it cannot write its log.
const LeastFree = 10

// Full is how the disk is nearly full, "" if it is not.
func (d Disk) Full() string {
	switch {
	case d.Free*100 < d.Bytes*LeastFree:
		return fmt.Sprintf("its data disk is nearly full: %d MiB of %d are free", d.Free>>20, d.Bytes>>20)
	case d.FreeInodes*100 < d.Inodes*LeastFree:
		return fmt.Sprintf("its data disk is nearly full: %d of %d inodes are free", d.FreeInodes, d.Inodes)
	}
	return ""
}

// A Clock is by how much another machine's clock is before this one's: between the two.
// A script runs for a while, and when in that time it read the clock is not known. The
// zero Clock is not known.
type Clock struct {
	Least, Most time.Duration
	Known       bool
	at          time.Time // what it showed
}

// UnmarshalJSON takes the seconds since 1970 that a machine tells.
func (c *Clock) UnmarshalJSON(text []byte) error {
	var seconds float64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds > 1<<40 {
		return fmt.Errorf("%s is no time", text)
	}
	if seconds > 0 {
		c.at = time.UnixMicro(int64(seconds * 1e6))
	}
	return nil
}

// Read notes that the clock showed what it did between two times of this machine's.
func (c *Clock) Read(begin, end time.Time) {
	if !c.at.IsZero() {
		*c = ClockAt(c.at, c.at, begin, end)
	}
}

// ClockAt is a clock that showed something between two times, which is as exact as
// that, when this machine's showed something between begin and end.
func ClockAt(from, to, begin, end time.Time) Clock {
	return Clock{Least: from.Sub(steady(end)), Most: to.Sub(steady(begin)), Known: true, at: from}
}

// steady is a time of this machine's as if nobody had set its clock since the start.
func steady(t time.Time) time.Time { return began.Round(0).Add(t.Sub(began)) }

var began = time.Now()

// Apart is by how much two clocks differ at least.
func (c Clock) Apart(o Clock) time.Duration {
	if !c.Known || !o.Known {
		return 0
	}
	return max(0, c.Least-o.Most, o.Least-c.Most)
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (c Clock) MarshalJSON() ([]byte, error) {
	if c.at.IsZero() {
		return []byte("0"), nil
	}
	return json.Marshal(float64(c.at.UnixMicro()) / 1e6)
}

// GrowFiles makes the file system of a master's data disk as large as the disk is.
func GrowFiles(ctx context.Context, r *Runner, on Host) error { return r.tend(ctx, on, "disk") }

// SetClock has a machine take its time anew from where it takes it.
func SetClock(ctx context.Context, r *Runner, on Host) error { return r.tend(ctx, on, "clock") }

func (r *Runner) tend(ctx context.Context, h Host, what string) error {
	var answer struct {
		Error string `json:"error"`
	}
	err := r.ask(ctx, h, scripts.TendMachine, &answer, what)
	if err == nil && answer.Error != "" {
		err = fmt.Errorf("seeing to the %s of %s: %s", what, h.Name, answer.Error)
	}
	return err
}

// A Certificate is one that a master shows to others, by its file's name: "apiserver",
// "admin.conf", "etcd/server".
type Certificate struct {
	Name string    `json:"name"`
	Ends time.Time `json:"ends"`
}

var certificateName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$`)

// UnmarshalJSON reads what scripts.EtcdStatus prints, whose times are seconds since 1970.
func (c *Certificate) UnmarshalJSON(text []byte) error {
	var x struct {
		Name string `json:"name"`
		Ends int64  `json:"ends"`
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return err
	}
	if !certificateName.MatchString(x.Name) || x.Ends < 0 || x.Ends > maxEnd {
		return fmt.Errorf("%.100q that ends at %d is no certificate", x.Name, x.Ends)
	}
	*c = Certificate{x.Name, time.Unix(x.Ends, 0).UTC()}
	return nil
}

// MarshalJSON is the reverse.
func (c Certificate) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"name": c.Name, "ends": c.Ends.Unix()})
}

// maxEnd is the last second of the year 9999, which RFC 5280 has for what never ends.
const maxEnd = 253402300799

// CheckFailure tells whether a machine can make a failure of itself for a drill, nil if so:
// the failures are those of scripts/drill.sh.
func CheckFailure(ctx context.Context, r *Runner, on Host, failure string) error {
	return r.drill(ctx, on, "check", failure)
}

// BeginFailure has a machine fail, which takes that back by itself when the time is over.
func BeginFailure(ctx context.Context, r *Runner, on Host, failure string, limit time.Duration, addresses ...string) error {
	return r.drill(ctx, on, append([]string{"begin", failure, strconv.Itoa(int(limit.Seconds()))}, addresses...)...)
}

// UndoFailure has a machine take back whatever a drill left.
func UndoFailure(ctx context.Context, r *Runner, on Host) error { return r.drill(ctx, on, "undo") }

func (r *Runner) drill(ctx context.Context, h Host, args ...string) error {
	var answer struct {
		Error string `json:"error"`
	}
	err := r.ask(ctx, h, scripts.Drill, &answer, args...)
	if err == nil && answer.Error != "" {
		err = fmt.Errorf("drill of %s (%s): %s", h.Name, strings.Join(args, " "), answer.Error)
	}
	return err
}
