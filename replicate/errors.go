package replicate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"hakube/scripts/cure"
)

// Why a machine could not be talked to; [ConnectError] and [RunError] wrap one
// of them. Unreachable and refused are what a machine that still boots answers,
// and denied one whose guest agent has not made the user yet.
var (
	ErrUnreachable = errors.New("no answer")
	ErrRefused     = errors.New("connection refused")
	ErrDenied      = errors.New("the machine does not accept the ssh key")
	ErrLost        = errors.New("the connection was lost")
	ErrOutput      = errors.New("more output than expected")
)

// A ConnectError says why there is no connection to a machine: errors.Is finds
// ErrUnreachable, ErrRefused, ErrDenied or ErrLost in it, errors.As a
// [*HostKeyError].
type ConnectError struct {
	Host, Address, User string
	Kind                error // one of the above, or nil
	Err                 error
}

func (e *ConnectError) Error() string {
	text := fmt.Sprintf("connecting to %s (%s)", e.Host, e.Address)
	switch {
	case errors.Is(e.Kind, ErrDenied):
		return fmt.Sprintf("%s as %s: %v", text, e.User, e.Kind)
	case e.Kind != nil:
		return fmt.Sprintf("%s: %v: %v", text, e.Kind, e.Err)
	}
	return fmt.Sprintf("%s: %v", text, e.Err)
}

func (e *ConnectError) Unwrap() []error {
	if e.Kind == nil {
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// Hint says what to do, "" when there is nothing to advise.
func (e *ConnectError) Hint() string {
	var key *HostKeyError
	switch {
	case errors.As(e.Err, &key):
		return key.Hint()
	case errors.Is(e.Kind, ErrDenied):
		return fmt.Sprintf("see that the instance's metadata ssh-keys has a line for %s with this key, and that its enable-oslogin is FALSE if the project has OS Login on; the guest agent takes some seconds to act on it", e.User)
	case errors.Is(e.Kind, ErrUnreachable):
		return fmt.Sprintf("see that %s runs and that a firewall rule lets tcp:22 in from here", e.Host)
	}
	return ""
}

// A HostKeyError is a machine that identified itself with a key it should not have.
type HostKeyError struct {
	Host, Zone, Address string
	Offered             ssh.PublicKey
	Expected            []ssh.PublicKey
	ByConsole           bool // Expected is from the serial console
}

func (e *HostKeyError) Error() string {
	if len(e.Expected) == 0 {
		return "no host key of the machine is known"
	}
	return fmt.Sprintf("it offered the host key %s, expected %s", fingerprint(e.Offered), fingerprints(e.Expected))
}

// Hint says what it can mean.
func (e *HostKeyError) Hint() string {
	told := cure.HostKeys(e.Host, e.Zone)
	if e.ByConsole {
		told = cure.Console(e.Host, e.Zone)
	}
	if len(e.Expected) == 0 && e.ByConsole {
		return cure.Hint(fmt.Sprintf("nobody may read guest attributes here, and hakube's startup-script prints them on the serial console of %s when it boots and each hour, in lines that begin with hakube-tells; see whether it does", e.Host), told)
	}
	if len(e.Expected) == 0 {
		return fmt.Sprintf("Google's guest agent and hakube's startup-script write them to the guest attributes hostkeys/ when %s boots, if its metadata have enable-guest-attributes=TRUE; a reset of the machine does it again", e.Host)
	}
	return cure.Hint(fmt.Sprintf("either %s was made anew a moment ago, then run this again, or another machine answers at %s; the keys it told", e.Host, e.Address), told)
}

func fingerprint(k ssh.PublicKey) string { return k.Type() + " " + ssh.FingerprintSHA256(k) }

func fingerprints(keys []ssh.PublicKey) string {
	var all []string
	for _, k := range keys {
		all = append(all, fingerprint(k))
	}
	return strings.Join(all, " or ")
}

// connectError sorts what dialling or the handshake returned.
func connectError(ctx context.Context, h Host, err error) error {
	e := &ConnectError{Host: h.Name, Address: h.Address, User: h.User, Err: err}
	var key *HostKeyError
	switch {
	case errors.As(err, &key):
		e.Err = key // without the handshake's own words
	case errors.Is(ctx.Err(), context.Canceled):
		e.Err = ctx.Err()
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Kind = ErrRefused
	case strings.Contains(err.Error(), "ssh: unable to authenticate"): // the library has no type for it
		e.Kind = ErrDenied
	default:
		e.Kind = ErrUnreachable
		if ctx.Err() != nil {
			e.Err = context.Cause(ctx)
		}
	}
	return e
}

// A RunError is a script that did not end well: it has all there is to see.
type RunError struct {
	Host   string
	Name   string // the script's, from its line `# hakube: <name>`
	Args   []string
	Stdout []byte // as much as is kept
	Stderr []byte // the end of it
	Exit   int    // exit status; -1 when the script did not exit
	Err    error  // then: why. [ErrLost], [ErrOutput], an error of the context, a signal
}

func (e *RunError) Error() string {
	text := fmt.Sprintf("running %s on %s: ", e.Name, e.Host)
	if e.Err != nil {
		text += e.Err.Error()
	} else {
		text += fmt.Sprintf("exit status %d", e.Exit)
	}
	if line := lastLine(e.Stderr); line != "" {
		text += ": " + line
	}
	return text
}

func (e *RunError) Unwrap() error { return e.Err }

// Hint says what to do, "" when there is nothing to advise.
func (e *RunError) Hint() string {
	if line := lastLine(e.Stderr); strings.HasPrefix(line, "sudo: ") {
		return "the user must be one whom the guest agent made, with sudo and no password; just after boot that takes some seconds"
	}
	return ""
}

// lastLine is where programs say why they failed.
func lastLine(b []byte) string {
	text := strings.TrimSpace(string(b))
	line := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	const limit = 400
	if len(line) > limit {
		line = strings.ToValidUTF8(line[:limit], "") + "…"
	}
	return line
}
