package dns

import (
	"errors"
	"fmt"
	"net"

	"github.com/miekg/dns"
)

// A Server answers on the sockets it was given.
type Server struct {
	parts []*dns.Server
	ended []chan error
}

// Serve starts to answer with r on p and l, either of which may be nil, and owns them
// from here on. It returns when both are served.
func Serve(r Resolver, p net.PacketConn, l net.Listener) (*Server, error) {
	s := &Server{}
	if p != nil {
		s.parts = append(s.parts, &dns.Server{PacketConn: p})
	}
	if l != nil {
		s.parts = append(s.parts, &dns.Server{Listener: l})
	}
	for i, part := range s.parts {
		started, ended := make(chan struct{}), make(chan error, 1)
		part.Handler = r
		part.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- part.ActivateAndServe() }()
		select {
		case <-started:
			s.ended = append(s.ended, ended)
		case err := <-ended:
			for _, later := range s.parts[i:] {
				err = errors.Join(err, closeSockets(later))
			}
			s.parts = s.parts[:i]
			return nil, fmt.Errorf("serving DNS: %w", errors.Join(err, s.Close()))
		}
	}
	return s, nil
}

func closeSockets(d *dns.Server) error {
	if d.PacketConn != nil {
		return d.PacketConn.Close()
	}
	return d.Listener.Close()
}

// Close stops answering, closes the sockets and returns when nothing of the
// server runs any more.
func (s *Server) Close() error {
	var errs []error
	for i, part := range s.parts {
		errs = append(errs, part.Shutdown(), <-s.ended[i])
	}
	s.parts = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping DNS: %w", err)
	}
	return nil
}
