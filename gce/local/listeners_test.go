package local

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// listeners are all places where hakube opens something that others can reach, or
// serves what comes in, and what keeps other users of this machine out.
var listeners = map[string]string{
	"gce/local/serve.go: net.Listen":                  "the endpoint, loopback; the gate: TestDoors, TestSecondUser",
	"gce/local/serve.go: http.Server":                 "its server: the handler is the gate, see TestEveryDoorIsKnown",
	"gce/local/vpc/listen_linux.go: Listen":           "in the namespace of the VPC: cmd/hakube TestRealSecondUser",
	"gce/local/vpc/listen_linux.go: net.ListenConfig": "the same",
	"gce/local/vpc/listen_linux.go: ListenPacket":     "the same",
	"gce/local/real.go: r.network.Listen":             "metadata, DNS, mirror, Google's services: in the namespace of the VPC",
	"gce/local/real.go: r.network.ListenPacket":       "DNS, the same",
	"gce/local/real.go: http.Server":                  "metadata and mirror, for machines: no token, as on Google; its services with a token of a machine: gce/emulator TestTokenOfAMachine",
	"gce/local/dns/serve.go: dns.Server":              "DNS, on what real.go opened",
	"gce/live/proxy.go: Listen":                       "a run of make live, before Google, on loopback: the next",
	"gce/live/proxy.go: http.Server":                  "calls with the word of that run: gce/live TestOnlyOurs",
	"gce/gcetest/gcetest.go: httptest.NewServer":      "an emulator that a test asks, and no machines",
	"replicate/etcdtest/api.go: http.Server":          "model masters' Kubernetes: no socket, pipes behind the gate's CONNECT; its own certificates",
	"replicate/etcdtest/sshd.go: ssh.ServerConfig":    "model machines' ssh: the same; keys in metadata",
}

// TestEveryDoorIsKnown reads hakube's source: what listens and is not in the list
// fails, since somebody has to say who may come in. What the daemon serves at its
// endpoint is behind the gate, whatever handlers there will be.
func TestEveryDoorIsKnown(t *testing.T) {
	const root = "../.."
	found := map[string]bool{}
	gated := false
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{"testdata", "build", ".git", "bin"}, d.Name()):
			return fs.SkipDir
		case d.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(must(filepath.Rel(root, path)))
		ast.Inspect(f, func(n ast.Node) bool {
			if what := opens(n); what != "" {
				found[path+": "+what] = true
			}
			if server, ok := n.(*ast.CompositeLit); ok && path == "gce/local/serve.go" && name(server.Type) == "http.Server" {
				gated = slices.ContainsFunc(server.Elts, func(e ast.Expr) bool { return isGate(e) })
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if listeners[what] == "" {
			t.Errorf("%s: who may come in here? Nobody has said", what)
		}
	}
	for what := range listeners {
		if !found[what] {
			t.Errorf("%s is in the list and nowhere else", what)
		}
	}
	if !gated {
		t.Error("the endpoint's handler is not the gate")
	}
	fmt.Printf("REPORT %s: %d places where something is opened to others\n", t.Name(), len(found))
}

// opens is the name of what lets others in: a call that listens, binds, or makes a
// pipe with a name; a server.
func opens(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		what := name(n.Fun)
		last := what[strings.LastIndexByte(what, '.')+1:]
		if strings.HasPrefix(last, "Listen") || slices.Contains([]string{"FileListener", "FilePacketConn", "Bind", "Mkfifo", "NewServer", "NewUnstartedServer"}, last) {
			return strings.TrimPrefix(what, "?.") // of an expression
		}
	case *ast.CompositeLit:
		switch what := name(n.Type); what {
		case "http.Server", "dns.Server", "ssh.ServerConfig", "net.ListenConfig", "rpc.Server":
			return what
		}
	}
	return ""
}

// name is an expression that is a name, with what it is of; "?" stands for what is none.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return name(e.X) + "." + e.Sel.Name
	}
	return "?"
}

func isGate(e ast.Expr) bool {
	kv, ok := e.(*ast.KeyValueExpr)
	if !ok || name(kv.Key) != "Handler" {
		return false
	}
	pointer, ok := kv.Value.(*ast.UnaryExpr)
	if !ok {
		return false
	}
	made, ok := pointer.X.(*ast.CompositeLit)
	return ok && name(made.Type) == "gate"
}
