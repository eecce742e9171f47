package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	cloudprovider "k8s.io/cloud-provider"
	"k8s.io/cloud-provider-gcp/providers/gce"
)

const cluster = "kubernetes"

func node(name, zone string) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelTopologyZone: zone}},
		Spec:       v1.NodeSpec{ProviderID: "gce://" + project + "/" + zone + "/" + name},
	}
}

func service(name string, protocol v1.Protocol, change func(*v1.Service)) *v1.Service {
	s := &v1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-of-" + name)},
		Spec: v1.ServiceSpec{
			Type: v1.ServiceTypeLoadBalancer, SessionAffinity: v1.ServiceAffinityNone, ExternalTrafficPolicy: v1.ServiceExternalTrafficPolicyCluster,
			Ports: []v1.ServicePort{{Name: "a", Protocol: protocol, Port: 80, NodePort: 30080}, {Name: "b", Protocol: protocol, Port: 443, NodePort: 30443}},
		},
	}
	if change != nil {
		change(s)
	}
	return s
}

// services has the cloud provider make, change and remove what Services and Nodes are.
func services(dir string) error {
	provider, err := start(dir)
	if err != nil {
		return err
	}
	nodes := []*v1.Node{node("n1", zone), node("n2", other)}
	internal := func(s *v1.Service) {
		s.Annotations = map[string]string{gce.ServiceAnnotationLoadBalancerType: string(gce.LBTypeInternal), gce.ServiceAnnotationILBAllowGlobalAccess: "true"}
	}
	local := func(s *v1.Service) {
		s.Spec.ExternalTrafficPolicy, s.Spec.HealthCheckNodePort = v1.ServiceExternalTrafficPolicyLocal, 31234
	}
	for _, s := range []*v1.Service{
		service("external", v1.ProtocolTCP, nil),
		service("datagrams", v1.ProtocolUDP, nil),
		service("local", v1.ProtocolTCP, local),
		service("ranges", v1.ProtocolTCP, func(s *v1.Service) { s.Spec.LoadBalancerSourceRanges = []string{"198.51.100.0/24", "203.0.113.0/24"} }),
		service("sticky", v1.ProtocolTCP, func(s *v1.Service) { s.Spec.SessionAffinity = v1.ServiceAffinityClientIP }),
		service("internal", v1.ProtocolTCP, internal),
		service("internal-datagrams", v1.ProtocolUDP, internal),
		service("internal-local", v1.ProtocolTCP, func(s *v1.Service) { internal(s); local(s) }),
	} {
		life(provider, s, nodes)
	}
	return nodesOf(provider, nodes)
}

// life is that of one Service.
func life(provider *gce.Cloud, s *v1.Service, nodes []*v1.Node) {
	var ip string
	ensure := func(ctx context.Context) error {
		status, err := provider.EnsureLoadBalancer(ctx, cluster, s, nodes)
		if err != nil {
			return err
		}
		if len(status.Ingress) != 1 || status.Ingress[0].IP == "" || ip != "" && status.Ingress[0].IP != ip {
			return fmt.Errorf("its address is %v, was %q", status.Ingress, ip)
		}
		ip, s.Status.LoadBalancer = status.Ingress[0].IP, *status
		return nil
	}
	check("ensure "+s.Name, ensure)
	check("ensure "+s.Name+" again", ensure)
	check("get "+s.Name, func(ctx context.Context) error {
		status, exists, err := provider.GetLoadBalancer(ctx, cluster, s)
		if err == nil && (!exists || len(status.Ingress) != 1 || status.Ingress[0].IP != ip) {
			err = fmt.Errorf("exists %v, %v", exists, status)
		}
		return err
	})
	check("update "+s.Name+" to one node", func(ctx context.Context) error { return provider.UpdateLoadBalancer(ctx, cluster, s, nodes[:1]) })
	check("update "+s.Name+" to both", func(ctx context.Context) error { return provider.UpdateLoadBalancer(ctx, cluster, s, nodes) })
	// Another port is another rule at the same address.
	s.Spec.Ports = append(slices.Clone(s.Spec.Ports), v1.ServicePort{Name: "c", Protocol: s.Spec.Ports[0].Protocol, Port: 8080, NodePort: 30800})
	check("ensure "+s.Name+" with another port", ensure)
	if s.Spec.SessionAffinity == v1.ServiceAffinityNone {
		s.Spec.SessionAffinity = v1.ServiceAffinityClientIP
		check("ensure "+s.Name+" with another affinity", ensure)
	}
	check("delete "+s.Name, func(ctx context.Context) error { return provider.EnsureLoadBalancerDeleted(ctx, cluster, s) })
	check("delete "+s.Name+" again", func(ctx context.Context) error { return provider.EnsureLoadBalancerDeleted(ctx, cluster, s) })
}

// nodesOf asks for machines of Nodes, also when one is stopped and gone.
func nodesOf(provider *gce.Cloud, nodes []*v1.Node) error {
	instances, _ := provider.InstancesV2()
	gone := nodes[1]
	check("metadata of a node", func(ctx context.Context) error {
		m, err := instances.InstanceMetadata(ctx, nodes[0])
		if err == nil && (m.Zone != zone || m.Region != "europe-west1" || m.InstanceType == "" || len(m.NodeAddresses) < 2) {
			err = fmt.Errorf("%+v", m)
		}
		return err
	})
	is := func(exists bool) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			got, err := instances.InstanceExists(ctx, gone)
			if err == nil && got != exists {
				err = fmt.Errorf("exists %v", got)
			}
			return err
		}
	}
	check("a node that runs", is(true))
	compute := provider.ComputeServices().GA
	wait := func(name string) error {
		_, err := compute.ZoneOperations.Wait(project, other, name).Do()
		return err
	}
	check("stop its machine", func(ctx context.Context) error {
		op, err := compute.Instances.Stop(project, other, gone.Name).Do()
		if err != nil {
			return err
		}
		return wait(op.Name)
	})
	check("a node whose machine is off", is(true))
	check("delete its machine", func(ctx context.Context) error {
		op, err := compute.Instances.Delete(project, other, gone.Name).Do()
		if err != nil {
			return err
		}
		return wait(op.Name)
	})
	check("a node whose machine is gone", is(false))
	check("metadata of one that is gone", func(ctx context.Context) error {
		if _, err := instances.InstanceMetadata(ctx, gone); err == nil {
			return errors.New("there is some")
		}
		return nil
	})
	check("zones", func(ctx context.Context) error {
		zones, _ := provider.Zones()
		z, err := zones.GetZoneByProviderID(ctx, nodes[0].Spec.ProviderID)
		if err == nil && z != (cloudprovider.Zone{FailureDomain: zone, Region: "europe-west1"}) {
			err = fmt.Errorf("%+v", z)
		}
		return err
	})
	return nil
}
