package replicate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	// The ssh protocol; the standard library has none.
	"golang.org/x/crypto/ssh"
)

// A Host is a machine as ssh needs to know it.
type Host struct {
	Name    string // for people: the instance's name
	Zone    string // for people too
	Address string // host:port to dial
	User    string // whom to log in as, see [LoginName]
	// HostKeys are what the machine may identify itself with, see
	// [ParseHostKeys]. There is no trust on first use: without any, nothing is
	// dialled.
	HostKeys []ssh.PublicKey
	// ByConsole tells that the keys are from the machine's serial console, since nobody
	// may read its guest attributes.
	ByConsole bool
	// KeysNow, if set, asks for them again: HostKeys are from a moment ago, and good
	// for a connection that was made since. Before another is made this is asked.
	KeysNow func(context.Context) ([]ssh.PublicKey, error)
}

// ParseHostKeys reads the guest attributes hostkeys/*, where Google's guest
// agent puts a machine's host keys: "hostkeys/ssh-ed25519" (or only
// "ssh-ed25519") to the key in base64. Other attributes are left alone. A
// machine that has not written any yet has none, which is no error.
func ParseHostKeys(attributes map[string]string) ([]ssh.PublicKey, error) {
	var keys []ssh.PublicKey
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		kind := strings.TrimPrefix(name, "hostkeys/")
		if strings.Contains(kind, "/") {
			continue
		}
		key, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(kind + " " + attributes[name]))
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("more than one line")
		}
		if err == nil && key.Type() != kind {
			err = fmt.Errorf("it is a key of type %s", key.Type())
		}
		if err != nil {
			return nil, fmt.Errorf("reading guest attribute hostkeys/%s: %w", kind, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// verify is what the host key callback says to a key.
func (h Host) verify(offered ssh.PublicKey) error {
	if hasKey(h.HostKeys, offered) {
		return nil
	}
	return &HostKeyError{Host: h.Name, Zone: h.Zone, Address: h.Address, Offered: offered, Expected: h.HostKeys, ByConsole: h.ByConsole}
}

func hasKey(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	return slices.ContainsFunc(keys, func(k ssh.PublicKey) bool {
		return string(k.Marshal()) == string(key.Marshal())
	})
}

// algorithms are the host key algorithms to ask for: those of the known keys
// first. All others follow, so that a machine that has none of them still shows
// a key, which can then be named in the error.
func (h Host) algorithms() []string {
	var known, others []string
	for _, a := range ssh.SupportedAlgorithms().HostKeys {
		kind := a
		switch a {
		case ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512:
			kind = ssh.KeyAlgoRSA
		}
		switch {
		case strings.Contains(a, "-cert-"):
		case slices.ContainsFunc(h.HostKeys, func(k ssh.PublicKey) bool { return k.Type() == kind }):
			known = append(known, a)
		default:
			others = append(others, a)
		}
	}
	return append(known, others...)
}
