// Package settings is what a cluster is to be: variables and flags with their
// grammar, what they mean when nobody sets them, how they fit together, the names
// and the mark that follow from them, and the [Spec], which has all of it filled
// in. It asks nobody: everything here is known before the first call.
package settings
