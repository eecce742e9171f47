package etcdtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"sync"
	"time"

	"hakube/scripts"
)

const metadataPath = "/computeMetadata/v1/"

// A view is what a machine reads at its metadata server: the recursive answer.
type view struct {
	Instance struct {
		Attributes        map[string]string `json:"attributes"`
		Name              string            `json:"name"`
		Hostname          string            `json:"hostname"`
		Zone              string            `json:"zone"`        // projects/NUMBER/zones/ZONE
		MachineType       string            `json:"machineType"` // projects/NUMBER/machineTypes/TYPE
		NetworkInterfaces []struct {
			IP        netip.Addr `json:"ip"`
			IPAliases []string   `json:"ipAliases"`
		} `json:"networkInterfaces"`
	} `json:"instance"`
	Project struct {
		Attributes map[string]string `json:"attributes"`
		ProjectID  string            `json:"projectId"`
	} `json:"project"`
}

// zone and machineType are without what Google puts before them.
func (v *view) zone() string        { return path.Base(v.Instance.Zone) }
func (v *view) machineType() string { return path.Base(v.Instance.MachineType) }
func (v *view) ip() netip.Addr      { return v.Instance.NetworkInterfaces[0].IP }

// attribute returns a metadata value that must be there; the error has the
// startup-script's words.
func (v *view) attribute(key string) (string, error) {
	value, ok := v.Instance.Attributes[key]
	if !ok {
		return "", fmt.Errorf("the metadata server has no instance/attributes/%s", key)
	}
	return value, nil
}

// metadata reads all of it. A server that cannot answer is asked for half a
// minute, as the startup-script does.
func (g *Guest) metadata(ctx context.Context) (*view, error) {
	const tries, pause = 30, time.Second
	for try := 1; ; try++ {
		code, body := g.ask(ctx, http.MethodGet, "?recursive=true", "")
		if code == http.StatusOK {
			v := new(view)
			if err := json.Unmarshal(body, v); err != nil {
				return nil, fmt.Errorf("reading metadata: %w", err)
			}
			if len(v.Instance.NetworkInterfaces) == 0 {
				return nil, fmt.Errorf("the metadata server has no instance/network-interfaces/0/ip")
			}
			return v, nil
		}
		if try == tries {
			return nil, fmt.Errorf("the metadata server does not answer (status %d)", code)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// put writes a guest attribute, and says it on the console. As in the startup-script
// nothing fails because of it: they may be switched off.
func (g *Guest) put(key, value string) {
	g.say("%s", scripts.Tell(g.since, key, value))
	if code, _ := g.ask(g.ctx, http.MethodPut, "instance/guest-attributes/"+key, value); code != http.StatusOK {
		g.say("guest attribute %s: not written, status %d", key, code)
	}
}

// ask makes a request to the metadata server, which is a function call away.
func (g *Guest) ask(ctx context.Context, method, path, body string) (status int, answer []byte) {
	r, err := http.NewRequestWithContext(ctx, method, "http://metadata.google.internal"+metadataPath+path, strings.NewReader(body))
	if err != nil {
		return http.StatusBadRequest, []byte(err.Error())
	}
	r.Header.Set("Metadata-Flavor", "Google")
	w := recorder{header: http.Header{}, status: http.StatusOK}
	g.m.Metadata.ServeHTTP(&w, r)
	return w.status, w.body.Bytes()
}

// A recorder keeps a response.
type recorder struct {
	header http.Header
	status int
	wrote  bool
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.body.Write(b)
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
	}
}

// Metadata is a metadata server for one model machine, for tests that have no
// embedded GCE. It answers what a [Guest] asks.
type Metadata struct {
	Project, Zone, Name string
	Address             netip.Addr
	Aliases             []string // ranges

	mu         sync.Mutex
	attributes map[string]string
	guest      map[string]string
}

// Set makes a metadata value what value says.
func (m *Metadata) Set(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.attributes == nil {
		m.attributes = map[string]string{}
	}
	m.attributes[key] = value
}

// GuestAttributes are what the machine wrote, by "namespace/key".
func (m *Metadata) GuestAttributes() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.guest)
}

func (m *Metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key, guest := strings.CutPrefix(r.URL.Path, metadataPath+"instance/guest-attributes/")
	switch {
	case r.Header.Get("Metadata-Flavor") != "Google":
		http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
	case guest && r.Method == http.MethodPut:
		value, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if m.guest == nil {
			m.guest = map[string]string{}
		}
		m.guest[key] = string(value)
	case r.Method == http.MethodGet && r.URL.Path == metadataPath && r.URL.Query().Get("recursive") == "true":
		nic := map[string]any{"ip": m.Address, "ipAliases": m.Aliases}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"instance": map[string]any{
				"attributes": m.attributes, "name": m.Name, "zone": "projects/1/zones/" + m.Zone,
				"hostname":    fmt.Sprintf("%s.%s.c.%s.internal", m.Name, m.Zone, m.Project),
				"machineType": "projects/1/machineTypes/n1-standard-1", "networkInterfaces": []any{nic},
			},
			"project": map[string]any{"projectId": m.Project, "attributes": map[string]string{}},
		}) // to a recorder, which takes everything
	default:
		http.NotFound(w, r)
	}
}
