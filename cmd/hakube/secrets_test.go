package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hakube/gce/local"
)

var (
	pemKey  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)\n-----END`)
	keyData = regexp.MustCompile(`client-key-data: (\S+)`)
)

// secrets are the lines of all private keys in text, also those in kubeconfigs.
func secrets(text string) (lines []string) {
	for _, m := range keyData.FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1])
		if b, err := base64.StdEncoding.DecodeString(m[1]); err == nil {
			text += "\n" + string(b)
		}
	}
	for _, m := range pemKey.FindAllStringSubmatch(text, -1) {
		lines = append(lines, strings.Fields(m[1])...)
	}
	return slices.DeleteFunc(lines, func(s string) bool { return len(s) < 30 }) // the last line of a key may be short
}

// forms are the word and its base64, which differs by where in a text it begins.
func forms(word string) []string {
	list := []string{word}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + word))
		list = append(list, encoded[(shift*4+2)/3:len(encoded)-2]) // without what its neighbours are part of
	}
	return list
}

// keyWords begin what no text that others read may hold.
var keyWords = []string{"BEGIN PRIVATE KEY", "BEGIN EC PRIVATE KEY", "BEGIN RSA PRIVATE KEY", "BEGIN OPENSSH PRIVATE KEY", "client-key-data: "}

// holdsNone looks for secrets in texts by name.
func holdsNone(t *testing.T, texts map[string]string, words []string) {
	t.Helper()
	for name, text := range texts {
		t.Logf("%s: %d bytes", name, len(text))
		for _, word := range words {
			for _, form := range forms(word) {
				if strings.Contains(text, form) {
					t.Errorf("%s has %q", name, word[:min(20, len(word))])
				}
			}
		}
	}
}

// unquoted is JSON with the ends of lines that are in its strings.
func unquoted(text string) string {
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\"`, `"`).Replace(text)
}

// TestSecrets makes a cluster of model machines, grows it, fails at something
// and removes it, and looks for private keys in all that is told on the way:
// what hakube prints in both forms, the daemon's log, and everything the API
// shows. What nodes join with is in their metadata and nowhere else.
func TestSecrets(t *testing.T) {
	t.Parallel()
	p := newTrial(t)
	b, c := "KUBE_GCE_ZONE="+zoneB, "KUBE_GCE_ZONE="+zoneC
	printed := map[string]string{}
	run := func(words ...string) {
		out, errs, _ := p.run(words...)
		printed["what "+strings.Join(words, " ")+" prints"] = unquoted(out + errs)
	}
	run(b, "up", "--json")
	run(c, addMaster, "up", "--json")
	run(b, "up")
	run(b, "status", "--json")
	run(b, "status")
	run(b, "plan", "up", "--json")
	run(b, "validate", "--json")

	s, err := local.Ask(t.Context(), p.dir)
	if err != nil {
		t.Fatal(err)
	}
	client, err := local.Client(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string) string {
		t.Helper()
		resp, err := client.Get(s.Endpoint + "/compute/v1/projects/local/" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %v", path, resp.Status, err)
		}
		return string(text)
	}
	shown := map[string]string{}
	var instances struct {
		Items map[string]struct{ Instances []struct{ Name string } }
	}
	decode := func(text string, v any) {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	decode(get("aggregated/instances"), &instances)
	for scope, list := range instances.Items {
		for _, i := range list.Instances {
			at := scope + "/instances/" + i.Name
			printed["serial output of "+i.Name] = unquoted(get(at + "/serialPort"))
			printed["guest attributes of "+i.Name] = unquoted(get(at + "/getGuestAttributes?queryPath="))
		}
	}
	for _, path := range []string{"", "aggregated/instances", "aggregated/disks", "global/instanceTemplates", "aggregated/operations", "global/firewalls",
		"aggregated/addresses", "aggregated/instanceGroupManagers", "aggregated/backendServices", "aggregated/forwardingRules"} {
		shown["the API at /"+path] = unquoted(get(path))
	}
	token := regexp.MustCompile(`"hakube-join-token",\s*"value": "([a-z0-9.]+)"`).FindStringSubmatch(strings.ReplaceAll(shown["the API at /global/instanceTemplates"], "\n", ""))
	if token == nil {
		t.Fatalf("no token in %s", shown["the API at /global/instanceTemplates"])
	}

	// What there is to hide: the operator's keys, and all that is on masters' disks.
	var hidden strings.Builder
	files := []string{filepath.Join(p.home, ".ssh", "google_compute_engine"), filepath.Join(p.home, "kubeconfig")}
	disks, err := filepath.Glob(filepath.Join(p.dir, "model", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, disks...) {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		hidden.WriteString(unquoted(string(text)) + "\n")
	}
	door, err := local.Token(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	printed["local env"], _ = p.ok("local", "env")
	printed["local status"], _ = p.ok("local", "status", "--json")
	config, err := os.ReadFile(filepath.Join(p.home, "kubeconfig"))
	old := strings.Repeat("Z", len(door))
	if err != nil || !strings.Contains(string(config), ":"+door+"@") {
		t.Fatalf("the kubeconfig has not the token: %v\n%s", err, config)
	}
	if err := os.WriteFile(filepath.Join(p.home, "kubeconfig"), []byte(strings.ReplaceAll(string(config), door, old)), 0o600); err != nil {
		t.Fatal(err)
	}
	run(b, "plan", "up") // says that the entry's proxy is another
	run(b, "up")
	words := append(secrets(hidden.String()), door, old)
	t.Logf("%d lines of private keys, in %d files", len(words), len(files)+len(disks))
	if len(words) < 40 {
		t.Fatal("these cannot be all")
	}
	run(c, noNodes, "down", "--json")
	p.ok("local", "stop")
	run(b, "KUBERNETES_PROVIDER=gce", "up") // without credentials
	run(b, "down")
	log, err := os.ReadFile(local.LogFile(p.dir))
	if err != nil {
		t.Fatal(err)
	}
	printed["the daemon's log"] = string(log)
	holdsNone(t, shown, append(words, keyWords...))
	holdsNone(t, printed, append(words, append(keyWords, token[1], token[1][7:])...))
}
