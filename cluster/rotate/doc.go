// Package rotate has masters' certificates, and the key that Secrets are encrypted with, made
// anew, one master after the other and nobody seeing it: whether that may be, in which order,
// and by what steps.
package rotate
