package gpu

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fromBirth are the series of machine types that have accelerators of themselves, and take
// no others. (https://cloud.google.com/compute/docs/gpus)
var fromBirth = []string{"a2", "a3", "a4", "a4x", "g2", "g4"}

// FromBirth tells whether machines of a type have accelerators of themselves.
func FromBirth(machineType string) bool { return slices.Contains(fromBirth, series(machineType)) }

// Has tells whether machines of a type, with these added, have accelerators. Such a machine
// cannot be moved while it runs, and its drivers are of no signer that Secure Boot knows.
func (c Cards) Has(machineType string) bool { return c != "" || FromBirth(machineType) }

func series(machineType string) string {
	name, _, _ := strings.Cut(machineType, "-")
	return name
}

// onN1 are the types that machines of N1 take: by how many of them a machine has, the most
// CPUs it may have then. Of the P100 some zones take less, which Compute Engine alone tells.
// (the same)
var onN1 = map[string]map[int]int{
	"nvidia-tesla-p100": {1: 16, 2: 32, 4: 96},
	"nvidia-tesla-p4":   {1: 24, 2: 48, 4: 96},
	"nvidia-tesla-t4":   {1: 48, 2: 48, 4: 96},
	"nvidia-tesla-v100": {1: 12, 2: 24, 4: 48, 8: 96},
}

// Misfit is why a machine type does not take them, and what would; "" if it does. That of
// machines which have some of themselves is for whoever read the type to judge.
func (c Cards) Misfit(machineType string, cpus int) (why, instead string) {
	if c == "" || FromBirth(machineType) {
		return "", ""
	}
	counts, known := onN1[strings.TrimSuffix(c.Kind(), "-vws")] // those for virtual workstations are the same cards
	switch of := series(machineType); {
	case !known:
		return fmt.Sprintf("accelerators of type %s cannot be added to a machine: some machine types have them of themselves", c.Kind()),
			"NODE_SIZE of the series A2, A3, G2 or their like that has them, or another type: " + strings.Join(slices.Sorted(maps.Keys(onN1)), " ")
	case of != "n1" && of != "custom":
		return fmt.Sprintf("machines of series %s take no accelerators", strings.ToUpper(of)), "NODE_SIZE=n1-standard-4 or another one of N1, whose machines take them"
	case counts[c.Count()] == 0:
		return fmt.Sprintf("a machine has %s of type %s", oneOf(slices.Sorted(maps.Keys(counts))), c.Kind()), "one of these counts"
	case cpus > counts[c.Count()]:
		return fmt.Sprintf("a machine with %d of type %s has %d CPUs at most, and %s has %d", c.Count(), c.Kind(), counts[c.Count()], machineType, cpus),
			"a smaller NODE_SIZE, or a larger count"
	}
	return "", ""
}

// oneOf is "1, 2 or 4".
func oneOf(numbers []int) string {
	var words []string
	for _, n := range numbers[:len(numbers)-1] {
		words = append(words, fmt.Sprint(n))
	}
	return fmt.Sprintf("%s or %d", strings.Join(words, ", "), numbers[len(numbers)-1])
}
