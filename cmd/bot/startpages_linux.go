package main

import (
	"debug/elf"
	"os"

	"golang.org/x/sys/unix"
)

// releaseStartPages gives back the memory in which Linux maps the program's code and constants. Most of
// what is mapped when main begins was needed by the initialisation of packages (protocol buffers of
// BuildKit, the server's libraries) and never is again; what is comes back from the page cache at its next
// use. Segments of a file that nothing may write hold nothing but what the file holds, so that
// MADV_DONTNEED loses nothing (madvise(2)). A check takes some 7 MiB less at its peak this way
// (docs/measurements.md); where it cannot be done, nothing is lost but that.
func releaseStartPages() {
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		return
	}
	defer func() { _ = program.Close() }()
	if program.Type != elf.ET_EXEC {
		return // its addresses in memory are not those in the file
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_LOAD && segment.Flags&elf.PF_W == 0 {
			page := uint64(os.Getpagesize())
			start := segment.Vaddr &^ (page - 1)
			_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(segment.Vaddr+segment.Memsz-start), unix.MADV_DONTNEED)
		}
	}
}
