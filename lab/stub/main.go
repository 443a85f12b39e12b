// Command stub stands for every program of a base image: it takes any arguments and succeeds. Where
// the image says so it puts out something else each time, so that whatever hangs on what a command
// puts out is seen to.
package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
)

// Outputs lists paths, one a line, that commands write to; without Random they are left alone.
const (
	Outputs = "/.lab/outputs"
	Random  = "/.lab/random"
)

func main() {
	if _, err := os.Stat(Random); err != nil {
		return
	}
	list, err := os.ReadFile(Outputs)
	if err != nil {
		return
	}
	for p := range strings.FieldsFuncSeq(string(list), func(r rune) bool { return r == '\n' }) {
		info, err := os.Stat(p)
		if err != nil {
			continue
		}
		if info.IsDir() {
			p = filepath.Join(p, ".output")
		}
		// A read-only mount, or another user's file: then this command does not write there.
		_ = os.WriteFile(p, []byte(rand.Text()), 0o666)
	}
}
