package web

import (
	"net/http"
	"strings"

	"hakube/gce/emulator/internal/doc"
)

// Unauthenticated answers a request that is not let in: whether it had any
// credentials, and what would be right ones. A [Server] itself knows no users and
// lets everybody in; whoever serves it where strangers come puts a check in front.
// The form is Google's front end's, which all of its services share: with "status"
// and "location", and a challenge.
func Unauthenticated(w http.ResponseWriter, tried bool, want string) {
	message := "Request is missing required authentication credential."
	first := doc.Obj{"message": "Login Required.", "domain": "global", "reason": "required"}
	challenge := `Bearer realm="https://accounts.google.com/"`
	if tried {
		message = "Request had invalid authentication credentials."
		first = doc.Obj{"message": "Invalid Credentials", "domain": "global", "reason": "authError"}
		challenge += `, error="invalid_token"`
	}
	first["location"], first["locationType"] = "Authorization", "header"
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Vary", "Authorization")
	answer(w, http.StatusUnauthorized, doc.Obj{"error": doc.Obj{
		"code": float64(http.StatusUnauthorized), "message": message + " Expected " + want + ".",
		"errors": []any{first}, "status": "UNAUTHENTICATED",
	}}, true)
}

// Credential is what Google says it wants.
const Credential = "OAuth 2 access token, login cookie or other valid authentication credential. " +
	"See https://developers.google.com/identity/sign-in/web/devconsole-project"

// Bearer is the token that a request has, "" without one.
func Bearer(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("access_token") // of the parameters that all methods have
}
