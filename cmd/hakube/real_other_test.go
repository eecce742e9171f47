//go:build !linux

package main

import "testing"

func TestReal(t *testing.T) { t.Skip("real machines need Linux") }
