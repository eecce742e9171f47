// Package rotate has masters' certificates, the cluster's certificate authority, the key that
// Secrets are encrypted with, and the key that tokens of service accounts are signed with, made
// anew, one master after the other: whether that may be, in which order, and by what steps.
package rotate
