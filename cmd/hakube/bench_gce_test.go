package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	// The ssh protocol; the standard library has none.
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"hakube/gce/local"
	"hakube/replicate"
)

const (
	benchProject = "/compute/v1/projects/local/"
	benchZone    = benchProject + "zones/europe-west1-b/"
	benchRegion  = benchProject + "regions/europe-west1/"
)

// benchAPI is the embedded GCE's own speed, with as many instances as hakube's
// largest cluster and with five times that.
func benchAPI(x *bench) {
	heading("the embedded GCE: requests with 1,000 and 5,000 instances, model machines, latency none")
	x.start("--machines=model")
	api := x.api()
	api.network(x, "10.128.0.0/16")
	api.change(x, benchProject+"global/instanceTemplates", map[string]any{"name": "t", "properties": benchInstance("", "")})
	api.group(x, "g0", 1000)
	x.memory("api-1000", "1,000 instances", "")
	// One after the other, and from as many callers as there are processors and more.
	names := api.names(x, "maxResults=500")
	get := func(i int64) string { return benchZone + "instances/" + names[i%int64(len(names))] }
	list := func(int64) string { return benchZone + "instances?maxResults=500" }
	for _, callers := range []int{1, 8} {
		x.say(api.rate(x, callers, get), "/s", fmt.Sprint("get-per-s-", callers), fmt.Sprintf("instances.get, 1,000 instances, %d at once", callers), "")
		x.say(api.rate(x, callers, list), "/s", fmt.Sprint("list-per-s-", callers), fmt.Sprintf("instances.list, a page of 500 of 1,000, %d at once", callers), "")
	}
	began := time.Now()
	for i := range 4 {
		api.group(x, fmt.Sprint("g", i+1), 1000)
	}
	x.say(time.Since(began).Seconds(), "s", "s-4000-made", "4,000 instances more, by managed groups", "")
	began = time.Now()
	if n := len(api.names(x, "maxResults=500")); n != 5000 {
		x.Fatalf("the list has %d instances", n)
	}
	x.say(time.Since(began).Seconds(), "s", "s-list-5000", "listing 5,000 instances in 10 pages of 500", "")
	began = time.Now()
	if n := len(api.names(x, "maxResults=500&filter="+url.QueryEscape(`name eq "g3-.*"`))); n != 1000 {
		x.Fatalf("the filtered list has %d instances", n)
	}
	x.say(time.Since(began).Seconds(), "s", "s-filter-5000", "listing 1,000 of them by a filter on the name", "")
	x.memory("api-5000", "5,000 instances", "")
}

// benchInsert is how long a new machine takes, from the request to the first
// command over ssh, its host key verified through the API.
func benchInsert(x *bench) {
	heading("from instances.insert to ssh, real machine, latency none")
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		fmt.Println("  skipped: real machines need Linux and root")
		x.Skip("real machines need Linux and root")
	}
	x.start("--machines=real")
	api := x.api()
	api.network(x, "10.90.0.0/24")
	api.change(x, benchProject+"global/firewalls", map[string]any{"name": "lab-ssh", "network": "global/networks/lab",
		"allowed": []any{map[string]any{"IPProtocol": "tcp", "ports": []string{"22"}}}})
	key, err := replicate.LoadKey(filepath.Join(filepath.Dir(x.gce), ".ssh", "google_compute_engine"), true)
	if err != nil {
		x.Fatal(err)
	}
	var all, running []time.Duration
	for i := range 5 {
		name := fmt.Sprint("vm-", i)
		began := time.Now()
		api.change(x, benchZone+"instances", benchInstance(name, "hakube:"+string(ssh.MarshalAuthorizedKey(key.PublicKey()))))
		running = append(running, time.Since(began))
		if out := api.ssh(x, name, key, "hostname"); strings.TrimSpace(out) != name {
			x.Fatalf("%s says it is %q", name, out)
		}
		all = append(all, time.Since(began))
	}
	x.say(median(running).Seconds(), "s", "s-insert", "instances.insert is DONE, median of 5", "")
	x.say(median(all).Seconds(), "s", "s-insert-ssh", "a command has run over ssh, median of 5", "")
	x.memory("real-5", "5 real machines", "")
}

