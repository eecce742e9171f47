package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/store"
	"hakube/gce/metadata"
)

// How long a token is good, and how long before its end a machine gets another one:
// "the metadata server caches access tokens until they have 5 minutes of remaining time".
// (https://cloud.google.com/compute/docs/access/authenticate-workloads)
const (
	tokenLife  = time.Hour
	tokenFresh = 5 * time.Minute
)

// tokenForm begins Google's access tokens of service accounts.
const tokenForm = "ya29.c."

// Tokens are those that machines get for their service accounts. A token says itself
// what it is good for, under a seal of the server's, so that it is good after a restart
// too. It is bound to its machine and ends with it, or when the machine gets another
// account or fewer scopes.
type Tokens struct {
	a   *Access
	key []byte // of the seal

	mu    sync.Mutex
	given map[string]given
}

// given is the token that a machine has now.
type given struct {
	text  string
	until time.Time
}

// A claim is what a token says.
type claim struct {
	Instance doc.Ref   `json:"i"`
	ID       uint64    `json:"n,string"`
	Email    string    `json:"e"`
	Scopes   []string  `json:"s"`
	Until    time.Time `json:"u"`
	Nonce    string    `json:"x"`
}

const keyNote = doc.Ref("~access-key/tokens")

// NewTokens takes the seal out of the store, or makes one.
func NewTokens(a *Access) (*Tokens, error) {
	k := struct{ Key []byte }{}
	err := a.s.Store.Update(func(t *store.Tx) error {
		if o := t.Get(keyNote); o != nil {
			return doc.Convert(o, &k)
		}
		k.Key = []byte(rand.Text())
		var o doc.Obj
		if err := doc.Convert(k, &o); err != nil {
			return err
		}
		t.Put(keyNote, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the key of access tokens: %w", err)
	}
	return &Tokens{a: a, key: k.Key, given: map[string]given{}}, nil
}

// For is the token of a machine for one of its accounts: the one it has while that is
// good for a while. Scopes are those asked for, of which it gets what it has; none, or
// none that it has, are all it has.
func (k *Tokens) For(r doc.Ref, id uint64, email string, asked []string) (metadata.Token, error) {
	has, ok := k.scopesOf(r, id, email)
	if !ok {
		return metadata.Token{}, metadata.ErrNoAccount
	}
	if _, ok := k.a.Alive(r.Project(), email); !ok {
		return metadata.Token{}, metadata.ErrNoAccount
	}
	scopes := slices.DeleteFunc(slices.Clone(asked), func(s string) bool { return !slices.Contains(has, s) && !slices.Contains(has, cloudPlatform) })
	if len(scopes) == 0 {
		scopes = has
	}
	now := k.a.s.Opts.Now()
	of := fmt.Sprint(r, id, email, scopes)
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.given[of]
	if g.until.Sub(now) <= tokenFresh {
		g.until = now.Add(tokenLife).Truncate(time.Second)
		g.text = k.seal(claim{r, id, email, scopes, g.until, rand.Text()})
		k.forget(now)
		k.given[of] = g
	}
	return metadata.Token{Access: g.text, Left: g.until.Sub(now)}, nil
}

func (k *Tokens) forget(now time.Time) {
	for of, g := range k.given {
		if now.After(g.until) {
			delete(k.given, of)
		}
	}
}

// scopesOf are those of a machine's account, and false when the machine is another one
// by now, or has another account.
func (k *Tokens) scopesOf(r doc.Ref, id uint64, email string) ([]string, bool) {
	o := k.a.s.Store.Read(r)
	if o == nil || doc.ID(o) != id {
		return nil, false
	}
	for _, a := range doc.Objects(o, "serviceAccounts") {
		if doc.Str(a, "email") == email {
			return doc.Strings(a, "scopes"), true
		}
	}
	return nil, false
}

var text = base64.RawURLEncoding

func (k *Tokens) seal(c claim) string {
	raw, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and a time do not fail
	}
	body := tokenForm + text.EncodeToString(raw)
	return body + "." + text.EncodeToString(k.mac(body))
}

func (k *Tokens) mac(body string) []byte {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte(body))
	return m.Sum(nil)
}

// open is what a token says, and false when it is none, or none any more.
func (k *Tokens) open(token string) (c claim, ok bool) {
	at := strings.LastIndexByte(token, '.')
	if at < len(tokenForm) {
		return c, false
	}
	seal, err := text.DecodeString(token[at+1:])
	if err != nil || !hmac.Equal(seal, k.mac(token[:at])) {
		return c, false
	}
	raw, err := text.DecodeString(token[len(tokenForm):at])
	if err != nil || json.Unmarshal(raw, &c) != nil || !k.a.s.Opts.Now().Before(c.Until) {
		return c, false
	}
	has, ok := k.scopesOf(c.Instance, c.ID, c.Email)
	if !ok || slices.ContainsFunc(c.Scopes, func(s string) bool { return !slices.Contains(has, s) && !slices.Contains(has, cloudPlatform) }) {
		return c, false
	}
	_, ok = k.a.Alive(c.Instance.Project(), c.Email)
	return c, ok
}

// Caller is whose token it is, nil of one that is not good.
func (k *Tokens) Caller(token string) *api.Caller {
	c, ok := k.open(token)
	if !ok {
		return nil
	}
	return &api.Caller{Email: c.Email, Scopes: c.Scopes}
}

// Info is what Google tells whoever has a token about it, and false of one that is not
// good. (https://oauth2.googleapis.com/tokeninfo)
func (k *Tokens) Info(token string) (map[string]string, bool) {
	c, ok := k.open(token)
	if !ok {
		return nil, false
	}
	id, _ := k.a.Alive(c.Instance.Project(), c.Email)
	info := map[string]string{
		"azp": id, "aud": id, "scope": strings.Join(c.Scopes, " "), "exp": fmt.Sprint(c.Until.Unix()),
		"expires_in": fmt.Sprint(int(c.Until.Sub(k.a.s.Opts.Now()).Seconds())), "access_type": "online",
	}
	if slices.Contains(c.Scopes, ScopePrefix+"userinfo.email") {
		info["email"], info["email_verified"] = c.Email, "true"
	}
	return info, true
}
