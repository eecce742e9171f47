// Package rotate has masters' keys and certificates made anew, one master after the other
// and nobody seeing it: whether that may be, in which order, and by what steps.
package rotate
