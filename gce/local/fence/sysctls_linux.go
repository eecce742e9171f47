package fence

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// ownSettings are those below /proc/sys that a machine has for itself, in its
// UTS, IPC and process id namespaces, beside all of net/: there the kernel
// shows a network namespace what is its own, and the rest to be read.
var ownSettings = []string{
	"kernel/hostname", "kernel/domainname", "kernel/ns_last_pid",
	"kernel/shmmax", "kernel/shmall", "kernel/shmmni", "kernel/shm_rmid_forced", "kernel/shm_next_id",
	"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/msg_next_id", "kernel/auto_msgmni",
	"kernel/sem", "kernel/sem_next_id",
	"fs/mqueue/queues_max", "fs/mqueue/msg_max", "fs/mqueue/msgsize_max", "fs/mqueue/msg_default", "fs/mqueue/msgsize_default",
}

// nameSize holds each of the names, with zeros behind it; longer ones come cut off.
const nameSize = 32

// sysctlProgram answers 1 to whoever reads, and to whoever writes what is listed.
func sysctlProgram() asm.Instructions {
	code := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R1, asm.R6, 0, asm.Word), // struct bpf_sysctl (linux/bpf.h): write
		asm.JEq.Imm(asm.R1, 0, "allow"),
		asm.Mov.Imm(asm.R0, 0),
	}
	for at := -nameSize; at < 0; at += 8 {
		code = append(code, asm.StoreMem(asm.R10, int16(at), asm.R0, asm.DWord))
	}
	code = append(code,
		asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, -nameSize),
		asm.Mov.Imm(asm.R3, nameSize), asm.Mov.Imm(asm.R4, 0), asm.FnSysctlGetName.Call(),
		asm.LoadMem(asm.R1, asm.R10, -nameSize, asm.Word),
		asm.JEq.Imm(asm.R1, int32(binary.LittleEndian.Uint32([]byte("net/"))), "allow"),
	)
	for i, name := range ownSettings {
		next := fmt.Sprintf("setting_%d", i)
		var text [nameSize]byte
		copy(text[:], name)
		for at := 0; at < nameSize; at += 8 {
			code = append(code,
				asm.LoadMem(asm.R1, asm.R10, int16(at-nameSize), asm.DWord),
				asm.LoadImm(asm.R2, int64(binary.LittleEndian.Uint64(text[at:])), asm.DWord),
				asm.JNE.Reg(asm.R1, asm.R2, next))
		}
		code = append(code, asm.Ja.Label("allow"), asm.Mov.Imm(asm.R0, 0).WithSymbol(next))
	}
	return append(code,
		asm.Mov.Imm(asm.R0, 0), asm.Return(), // refused with EPERM
		asm.Mov.Imm(asm.R0, 1).WithSymbol("allow"), asm.Return())
}
