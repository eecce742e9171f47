package etcdtest

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"hakube/replicate/etcdtest/kubeapi"
	"hakube/scripts"
)

// node joins the cluster, once for the life of its boot disk: after that the
// runKubelet has a certificate and the token does not matter any more.
func (s *startup) node() error {
	if err := s.pass(); err != nil {
		return err
	}
	address, err := netip.ParseAddr(s.Instance.Attributes[scripts.KeyAddress])
	if err != nil {
		return err
	}
	if s.boot.Joined != "" {
		return s.rejoin(address)
	}
	s.begin("joining")
	wantHash := s.Instance.Attributes[scripts.KeyCAHash]
	token := s.Instance.Attributes[scripts.KeyJoinToken]
	reason := fmt.Errorf("the API at %s answers", address) // why it still waits
	err = s.limited(900*time.Second, func() (bool, error) {
		c, ok := s.w.apiAt(address)
		if !ok {
			return false, nil
		}
		hash, err := c.disk.content.PKI.hash()
		if err != nil {
			return false, err
		}
		if !c.disk.content.knows(wantHash) {
			// kubeadm goes on trying, but nothing here will make it another CA.
			return false, fmt.Errorf("cluster CA found in cluster-info configmap is invalid: none of the public keys %q are pinned", hash)
		}
		state, err := c.main().read()
		if err == nil {
			err = kubeapi.MayJoin(state.contents(), token, time.Now())
		}
		if err == nil {
			err = s.w.notTaken(state, s.Guest, s.Instance.Name)
		}
		reason = err
		return err == nil, nil
	})
	if late := notAfter(0); errors.As(err, &late) {
		return fmt.Errorf("%w: %w", reason, err)
	}
	if err != nil {
		return err
	}
	s.boot.Joined = wantHash
	if err := s.boot.write(s.m.Boot); err != nil {
		return err
	}
	return s.runKubelet(s.ctx, s.cluster(address))
}

// rejoin is a boot after the machine joined. The startup-script is content with
// a kubelet that runs; the kubelet registers as soon as it can.
func (s *startup) rejoin(address netip.Addr) error {
	s.begin("waiting for the kubelet")
	s.work.Go(func() {
		if err := s.runKubelet(s.ctx, s.cluster(address)); err != nil && s.ctx.Err() == nil {
			s.say("kubelet: %v", err)
		}
	})
	return nil
}

// cluster finds the API server of the cluster whose certificate the kubelet has.
func (s *startup) cluster(a netip.Addr) func() (*controlPlane, error) {
	return func() (*controlPlane, error) {
		c, ok := s.w.apiAt(a)
		if !ok {
			return nil, nil
		}
		if !c.disk.content.knows(s.boot.Joined) {
			return nil, nil
		}
		return c, nil
	}
}

// apiAt is the control plane that an address leads to: one that is ready, as a
// balancer's health check would have it, or any if none is. The lock is held.
func (w *World) apiAt(a netip.Addr) (c *controlPlane, ok bool) {
	for _, g := range w.addresses[a] {
		if g.ready() {
			return g.control, true
		}
		if c == nil && g.answers() {
			c = g.control
		}
	}
	return c, c != nil
}

// notTaken is kubeadm's check that no other machine is the Node already. The
// lock is held.
func (w *World) notTaken(state *ringState, g *Guest, name string) error {
	n, ok, err := getNode(state.contents(), name)
	if err != nil || !ok {
		return err
	}
	other, alive := w.kubelets[n.Status.NodeInfo.MachineID]
	if alive && other.guest != g && other.guest.heard() {
		return fmt.Errorf("a Node with name %q and status \"Ready\" already exists in the cluster; you must delete the existing Node or change the name of this new joining Node", name)
	}
	return nil
}
