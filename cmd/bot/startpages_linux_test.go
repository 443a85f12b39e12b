package main

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

func TestReleaseStartPages(t *testing.T) {
	before := residentCode(t)
	releaseStartPages()
	if after := residentCode(t); after > before/2 {
		t.Errorf("%d KiB of the program's code are resident after %d before: nothing was given back", after, before)
	}
}

// residentCode is how much of the program's code is in memory, in KiB.
func residentCode(t *testing.T) int {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	code := false
	for line := range bytes.Lines(maps) {
		fields := bytes.Fields(line)
		switch {
		case len(fields) == 6 && bytes.HasSuffix(fields[5], []byte(program)):
			code = string(fields[1]) == "r-xp"
		case code && len(fields) == 3 && string(fields[0]) == "Rss:":
			size, err := strconv.Atoi(string(fields[1]))
			if err != nil {
				t.Fatal(err)
			}
			return size
		}
	}
	t.Fatal("/proc/self/smaps has no mapping of the program's code")
	return 0
}