// benchInstance is an instance, or with no name the properties of a template.
func benchInstance(name, sshKeys string) map[string]any {
	machine := "e2-small"
	nic := map[string]any{"subnetwork": "projects/local/regions/europe-west1/subnetworks/lab"}
	o := map[string]any{
		"disks": []any{map[string]any{"boot": true, "autoDelete": true, "initializeParams": map[string]any{
			"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
		"networkInterfaces": []any{nic},
	}
	if name != "" {
		o["name"], machine = name, "zones/europe-west1-b/machineTypes/"+machine
		nic["accessConfigs"] = []any{map[string]any{"type": "ONE_TO_ONE_NAT", "name": "external-nat"}}
		o["metadata"] = map[string]any{"items": []any{
			map[string]any{"key": "enable-guest-attributes", "value": "TRUE"}, map[string]any{"key": "ssh-keys", "value": sshKeys}}}
	}
	o["machineType"] = machine
	return o
}

// A benchCaller calls the API as any program would: HTTP and JSON, no client library.
type benchCaller struct {
	endpoint string
	client   *http.Client
}

func (x *bench) api() benchCaller {
	token, err := local.Token(x.gce)
	if err != nil {
		x.Fatal(err)
	}
	many := &http.Transport{MaxIdleConnsPerHost: 64}
	return benchCaller{x.status().Endpoint, &http.Client{Transport: local.Bearer(func() string { return token }, many)}}
}

// do makes a request and returns what was answered, which must be well.
func (a benchCaller) do(method, path string, body any) ([]byte, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, a.endpoint+path, r)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, err
}

func (a benchCaller) object(x *bench, method, path string, body any) (o map[string]any) {
	x.Helper()
	text, err := a.do(method, path, body)
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		x.Fatal(err)
	}
	return o
}

// change inserts an object and waits for the operation.
func (a benchCaller) change(x *bench, collection string, body any) {
	x.Helper()
	o := a.object(x, http.MethodPost, collection, body)
	for o["status"] != "DONE" {
		_, path, _ := strings.Cut(o["selfLink"].(string), "/compute/v1/")
		o = a.object(x, http.MethodPost, "/compute/v1/"+path+"/wait", nil)
	}
	if o["error"] != nil {
		x.Fatalf("inserting into %s: %v", collection, o["error"])
	}
}

func (a benchCaller) network(x *bench, ipRange string) {
	x.Helper()
	a.change(x, benchProject+"global/networks", map[string]any{"name": "lab", "autoCreateSubnetworks": false})
	a.change(x, benchRegion+"subnetworks", map[string]any{"name": "lab", "network": "projects/local/global/networks/lab", "ipCidrRange": ipRange})
}

// group makes a managed group and waits until all of its machines run.
func (a benchCaller) group(x *bench, name string, size int) {
	x.Helper()
	a.change(x, benchZone+"instanceGroupManagers", map[string]any{"name": name, "targetSize": size, "baseInstanceName": name,
		"instanceTemplate": "projects/local/global/instanceTemplates/t"})
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		o := a.object(x, http.MethodGet, benchZone+"instanceGroupManagers/"+name, nil)
		if o["status"].(map[string]any)["isStable"] == true {
			return
		}
		if time.Now().After(end) {
			x.Fatalf("group %s is not stable after 5 minutes: %v", name, o["currentActions"])
		}
	}
}

// names lists instances, page by page.
func (a benchCaller) names(x *bench, query string) (names []string) {
	x.Helper()
	for token := ""; ; {
		var page struct {
			Items         []struct{ Name string }
			NextPageToken string
		}
		text, err := a.do(http.MethodGet, benchZone+"instances?"+query+"&pageToken="+url.QueryEscape(token), nil)
		if err == nil {
			err = json.Unmarshal(text, &page)
		}
		if err != nil {
			x.Fatal(err)
		}
		for _, i := range page.Items {
			names = append(names, i.Name)
		}
		if token = page.NextPageToken; token == "" {
			return names
		}
	}
}

// rate is how many requests a second are answered over three seconds.
func (a benchCaller) rate(x *bench, callers int, path func(int64) string) float64 {
	x.Helper()
	var n atomic.Int64
	var all errgroup.Group
	began := time.Now()
	for range callers {
		all.Go(func() error {
			for time.Since(began) < 3*time.Second {
				if _, err := a.do(http.MethodGet, path(n.Add(1)), nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		x.Fatal(err)
	}
	return float64(n.Load()) / time.Since(began).Seconds()
}

// ssh runs a command as soon as the machine lets us in; nothing is dialled
// before it has told its host keys through the API.
func (a benchCaller) ssh(x *bench, name string, key ssh.Signer, command string) string {
	x.Helper()
	var last error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		out, err := a.trySSH(name, key, command)
		if err == nil {
			return out
		}
		last = err
	}
	x.Fatalf("ssh to %s: not within a minute: %v\n%s", name, last, local.LogFile(x.gce))
	return ""
}

func (a benchCaller) trySSH(name string, key ssh.Signer, command string) (string, error) {
	var guest struct {
		QueryValue struct {
			Items []struct{ Key, Value string }
		}
	}
	text, err := a.do(http.MethodGet, benchZone+"instances/"+name+"/getGuestAttributes?queryPath=hostkeys/", nil)
	if err == nil {
		err = json.Unmarshal(text, &guest)
	}
	if err != nil {
		return "", err
	}
	attributes := map[string]string{}
	for _, i := range guest.QueryValue.Items {
		attributes[i.Key] = i.Value
	}
	kind := ssh.KeyAlgoED25519
	hostKeys, err := replicate.ParseHostKeys(map[string]string{kind: attributes[kind]})
	if err != nil {
		return "", err
	}
	var instance struct {
		NetworkInterfaces []struct{ AccessConfigs []struct{ NatIP string } }
	}
	if text, err = a.do(http.MethodGet, benchZone+"instances/"+name, nil); err == nil {
		err = json.Unmarshal(text, &instance)
	}
	if err != nil {
		return "", err
	}
	client, err := ssh.Dial("tcp", instance.NetworkInterfaces[0].AccessConfigs[0].NatIP+":22", &ssh.ClientConfig{
		User: "hakube", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: 5 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(hostKeys[0]), HostKeyAlgorithms: []string{kind},
	})
	if err != nil {
		return "", err
	}
	defer client.Close() //nolint:errcheck // the command has ended
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	out, err := session.Output(command)
	return string(out), err
}
