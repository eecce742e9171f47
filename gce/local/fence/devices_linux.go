package fence

import (
	"fmt"

	"github.com/cilium/ebpf/asm" // the programs are too small for a compiler
	"golang.org/x/sys/unix"
)

// A Device is one that a machine may use.
type Device struct {
	Block        bool
	Major, Minor int64 // Minor may be anyMinor
	ReadOnly     bool
}

const anyMinor = -1

// devices are what every machine has: what any program wants, terminals, and
// to be read the kernel's log, without which kubelet does not start.
var devices = []Device{
	{Major: 1, Minor: 3},                  // null
	{Major: 1, Minor: 5},                  // zero
	{Major: 1, Minor: 7},                  // full
	{Major: 1, Minor: 8},                  // random
	{Major: 1, Minor: 9},                  // urandom
	{Major: 1, Minor: 11, ReadOnly: true}, // kmsg
	{Major: 5, Minor: 0},                  // tty
	{Major: 5, Minor: 2},                  // ptmx
	{Major: 136, Minor: anyMinor},         // pts
}

// deviceProgram answers 1 to what is listed: to make its node, to read it and,
// if it may be, to write to it. It is asked with a struct bpf_cgroup_dev_ctx
// (linux/bpf.h): type and access in one word, major, minor.
func deviceProgram(own []Device) asm.Instructions {
	code := asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), asm.Mov.Reg(asm.R3, asm.R2), asm.And.Imm(asm.R2, 0xffff), // type
		asm.RSh.Imm(asm.R3, 16),                  // access
		asm.LoadMem(asm.R4, asm.R1, 4, asm.Word), // major
		asm.LoadMem(asm.R5, asm.R1, 8, asm.Word), // minor
	}
	for i, d := range append(append([]Device{}, devices...), own...) {
		next, kind := fmt.Sprintf("device_%d", i), int32(unix.BPF_DEVCG_DEV_CHAR)
		if d.Block {
			kind = unix.BPF_DEVCG_DEV_BLOCK
		}
		code = append(code, asm.JNE.Imm(asm.R2, kind, next), asm.JNE.Imm(asm.R4, int32(d.Major), next))
		if d.Minor != anyMinor {
			code = append(code, asm.JNE.Imm(asm.R5, int32(d.Minor), next))
		}
		if d.ReadOnly {
			code = append(code, asm.JSet.Imm(asm.R3, unix.BPF_DEVCG_ACC_WRITE, "refuse"))
		}
		code = append(code, asm.Mov.Imm(asm.R0, 1), asm.Return(), asm.Mov.Imm(asm.R0, 0).WithSymbol(next))
	}
	return append(code, asm.Mov.Imm(asm.R0, 0).WithSymbol("refuse"), asm.Return())
}
