package settings

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// The types of settings. Decode is what envconfig calls with the variable's
// text; its error says what is wrong with it, without naming the variable.

// Bool is true or false and nothing else: kube-up took any other word for
// "not true" without saying so (#27425, MULTIZONE=1).
type Bool bool

func (b *Bool) Decode(s string) error {
	switch s {
	case "true":
		*b = true
	case "false":
		*b = false
	default:
		return fmt.Errorf("neither true nor false")
	}
	return nil
}

// Provider is where the machines are.
type Provider string

const (
	GCE   Provider = "gce"
	Local Provider = "local"
)

func (p *Provider) Decode(s string) error {
	switch Provider(s) {
	case GCE, Local:
		*p = Provider(s)
		return nil
	}
	return fmt.Errorf("no such provider; there are gce and local")
}

// Balancing is when the API's address is on a balancer.
type Balancing string

const (
	OnReplicate Balancing = "on-replicate" // as long as there is more than one master
	FromStart   Balancing = "from-start"   // from create on, so that it never moves
)

func (b *Balancing) Decode(s string) error {
	switch Balancing(s) {
	case OnReplicate, FromStart:
		*b = Balancing(s)
		return nil
	}
	return fmt.Errorf("there are on-replicate and from-start")
}

// Zone is a Compute Engine zone.
type Zone string

var zoneGrammar = regexp.MustCompile(`^[a-z]{1,20}-[a-z]{1,20}[0-9]{1,2}-[a-z]$`)

func (z *Zone) Decode(s string) error {
	if s != "" && !zoneGrammar.MatchString(s) {
		return fmt.Errorf("not a zone; one looks like europe-west1-b")
	}
	*z = Zone(s)
	return nil
}

// Region is the zone's region.
func (z Zone) Region() string {
	if i := strings.LastIndexByte(string(z), '-'); i > 0 { // the grammar has seen to the rest
		return string(z)[:i]
	}
	return ""
}

// Zones are zones of one region, in the order in which they were named.
type Zones []Zone

func (z *Zones) Decode(s string) error {
	*z = nil
	for one := range strings.SplitSeq(s, ",") {
		var zone Zone
		if err := zone.Decode(one); s != "" && (err != nil || one == "") {
			return fmt.Errorf("%s is not a zone; a list looks like europe-west1-b,europe-west1-c", quoted(one))
		}
		switch {
		case s == "":
			return nil
		case slices.Contains(*z, zone):
			return fmt.Errorf("%s is there twice", zone)
		case len(*z) > 0 && (*z)[0].Region() != zone.Region():
			return fmt.Errorf("%s and %s are of two regions, and a cluster is in one", (*z)[0], zone)
		}
		*z = append(*z, zone)
	}
	return nil
}

func (z Zones) String() string {
	var all []string
	for _, one := range z {
		all = append(all, string(one))
	}
	return strings.Join(all, ",")
}

// Project is a project id, also of the older kind with a domain.
type Project string

var ProjectGrammar = regexp.MustCompile(`^([a-z0-9][a-z0-9.-]{0,252}:)?[a-z][a-z0-9-]{0,61}[a-z0-9]$`)

func (p *Project) Decode(s string) error {
	if s != "" && !ProjectGrammar.MatchString(s) {
		return fmt.Errorf("not a project id; lower-case letters, digits and hyphens")
	}
	*p = Project(s)
	return nil
}

// Name is a name as Compute Engine takes it (RFC 1035).
type Name string

var NameGrammar = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (n *Name) Decode(s string) error {
	if s != "" && !NameGrammar.MatchString(s) {
		return fmt.Errorf("not a name for Compute Engine: a lower-case letter, then at most 62 lower-case letters, digits or hyphens, no hyphen at the end")
	}
	*n = Name(s)
	return nil
}

// Count is a whole number that is not negative.
type Count int

// MaxCount is beyond every limit of Kubernetes and of Compute Engine, and far
// from where arithmetic ends.
const MaxCount = 1_000_000

func (c *Count) Decode(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("not a whole number")
	}
	if n < 0 {
		return fmt.Errorf("less than nothing")
	}
	if n > MaxCount {
		return fmt.Errorf("more than a cluster has, which is %d", MaxCount)
	}
	*c = Count(n)
	return nil
}

// Prefix is an IPv4 range.
type Prefix struct{ netip.Prefix }

func (p *Prefix) Decode(s string) error {
	v, err := netip.ParsePrefix(s)
	if err != nil || !v.Addr().Is4() {
		return fmt.Errorf("not an IPv4 range; one looks like 10.64.0.0/14")
	}
	if v != v.Masked() {
		return fmt.Errorf("the range has bits beyond its length; did you mean %s", v.Masked())
	}
	p.Prefix = v
	return nil
}

// Addr is an IPv4 address, or none.
type Addr struct{ netip.Addr }

func (a *Addr) Decode(s string) error {
	if s == "" {
		return nil
	}
	v, err := netip.ParseAddr(s)
	if err != nil || !v.Is4() {
		return fmt.Errorf("not an IPv4 address")
	}
	a.Addr = v
	return nil
}

// Domain is a DNS domain.
type Domain string

var domainGrammar = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

func (d *Domain) Decode(s string) error {
	if len(s) > 253 || !domainGrammar.MatchString(s) {
		return fmt.Errorf("not a DNS domain; one looks like cluster.local")
	}
	*d = Domain(s)
	return nil
}

// Size is a disk's size in GB, as Google counts them (2^30 bytes).
type Size int64

