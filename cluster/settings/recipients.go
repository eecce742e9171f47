package settings

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Recipients are public keys of age, separated by commas, or none.
type Recipients string

// recipientGrammar is that of an X25519 recipient, which every version of age knows.
var recipientGrammar = regexp.MustCompile(`^age1[02-9ac-hj-np-z]{58}$`)

func (r *Recipients) Decode(s string) error {
	for _, key := range Recipients(s).List() {
		if strings.HasPrefix(key, "AGE-SECRET-KEY-") {
			return fmt.Errorf("that is a private key; the public one is in the same file, behind \"public key:\"")
		}
		if !recipientGrammar.MatchString(key) {
			return fmt.Errorf("not a public key of age; one looks like age1 and 58 more letters, as age-keygen prints it")
		}
	}
	*r = Recipients(strings.Join(Recipients(s).List(), ","))
	return nil
}

// DiskSnapshots is how often Compute Engine keeps a snapshot of each master's data disk.
type DiskSnapshots string

// What there is of them.
const (
	NoSnapshots DiskSnapshots = "none"
	Hourly      DiskSnapshots = "hourly"
	Daily       DiskSnapshots = "daily"
)

func (d *DiskSnapshots) Decode(s string) error {
	switch DiskSnapshots(s) {
	case "", NoSnapshots:
		*d = NoSnapshots
	case Hourly, Daily:
		*d = DiskSnapshots(s)
	default:
		return fmt.Errorf("there are hourly, daily and none")
	}
	return nil
}

// On tells whether there are to be any.
func (d DiskSnapshots) On() bool { return d == Hourly || d == Daily }

// Days are how long each is kept, the same as backups that are thinned.
func (d DiskSnapshots) Days() int32 {
	if d == Hourly {
		return 7
	}
	return 90
}

// Place is where backups are kept, a directory or gs://bucket/prefix, or none.
type Place string

// bucketGrammar is that of names of buckets, which may have dots where they are domains.
var bucketGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)

func (p *Place) Decode(s string) error {
	if err := new(Path).Decode(s); err != nil {
		return err
	}
	scheme, rest, is := strings.Cut(s, "://")
	switch name, prefix, _ := strings.Cut(rest, "/"); {
	case !is:
	case scheme != "gs":
		return fmt.Errorf("backups go to files, directories and gs://bucket/prefix; nothing here speaks to %s", scheme)
	case !bucketGrammar.MatchString(name):
		return fmt.Errorf("%s is no name of a bucket; a place looks like gs://bucket/prefix", quoted(name))
	case strings.Contains(prefix, "//") || strings.ContainsAny(prefix, "*?#[]"):
		return fmt.Errorf("a prefix has no wildcards and no empty parts")
	}
	*p = Place(s)
	return nil
}

// List is each of them.
func (r Recipients) List() (keys []string) {
	for key := range strings.SplitSeq(string(r), ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// Interval is how often masters make backups by themselves, 0 for never.
type Interval time.Duration

// What an interval may be: a backup has a master's disk and a processor for some seconds, and
// what is kept longest is one a day.
const (
	leastInterval = time.Minute
	mostInterval  = 24 * time.Hour
)

func (i *Interval) Decode(s string) error {
	*i = 0
	if s == "" || s == "none" {
		return nil
	}
	var d Seconds
	if err := d.Decode(s); err != nil {
		return fmt.Errorf("neither none nor a time, such as 15m")
	}
	switch v := d.Duration(); {
	case v < leastInterval:
		return fmt.Errorf("a backup takes a master some seconds, and is made every minute at most")
	case v > mostInterval:
		return fmt.Errorf("more than a day would be lost with the masters; 24h at most")
	case v%time.Minute != 0:
		return fmt.Errorf("whole minutes only")
	}
	*i = Interval(d)
	return nil
}

func (i Interval) String() string {
	switch d := time.Duration(i); {
	case d == 0:
		return "none"
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	}
}

// Duration is it as Go's own type.
func (i Interval) Duration() time.Duration { return time.Duration(i) }
