package metadata

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// credential tells whether a path is one of a service account's that are answered and
// shown nowhere: its token, its identity.
func credential(path string) (account, what string, ok bool) {
	rest, ok := strings.CutPrefix(path, "instance/service-accounts/")
	account, what, _ = strings.Cut(rest, "/")
	return account, what, ok && (what == "token" || what == "identity")
}

func (h *handler) credential(w http.ResponseWriter, r *http.Request, account, what string) {
	v, _, err := h.source.View()
	if err != nil {
		unavailable(w, r)
		return
	}
	accounts := v.Instance.ServiceAccounts
	at := slices.IndexFunc(accounts, func(a ServiceAccount) bool { return a.Email == account })
	if account == "default" && len(accounts) > 0 {
		at = 0
	}
	switch {
	case at < 0:
		notFound(w, r)
	case what == "identity":
		notFoundBecause(w, r, "The embedded GCE gives access tokens and no identity tokens.")
	default:
		h.token(w, r, accounts[at].Email)
	}
}

// token answers with an access token. Scopes that are asked for are parted by commas, as
// Google's clients send them.
func (h *handler) token(w http.ResponseWriter, r *http.Request, email string) {
	var scopes []string
	for _, s := range strings.Split(r.URL.Query().Get("scopes"), ",") {
		if s != "" {
			scopes = append(scopes, s)
		}
	}
	t, err := h.source.Token(email, scopes)
	if errors.Is(err, ErrNoAccount) {
		notFoundBecause(w, r, "The service account is deleted or disabled.")
		return
	}
	if err != nil {
		unavailable(w, r)
		return
	}
	body, err := json.Marshal(struct {
		Access  string `json:"access_token"`
		Expires int    `json:"expires_in"`
		Type    string `json:"token_type"`
	}{t.Access, int(t.Left.Seconds()), "Bearer"})
	if err != nil {
		unavailable(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	reply(w, r, "application/json", body)
}
