package scripts

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// tells begins a line on a serial console that is the machine's own word.
const tells = "hakube-tells"

// kernelStarts is in the first line of a boot, before which all is of another one.
const kernelStarts = "] Linux version "

// Tell is such a line, as the startup-script prints it (15-console.sh): that the machine
// says value of itself, under the name of a guest attribute, NAMESPACE/KEY. boot is a
// word that no other boot of it has.
func Tell(boot, name, value string) string {
	return strings.Join([]string{tells, boot, sumOf(boot, name, value), name, value}, " ")
}

// IsTold tells whether a line is one of them, for who shows a console to people.
func IsTold(line string) bool { return strings.HasPrefix(line, tells+" ") }

func sumOf(boot, name, value string) string {
	sum := sha256.Sum256([]byte(boot + " " + name + " " + value))
	return hex.EncodeToString(sum[:])[:16]
}

// Told is what a machine says of itself on its serial console, by the names of guest
// attributes below path, NAMESPACE/ or NAMESPACE/KEY: the last word of each in its last
// boot. Lines that something else was printed into are passed over.
func Told(console, path string) map[string]string {
	said, of := map[string]string{}, ""
	for line := range strings.Lines(console) {
		line = strings.TrimRight(line, "\r\n")
		if strings.Contains(line, kernelStarts) && strings.HasPrefix(line, "[") {
			clear(said)
			continue
		}
		parts := strings.SplitN(line, " ", 5)
		if len(parts) < 5 || parts[0] != tells || parts[2] != sumOf(parts[1], parts[3], parts[4]) {
			continue
		}
		if parts[1] != of {
			clear(said)
			of = parts[1]
		}
		said[parts[3]] = parts[4]
	}
	for name := range said {
		if name != path && !(strings.HasSuffix(path, "/") && strings.HasPrefix(name, path)) {
			delete(said, name)
		}
	}
	return said
}
