// Package identity checks what objects of many kinds say of themselves: labels,
// tags and metadata.
package identity

import "hakube/gce/emulator/internal/doc"

// CompleteIdentity checks metadata and tags, and gives them and labels fingerprints.
func CompleteIdentity(o doc.Obj) error {
	metadata, err := Metadata(doc.Sub(o, "metadata"))
	if err != nil {
		return err
	}
	o["metadata"] = metadata
	tags := doc.Strings(doc.Sub(o, "tags"), "items")
	if err := CheckTags(tags, "resource.tags.items"); err != nil {
		return err
	}
	o["tags"] = NewTags(tags)
	o["labelFingerprint"] = doc.Fingerprint(o["labels"])
	return nil
}
