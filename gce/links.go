package gce

import "strings"

// Region returns the region a zone is in: "europe-west1" for "europe-west1-b".
// It returns "" for what has not the form of a zone.
func Region(zone string) string {
	region, letter, ok := cutLast(zone, "-")
	if !ok || letter == "" || !strings.Contains(region, "-") {
		return ""
	}
	return region
}

// Base returns the last element of a resource's URL, which is its name. The
// API answers with URLs where hakube wants names: zones, networks, types.
func Base(url string) string {
	_, name, ok := cutLast(url, "/")
	if !ok {
		return url
	}
	return name
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