func (g *Size) Decode(s string) error {
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSuffix(s, "GB"), "G"), 10, 64)
	if err != nil || n < 1 || n > 65536 {
		return fmt.Errorf("not a size; one looks like 20GB, up to 65536GB")
	}
	*g = Size(n)
	return nil
}

// Version is a Kubernetes version.
type Version string

var versionGrammar = regexp.MustCompile(`^v1\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z0-9.]{1,40})?$`)

func (v *Version) Decode(s string) error {
	if !versionGrammar.MatchString(s) {
		return fmt.Errorf("not a Kubernetes version; one looks like v1.36.3")
	}
	*v = Version(s)
	return nil
}

// URL is an http or https address without user, query and fragment, or none.
// It gets into scripts and configuration on machines.
type URL string

var urlGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^https?://([A-Za-z0-9]([A-Za-z0-9.-]{0,252})|\[[0-9a-fA-F:.]{2,45}\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]{0,1000})?$`)
})

func (u *URL) Decode(s string) error {
	if s == "" {
		return nil
	}
	if _, err := url.Parse(s); err != nil || !urlGrammar().MatchString(s) {
		return fmt.Errorf("not an http or https address of a host, a port and a path")
	}
	*u = URL(strings.TrimSuffix(s, "/"))
	return nil
}

// Account is a service account: none, default (the project's), or an email address.
type Account string

// NoAccount is a machine without a service account.
const NoAccount Account = "none"

var accountGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(none|default|[a-z0-9][a-z0-9.-]{0,62}@[a-z0-9][a-z0-9.-]{0,252})$`)
})

func (a *Account) Decode(s string) error {
	if !accountGrammar().MatchString(s) {
		return fmt.Errorf("not a service account: none, default, or an email address")
	}
	*a = Account(s)
	return nil
}

// Path is a file of this machine, or a list of them, as the operating system
// takes it: any text but what would confuse a terminal.
type Path string

func (p *Path) Decode(s string) error {
	const most = 4096 // PATH_MAX of Linux
	if len(s) > most || !printable(s) {
		return fmt.Errorf("not a path of this machine: at most %d bytes, none of them a control character", most)
	}
	*p = Path(s)
	return nil
}

// Title is what a person may call something: one line of text.
type Title string

func (t *Title) Decode(s string) error {
	const most = 253
	if len(s) > most || !printable(s) {
		return fmt.Errorf("not a name: at most %d bytes, none of them a control character", most)
	}
	*t = Title(s)
	return nil
}

// printable tells whether a text is what it looks like.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Seconds is a time limit, as kube-up counts it, in seconds; 15m is understood too.
type Seconds time.Duration

const longestWait = 7 * 24 * time.Hour

func (d *Seconds) Decode(s string) error {
	if n, err := strconv.Atoi(s); err == nil && n > 0 && n <= int(longestWait/time.Second) {
		*d = Seconds(time.Duration(n) * time.Second)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v <= 0 || v > longestWait {
		return fmt.Errorf("not a time: a number of seconds, such as 900, or one with a unit, such as 15m; above zero, a week at most")
	}
	*d = Seconds(v)
	return nil
}

// Duration is the limit as Go's own type.
func (d Seconds) Duration() time.Duration { return time.Duration(d) }

// Distribution is the operating system of machines.
type Distribution string

func (d *Distribution) Decode(s string) error {
	if s != "debian" {
		return fmt.Errorf("hakube's machines run Debian; the only value is debian")
	}
	*d = Distribution(s)
	return nil
}

// Scopes are the OAuth scopes of a machine's service account, as URLs.
type Scopes []string

const ScopePrefix = "https://www.googleapis.com/auth/"

// scopeAliases are gcloud's short names (gcloud compute instances create, --scopes).
var scopeAliases = map[string]string{
	"bigquery": "bigquery", "cloud-platform": "cloud-platform", "compute-ro": "compute.readonly", "compute-rw": "compute",
	"logging-write": "logging.write", "monitoring": "monitoring", "monitoring-write": "monitoring.write",
	"pubsub": "pubsub", "service-control": "servicecontrol", "service-management": "service.management.readonly",
	"storage-full": "devstorage.full_control", "storage-ro": "devstorage.read_only", "storage-rw": "devstorage.read_write",
	"trace": "trace.append", "userinfo-email": "userinfo.email",
}

var scopeGrammar = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,99}$`)

func (v *Scopes) Decode(s string) error {
	*v = nil
	if s == "" || s == "none" {
		return nil
	}
	for scope := range strings.SplitSeq(s, ",") {
		name, isURL := strings.CutPrefix(scope, ScopePrefix)
		if !isURL {
			var known bool
			if name, known = scopeAliases[scope]; !known {
				return fmt.Errorf("%s is no scope; one looks like storage-ro or %smonitoring", quoted(scope), ScopePrefix)
			}
		} else if !scopeGrammar.MatchString(name) {
			return fmt.Errorf("%s is no scope", quoted(scope))
		}
		*v = append(*v, ScopePrefix+name)
	}
	return nil
}

// Gigabytes is a size as its variable says it.
func Gigabytes(n int64) string { return strconv.FormatInt(n, 10) + "GB" }

// quoted is a text that somebody set, for a message: what a terminal would act
// upon is escaped, and of a long one the beginning is enough.
func quoted(text string) string {
	const most = 80
	if len(text) <= most {
		return strconv.Quote(text)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(strings.ToValidUTF8(text[:most/2], "")), len(text))
}

// BoolText is a truth as a variable has it.
func BoolText(b Bool) string {
	if b {
		return "true"
	}
	return "false"
}
