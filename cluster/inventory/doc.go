// Package inventory is what there is of a cluster in Compute Engine: the kinds of
// objects and all that differs between them (one row a kind, in kinds.go), the
// objects that were found, who has the API's address, and who uses what. It reads
// and judges, and changes nothing.
package inventory
