package fix

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// placed is where a COPY puts the files of the context.
type placed struct {
	dest  string            // absolute directory or file in the image
	files map[string]string // path in the image → path in the context
	roots []root            // the directories among its sources
	// sorted are the paths in the image, brought those in the context.
	sorted  []string
	brought map[string]bool
}

// root is a directory of the context and where its contents go.
type root struct{ context, image string }

func (p *placed) index() {
	p.sorted = slices.Sorted(maps.Keys(p.files))
	p.brought = map[string]bool{}
	for _, file := range p.files {
		p.brought[file] = true
	}
}

// covers says whether one of the files lies at a path of the image, below it, or above it (where the
// path would have to be a directory).
func (p placed) covers(image string) bool {
	if len(p.below(image)) > 0 {
		return true
	}
	for dir := image; dir != "/" && dir != "."; dir = path.Dir(dir) {
		if _, found := p.files[dir]; found {
			return true
		}
	}
	return false
}

// below are the files that lie below a directory of the image.
func (p placed) below(dir string) []string {
	if dir == "/" {
		return p.sorted
	}
	first, _ := slices.BinarySearch(p.sorted, dir+"/")
	end, _ := slices.BinarySearch(p.sorted, dir+"0") // the byte after '/'
	return p.sorted[first:end]
}

