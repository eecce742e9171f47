package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"hakube/gce/emulator"
)

// writeGuestFiles writes what DHCP and its hooks write on Google. The tree
// belongs to whoever has used the machine before, so nothing in it may lead out
// of it: os.Root follows no link that does.
func writeGuestFiles(rootfs string, m emulator.Machine) (err error) {
	root, err := os.OpenRoot(rootfs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for name, text := range map[string]string{
		"etc/hostname":    m.Name + "\n",
		"etc/hosts":       hosts(m),
		"etc/resolv.conf": resolvConf(m),
	} {
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
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

// resolvConf has zonal names first, then the project's, as on Google.
func resolvConf(m emulator.Machine) string {
	return fmt.Sprintf("domain %[1]s.%[2]s\nsearch %[1]s.%[2]s %[2]s google.internal\nnameserver %[3]s\n",
		m.Zone, m.Domain(), metadataAddress)
}
