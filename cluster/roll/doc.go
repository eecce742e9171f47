// Package roll has masters made again, one after the other, around their data: which of
// them, why, in which order, and by what steps. The way back is a repair's.
package roll
