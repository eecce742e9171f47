//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// webScript is a machine that says its name at port 80, and by UDP at port 7 of the
// balancer's address as soon as the guest agent has given it that.
const webScript = `#!/bin/bash
cat >/run/answer <<'EOF'
#!/bin/bash
while read -r line && [ \"${line%$'\\r'}\" ]; do :; done
printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n%s\\n' \"$(hostname -s)\"
EOF
chmod +x /run/answer
systemd-run --unit=web socat TCP4-LISTEN:80,fork,reuseaddr EXEC:/run/answer
until ip route get VIP | grep -q ^local; do sleep 0.2; done
systemd-run --unit=udp socat UDP4-RECVFROM:7,bind=VIP,fork SYSTEM:'read line; hostname -s'
`

// balancers: what a Service of type LoadBalancer becomes carries traffic. A target pool
// and an internal balancer over two machines are called from here, from a machine and
// from a pod, and go on when a machine of them is unwell, and off. Nothing is left.
func (w *walk) balancers(t *testing.T) {
	nic := w.call(t, http.MethodGet, zonal+"/instances/"+master)["networkInterfaces"].([]any)[0].(map[string]any)
	network, subnet := fmt.Sprint(nic["network"]), fmt.Sprint(nic["subnetwork"])
	w.insert(t, regional+"/addresses", `{"name": "outer"}`)
	w.insert(t, regional+"/addresses", fmt.Sprintf(`{"name": "inner", "addressType": "INTERNAL", "subnetwork": %q}`, subnet))
	address := func(name string) string {
		return fmt.Sprint(w.call(t, http.MethodGet, regional+"/addresses/"+name)["address"])
	}
	outer, inner := address("outer"), address("inner")
	w.insert(t, "global/firewalls", fmt.Sprintf(`{"name": "web", "network": %q, "targetTags": ["web"], "sourceRanges": ["0.0.0.0/0"],
		"destinationRanges": [%q, %q], "allowed": [{"IPProtocol": "tcp", "ports": ["80"]}, {"IPProtocol": "udp", "ports": ["7"]}]}`, network, outer, inner))
	zones := map[string]string{"web-1": "europe-west1-b", "web-2": "europe-west1-c", "client": "europe-west1-b"}
	script := strings.ReplaceAll(strings.ReplaceAll(webScript, "\n", `\n`), "VIP", outer)
	for name, zone := range zones {
		tag, boots := "web", script
		if name == "client" {
			tag, boots = name, ""
		}
		w.insert(t, "zones/"+zone+"/instances", fmt.Sprintf(`{"name": %q, "machineType": "zones/%s/machineTypes/e2-small", "tags": {"items": [%q]},
			"disks": [{"boot": true, "autoDelete": true, "initializeParams": {"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}],
			"networkInterfaces": [{"subnetwork": %q}], "metadata": {"items": [{"key": "startup-script", "value": "%s"}]}}`, name, zone, tag, subnet, boots))
	}
	w.balance(t, subnet)

	call := func(at string) (string, error) {
		resp, err := (&http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + at)
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	spreads := func(what string, want []string, one func() (string, error)) {
		t.Helper()
		eventually(t, settled, what+" is answered by "+strings.Join(want, ", "), func() error {
			got := map[string]bool{}
			for range 12 {
				name, err := one()
				if err != nil {
					return err
				}
				got[strings.TrimSpace(name)] = true
			}
			if len(got) != len(want) || slices.ContainsFunc(want, func(n string) bool { return !got[n] }) {
				return fmt.Errorf("answered by %v", got)
			}
			return nil
		})
	}
	fromClient := func() (string, error) {
		return w.on(t, "client", "sh", "-c", "curl -sS -m 5 http://"+inner+" || echo nobody"), nil
	}
	fromPod := func() (string, error) {
		return w.tryKubectl(t, "exec", "test-a", "--", "timeout", "5", "wget", "-q", "-O-", "http://"+inner)
	}
	datagram := func() (string, error) { return askUDP(net.JoinHostPort(outer, "7")) }
	both := []string{"web-1", "web-2"}
	spreads("the target pool, from here,", both, func() (string, error) { return call(outer) })
	spreads("the target pool, by UDP,", both, datagram)
	spreads("the internal balancer, from a machine,", both, fromClient)
	spreads("the internal balancer, from a pod,", both, fromPod)
	// One that answers no more, and one that is off.
	w.onIn(t, zones["web-2"], "web-2", "systemctl", "stop", "web")
	spreads("the target pool, web-2 unwell,", both[:1], func() (string, error) { return call(outer) })
	spreads("the internal balancer, web-2 unwell,", both[:1], fromClient)
	becomes(t, "web-2 is unhealthy", func(d *differing) {
		health := w.send(t, http.MethodPost, regional+"/targetPools/web/getHealth", `{"instance": "zones/`+zones["web-2"]+`/instances/web-2"}`)
		if state := health["healthStatus"].([]any)[0].(map[string]any)["healthState"]; state != "UNHEALTHY" {
			d.add("web-2 is %v", state)
		}
	})
	w.call(t, http.MethodPost, "zones/"+zones["web-2"]+"/instances/web-2/stop")
	spreads("the target pool, by UDP, web-2 off,", both[:1], datagram)
	w.unbalance(t, zones)
	if got := w.inventory(t); !slices.Equal(got, w.objects) {
		t.Errorf("objects are\n%v, want\n%v", got, w.objects)
	}
}

// balance puts web-1 and web-2 behind a target pool and an internal balancer.
func (w *walk) balance(t *testing.T, subnet string) {
	const often = `"checkIntervalSec": 1, "timeoutSec": 1, "healthyThreshold": 1, "unhealthyThreshold": 2`
	w.insert(t, "global/httpHealthChecks", `{"name": "web", "port": 80, `+often+`}`)
	w.insert(t, regional+"/targetPools", `{"name": "web", "healthChecks": ["global/httpHealthChecks/web"],
		"instances": ["zones/europe-west1-b/instances/web-1", "zones/europe-west1-c/instances/web-2"]}`)
	for protocol, port := range map[string]string{"TCP": "80", "UDP": "7"} {
		w.insert(t, regional+"/forwardingRules", fmt.Sprintf(`{"name": "web-%s", "IPAddress": "outer", "IPProtocol": %q, "portRange": %q, "target": "regions/europe-west1/targetPools/web"}`,
			strings.ToLower(protocol), protocol, port))
	}
	w.insert(t, "global/healthChecks", `{"name": "web", "type": "HTTP", "httpHealthCheck": {"port": 80}, `+often+`}`)
	for zone, machine := range map[string]string{"europe-west1-b": "web-1", "europe-west1-c": "web-2"} {
		w.insert(t, "zones/"+zone+"/instanceGroups", `{"name": "web"}`)
		w.insert(t, "zones/"+zone+"/instanceGroups/web/addInstances", `{"instances": [{"instance": "zones/`+zone+`/instances/`+machine+`"}]}`)
	}
	w.insert(t, regional+"/backendServices", `{"name": "web", "loadBalancingScheme": "INTERNAL", "healthChecks": ["global/healthChecks/web"],
		"backends": [{"group": "zones/europe-west1-b/instanceGroups/web"}, {"group": "zones/europe-west1-c/instanceGroups/web"}]}`)
	w.insert(t, regional+"/forwardingRules", fmt.Sprintf(`{"name": "web-inner", "IPAddress": "inner", "loadBalancingScheme": "INTERNAL", "ports": ["80"],
		"subnetwork": %q, "backendService": "regions/europe-west1/backendServices/web"}`, subnet))
}

func (w *walk) unbalance(t *testing.T, zones map[string]string) {
	for _, path := range []string{
		regional + "/forwardingRules/web-tcp", regional + "/forwardingRules/web-udp", regional + "/forwardingRules/web-inner",
		regional + "/targetPools/web", "global/httpHealthChecks/web", regional + "/backendServices/web", "global/healthChecks/web",
		"zones/europe-west1-b/instanceGroups/web", "zones/europe-west1-c/instanceGroups/web",
		regional + "/addresses/outer", regional + "/addresses/inner", "global/firewalls/web",
	} {
		w.call(t, http.MethodDelete, path)
	}
	for name, zone := range zones {
		w.call(t, http.MethodDelete, "zones/"+zone+"/instances/"+name)
	}
}

// askUDP sends a datagram from a new port, and returns the answer.
func askUDP(to string) (string, error) {
	c, err := net.Dial("udp4", to)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write([]byte("who\n")); err != nil {
		return "", err
	}
	b := make([]byte, 64)
	n, err := c.Read(b)
	return string(b[:n]), err
}
