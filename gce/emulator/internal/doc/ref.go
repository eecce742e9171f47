package doc

import (
	"net/url"
	"strings"
)

// Base is what self links start with. Requests go elsewhere, at Google too,
// and the Kubernetes cloud provider compares such links.
const Base = "https://www.googleapis.com/compute/v1/"

// A Ref names an object by its path below compute/v1:
// projects/p/zones/z/instances/i, projects/p/global/networks/n, projects/p.
// The store keeps notes of its own under refs that start with "~".
type Ref string

// RefIn returns the ref of an object of a kind in a scope ("global", "zones/z",
// "regions/r").
func RefIn(project, scope, kind, name string) Ref {
	return Ref("projects/" + project + "/" + scope + "/" + kind + "/" + name)
}

// Within is in, in the project and scope of r.
func (r Ref) Within(kind, name string) Ref { return RefIn(r.Project(), r.Scope(), kind, name) }

// Link is the self link of r.
func (r Ref) Link() string { return Base + string(r) }

// Name is the last part of r.
func (r Ref) Name() string { return string(r[strings.LastIndexByte(string(r), '/')+1:]) }

// Collection is the path without the name.
func (r Ref) Collection() string {
	return string(r[:max(strings.LastIndexByte(string(r), '/'), 0)])
}

// Project r is in.
func (r Ref) Project() string {
	p := strings.Split(string(r), "/")
	if len(p) < 2 {
		return ""
	}
	return p[1]
}

// Scope is "global", "zones/z" or "regions/r"; "" of a project.
func (r Ref) Scope() string {
	p := strings.Split(string(r), "/")
	switch len(p) {
	case 5:
		return p[2]
	case 6:
		return p[2] + "/" + p[3]
	}
	return ""
}

// Kind is the name of the collection: "instances".
func (r Ref) Kind() string {
	c := r.Collection()
	return c[strings.LastIndexByte(c, '/')+1:]
}

// Place is the zone or region of r, without what it is.
func (r Ref) Place() string {
	_, place, _ := strings.Cut(r.Scope(), "/")
	return place
}

// Region of r, also when it is in a zone.
func (r Ref) Region() string {
	if strings.HasPrefix(r.Scope(), "zones/") {
		return RegionOf(r.Place())
	}
	return r.Place()
}

// Note is a ref of the store's own beside r.
func (r Ref) Note(kind string) Ref { return Ref("~" + kind + "/" + string(r)) }

// ParseRef reads a reference in any of the forms clients write: a full URL of
// whatever host, projects/…, zones/…|regions/…|global/…, or a bare name, which
// is in scope. The result has the given kind, or is "" if it cannot be.
func ParseRef(s, project, scope, kind string) Ref {
	s = strings.Trim(s, "/")
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Path
	}
	if _, after, ok := strings.Cut(s, "compute/v1/"); ok {
		s = after
	}
	s = strings.Trim(s, "/")
	p := strings.Split(s, "/")
	var r Ref
	switch {
	case len(p) == 1 && s != "":
		r = RefIn(project, scope, kind, s)
	case p[0] == "projects":
		r = Ref(s)
	case p[0] == "zones", p[0] == "regions", p[0] == "global":
		r = Ref("projects/" + project + "/" + s)
	case len(p) == 2 && p[0] == kind:
		r = RefIn(project, scope, kind, p[1])
	}
	if n := strings.Count(string(r), "/"); (n != 4 && n != 5) || r.Kind() != kind || r.Name() == "" {
		return ""
	}
	return r
}

// RefOf turns a link of our own back into a ref.
func RefOf(link string) Ref { return Ref(strings.TrimPrefix(link, Base)) }
