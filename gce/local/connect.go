package local

import (
	"io"
	"net"
	"net/http"
	"sync"
)

// connect answers HTTP CONNECT: it is how the host reaches model machines,
// which have no address on it. kubectl speaks it too (proxy-url in kubeconfig).
func (d *daemon) connect(w http.ResponseWriter, r *http.Request) {
	if d.host.Dial == nil {
		http.Error(w, "real machines are reached directly, by their external addresses", http.StatusMethodNotAllowed)
		return
	}
	machine, err := d.host.Dial(r.Context(), r.Host)
	if err != nil {
		http.Error(w, "connecting to "+r.Host+": "+err.Error(), http.StatusBadGateway)
		return
	}
	defer func() { _ = machine.Close() }() // both directions are over
	client, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "taking over the connection: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = client.Close() }() // both directions are over
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connected\r\n\r\n"); err != nil {
		return // the client went away
	}
	var both sync.WaitGroup
	both.Go(func() { pass(machine, buffered.Reader) })
	both.Go(func() { pass(client, machine) })
	both.Wait()
}

// pass copies until from ends, then lets to know. Errors end the connection
// and need no other word.
func pass(to net.Conn, from io.Reader) {
	_, _ = io.Copy(to, from)
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
		return
	}
	_ = to.Close()
}
