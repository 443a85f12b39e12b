package child

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// setLimits bounds what the process may map. RLIMIT_DATA counts private writable memory (since
// Linux 4.7), which is what a Go program uses. RLIMIT_AS counts address space too that Go's runtime
// only reserves, more than a gigabyte at its start, so it is set that much higher.
func setLimits(l Limits) error {
	if l.Memory > 0 {
		if err := lower(unix.RLIMIT_DATA, uint64(l.Memory)); err != nil {
			return err
		}
		if size, ok := addressSpace(); ok {
			if err := lower(unix.RLIMIT_AS, size+uint64(l.Memory)); err != nil {
				return err
			}
		}
	}
	if l.CPU > 0 {
		return lower(unix.RLIMIT_CPU, uint64(max(1, l.CPU.Seconds())))
	}
	return nil
}

// lower sets a limit where a lower one does not hold already.
func lower(resource int, value uint64) error {
	var now unix.Rlimit
	if err := unix.Getrlimit(resource, &now); err != nil {
		return err
	}
	value = min(value, now.Max)
	return unix.Setrlimit(resource, &unix.Rlimit{Cur: value, Max: value})
}

// addressSpace is how much of it the process has mapped, in bytes.
func addressSpace() (uint64, bool) {
	var pages uint64
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	if _, err := fmt.Sscan(string(text), &pages); err != nil {
		return 0, false
	}
	return pages * uint64(os.Getpagesize()), true
}
