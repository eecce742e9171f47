package gcetest

import (
	"fmt"
	"net/url"
	"testing"

	"hakube/gce/emulator/recorded"
)

// A tour makes one object of each kind as others' clients do, and keeps what passes.
type tour struct {
	t   *testing.T
	do  recorded.Do
	all []recorded.Exchange
}

type doc = map[string]any

// ask makes a request and keeps it with its answer.
func (v *tour) ask(verb, path string, body doc) doc {
	v.t.Helper()
	q := recorded.Request{Verb: verb, Path: path, Query: url.Values{}}
	if body != nil {
		q.Body = body
	}
	status, answer := v.do(q)
	x := recorded.Exchange{Path: "tour", N: len(v.all), Verb: verb, URL: "https://compute.googleapis.com/compute/v1/" + path, Body: body, Status: status, Answer: answer}
	if body == nil {
		x.Body = ""
	}
	v.all = append(v.all, x)
	return answer
}

// change makes a change that has to work, and reads its operation until it is done.
func (v *tour) change(verb, path string, body doc) {
	v.t.Helper()
	op := v.ask(verb, path, body)
	own, ok := op["selfLink"].(string)
	if !ok {
		v.t.Fatalf("%s %s: %v", verb, path, op)
	}
	own = own[len("https://www.googleapis.com/compute/v1/"):]
	if _, answer := v.do(recorded.Request{Verb: "POST", Path: own + "/wait"}); answer["error"] != nil {
		v.t.Fatalf("%s %s: %v", verb, path, answer["error"])
	}
	v.ask("GET", own, nil)
}

// life is an object from before it is made until after it is gone; f is what happens
// between.
func (v *tour) life(collection string, body doc, f func(path string)) {
	v.t.Helper()
	path := collection + "/" + body["name"].(string)
	v.ask("GET", path, nil)
	v.change("POST", collection, body)
	v.ask("GET", path, nil)
	f(path)
	v.change("DELETE", path, nil)
	v.ask("GET", path, nil)
}

// TestRecorded holds the embedded GCE to the facts known from recordings, without
// these: a tour through all kinds that were recorded and are here.
func TestRecorded(t *testing.T) {
	v := &tour{t: t, do: replayed(t)}
	const project, region, zone = "projects/acme-recorded", "projects/acme-recorded/regions/us-central1", "projects/acme-recorded/zones/us-central1-a"
	labels := func(path string) {
		o := v.ask("GET", path, nil)
		v.ask("POST", path+"/setLabels", doc{"labels": doc{"managed-by-cnrm": "true"}, "labelFingerprint": o["labelFingerprint"]})
		v.ask("GET", path, nil)
	}
	nothing := func(string) {}
	v.ask("GET", project+"/zones/us-central1-a", nil)
	network := doc{"name": "net", "autoCreateSubnetworks": false, "routingConfig": doc{"routingMode": "REGIONAL"}, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"}
	v.life(project+"/global/networks", network, func(net string) {
		subnet := doc{"name": "sub", "ipCidrRange": "10.2.0.0/16", "network": net, "logConfig": doc{"enable": false}, "region": region}
		v.life(region+"/subnetworks", subnet, func(sub string) {
			boot := doc{"boot": true, "autoDelete": true, "mode": "READ_WRITE", "initializeParams": doc{"sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}
			nics := []any{doc{"network": net, "subnetwork": sub}}
			v.life(zone+"/instances", doc{
				"name": "vm", "machineType": zone + "/machineTypes/n1-standard-1", "disks": []any{boot}, "networkInterfaces": nics, "canIpForward": false,
				"labels": doc{"managed-by-cnrm": "true"}, "metadata": doc{}, "tags": doc{}, "params": doc{}, "scheduling": doc{"automaticRestart": true}, "deletionProtection": false,
			}, func(string) { v.ask("GET", zone+"/disks/vm", nil) })
			template := doc{"name": "tmpl", "properties": doc{
				"machineType": "n1-standard-1", "networkInterfaces": []any{doc{"network": net}}, "metadata": doc{}, "tags": doc{}, "labels": doc{"managed-by-cnrm": "true"}, "scheduling": doc{"onHostMaintenance": "MIGRATE"},
				"disks": []any{doc{"boot": true, "autoDelete": true, "mode": "READ_WRITE", "interface": "SCSI", "type": "PERSISTENT", "initializeParams": doc{"diskType": "pd-standard", "sourceImage": "projects/debian-cloud/global/images/family/debian-12"}}},
			}}
			v.life(project+"/global/instanceTemplates", template, func(tmpl string) {
				v.life(zone+"/instanceGroupManagers", doc{"name": "group", "targetSize": 0, "baseInstanceName": "group", "instanceTemplate": tmpl}, nothing)
			})
			v.ask("GET", project+"/aggregated/subnetworks", nil)
			v.ask("GET", project+"/global/routes", nil)
		})
		v.life(project+"/global/addresses", doc{"name": "range", "addressType": "INTERNAL", "network": net, "prefixLength": 16, "purpose": "VPC_PEERING", "labels": doc{"managed-by-cnrm": "true"}}, labels)
		v.change("PATCH", net, doc{"routingConfig": doc{"routingMode": "GLOBAL"}})
	})
	v.life(project+"/global/addresses", doc{"name": "ip", "description": "a test global address", "labels": doc{"managed-by-cnrm": "true"}}, labels)
	check := func(name string) doc {
		return doc{"name": name, "type": "HTTP", "checkIntervalSec": 10, "timeoutSec": 5, "healthyThreshold": 2, "unhealthyThreshold": 2, "httpHealthCheck": doc{"port": 80, "proxyHeader": "NONE", "requestPath": "/"}}
	}
	v.life(project+"/global/healthChecks", check("check"), nothing)
	v.life(region+"/healthChecks", check("check"), func(hc string) {
		v.life(region+"/backendServices", doc{
			"name": "service", "healthChecks": []any{hc}, "loadBalancingScheme": "EXTERNAL", "protocol": "TCP", "connectionDraining": doc{"drainingTimeoutSec": 10},
			"iap": doc{"enabled": false, "oauth2ClientId": "", "oauth2ClientSecret": ""},
		}, func(service string) {
			v.ask("DELETE", hc, nil) // which is in use
			v.life(region+"/forwardingRules", doc{"name": "rule", "loadBalancingScheme": "EXTERNAL", "IPProtocol": "TCP", "ports": []any{"443"}, "backendService": service, "labels": doc{"managed-by-cnrm": "true"}}, labels)
		})
	})
	differences, methods, checks := recorded.Holds(recorded.Reduce(v.all), recorded.Facts())
	fmt.Printf("REPORT TestRecorded: %d requests of %d methods held to what Google was recorded to answer, %d checks\n", len(v.all), methods, checks)
	for _, d := range differences {
		t.Error(d)
	}
	if methods < 30 || checks < 500 {
		t.Errorf("%d methods and %d checks: the tour or the table is not what it was", methods, checks)
	}
}
