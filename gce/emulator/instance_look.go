package emulator

import (
	"strconv"
	"strings"

	"hakube/gce/metadata"
)

// maxSerial is how much of a console one answer holds at most, as documented.
const maxSerial = 1 << 20

func getSerialPortOutput(c *call) (obj, error) {
	r := c.named()
	m, ok := c.s.machine(r)
	if !ok {
		return nil, notFound(r)
	}
	start, _ := strconv.ParseInt(c.query.Get("start"), 10, 64)
	start = max(start, 0)
	var text []byte
	if port := c.query.Get("port"); port == "" || port == "1" {
		var err error
		if text, err = c.s.opts.Backend.Serial(m, start); err != nil {
			return nil, err
		}
	}
	if len(text) > maxSerial {
		text = text[:maxSerial]
	}
	return obj{
		"kind": "compute#serialPortOutput", "contents": strings.ToValidUTF8(string(text), "�"),
		"start": decimal(start), "next": decimal(start + int64(len(text))), "selfLink": r.link() + "/serialPort",
	}, nil
}

func getGuestAttributes(c *call) (obj, error) {
	r := c.named()
	o := c.s.store.read(r)
	if o == nil {
		return nil, notFound(r)
	}
	v, err := c.s.metadataView(r)
	if err != nil {
		return nil, err
	}
	if !v.GuestAttributesEnabled() {
		return nil, refuse("Guest attributes endpoint access is disabled.")
	}
	all := guestAttributes(c.s.store.read(r.note("guest")))
	out := obj{"kind": "compute#guestAttributes", "selfLink": r.link() + "/guestAttributes/"}
	if key := c.query.Get("variableKey"); key != "" {
		ns, name, _ := strings.Cut(key, "/")
		value, ok := all[ns][name]
		if !ok {
			return nil, noGuestAttribute(key)
		}
		out["variableKey"], out["variableValue"] = key, value
		return out, nil
	}
	path := c.query.Get("queryPath")
	namespace, name, _ := strings.Cut(path, "/")
	items := []any{}
	for _, ns := range sortedKeys(all) {
		for _, key := range sortedKeys(all[ns]) {
			if (namespace == "" || namespace == ns) && (name == "" || name == key) {
				items = append(items, obj{"namespace": ns, "key": key, "value": all[ns][key]})
			}
		}
	}
	if len(items) == 0 {
		return nil, noGuestAttribute(path)
	}
	out["queryPath"], out["queryValue"] = path, obj{"items": items}
	return out, nil
}

// noGuestAttribute has the words gcloud compares: any others abort its ssh.
func noGuestAttribute(path string) error {
	return &problem{404, "notFound", "RESOURCE_NOT_FOUND", "The resource '" + path + "' of type 'Guest Attribute' was not found."}
}

func guestAttributes(o obj) metadata.GuestAttributes {
	out := metadata.GuestAttributes{}
	for ns := range sub(o, "attributes") {
		out[ns] = stringMap(sub(o, "attributes"), ns)
	}
	return out
}
