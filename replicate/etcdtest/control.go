package etcdtest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// A controlPlane is what runs on a master besides its kubelet. The world's lock
// guards what the members hold.
type controlPlane struct {
	guest   *Guest
	disk    *dataDisk
	members map[string]*member // by ring; a machine that joins has none at first
	version string
	serving *tls.Config       // nil while there is no API server
	killed  *tls.Config       // of one that was killed and is not started again
	why     map[string]string // by ring: why etcd ended as soon as it began
	halted  map[string]bool   // by ring: its unit was stopped, so that systemd leaves it alone
}

func newControlPlane(g *Guest, d *dataDisk) *controlPlane {
	return &controlPlane{guest: g, disk: d, members: map[string]*member{}, why: map[string]string{}, halted: map[string]bool{}, version: d.content.Version}
}

// main is the member of the ring with all but events. A machine that joins has
// none, and nobody asks for it: its API server is not there either.
func (c *controlPlane) main() *member { return c.members[ringMain] }

// startControlPlane starts the members of both rings and the API server, which
// owns the disk from then on, also if it fails.
func (w *World) startControlPlane(s *startup, d *dataDisk) (*controlPlane, error) {
	c := newControlPlane(s.Guest, d)
	serving, err := s.servingTLS(d)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.guest.control = c
	defer w.happened()
	if w.restart(c); len(c.why) == 0 { // without etcd the API server ends as soon as it begins
		c.serving = serving
	}
	return c, nil
}

// lostData is what configure_ring says of a ring's data that are gone.
const lostData = "ring %s has lost its data on a disk whose cluster was founded, refusing to found it anew"

// apiLimit is how long the startup-script waits for the API server. The model does
// not where etcd has ended for good: there is nothing that would change it.
const apiLimit = 300 * time.Second

// rings is why one of its members does not take part, nil if both do.
func (c *controlPlane) rings() error {
	return errors.Join(c.takesPart(ringMain), c.takesPart(ringEvents))
}

func (c *controlPlane) takesPart(name string) (err error) {
	m := c.members[name]
	if m == nil {
		err = errNotRunning
	} else {
		_, err = m.read()
	}
	if err != nil {
		return fmt.Errorf("etcd %s: %w", name, err)
	}
	return nil
}

// health is why its API server is not ready, nil if it is. Kubernetes asks the
// etcd of --etcd-servers only, not of the overrides: without ring events it is
// ready. (apiserver, options/etcd.go: addEtcdHealthEndpoint)
func (c *controlPlane) health() error { return c.takesPart(ringMain) }

// servingTLS is what its API server identifies itself with.
func (s *startup) servingTLS(d *dataDisk) (*tls.Config, error) {
	names, addresses, err := s.servingNames()
	if err != nil {
		return nil, err
	}
	cert, err := d.content.PKI.serving(names, addresses, d.content.Authority.Cross)
	if err != nil {
		return nil, err
	}
	// As in Kubernetes any certificate is taken here, and looked at when it is
	// known what it is for: see kubeapi.Serve.
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"http/1.1"}}, nil
}

// stop ends the members. The world's lock is held.
func (c *controlPlane) stop(w *World) {
	for _, m := range c.members {
		w.stopMember(m)
	}
	if err := c.disk.close(); err != nil {
		c.guest.say("closing the disk master-pd: %v", err)
	}
}

// servingNames is what the API server's certificate is good for, as the
// startup-script has kubeadm make it.
func (s *startup) servingNames() (names []string, addresses []net.IP, err error) {
	domain := "cluster.local"
	if d := s.Instance.Attributes[scripts.KeyDNSDomain]; d != "" {
		domain = d
	}
	names = []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + domain,
		"localhost", s.Instance.Name, s.Instance.Hostname,
	}
	services, err := netip.ParsePrefix(s.Instance.Attributes[scripts.KeyServiceRange])
	if err != nil {
		return nil, nil, err
	}
	address, err := netip.ParseAddr(s.Instance.Attributes[scripts.KeyAddress])
	if err != nil {
		return nil, nil, err
	}
	for _, a := range []netip.Addr{address, s.ip(), netip.MustParseAddr("127.0.0.1"), services.Masked().Addr().Next()} {
		addresses = append(addresses, a.AsSlice())
	}
	return names, addresses, nil
}

// firstObjects is what Kubernetes has from the start.
func firstObjects(s *ringState, version, address string) error {
	config, err := kubeadmConfig(version, address)
	if err != nil {
		return err
	}
	put := map[string]json.RawMessage{kubeapi.ConfigMaps.Key("kube-system", "kubeadm-config"): config}
	for _, name := range []string{"default", "kube-node-lease", "kube-public", "kube-system"} {
		n := corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}},
			Spec:       corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{corev1.FinalizerKubernetes}},
			Status:     corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
		}
		kubeapi.StampNew(&n)
		text, err := json.Marshal(n)
		if err != nil {
			return fmt.Errorf("making namespace %s: %w", name, err)
		}
		put[kubeapi.Namespaces.Key("", name)] = text
	}
	s.apply(change{Ring: ringMain, Revision: s.Revision + 1, Put: put})
	return nil
}

