package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"hakube/gce/emulator"
)

// clusterLabel is the label that hakube gives to the instances of a cluster.
const clusterLabel = "hakube-cluster"

// isMaster reads the mark that hakube writes into an instance's description.
func isMaster(o map[string]any) bool {
	return slices.Contains(strings.Fields(str(o, "description")), "role=master")
}

func machine(p parts, o map[string]any) Machine {
	m := Machine{
		Project: p.project, Cluster: str(sub(o, "labels"), clusterLabel), Master: isMaster(o), Zone: p.place, Name: p.name, Status: str(o, "status"), Type: base(str(o, "machineType")),
		Tags: texts(sub(o, "tags"), "items"),
	}
	for _, n := range objects(o, "networkInterfaces") {
		m.Internal = cmp.Or(m.Internal, str(n, "networkIP"))
		for _, c := range objects(n, "accessConfigs") {
			m.External = cmp.Or(m.External, str(c, "natIP"))
		}
		for _, a := range objects(n, "aliasIpRanges") {
			m.Pods = cmp.Or(m.Pods, str(a, "ipCidrRange"))
		}
	}
	return m
}

func subnet(p parts, o map[string]any) Subnet {
	s := Subnet{Name: p.name, Region: p.place, Ranges: []string{str(o, "ipCidrRange")}}
	for _, r := range objects(o, "secondaryIpRanges") {
		s.Ranges = append(s.Ranges, str(r, "rangeName")+" "+str(r, "ipCidrRange"))
	}
	return s
}

// rule is a firewall rule in a line.
func rule(o map[string]any) string {
	var what []string
	for _, verb := range []string{"allowed", "denied"} {
		for _, x := range objects(o, verb) {
			text := str(x, "IPProtocol")
			if ports := texts(x, "ports"); len(ports) > 0 {
				text += ":" + strings.Join(ports, ",")
			}
			if verb == "denied" {
				text = "no " + text
			}
			what = append(what, text)
		}
	}
	text := strings.Join(what, " ")
	if from := append(texts(o, "sourceRanges"), texts(o, "sourceTags")...); len(from) > 0 {
		text += " from " + strings.Join(from, " ")
	}
	if to := append(texts(o, "destinationRanges"), texts(o, "targetTags")...); len(to) > 0 {
		text += " to " + strings.Join(to, " ")
	}
	return text
}

// balancer is a forwarding rule with those behind it, as its probes see them.
func balancer(api *emulator.Server, p parts, o map[string]any) Balancer {
	b := Balancer{
		Project: p.project, Name: p.name, Region: p.place, Address: str(o, "IPAddress"),
		Ports: strings.Join(append(texts(o, "ports"), str(o, "portRange")), " "), Service: base(str(o, "backendService")),
	}
	if b.Service == "" {
		return pooled(api, b, base(str(o, "target")))
	}
	at := "projects/" + p.project + "/regions/" + p.place + "/backendServices/" + b.Service
	service, err := api.Ask(http.MethodGet, at, nil)
	if err != nil {
		return b // it is being removed
	}
	for _, x := range objects(service, "backends") {
		g := partsOf(str(x, "group"))
		health, err := api.Ask(http.MethodPost, at+"/getHealth", map[string]any{"group": str(x, "group")})
		states := objects(health, "healthStatus")
		if err != nil || len(states) == 0 {
			b.Backends = append(b.Backends, Backend{Group: g.name, Zone: g.place})
		}
		for _, h := range states {
			b.Backends = append(b.Backends, Backend{g.name, g.place, base(str(h, "instance")), str(h, "healthState")})
		}
	}
	return b
}

// pooled is a balancer with the machines of its target pool.
func pooled(api *emulator.Server, b Balancer, pool string) Balancer {
	b.Service = pool
	at := "projects/" + b.Project + "/regions/" + b.Region + "/targetPools/" + pool
	o, err := api.Ask(http.MethodGet, at, nil)
	if err != nil {
		return b // it is being removed
	}
	for _, link := range texts(o, "instances") {
		state := ""
		health, err := api.Ask(http.MethodPost, at+"/getHealth", map[string]any{"instance": link})
		for _, h := range objects(health, "healthStatus") {
			if err == nil && str(h, "ipAddress") == b.Address {
				state = str(h, "healthState")
			}
		}
		b.Backends = append(b.Backends, Backend{pool, partsOf(link).place, base(link), state})
	}
	return b
}

func group(api *emulator.Server, p parts, o map[string]any) Group {
	g := Group{Project: p.project, Zone: p.place, Name: p.name}
	g.Target = num(o, "targetSize")
	now, err := api.Ask(http.MethodGet, "projects/"+p.project+"/zones/"+p.place+"/instanceGroupManagers/"+p.name, nil)
	if err == nil {
		g.Stable, _ = sub(now, "status")["isStable"].(bool)
	}
	return g
}

func operation(p parts, o map[string]any, now time.Time) Operation {
	x := Operation{
		Project: p.project, Name: p.name, Type: str(o, "operationType"), Kind: partsOf(str(o, "targetLink")).kind, Target: base(str(o, "targetLink")), Status: str(o, "status"),
		Began: str(o, "insertTime"), Ended: str(o, "endTime"), User: str(o, "user"),
	}
	if began, err := time.Parse(time.RFC3339, x.Began); err == nil {
		ended, err := time.Parse(time.RFC3339, x.Ended)
		if err != nil {
			ended = now
		}
		x.Took = max(0, ended.Sub(began).Milliseconds())
	}
	x.Percent = num(o, "progress")
	for _, e := range objects(sub(o, "error"), "errors") {
		x.Error = str(e, "code") + ": " + str(e, "message")
	}
	return x
}
