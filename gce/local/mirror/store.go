package mirror

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// A store fills the cache from one source or the other.
type store struct {
	cache     *cache
	source    Source
	transport http.RoundTripper
	online    func(context.Context) bool // asked once, and only if something is missing
}

func (o Options) openStore() (*store, error) {
	s := &store{source: o.Source, transport: o.transport, cache: &cache{root: filepath.Join(o.Dir, "mirror"), say: o.Progress}}
	if s.source == "" {
		s.source = Source(os.Getenv("HAKUBE_MIRROR_SOURCE"))
	}
	switch s.source {
	case Build, Download, Auto:
	case "":
		s.source = Auto
	default:
		return nil, fmt.Errorf("HAKUBE_MIRROR_SOURCE=%q: there are auto, download and build", s.source)
	}
	if s.cache.say == nil {
		s.cache.say = func(string) {}
	}
	if s.transport == nil {
		s.transport = http.DefaultTransport
	}
	var once sync.Once
	var answer bool
	s.online = func(ctx context.Context) bool {
		once.Do(func() { answer = reachable(ctx, s.transport) })
		return answer
	}
	return s, nil
}

// minutes that a build takes on two processors, where it is more than one.
var minutes = map[string]int{"kubernetes": 13, "containerd": 2, "coredns": 5, "addons": 5, "skipper": 3, "conformance": 10, "renumbered": 4, "kubernetes-1.35": 13, "kubernetes-1.37": 13, "coredns-1.13.1": 5, "coredns-1.14.6": 5}

// build says what is being built.
func (s *store) build(name string) string {
	if m := minutes[name]; m > 0 {
		return fmt.Sprintf("building %s, about %d minutes on two processors, once", name, m)
	}
	return "building " + name + ", once"
}

// either returns the directory of one of two artefacts that serve the same. Of
// those in the cache none is left because the internet came or went.
func (s *store) either(ctx context.Context, name string, official, built artefact) (string, error) {
	if s.source == Auto {
		for _, a := range []artefact{official, built} {
			if held, err := s.cache.hold(a); held || err != nil {
				return s.cache.path(a), err
			}
		}
	}
	if s.source == Download || s.source == Auto && s.online(ctx) {
		dir, err := s.cache.ensure(ctx, official, "fetching "+name+", once")
		if err == nil || s.source == Download || ctx.Err() != nil || errors.Is(err, errRefused) {
			return dir, err
		}
		s.cache.say(fmt.Sprintf("%v; building it instead", err))
	}
	return s.cache.ensure(ctx, built, s.build(name))
}
