package instances

import (
	"strconv"
	"strings"

	"hakube/gce/emulator/internal/api"
	"hakube/gce/emulator/internal/doc"
	"hakube/gce/emulator/internal/machine"
	"hakube/gce/emulator/internal/problem"
	"hakube/gce/emulator/internal/projects"
)

// maxSerial is how much of a console one answer holds at most, as documented.
const maxSerial = 1 << 20

func getSerialPortOutput(c *api.Call) (doc.Obj, error) {
	r := named(c)
	m, ok := machine.At(c.S, r)
	if !ok {
		return nil, problem.NotFound(r)
	}
	o := c.S.Store.Read(r)
	if err := projects.Forbidden(c.S, c.Method.ID, r, o); err != nil {
		return nil, err
	}
	switch doc.Str(o, "status") {
	case "TERMINATED", "SUSPENDED":
		return nil, problem.NotReady(r)
	}
	start, _ := strconv.ParseInt(c.Query.Get("start"), 10, 64)
	start = max(start, 0)
	var text []byte
	if port := c.Query.Get("port"); port == "" || port == "1" {
		var err error
		if text, err = c.S.Opts.Backend.Serial(m, start); err != nil {
			return nil, err
		}
	}
	if len(text) > maxSerial {
		text = text[:maxSerial]
	}
	return doc.Obj{
		"kind": "compute#serialPortOutput", "contents": strings.ToValidUTF8(string(text), "�"),
		"start": doc.Decimal(start), "next": doc.Decimal(start + int64(len(text))), "selfLink": r.Link() + "/serialPort",
	}, nil
}

func getGuestAttributes(c *api.Call) (doc.Obj, error) {
	r := named(c)
	o := c.S.Store.Read(r)
	if o == nil {
		return nil, problem.NotFound(r)
	}
	if err := projects.Forbidden(c.S, c.Method.ID, r, o); err != nil {
		return nil, err
	}
	v, err := machine.MetadataView(c.S, r)
	if err != nil {
		return nil, err
	}
	if !v.GuestAttributesEnabled() {
		return nil, problem.Refuse("Guest attributes endpoint access is disabled.")
	}
	all := machine.GuestAttributes(c.S.Store.Read(r.Note("guest")))
	out := doc.Obj{"kind": "compute#guestAttributes", "selfLink": r.Link() + "/guestAttributes/"}
	if key := c.Query.Get("variableKey"); key != "" {
		ns, name, _ := strings.Cut(key, "/")
		value, ok := all[ns][name]
		if !ok {
			return nil, noGuestAttribute(key)
		}
		out["variableKey"], out["variableValue"] = key, value
		return out, nil
	}
	path := c.Query.Get("queryPath")
	namespace, name, _ := strings.Cut(path, "/")
	items := []any{}
	for _, ns := range doc.SortedKeys(all) {
		for _, key := range doc.SortedKeys(all[ns]) {
			if (namespace == "" || namespace == ns) && (name == "" || name == key) {
				items = append(items, doc.Obj{"namespace": ns, "key": key, "value": all[ns][key]})
			}
		}
	}
	if len(items) == 0 {
		return nil, noGuestAttribute(path)
	}
	out["queryPath"], out["queryValue"] = path, doc.Obj{"items": items}
	return out, nil
}

// noGuestAttribute has the words gcloud compares: any others abort its ssh.
func noGuestAttribute(path string) error {
	return problem.New(404, "notFound", "RESOURCE_NOT_FOUND", "The resource '"+path+"' of type 'Guest Attribute' was not found.")
}
