//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"hakube/gce/local"
)

const (
	zonal    = "zones/europe-west1-b"
	regional = "regions/europe-west1"
	master   = "kubernetes-master"
)

// call makes one call to the Compute Engine API, below the project, and waits
// for the operation if it starts one. The answer is the JSON object.
func (w *walk) call(t *testing.T, method, path string) map[string]any {
	t.Helper()
	return w.send(t, method, path, "")
}

// insert makes an object of a collection, described in JSON.
func (w *walk) insert(t *testing.T, collection, object string) {
	t.Helper()
	w.send(t, http.MethodPost, collection, object)
}

func (w *walk) send(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	answer := w.http(t, method, strings.TrimSuffix(w.status(t).Endpoint+"/compute/v1/projects/"+w.project+"/"+path, "/"), body)
	for answer["kind"] == "compute#operation" && answer["status"] != "DONE" {
		link := answer["selfLink"].(string)
		_, rest, _ := strings.Cut(link, "/compute/v1/")
		answer = w.http(t, http.MethodPost, w.status(t).Endpoint+"/compute/v1/"+rest+"/wait", "")
	}
	if answer["error"] != nil {
		t.Fatalf("%s %s: %v", method, path, answer["error"])
	}
	return answer
}

func (w *walk) http(t *testing.T, method, url, body string) (answer map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	client, err := local.Client(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatalf("%s %s: %s: %v", method, url, resp.Status, err)
	}
	return answer
}

var suffix = regexp.MustCompile(`(kubernetes-minion-group)-[a-z0-9]{4}`)

// inventory is every object by collection and name; what a managed group adds
// to the names of its machines is left out.
func (w *walk) inventory(t *testing.T) (list []string) {
	t.Helper()
	for _, c := range []string{
		"global/networks", regional + "/subnetworks", "global/firewalls", regional + "/addresses",
		zonal + "/disks", zonal + "/instances", "global/instanceTemplates", zonal + "/instanceGroupManagers",
	} {
		for _, name := range w.names(t, c) {
			list = append(list, c+"/"+suffix.ReplaceAllString(name, "$1-xxxx"))
		}
	}
	return list
}

// names are the names in a collection, sorted.
func (w *walk) names(t *testing.T, collection string) (names []string) {
	t.Helper()
	items, _ := w.call(t, http.MethodGet, collection)["items"].([]any)
	for _, i := range items {
		names = append(names, i.(map[string]any)["name"].(string))
	}
	slices.Sort(names)
	return names
}

func (w *walk) instances(t *testing.T) []string { return w.names(t, zonal+"/instances") }

// machines are the containers behind the instances: init process and when it
// was started, by id. A machine that rebooted has another one.
func (w *walk) machines(t *testing.T) map[string]string {
	t.Helper()
	r := w.command(t, "runc", "--root", w.dir+"/run/runc", "list", "--format=json")
	var list []struct {
		ID, Status, Created string
		Pid                 int
	}
	if r.code != 0 {
		t.Fatalf("runc list: %s", r.stderr)
	}
	decode(t, r.stdout, &list)
	m := map[string]string{}
	for _, c := range list {
		w.ids[c.ID] = true
		m[c.ID] = fmt.Sprint(c.Status, " as ", c.Pid, " since ", c.Created)
	}
	return m
}

// on runs a command on a machine of the first zone, as root at its console.
func (w *walk) on(t *testing.T, machine string, command ...string) string {
	t.Helper()
	return w.onIn(t, zoneB, machine, command...)
}

func (w *walk) onIn(t *testing.T, zone, machine string, command ...string) string {
	t.Helper()
	id, err := strconv.ParseUint(w.call(t, http.MethodGet, "zones/"+zone+"/instances/"+machine)["id"].(string), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--root", w.dir + "/run/runc", "exec", strconv.FormatUint(id, 36)}, command...)
	r := w.command(t, "runc", args...)
	if r.code != 0 {
		t.Fatalf("%v on %s exits with %d: %s", command, machine, r.code, r.stderr)
	}
	return r.stdout
}

// firewall: the API is reached through the ports that a rule opens, and no other way.
func (w *walk) firewall(t *testing.T) {
	api := net.JoinHostPort(w.address, "443")
	reach := func() error {
		conn, err := net.DialTimeout("tcp", api, 2*time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	eventually(t, settled, "the API is in reach", reach)
	for _, port := range []string{"2379", "2380", "6443", "10250"} {
		if conn, err := net.DialTimeout("tcp", net.JoinHostPort(w.address, port), time.Second); err == nil {
			t.Errorf("port %s of the master is open to the world", port)
			_ = conn.Close()
		}
	}
	w.call(t, http.MethodDelete, "global/firewalls/"+master+"-https")
	eventually(t, settled, "the API is out of reach without its rule", func() error {
		if reach() == nil {
			return fmt.Errorf("%s still answers", api)
		}
		return nil
	})
	if r := w.command(t, w.kubectlPath, "--kubeconfig="+w.kubeconfig, "--request-timeout=3s", "get", "nodes"); r.code == 0 {
		t.Error("kubectl still reaches the API")
	}
	before, began := w.status(t).Calls.Change, time.Now()
	w.ok(t, "up")
	w.changed(t, before, began, 1)
	w.kubectl(t, "get", "--raw=/readyz")
	if got := w.inventory(t); !slices.Equal(got, w.objects) {
		t.Errorf("objects are\n%v, want\n%v", got, w.objects)
	}
}

// noPrivateKeys looks for the master's keys in what anybody who may look at
// the machine, and every program on it, can read.
func (w *walk) noPrivateKeys(t *testing.T) {
	instance := zonal + "/instances/" + master
	texts := map[string]string{}
	for name, path := range map[string]string{
		"metadata": instance, "serial output": instance + "/serialPort",
		"guest attributes":  instance + "/getGuestAttributes?queryPath=",
		"project metadata":  "",
		"template metadata": "global/instanceTemplates/kubernetes-minion-template",
	} {
		b, err := json.Marshal(w.call(t, http.MethodGet, path))
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = unquoted(string(b))
	}
	// Logs: the machine's own, and the daemon's, which is where hakube's users look.
	texts["journal"] = w.on(t, master, "journalctl", "--no-pager", "--output=cat")
	texts["/var/log"] = w.on(t, master, "find", "/var/log", "-type", "f", "-not", "-path", "/var/log/journal/*", "-exec", "cat", "{}", "+")
	texts["log of the startup-script"] = w.on(t, master, "cat", "/run/hakube/startup.log")
	log, err := os.ReadFile(local.LogFile(w.dir))
	if err != nil {
		t.Fatal(err)
	}
	texts["the daemon's log"] = string(log)
	for name, text := range texts {
		if len(text) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	keys := secrets(w.on(t, master, "find", "/mnt/disks/master-pd", "/etc/kubernetes", "(", "-name", "*.key", "-o", "-name", "*.conf", ")", "-type", "f", "-exec", "cat", "{}", "+"))
	t.Logf("the master has %d lines of private keys", len(keys))
	if len(keys) < 10 {
		t.Fatal("these cannot be all")
	}
	holdsNone(t, texts, append(keys, keyWords...))
	// What nodes join with is in their template and nowhere else.
	token := regexp.MustCompile(`"hakube-join-token","value":"([a-z0-9]+\.[a-z0-9]+)"`).FindStringSubmatch(texts["template metadata"])
	if token == nil {
		t.Fatal("the template has no token")
	}
	delete(texts, "template metadata")
	holdsNone(t, texts, []string{token[1][7:]})
}
