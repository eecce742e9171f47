package main

import "syscall"

// restrict keeps every file that this process or what it starts makes from
// being writable by others, whatever umask it was started with.
func restrict() {
	syscall.Umask(syscall.Umask(0o022) | 0o022)
}
