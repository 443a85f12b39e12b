package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// prefixes are what stands before the paths of each repository where a result speaks of several: its
// directory as seen from the one that holds them all. For a single one that is nothing: paths are
// relative to the repository's root.
func (all repositories) prefixes() []string {
	common := all[0].co.Dir
	for _, r := range all[1:] {
		for common != filepath.Dir(common) && !checkout.Within(common, r.co.Dir) {
			common = filepath.Dir(common)
		}
	}
	out := make([]string, len(all))
	for i, r := range all {
		if rel, err := filepath.Rel(common, r.co.Dir); err == nil && rel != "." {
			out[i] = filepath.ToSlash(rel) + "/"
		} else if err != nil { // on another volume
			out[i] = filepath.ToSlash(r.co.Dir) + "/"
		}
	}
	return out
}

// join makes one result of those of all repositories, in the order of its paths.
func (all repositories) join() (analysis.Report, map[string]*source.File) {
	if len(all) == 1 {
		return all[0].found, all[0].files
	}
	var out analysis.Report
	files := map[string]*source.File{}
	for i, prefix := range all.prefixes() {
		r := all[i]
		for name, file := range r.files {
			files[prefix+name] = file
		}
		for _, d := range r.found.Dockerfiles {
			out.Dockerfiles = append(out.Dockerfiles, analysis.Dockerfile{Path: prefix + d.Path})
		}
		firstFinding, firstSuggestion := len(out.Findings), len(out.Suggestions)
		for _, f := range r.found.Findings {
			f.Path, f.Dockerfile = prefix+f.Path, prefix+f.Dockerfile
			f.Related = slices.Clone(f.Related)
			for j := range f.Related {
				f.Related[j].Path = prefix + f.Related[j].Path
			}
			if f.NewFile != nil {
				created := *f.NewFile
				created.Path = prefix + created.Path
				f.NewFile = &created
			}
			if f.Suggestion >= 0 {
				f.Suggestion += firstSuggestion
			}
			out.Findings = append(out.Findings, f)
		}
		for _, s := range r.found.Suggestions {
			s.Path = prefix + s.Path
			s.Findings = slices.Clone(s.Findings)
			for j := range s.Findings {
				s.Findings[j] += firstFinding
			}
			out.Suggestions = append(out.Suggestions, s)
		}
		out.Errors = append(out.Errors, prefixed(prefix, r.found.Errors)...)
		out.Skipped = append(out.Skipped, prefixed(prefix, r.found.Skipped)...)
	}
	findingsAt := sortByPath(out.Findings, func(f analysis.Finding) string { return f.Path })
	suggestionsAt := sortByPath(out.Suggestions, func(s analysis.Suggestion) string { return s.Path })
	for i := range out.Findings {
		if f := &out.Findings[i]; f.Suggestion >= 0 {
			f.Suggestion = suggestionsAt[f.Suggestion]
		}
	}
	for _, s := range out.Suggestions {
		for i, f := range s.Findings {
			s.Findings[i] = findingsAt[f]
		}
		slices.Sort(s.Findings)
	}
	sortByPath(out.Dockerfiles, func(d analysis.Dockerfile) string { return d.Path })
	sortByPath(out.Errors, func(p analysis.Problem) string { return p.Path })
	sortByPath(out.Skipped, func(p analysis.Problem) string { return p.Path })
	return out, files
}

// sortByPath sorts a list, equals in their order, and says where each of it went.
func sortByPath[T any](list []T, path func(T) string) (went []int) {
	from := make([]int, len(list))
	for i := range from {
		from[i] = i
	}
	slices.SortStableFunc(from, func(a, b int) int { return strings.Compare(path(list[a]), path(list[b])) })
	before := slices.Clone(list)
	went = make([]int, len(list))
	for to, i := range from {
		list[to], went[i] = before[i], to
	}
	return went
}

func prefixed(prefix string, problems []analysis.Problem) []analysis.Problem {
	out := slices.Clone(problems)
	for i := range out {
		out[i].Path = prefix + out[i].Path
	}
	return out
}

// write replaces or creates a file by its path in the joined result.
func (all repositories) write(path string, data []byte) error {
	prefixes := all.prefixes()
	at := -1
	for i, prefix := range prefixes {
		if strings.HasPrefix(path, prefix) && (at < 0 || len(prefix) > len(prefixes[at])) {
			at = i
		}
	}
	return all[at].co.Write(strings.TrimPrefix(path, prefixes[at]), data)
}
