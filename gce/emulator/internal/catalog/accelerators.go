package catalog

import (
	"maps"
	"slices"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
)

// An Accelerator is a type of GPU: where it is, and which machines can have it.
// (https://cloud.google.com/compute/docs/gpus, and …/gpus/gpu-regions-zones)
type Accelerator struct {
	Name, text string
	Most       int         // of one machine
	CPUs       map[int]int // by how many of them, the most CPUs an N1 machine may have; none: no N1 machine has it
	zones      map[string]string
}

// accelerators are those that can be added to machines of N1, and two that machines of
// series that are not here have from birth.
var accelerators = []Accelerator{
	{"nvidia-tesla-a100", "NVIDIA A100 40GB", 16, nil, map[string]string{
		"asia-northeast1": "ac", "asia-southeast1": "bc", "europe-west4": "ab", "us-central1": "abcf", "us-east1": "b", "us-west1": "b"}},
	{"nvidia-l4", "NVIDIA L4", 8, nil, map[string]string{
		"asia-east1": "abc", "asia-northeast1": "ac", "asia-southeast1": "abc", "europe-west1": "bc", "europe-west2": "ab", "europe-west3": "ab",
		"europe-west4": "abc", "us-central1": "abc", "us-east1": "bcd", "us-east4": "ac", "us-west1": "abc"}},
	{"nvidia-tesla-p100", "NVIDIA Tesla P100", 4, map[int]int{1: 16, 2: 32, 4: 96}, map[string]string{
		"asia-east1": "ac", "europe-west1": "bd", "europe-west4": "a", "us-central1": "cf", "us-east1": "bc", "us-west1": "ab"}},
	{"nvidia-tesla-p4", "NVIDIA Tesla P4", 4, map[int]int{1: 24, 2: 48, 4: 96}, map[string]string{
		"asia-southeast1": "bc", "europe-west4": "bc", "us-central1": "ac", "us-east4": "abc", "us-west2": "bc"}},
	{"nvidia-tesla-t4", "NVIDIA T4", 4, map[int]int{1: 48, 2: 48, 4: 96}, map[string]string{
		"asia-east1": "ac", "asia-northeast1": "ac", "asia-southeast1": "abc", "europe-west1": "bcd", "europe-west2": "ab", "europe-west3": "b",
		"europe-west4": "abc", "us-central1": "abcf", "us-east1": "cd", "us-east4": "abc", "us-west1": "ab", "us-west2": "bc"}},
	{"nvidia-tesla-v100", "NVIDIA V100", 8, map[int]int{1: 12, 2: 24, 4: 48, 8: 96}, map[string]string{
		"asia-east1": "c", "europe-west4": "abc", "us-central1": "abcf", "us-east1": "c", "us-west1": "ab"}},
}

// AcceleratorIn finds a type by its name in a zone.
func AcceleratorIn(zone, name string) (Accelerator, bool) {
	for _, a := range accelerators {
		if a.Name == name && a.in(zone) {
			return a, true
		}
	}
	return Accelerator{}, false
}

func (a Accelerator) in(zone string) bool {
	region := doc.RegionOf(zone)
	return region != "" && strings.Contains(a.zones[region], zone[len(region)+1:])
}

// Counts are how many of them a machine may have.
func (a Accelerator) Counts() []int { return slices.Sorted(maps.Keys(a.CPUs)) }

// On tells whether machines of a type can have them added: those of N1 that have CPUs of
// their own.
func (a Accelerator) On(machine machineType) bool {
	series, _, _ := strings.Cut(machine.Name, "-")
	return len(a.CPUs) > 0 && (series == "n1" || series == "custom")
}

// AcceleratorMetric is the quota of a type: NVIDIA_T4_GPUS.
func AcceleratorMetric(name string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(name, "nvidia-"), "tesla-")
	return "NVIDIA_" + strings.ToUpper(strings.ReplaceAll(rest, "-", "_")) + "_GPUS"
}

// AcceleratorMetrics are all of those, and those of machines that may be taken away.
func AcceleratorMetrics() (list []string) {
	for _, a := range accelerators {
		list = append(list, AcceleratorMetric(a.Name), "PREEMPTIBLE_"+AcceleratorMetric(a.Name))
	}
	return list
}

func acceleratorTypes() api.Collection {
	return fixed("acceleratorTypes", "compute#acceleratorType", func(project, zone string) (out []doc.Obj) {
		for _, a := range accelerators {
			if !a.in(zone) {
				continue
			}
			r := doc.RefIn(project, "zones/"+zone, "acceleratorTypes", a.Name)
			out = append(out, doc.Obj{
				"kind": "compute#acceleratorType", "id": doc.NumberOf(a.Name), "name": a.Name, "description": a.text, "creationTimestamp": Epoch,
				"maximumCardsPerInstance": a.Most, "zone": doc.ZoneLink(project, zone), "selfLink": r.Link(),
			})
		}
		return out
	})
}
