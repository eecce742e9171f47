package emulator

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/web"
)

// What machines, and their pods, reach by the names of Google's services. Nobody is let
// in there without a token of a machine's service account, and each may do no more than
// its scopes and roles say.

// A service is one of Google's that is here, and the paths of what of it.
type service struct {
	name  string
	paths *regexp.Regexp
}

var services = []service{
	{"compute.googleapis.com", regexp.MustCompile(`^/(compute/(v1|beta)/.*|batch(/compute/(v1|beta))?)$`)},
	{"www.googleapis.com", regexp.MustCompile(`^/(compute/(v1|beta)/.*|batch(/compute/(v1|beta))?|oauth2/v3/tokeninfo)$`)},
	{"oauth2.googleapis.com", regexp.MustCompile(`^/tokeninfo$`)},
	{"storage.googleapis.com", regexp.MustCompile(`^/(resumable/|upload/|download/)*storage/v1/.*$`)},
	{"cloudresourcemanager.googleapis.com", regexp.MustCompile(`^/v1/projects/[^/]+$`)},
	{"iam.googleapis.com", regexp.MustCompile(`^/v1/(roles(/.*)?|projects/[^/]+/serviceAccounts(/[^/]+)?)$`)},
}

// ServiceNames are the names that [Server.Inside] answers to.
func ServiceNames() (names []string) {
	for _, s := range services {
		names = append(names, s.name)
	}
	return names
}

// Inside is the server as machines see it.
func (s *Server) Inside() http.Handler { return http.HandlerFunc(s.inside) }

func (s *Server) inside(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path := api.OneSlash(r.URL.Path)
	at := slices.IndexFunc(services, func(s service) bool { return s.name == host })
	if at < 0 || !services[at].paths.MatchString(path) {
		p := problem.NotWritten(r.Method + " https://" + host + path)
		web.Answer(w, p.Status, p.Body())
		return
	}
	if strings.HasSuffix(path, "/tokeninfo") {
		s.tokenInfo(w, r)
		return
	}
	token := web.Bearer(r)
	by := s.tokens.Caller(token)
	if by == nil {
		Unauthenticated(w, token != "", web.Credential)
		return
	}
	s.front.Admit(w, by.As(r))
}

func (s *Server) tokenInfo(w http.ResponseWriter, r *http.Request) {
	info, ok := s.tokens.Info(r.FormValue("access_token"))
	if !ok {
		web.Answer(w, http.StatusBadRequest, struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}{"invalid_token", "Invalid Value"})
		return
	}
	web.Answer(w, http.StatusOK, info)
}
