package doc

import (
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
)

// Where objects can be: the same places that Google lists.

// A Place is a region with the letters of its zones; Auto is the range an automatic
// subnetwork has there.
type Place struct{ Region, zones, Auto string }

// Places are all there are.
var Places = []Place{
	{"asia-east1", "abc", "10.140.0.0/20"},
	{"asia-northeast1", "abc", "10.146.0.0/20"},
	{"asia-southeast1", "abc", "10.148.0.0/20"},
	{"europe-north1", "abc", "10.166.0.0/20"},
	{"europe-west1", "bcd", "10.132.0.0/20"},
	{"europe-west2", "abc", "10.154.0.0/20"},
	{"europe-west3", "abc", "10.156.0.0/20"},
	{"europe-west4", "abc", "10.164.0.0/20"},
	{"europe-west8", "abc", "10.198.0.0/20"},
	{"us-central1", "abcf", "10.128.0.0/20"},
	{"us-east1", "bcd", "10.142.0.0/20"},
	{"us-east4", "abc", "10.150.0.0/20"},
	{"us-west1", "abc", "10.138.0.0/20"},
	{"us-west2", "abc", "10.168.0.0/20"},
}

// Scopes are all places that can hold objects: global, then regions and zones.
var Scopes = sync.OnceValue(func() []string {
	out := []string{"global"}
	for _, p := range Places {
		out = append(out, "regions/"+p.Region)
	}
	for _, p := range Places {
		for _, z := range p.zones {
			out = append(out, "zones/"+p.Region+"-"+string(z))
		}
	}
	return out
})

// RegionOf a zone: all but its letter.
func RegionOf(zone string) string { return zone[:max(strings.LastIndexByte(zone, '-'), 0)] }

// ZoneLink is the self link of a zone.
func ZoneLink(project, zone string) string {
	return Base + "projects/" + project + "/zones/" + zone
}

// RegionLink is the self link of a region.
func RegionLink(project, region string) string {
	return Base + "projects/" + project + "/regions/" + region
}

// Zones are the names of all zones.
func Zones() (names []string) {
	for _, s := range Scopes() {
		if zone, ok := strings.CutPrefix(s, "zones/"); ok {
			names = append(names, zone)
		}
	}
	return names
}

// NumberOf gives catalog entries and projects an id that never changes.
func NumberOf(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	return fmt.Sprint(100000000000 + h.Sum64()%899999999999)
}
