package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// skip notes that a Dockerfile is not looked at, unless a change is what counts and it is not about it.
func (a *run) skip(path string, line int, message string) {
	if a.Changed != nil && !slices.Contains(a.Changed, path) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out.Skipped = append(a.out.Skipped, Problem{Path: strings.ToValidUTF8(path, "\uFFFD"), Line: line, Message: message})
}

func (a *run) fail(path string, line int, message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := Problem{Path: path, Line: line, Message: message}
	if !slices.Contains(a.out.Errors, p) {
		a.out.Errors = append(a.out.Errors, p)
	}
}

const outOfTime = "not analysed: the Dockerfiles of this change took all the time that hitrate spends on them"

// absent says of a Dockerfile what its build context lacks, and which way leads there.
func (a *run) absent(p string, e *buildcache.MissingSourceError) string {
	of, source := "its build context", strings.TrimPrefix(e.Source, "/")
	if e.Named != "" {
		of = "its named context " + e.Named
	}
	switch written := a.written(p, e); {
	case e.Link != "" && e.Outside:
		return fmt.Sprintf("%s is a symbolic link to %s, which leads out of %s: BuildKit follows it inside the context only, where it stands for %s, and that is not there", e.Link, e.To, of, cmp.Or(e.Target, "the root"))
	case e.Link != "":
		return fmt.Sprintf("%s is a symbolic link to %s, and %s has no %s; what is made before the build is not in the repository", e.Link, e.To, of, e.Target)
	case written != "":
		return fmt.Sprintf("%s leads out of %s: for BuildKit .. stops at the context's root, so it stands for %s, and that is not there", written, of, source)
	}
	return fmt.Sprintf("%s has no %s; what is made before the build is not in the repository", of, source)
}

// written is a source that leads out of the context by "..", as the Dockerfile has it; "" where it does not.
func (a *run) written(p string, e *buildcache.MissingSourceError) string {
	src, err := a.read(p)
	if err != nil {
		return ""
	}
	file, err := dockerfile.Parse(src)
	if err != nil {
		return ""
	}
	for _, in := range file.Instructions {
		if src.LinesFromSpan(in.Span) != e.Lines {
			continue
		}
		for _, arg := range in.Args {
			if strings.HasPrefix(path.Clean(strings.TrimLeft(arg.Value, "/")), "../") && path.Clean("/"+arg.Value) == path.Clean(e.Source) {
				return arg.Value
			}
		}
	}
	return ""
}

// refuse says why a Dockerfile is not looked at.
func (a *run) refuse(p string, err error) {
	var (
		broken  *dockerfile.Error
		limit   *dockerfile.LimitError
		missing *buildcache.MissingArgError
		unset   *buildcache.UnsetError
		absent  *buildcache.MissingSourceError
	)
	switch {
	case errors.As(err, &missing):
		a.skip(p, missing.Line, fmt.Sprintf("not analysed: needs builds.args.%s in %s: FROM uses this ARG, and neither the file nor a build that hitrate knows gives it a value",
			missing.Arg, config.RepositoryPath))
	case errors.As(err, &unset):
		why := "which neither this file nor a build that hitrate knows gives it"
		if unset.Keyword == "FROM" {
			why = "which this file neither sets nor declares"
		}
		a.skip(p, unset.Line, fmt.Sprintf("not analysed: %s needs the value of %s, %s", unset.Keyword, unset.Name, why))
	case errors.As(err, &absent):
		a.skip(p, absent.Lines.First, "not analysed: "+a.absent(p, absent))
	case errors.As(err, &limit):
		a.skip(p, 0, fmt.Sprintf("not analysed: %s (%d; hitrate reads up to %d)", limit.What, limit.Value, limit.Most))
	case errors.As(err, &broken):
		// Where a change is what counts, an unchanged file is not its fault.
		if a.Changed == nil || slices.Contains(a.Changed, p) {
			a.fail(p, broken.Line, broken.Message)
		}
	default:
		a.skip(p, 0, "not analysed: "+err.Error())
	}
}
