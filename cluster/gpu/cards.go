// Package gpu is what accelerators nodes of a pool have, in kube-up's words for them, and
// what Compute Engine's documents say of which machines take them. It asks nobody.
package gpu

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// None is the text of no accelerators.
const None = "none"

// Label is the label of nodes with accelerators; its value is their type. kube-up and GKE
// set it, and what installs drivers and device plug-ins for either looks for it.
const Label = "cloud.google.com/gke-accelerator"

// Cards are the accelerators of each node of a pool, as NODE_ACCELERATORS has them and
// gcloud takes them: type=TYPE,count=NUMBER. "" is none.
type Cards string

var kindGrammar = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// maxCount is beyond what any machine has.
const maxCount = 64

// Decode reads them. Without a count it is one, as with gcloud.
func (c *Cards) Decode(s string) error {
	*c = ""
	if s == "" || s == None {
		return nil
	}
	kind, count := "", 1
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, is := strings.Cut(part, "=")
		if !is || seen[key] {
			return malformed()
		}
		seen[key] = true
		switch key {
		case "type":
			if kind = value; !kindGrammar.MatchString(value) {
				return fmt.Errorf("%q is no accelerator type; one looks like nvidia-tesla-t4", few(value))
			}
		case "count":
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxCount {
				return fmt.Errorf("%q is no number of accelerators", few(value))
			}
			count = n
		default:
			return malformed()
		}
	}
	if kind == "" {
		return malformed()
	}
	*c = Of(kind, count)
	return nil
}

func malformed() error {
	return fmt.Errorf("not accelerators; they look like type=nvidia-tesla-t4,count=1")
}

// few is the beginning of a text that somebody set, for a message.
func few(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// Of are so many accelerators of a type; none of no type.
func Of(kind string, count int) Cards {
	if kind == "" || count == 0 {
		return ""
	}
	return Cards(fmt.Sprintf("type=%s,count=%d", kind, count))
}

func (c Cards) String() string {
	if c == "" {
		return None
	}
	return string(c)
}

// Kind is their type, Compute Engine's name for it; "" of none.
func (c Cards) Kind() string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(string(c), "type="), ",")
	return kind
}

// Count is how many of them each node has.
func (c Cards) Count() int {
	_, text, _ := strings.Cut(string(c), "count=")
	n, _ := strconv.Atoi(text) // "" is none
	return n
}

// Metric is the quota that they take of a region, such as NVIDIA_T4_GPUS.
func (c Cards) Metric() string {
	name := strings.TrimPrefix(strings.TrimPrefix(c.Kind(), "nvidia-"), "tesla-")
	return "NVIDIA_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) + "_GPUS"
}
