package etcdtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"hakube/scripts"
)

// run is what happens on the machine from its boot on: the guest agent's part,
// then the startup-script's.
func (g *Guest) run() {
	g.say("[    0.000000] Linux version of model guest %s, booted at %s", g.m.Name, g.since) // no two boots look alike
	kind, key, _ := strings.Cut(strings.TrimSpace(string(ssh.MarshalAuthorizedKey(g.HostKey()))), " ")
	g.put("hostkeys/"+kind, key)
	s := &startup{Guest: g, step: "reading metadata"}
	err := s.main()
	if g.ctx.Err() != nil {
		return // stopped; whatever failed is because of that
	}
	if err != nil {
		s.report(fmt.Sprintf("%s%s: %v", scripts.PhaseFailed, s.step, err))
	}
}

// startup is one run of the startup-script.
type startup struct {
	*Guest
	*view
	step string
	end  string // the phase it ends with
}

func (s *startup) report(phase string) {
	s.say("hakube: %s", phase)
	s.mu.Lock()
	s.phase = phase
	s.mu.Unlock()
	s.put(scripts.GuestNamespace+"/"+scripts.GuestPhase, phase)
}

// begin a step: it is what `failed:` names.
func (s *startup) begin(step string) {
	s.step = step
	s.report(step)
}

func (s *startup) main() (err error) {
	if s.view, err = s.metadata(s.ctx); err != nil {
		return err
	}
	script, ok := s.Instance.Attributes[scripts.KeyStartupScript]
	if !ok {
		s.say("no startup-script: the machine is up, and does nothing")
		return nil
	}
	if name, err := scripts.Name(script); err != nil || name != "startup-script" {
		s.say("a model guest does not know this startup-script, and leaves it: %v", err)
		return nil
	}
	if f := s.w.opts.Installing; f != nil {
		s.begin("installing containerd")
		if err := f(s.m.Name, func(line string) { s.say("%s", line) }); err != nil {
			return err
		}
	}
	role, err := s.attribute(scripts.KeyRole)
	if err != nil {
		return err
	}
	for _, key := range required[role] {
		if _, err := s.attribute(key); err != nil {
			return err
		}
	}
	if len(s.Instance.NetworkInterfaces[0].IPAliases) == 0 {
		return errors.New("the metadata server has no instance/network-interfaces/0/ip-aliases/0")
	}
	switch role {
	case scripts.RoleMaster:
		err = s.founds(s.master)
	case scripts.RoleNode:
		err = s.node()
	default:
		return fmt.Errorf("hakube-role is '%s', not master or node", role)
	}
	if f := s.w.opts.Ending; f != nil && err == nil {
		f(s.m.Name)
	}
	if err == nil {
		s.report(cmp.Or(s.end, scripts.PhaseRunning))
	}
	return err
}

// founds is a master's script, of which the end of the founding is asked for where somebody waits.
func (s *startup) founds(master func() error) error {
	end := s.w.opts.Founding
	set := func(is bool) {
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		s.founding = is
	}
	if end == nil {
		return master()
	}
	set(true)
	defer set(false)
	err := master()
	if err == nil {
		end(s.m.Name)
	}
	return err
}

// required is what the startup-script cannot do without, by role.
var required = map[string][]string{
	scripts.RoleMaster: {scripts.KeyAddress, scripts.KeyCluster, scripts.KeyClusterName, scripts.KeyPodRange, scripts.KeyDNSIP, scripts.KeyServiceRange},
	scripts.RoleNode:   {scripts.KeyAddress, scripts.KeyCluster, scripts.KeyClusterName, scripts.KeyPodRange, scripts.KeyDNSIP, scripts.KeyJoinToken, scripts.KeyCAHash},
}

// pass lets half of the boot time pass.
func (s *startup) pass() error {
	half := s.w.opts.BootTime / 2
	if half <= 0 {
		return nil
	}
	select {
	case <-time.After(half):
		return nil
	case <-s.ctx.Done():
		return errStopped
	}
}

// version of Kubernetes that the metadata asks for.
func (s *startup) version() string {
	if v := s.Instance.Attributes[scripts.KeyKubeVersion]; v != "" {
		return v
	}
	return scripts.Versions()["kubernetes"]
}

