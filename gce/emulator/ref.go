package emulator

import (
	"net/url"
	"strings"
)

// base is what self links start with. Requests go elsewhere, at Google too,
// and the Kubernetes cloud provider compares such links.
const base = "https://www.googleapis.com/compute/v1/"

// A ref names an object by its path below compute/v1:
// projects/p/zones/z/instances/i, projects/p/global/networks/n, projects/p.
// The store keeps notes of its own under refs that start with "~".
type ref string

// in returns the ref of an object of a kind in a scope ("global", "zones/z",
// "regions/r").
func in(project, scope, kind, name string) ref {
	return ref("projects/" + project + "/" + scope + "/" + kind + "/" + name)
}

// within is in, in the project and scope of r.
func (r ref) within(kind, name string) ref { return in(r.project(), r.scope(), kind, name) }

func (r ref) link() string { return base + string(r) }

func (r ref) name() string { return string(r[strings.LastIndexByte(string(r), '/')+1:]) }

// collection is the path without the name.
func (r ref) collection() string {
	return string(r[:max(strings.LastIndexByte(string(r), '/'), 0)])
}

func (r ref) project() string {
	p := strings.Split(string(r), "/")
	if len(p) < 2 {
		return ""
	}
	return p[1]
}

func (r ref) scope() string {
	p := strings.Split(string(r), "/")
	switch len(p) {
	case 5:
		return p[2]
	case 6:
		return p[2] + "/" + p[3]
	}
	return ""
}

func (r ref) kind() string {
	c := r.collection()
	return c[strings.LastIndexByte(c, '/')+1:]
}

// place is the zone or region of r, without what it is.
func (r ref) place() string {
	_, place, _ := strings.Cut(r.scope(), "/")
	return place
}

// region of r, also when it is in a zone.
func (r ref) region() string {
	if strings.HasPrefix(r.scope(), "zones/") {
		return regionOf(r.place())
	}
	return r.place()
}

// note is a ref of the store's own beside r.
func (r ref) note(kind string) ref { return ref("~" + kind + "/" + string(r)) }

// parse reads a reference in any of the forms clients write: a full URL of
// whatever host, projects/…, zones/…|regions/…|global/…, or a bare name, which
// is in scope. The result has the given kind, or is "" if it cannot be.
func parse(s, project, scope, kind string) ref {
	s = strings.Trim(s, "/")
	if u, err := url.Parse(s); err == nil && u.Host != "" {
		s = u.Path
	}
	if _, after, ok := strings.Cut(s, "compute/v1/"); ok {
		s = after
	}
	s = strings.Trim(s, "/")
	p := strings.Split(s, "/")
	var r ref
	switch {
	case len(p) == 1 && s != "":
		r = in(project, scope, kind, s)
	case p[0] == "projects":
		r = ref(s)
	case p[0] == "zones", p[0] == "regions", p[0] == "global":
		r = ref("projects/" + project + "/" + s)
	case len(p) == 2 && p[0] == kind:
		r = in(project, scope, kind, p[1])
	}
	if n := strings.Count(string(r), "/"); (n != 4 && n != 5) || r.kind() != kind || r.name() == "" {
		return ""
	}
	return r
}

// toRef turns a link of our own back into a ref.
func toRef(link string) ref { return ref(strings.TrimPrefix(link, base)) }