// place works out where files of the context go that a COPY or ADD with these words takes; the last
// one is the destination. at is the instruction whose directory and variables count.
//
// A directory's contents go into the destination; a file into it when it ends with a slash, else it
// becomes the destination. What is not known (a variable without value, a symbolic link on the way)
// has no place, and neither has a single file whose destination could be a directory of the image.
func (s scene) place(at *dockerfile.Instruction, sources []string, dest string) (placed, Reason) {
	state := s.states[at]
	dest, ok := shelleffects.Expand(dest, state.Env)
	if !ok || strings.ContainsAny(dest, `\`) {
		return placed{}, rules.DestinationOpen
	}
	isDir := strings.HasSuffix(dest, "/") || dest == "." || strings.HasSuffix(dest, "/.")
	p := placed{dest: path.Clean(dest), files: map[string]string{}}
	if !path.IsAbs(dest) {
		if !state.WorkdirKnown {
			return placed{}, rules.DestinationOpen
		}
		p.dest = path.Join("/", state.Workdir, dest)
	}
	for _, src := range sources {
		src, ok := shelleffects.Expand(src, state.Env)
		if !ok || strings.ContainsAny(src, `\`) {
			return placed{}, rules.DestinationOpen
		}
		files, _ := s.in.Context.Match(src)
		if len(files) == 0 {
			return placed{}, rules.ManifestMissing
		}
		base := strings.TrimPrefix(path.Clean("/"+src), "/")
		depth := 0
		if base != "" {
			depth = strings.Count(base, "/") + 1
		}
		for _, f := range files {
			parts := strings.Split(f, "/")
			if len(parts) < depth || !strings.ContainsAny(base, "*?[") && strings.Join(parts[:depth], "/") != base {
				return placed{}, rules.ManifestLink // the files lie behind a link
			}
			if len(parts) == depth {
				if !isDir {
					return placed{}, rules.DestinationOpen
				}
				p.files[path.Join(p.dest, path.Base(f))] = f
				continue
			}
			from := root{context: strings.Join(parts[:depth], "/"), image: p.dest}
			if !slices.Contains(p.roots, from) {
				p.roots = append(p.roots, from)
			}
			p.files[path.Join(p.dest, path.Join(parts[depth:]...))] = f
		}
	}
	p.index()
	return p, ""
}

// placeCopy is place for a whole instruction, with what goes with neither effect: files from
// elsewhere, here-documents, --parents and --exclude.
func (s scene) placeCopy(i *dockerfile.Instruction) (placed, Reason) {
	known, ok := s.copies[i]
	if !ok {
		known.placed, known.reason = s.readCopy(i)
		s.copies[i] = known
	}
	return known.placed, known.reason
}

func (s scene) readCopy(i *dockerfile.Instruction) (placed, Reason) {
	switch cmd := i.Command.(type) {
	case *instructions.CopyCommand:
		if cmd.From != "" || cmd.Parents || len(cmd.ExcludePatterns) > 0 || len(cmd.SourceContents) > 0 {
			return placed{}, rules.CopyOptions
		}
	case *instructions.AddCommand:
		if len(cmd.ExcludePatterns) > 0 || len(cmd.SourceContents) > 0 || cmd.Checksum != "" || cmd.KeepGitDir != nil || cmd.Unpack != nil {
			return placed{}, rules.CopyOptions
		}
	default:
		return placed{}, rules.NotProven
	}
	for _, f := range i.Flags {
		if f.Name != "chown" && f.Name != "chmod" && f.Name != "link" {
			return placed{}, rules.CopyOptions
		}
	}
	if len(i.Args) < 2 {
		return placed{}, rules.Internal
	}
	sources, dest := words(i)
	p, reason := s.place(i, sources, dest)
	if reason == "" && i.Keyword == "ADD" {
		for _, src := range sources {
			// A file may be an archive, which ADD unpacks whatever its name is.
			files, whole := s.in.Context.Match(src)
			pattern := strings.ContainsAny(src, "*?[") && slices.ContainsFunc(files, func(f string) bool {
				return strings.Count(f, "/") == strings.Count(strings.TrimPrefix(path.Clean("/"+src), "/"), "/")
			})
			if !whole || len(files) == 0 || pattern {
				return placed{}, rules.ArchiveOrRemote
			}
		}
	}
	return p, reason
}

func words(i *dockerfile.Instruction) (sources []string, dest string) {
	for _, a := range i.Args {
		sources = append(sources, a.Value)
	}
	n := len(sources) - 1
	return sources[:n], sources[n]
}

// kept are the files that the unit's new COPYs put in the old one's place.
func (s scene) kept(u *unit, of *dockerfile.Instruction) (placed, Reason) {
	all := placed{files: map[string]string{}}
	for _, e := range u.effects {
		add, ok := e.(rules.AddCopy)
		if !ok || add.Of != of {
			continue
		}
		p, reason := s.place(of, add.Sources, add.Dest)
		if reason != "" {
			return placed{}, reason
		}
		maps.Copy(all.files, p.files)
	}
	all.index()
	return all, ""
}

// addCopy proves a new COPY in the old place of one that moves away:
//   - the old one is moved by the same unit, takes from the context, and has no options but
//     --chown, --chmod and --link, which the comparison of the files finds on the new one too;
//   - every file of the new one is a plain file of the context under every build;
//   - the old one brings the same file to the same path, so that the image ends with it, and the new
//     one's destination is a directory that the old one makes too, with the same options.
func (s scene) addCopy(u *unit, e rules.AddCopy) Reason {
	moves := slices.ContainsFunc(u.effects, func(o rules.Effect) bool {
		m, ok := o.(rules.MoveStep)
		return ok && m.Step == e.Of
	})
	if !moves || len(e.Sources) == 0 {
		return rules.NotProven
	}
	if !s.oneContext() {
		return rules.SharedWithOthers
	}
	old, reason := s.placeCopy(e.Of)
	if reason != "" {
		return reason
	}
	now, reason := s.place(e.Of, e.Sources, e.Dest)
	if reason != "" {
		return reason
	}
	for image, file := range now.files {
		entry, _ := s.in.Context.Tree.Lookup(file)
		switch {
		case entry.Mode == buildcontext.ModeSymlink || entry.Mode == buildcontext.ModeSubmodule:
			return rules.ManifestLink
		case old.files[image] != file:
			return rules.DestinationOpen
		}
	}
	if !shelleffects.Covers(old.dest, now.dest) {
		return rules.DestinationOpen
	}
	return ""
}