// A kubelet is one that registered its Node and runs.
type kubelet struct {
	guest *Guest
	ready bool
	since time.Time // that ready is so
}

// runKubelet registers the Node with the API server that find finds, which may
// take its time, and becomes ready.
func (s *startup) runKubelet(ctx context.Context, find func() (*controlPlane, error)) error {
	err := s.w.until(ctx, func() (bool, error) {
		c, err := find()
		if c == nil || err != nil {
			return false, err
		}
		if err := s.register(c); errors.Is(err, errNoQuorum) || errors.Is(err, errNotRunning) || errors.Is(err, errMute) || errors.Is(err, errTooMany) || errors.Is(err, errNoSpace) || errors.Is(err, errCorrupt) {
			return false, nil // it tries again
		} else if err != nil {
			return false, err
		}
		s.w.kubelets[s.boot.MachineID] = kubelet{guest: s.Guest, since: time.Now()}
		return true, nil
	})
	if err == nil {
		err = s.pass()
	}
	if err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.ctx.Err() == nil {
		s.w.kubelets[s.boot.MachineID] = kubelet{guest: s.Guest, ready: true, since: time.Now()}
	}
	return nil
}

// register creates the machine's Node, or makes one that is there its own. The
// lock is held.
func (s *startup) register(c *controlPlane) error {
	state, err := c.main().read()
	if err != nil {
		return err
	}
	n, there, err := getNode(state.contents(), s.Instance.Name)
	if err != nil {
		return err
	}
	if !there {
		n = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.Instance.Name}}
		kubeapi.StampNew(n)
		if err := s.markNew(n); err != nil {
			return err
		}
	}
	s.describe(n, s.version())
	if c.guest == s.Guest {
		s.describeMaster(n, c.version)
	}
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	_, err = c.main().write(map[string]json.RawMessage{kubeapi.Nodes.Key("", n.Name): text})
	return err
}

// markNew gives a Node what --node-labels and --register-with-taints say: a kubelet sets
// them on the Node that it makes, and on none that is there.
func (s *startup) markNew(n *corev1.Node) error {
	n.Labels = map[string]string{}
	if kind := s.Instance.Attributes[scripts.KeyAccelerator]; kind != "" {
		n.Labels["cloud.google.com/gke-accelerator"] = kind
	}
	for part := range strings.SplitSeq(s.Instance.Attributes[scripts.KeyNodeLabels], ",") {
		if key, value, is := strings.Cut(part, "="); is {
			n.Labels[key] = value
		}
	}
	if pool := s.Instance.Attributes[scripts.KeyPool]; pool != "" {
		n.Labels["hakube/pool"] = pool
	}
	for part := range strings.SplitSeq(s.Instance.Attributes[scripts.KeyNodeTaints], ",") {
		if part == "" {
			continue
		}
		named, effect, is := strings.Cut(part, ":")
		if !is {
			return fmt.Errorf("invalid taint spec: %s", part)
		}
		key, value, _ := strings.Cut(named, "=")
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)})
	}
	return nil
}

// describe writes what a kubelet says of its machine.
func (s *startup) describe(n *corev1.Node, version string) {
	n.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	zone := s.zone()
	for k, v := range map[string]string{
		corev1.LabelHostname: n.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
		corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: zone[:max(0, strings.LastIndexByte(zone, '-'))],
		corev1.LabelInstanceTypeStable: s.machineType(),
	} {
		n.Labels[k] = v
	}
	n.Spec.ProviderID = fmt.Sprintf("gce://%s/%s/%s", s.Project.ProjectID, zone, n.Name)
	n.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: s.ip().String()},
		{Type: corev1.NodeHostName, Address: n.Name},
	}
	n.Status.NodeInfo = corev1.NodeSystemInfo{
		MachineID: s.boot.MachineID, SystemUUID: s.boot.MachineID, KubeletVersion: version,
		ContainerRuntimeVersion: "containerd://" + scripts.Versions()["containerd"],
		OperatingSystem:         "linux", Architecture: "amd64", OSImage: "hakube model guest", KernelVersion: "model",
	}
}

// describeMaster adds what kubeadm does to a master's Node.
func (s *startup) describeMaster(n *corev1.Node, version string) {
	const role = "node-role.kubernetes.io/control-plane"
	n.Labels[role] = ""
	n.Labels[corev1.LabelNodeExcludeBalancers] = ""
	n.Status.NodeInfo.KubeletVersion = version
	if !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == role }) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: role, Effect: corev1.TaintEffectNoSchedule})
	}
}
