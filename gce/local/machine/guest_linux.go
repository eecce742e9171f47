package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"hakube/gce/emulator"
	"hakube/gce/local/trust"
)

// writeGuestFiles writes what a machine at Google learns by DHCP: its VPC has no
// server for that, so the machine's own network service is told in its own file. The tree
// belongs to whoever has used the machine before, so nothing in it may lead out
// of it: os.Root follows no link that does.
func writeGuestFiles(rootfs string, m emulator.Machine) (err error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	files := map[string]string{"etc/hostname": m.Name + "\n", "etc/hosts": hosts(m)}
	if m.NIC.Address.IsValid() && m.NIC.Gateway.IsValid() {
		files["etc/netplan/90-default.yaml"] = netplan(m)
		if err := root.MkdirAll("etc/netplan", 0o755); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".yaml") {
			mode = 0o600 // netplan warns of others
		}
		if err := root.WriteFile(name, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}

// trust lets a machine trust whom the host's options say.
func (h *Host) trust(rootfs string) (err error) {
	if len(h.Trust) == 0 {
		return nil
	}
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	return trust.Install(root, h.Trust)
}

func hosts(m emulator.Machine) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	if m.NIC.Address.IsValid() {
		fmt.Fprintf(&b, "%s %s %s  # Added by Google\n", m.NIC.Address, m.Hostname, m.Name)
	}
	fmt.Fprintf(&b, "%s metadata.google.internal  # Added by Google\n", metadataAddress)
	return b.String()
}

// netplan is what systemd-networkd makes of eth0 and systemd-resolved of DNS: as
// after DHCP at Google, where a machine's network is one address wide. Whatever else
// is on the link when networkd starts again, it takes away. Nobody waits for it at boot:
// the link has all of it by then, and a machine without a network has no link.
func netplan(m emulator.Machine) string {
	mtu := m.NIC.MTU
	if mtu == 0 {
		mtu = 1460
	}
	domain := m.Domain()
	return fmt.Sprintf(`network:
  version: 2
  ethernets:
    eth0:
      addresses: [%[1]s/32]
      mtu: %[3]d
      link-local: []
      optional: true
      routes:
      - {to: %[2]s/32, scope: link, from: %[1]s}
      - {to: default, via: %[2]s, on-link: true, from: %[1]s}
      nameservers:
        addresses: [%[4]s]
        search: [%[5]s.%[6]s, %[6]s, google.internal]
`, m.NIC.Address, m.NIC.Gateway, mtu, metadataAddress, m.Zone, domain)
}
