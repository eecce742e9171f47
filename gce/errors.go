package gce

import (
	"errors"
	"fmt"
	"strings"
)

// An Error is why a verb did not succeed.
type Error struct {
	Verb    string // "creating"
	Object  string // "network kubernetes"
	Class   Class
	Code    int    // HTTP status, of the answer or in the operation; 0 when there was no answer
	Reason  string // Google's word: "notFound", "ZONE_RESOURCE_POOL_EXHAUSTED"
	Message string // Google's sentence
	// Operation is the name of the operation that failed or was not awaited to
	// its end; "" when the call itself was refused.
	Operation string
	Err       error // what is below, nil when the answer says it all

	again    again             // what the retry policy makes of it
	project  string            // for hints
	loopback bool              // the endpoint is on this machine, for hints
	details  map[string]string // Google's structured details, for hints
	after    string            // Retry-After
}

// Class is what a caller can do about an error.
type Class int

const (
	No      Class = iota // nothing: it needs a person
	Gone                 // the object itself is not there
	Already              // an object of that name is there
	Later                // the same call may succeed later
)

func (c Class) String() string { return [...]string{"no", "gone", "already", "later"}[c] }

func (e *Error) Error() string {
	m := message(e)
	if e.Verb == "" {
		return m
	}
	return e.Verb + " " + e.Object + ": " + m
}

func (e *Error) Unwrap() error { return e.Err }

// message is an error without the verb and the object, on one line.
func message(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	m := strings.TrimSuffix(strings.Join(strings.Fields(e.Message), " "), ".")
	switch {
	case m == "" && e.Err != nil:
		m = e.Err.Error()
	case m == "" && e.Reason != "":
		m = e.Reason
	case m == "":
		m = fmt.Sprintf("HTTP %d", e.Code)
	}
	return m
}

// ClassOf returns the class of an error of this package, No for another one.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return No
}

// IsNotFound tells whether err says that the object itself is not there. It is
// false when something else is missing (the zone, the network it refers to)
// and when whoever answered was not Compute Engine.
func IsNotFound(err error) bool { return err != nil && ClassOf(err) == Gone }

// InUse tells whether err says that another object still uses this one, or
// still has the address. Its class is Later: Google says so also for a moment
// after the other one has let go. It is not tried again by itself, since
// mostly somebody has to let go first.
func InUse(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.inUse()
}

// Stale tells whether err says that the object was changed by somebody else
// since it was read: a fingerprint no longer fits.
func Stale(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.stale()
}

// ForbiddenBy is the organisation's policy that err is about, "constraints/…", or "".
func ForbiddenBy(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return constraint.FindString(e.Message)
}

// NoStock tells whether err says that a zone has no machines or disks of the
// kind left just now: where that is, and where Google says there are some (nil
// when it does not say). Its class is No: it is not solved in minutes.
func NoStock(err error) (zone string, others []string, is bool) {
	var e *Error
	if !errors.As(err, &e) || !e.stockOut() {
		return "", nil, false
	}
	others = strings.FieldsFunc(e.details["zonesAvailable"], func(c rune) bool { return c == ',' || c == ' ' })
	zone = e.details["zone"]
	if _, rest, ok := strings.Cut(e.Message, "/zones/"); zone == "" && ok {
		zone, _, _ = strings.Cut(rest, "'")
	}
	return zone, others, true
}

// Permanent tells whether asking again is no use: nobody is let in, or not to
// this, or the organisation does not allow it. Waits end by it.
func (e *Error) Permanent() bool {
	return e.Class == No && !e.quota() && (e.Code == 401 || e.Code == 403 || e.is(reasonNoCredentials, reasonCredentials) || e.forbiddenByOrganisation())
}

// reasons of our own, beside Google's.
const (
	reasonNoProject     = "noProject"
	reasonNoCredentials = "noCredentials"
	reasonCredentials   = "badCredentials"
	reasonNotGoogle     = "notComputeEngine"
	reasonCut           = "connection"
	reasonLimit         = "limit"
)

// is compares reasons: an answer says "resourceInUseByAnotherResource" where an
// operation says RESOURCE_IN_USE_BY_ANOTHER_RESOURCE.
func (e *Error) is(reasons ...string) bool {
	mine := flat(e.Reason)
	for _, r := range reasons {
		if mine == flat(r) {
			return true
		}
	}
	return false
}

func flat(reason string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(reason))
}

func (e *Error) inUse() bool {
	return e.is("resourceInUseByAnotherResource", "resourceInUse", "ipInUseByAnotherResource") ||
		strings.Contains(e.Message, "IP_IN_USE_BY_ANOTHER_RESOURCE") ||
		strings.Contains(e.Message, "is already being used by") ||
		strings.Contains(e.Message, "is already in-use") || // a static address, for a machine
		strings.Contains(e.Message, "in-use and would result in a conflict") // for a forwarding rule
}

func (e *Error) stale() bool {
	return e.Code == 412 && e.is("conditionNotMet") && !e.forbiddenByOrganisation() ||
		strings.Contains(e.Message, "fingerprint does not match") // setMetadata fails so in its operation (bosh#159)
}

func (e *Error) forbiddenByOrganisation() bool {
	return strings.Contains(e.Message, "constraints/")
}

// judge sets the class and what the retry policy makes of the error, from the
// code, the reason and the message. name is the object's.
func (e *Error) judge(name string) *Error {
	switch {
	case e.is(reasonNotGoogle):
		switch e.Code {
		case 429, 502, 503, 504: // a proxy's or front end's page
			e.Class, e.again = Later, againBusy
		}
	case e.is("rateLimitExceeded", "userRateLimitExceeded") || e.Code == 429:
		e.Class, e.again = Later, againBusy
	case e.stockOut(): // its operation carries code 503, as what is tried again does
	case e.is("resourceNotReady") || e.Code == 503:
		e.Class, e.again = Later, againBusy
	case e.Code == 502 || e.Code == 504:
		e.Class, e.again = Later, againBusy
	case e.Code == 500:
		e.Class, e.again = Later, againRead
	case e.inUse():
		e.Class = Later
	case e.is("alreadyExists", "resourceAlreadyExists", "memberAlreadyExists"):
		e.Class = Already
	case e.is("notFound", "resourceNotFound"):
		// Listing, or a message about the zone or the project: what is missing
		// is not the object, and nothing is known about that.
		if missing := resourceIn(e.Message); name != "" && (missing == "" || Base(missing) == name) {
			e.Class = Gone
		}
	}
	return e
}

// quota tells whether the project may not have more of something. What is said
// of calls in a minute is another matter, and tried again.
func (e *Error) quota() bool { return e.is("quotaExceeded", "limitExceeded") }

// billing tells whether nobody pays for the project: said with a reason of its
// own or, by older services, only in the message of a plain "forbidden".
func (e *Error) billing() bool {
	return e.is("billingDisabled", "billingNotEnabled", "accountDisabled", "UREQ_PROJECT_BILLING_NOT_FOUND") ||
		e.Code == 403 && strings.Contains(strings.ToLower(e.Message), "billing")
}

func (e *Error) stockOut() bool {
	return strings.Contains(flat(e.Reason), "resourcepoolexhausted") || e.is("stockout") ||
		e.details["reason"] == "resource_availability"
}

// resourceIn returns the path Google quotes: "The resource 'projects/p/…' was
// not found".
func resourceIn(message string) string {
	_, rest, ok := strings.Cut(message, "The resource '")
	if !ok {
		return ""
	}
	path, _, _ := strings.Cut(rest, "'")
	return path
}