// master brings the control plane up on the disk master-pd.
func (s *startup) master() error {
	s.begin("mounting the disk")
	disk, err := openData(s.disk("master-pd"))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the disk master-pd is attached: %w", notAfter(60*time.Second))
	}
	if err != nil {
		return err
	}
	disk.noSync = s.w.opts.NoSync
	defer func() {
		if disk != nil {
			_ = disk.close() // it failed before the control plane had it
		}
	}()
	cluster := s.Instance.Attributes[scripts.KeyCluster]
	if has := disk.content.Cluster; has != "" && has != cluster {
		return fmt.Errorf("the disk master-pd belongs to cluster %s, not to %s", has, cluster)
	}
	if err := s.growFiles(disk); err != nil {
		return err
	}
	if err := s.pass(); err != nil {
		return err
	}
	if disk.content.Joining || disk.content.Rings == nil && s.Instance.Attributes[scripts.KeyStart] == scripts.StartJoin {
		err := s.prepare(disk, cluster)
		disk = nil
		return err
	}
	s.begin("starting etcd")
	if disk.content.Rings == nil {
		if err := s.found(disk, cluster); err != nil {
			return err
		}
	}
	c := disk
	disk = nil
	return s.restore(c)
}

// restore starts what a master's disk holds.
func (s *startup) restore(disk *dataDisk) error {
	lost := map[string]bool{}
	for _, name := range []string{ringMain, ringEvents} {
		if x := disk.content.Rings[name]; x == nil || x.Lost || len(lost) > 0 { // no unit is started after one that is refused
			lost[name] = true
		}
	}
	for _, name := range []string{ringMain, ringEvents} {
		if lost[name] {
			s.began(disk, lost)
			return fmt.Errorf(lostData, name)
		}
	}
	s.begin("control plane")
	c, err := s.w.startControlPlane(s, disk)
	if err != nil {
		return err
	}
	s.begin("waiting for the API server")
	err = s.limited(apiLimit, func() (bool, error) {
		if len(c.why) > 0 || s.alone {
			return false, notAfter(apiLimit)
		}
		return c.health() == nil, nil
	})
	if err != nil {
		return fmt.Errorf("the API server is ready: %w", err)
	}
	if s.upgrades(disk) {
		if err := s.upgrade(c); err != nil {
			return err
		}
	}
	return s.runKubelet(s.ctx, func() (*controlPlane, error) { return c, nil })
}

// prepare is the boot of a master that is to join: it starts what members it has
// been given, and waits for the rest to be told.
func (s *startup) prepare(disk *dataDisk, cluster string) error {
	s.begin("starting etcd")
	disk.content.Cluster, disk.content.Name, disk.content.Joining = cluster, s.Instance.Name, true
	if err := disk.save(); err != nil {
		return errors.Join(err, disk.close())
	}
	s.began(disk, nil)
	s.end = scripts.PhasePrepared
	return nil
}

// began is a machine that has etcd's units but the halted ones, and nothing else
// of a control plane.
func (s *startup) began(disk *dataDisk, halted map[string]bool) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.control = newControlPlane(s.Guest, disk)
	maps.Copy(s.control.halted, halted)
	s.w.restart(s.control)
	s.w.happened()
}

// found makes a new cluster on an empty disk. It is one write: a founding that
// was cut leaves an empty disk.
func (s *startup) found(disk *dataDisk, cluster string) error {
	used := s.w.opts.Used
	authority, err := newPKI(used.Age)
	if err != nil {
		return err
	}
	cert, key, err := authority.admin(used.Age)
	if err != nil {
		return err
	}
	address := "https://" + s.Instance.Attributes[scripts.KeyAddress] + ":443"
	disk.content = content{
		Cluster: cluster, Name: s.Instance.Name, Version: s.version(), PKI: authority,
		AdminConf: adminConf(address, s.Instance.Attributes[scripts.KeyClusterName], authority.CA, cert, key),
		Rings:     map[string]*memberData{},
	}
	disk.content.Tokens = tokenKeys{Signs: "kid-1", Trusts: []string{"kid-1"}}
	disk.content.EtcdCA = tokenKeys{Signs: "etcd-ca", Trusts: []string{"etcd-ca"}}
	if s.Instance.Attributes[scripts.KeyEncryptSecrets] == "true" {
		disk.content.Encryption = []string{"key1"}
	}
	for name, port := range peerPorts {
		peer := fmt.Sprintf("https://%s:%d", s.Instance.Hostname, port)
		disk.content.Rings[name] = foundRing(cluster+"/"+name, s.Instance.Name, peer)
	}
	if err := firstObjects(&disk.content.Rings[ringMain].State, s.version(), s.Instance.Attributes[scripts.KeyAddress]); err != nil {
		return err
	}
	for name, data := range disk.content.Rings {
		used.live(name, &data.State)
	}
	return disk.save()
}

// limited waits for f, for as long as the startup-script would.
func (s *startup) limited(limit time.Duration, f func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(s.ctx, limit, notAfter(limit))
	defer cancel()
	return s.w.until(ctx, f)
}

// notAfter is a wait that took too long.
type notAfter time.Duration

func (n notAfter) Error() string { return fmt.Sprintf("not after %.0f s", time.Duration(n).Seconds()) }
