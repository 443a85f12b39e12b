package buildcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// explain turns what BuildKit says into one of the errors of Compile. Where BuildKit could have named
// one of several places, and which one is chance, it is the first of them.
func (c *compiler) explain(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	out := &dockerfile.Error{Path: c.in.File.Source.Path, Message: err.Error()}
	var located *parser.LocationError
	if errors.As(err, &located) {
		for _, location := range located.Locations {
			if out.Line = firstLine(location); out.Line > 0 {
				break
			}
		}
	}
	switch {
	case strings.Contains(out.Message, "failed to parse stage name"): // images are resolved at the same time
		if bad := badImages(c.in); len(bad) > 0 {
			out.Line, out.Message = bad[0].line, bad[0].message
		}
	case strings.Contains(out.Message, "circular dependency detected"): // BuildKit walks a map
		out.Line, out.Message = forwardReference(c.in.File), "stages depend on each other in a circle"
	}
	if missing := missingArg(c.in, out.Line); missing != nil {
		return missing
	}
	return out
}

// firstLine is the first line of a location, 0 for none: BuildKit gives one range for each line.
func firstLine(location []parser.Range) int {
	line := 0
	for _, r := range location {
		if r.Start.Line > 0 && (line == 0 || r.Start.Line < line) {
			line = r.Start.Line
		}
	}
	return line
}

// imageError is an image whose name BuildKit refuses.
type imageError struct {
	line    int
	message string
}

// badImages are the images in FROM, COPY and mounts with names that are none, by line.
func badImages(in Inputs) []imageError {
	args := newMetaArgs(in)
	var bad []imageError
	check := func(name string, i *dockerfile.Instruction) {
		if name == "" || name == "scratch" || stageNamed(in.File, name) >= 0 {
			return
		}
		if _, err := reference.ParseNormalizedNamed(name); err != nil {
			line := in.File.Source.LineFromOffset(i.Span.Start)
			bad = append(bad, imageError{line, fmt.Sprintf("failed to parse stage name %q: %v", name, err)})
		}
	}
	for _, stage := range in.File.Stages {
		image, _ := args.expand(stage.Image)
		check(image, stage.From)
		for _, i := range stage.Instructions {
			for _, from := range fromsOf(i) {
				if _, err := strconv.Atoi(from); err != nil || i.Keyword == "RUN" {
					check(from, i)
				}
			}
		}
	}
	slices.SortStableFunc(bad, func(a, b imageError) int { return cmp.Compare(a.line, b.line) })
	return bad
}

// forwardReference is the line of the first instruction that uses its own stage or one below it; 0
// for none.
func forwardReference(file *dockerfile.File) int {
	for _, stage := range file.Stages {
		for _, i := range stage.Instructions {
			for _, from := range fromsOf(i) {
				at := stageNamed(file, from)
				if n, err := strconv.Atoi(from); err == nil && i.Keyword == "COPY" {
					at = n
				}
				if at >= stage.Index {
					return file.Source.LineFromOffset(i.Span.Start)
				}
			}
		}
	}
	return 0
}

// fromsOf are the stages and images that an instruction copies or mounts from.
func fromsOf(i *dockerfile.Instruction) []string {
	switch cmd := i.Command.(type) {
	case *instructions.CopyCommand:
		return []string{cmd.From}
	case *instructions.RunCommand:
		var froms []string
		for _, m := range instructions.GetMounts(cmd) {
			froms = append(froms, m.From)
		}
		return froms
	}
	return nil
}

// stageNamed is the index of the last stage with a name, -1 for none.
func stageNamed(file *dockerfile.File, name string) int {
	for i := len(file.Stages) - 1; i >= 0; i-- {
		if n := file.Stages[i].Name; n != "" && strings.EqualFold(n, name) {
			return i
		}
	}
	return -1
}
