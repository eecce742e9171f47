package local

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"

	"hakube/scripts/cure"
)

// Loopback is no identity: every user of this machine, and every container with
// the host's network, reaches it. What tells the owner of a state directory from
// them is a token in a file that only the owner can read.

// A tokenError is a state directory whose token cannot be had.
type tokenError struct {
	dir string
	err error
}

func (e *tokenError) Error() string {
	return fmt.Sprintf("reading the token of the embedded GCE in %s: %v", e.dir, e.err)
}

func (e *tokenError) Unwrap() error { return e.err }

// Hint says what makes one: each start does.
func (e *tokenError) Hint() string {
	return cure.Hint("have one made", cure.LocalStop(e.dir), cure.LocalStart())
}

// aToken is what a token looks like: it goes into headers and URLs as it is.
var aToken = regexp.MustCompile(`^[A-Z2-7]{26,}$`)

// Token is what every request to the daemon of dir must carry. It stays the same
// over stop and start, so that kubeconfigs and what "local env" said go on working.
func Token(dir string) (string, error) {
	b, err := os.ReadFile(TokenFile(dir))
	if err != nil {
		return "", &tokenError{dir, err}
	}
	token := strings.TrimSpace(string(b))
	if !aToken.MatchString(token) {
		return "", &tokenError{dir, errors.New("the file holds none")}
	}
	return token, nil
}

// ensureToken is Token for the daemon: it makes one where none is, and sees that
// nobody else can read it. It makes another when the daemon's address is lost: who
// has it now may be another user, and was sent the token by whatever called there.
func ensureToken(dir string, lost bool) (string, error) {
	token, err := Token(dir)
	if err == nil && !lost {
		if err := os.Chmod(TokenFile(dir), 0o600); err != nil {
			return "", &tokenError{dir, err}
		}
		return token, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", err
	}
	token = rand.Text()
	return token, replaceFile(TokenFile(dir), []byte(token+"\n"))
}

// Bearer carries requests by base, with the token of the moment in each.
func Bearer(token func() string, base http.RoundTripper) http.RoundTripper {
	return &bearer{token, base}
}

type bearer struct {
	token func() string
	base  http.RoundTripper
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a RoundTripper may not change its request
	r.Header.Set("Authorization", "Bearer "+b.token())
	return b.base.RoundTrip(r)
}

// CloseIdleConnections makes the method of http.Client work.
func (b *bearer) CloseIdleConnections() {
	if base, ok := b.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// ProxyURL is the endpoint as a proxy for HTTP CONNECT, with the credentials
// that clients send to one.
func ProxyURL(endpoint, token string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("reading the embedded GCE's address: %w", err)
	}
	u.User = url.UserPassword("hakube", token)
	return u.String(), nil
}
