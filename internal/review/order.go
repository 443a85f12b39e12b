package review

import (
	"cmp"
	"slices"
)

// leads are the rules in the order in which one suggestion that settles several of equal severity speaks of
// them: first what runs again though nothing asks for it, then what goes stale, then what lies in the image.
// Of two that are the same edit, the one that says why it is asked for comes first. A rule that is not here
// comes last.
var leads = []string{
	"copy-before-install", "copy-source-before-system-packages", "volatile-arg-early", "dockerignore-misses-git", "no-cache-dir-with-cache-mount",
	"apt-update-alone", "git-clone-in-run", "unpinned-base", "unpinned-requirement",
	"chown-after-copy", "cleanup-in-later-layer", "apt-lists-kept", "pip-cache-kept",
}

// leadFirst orders the findings of one suggestion: those that the pull request answers for, by severity and leads.
func leadFirst(a, b *finding) int {
	lead := func(f *finding) int {
		if n := slices.Index(leads, f.Rule); n >= 0 {
			return n
		}
		return len(leads)
	}
	asked := func(f *finding) int {
		if f.inScope {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(asked(a), asked(b)),
		cmp.Compare(severityRank[a.Severity], severityRank[b.Severity]),
		cmp.Compare(lead(a), lead(b)),
		costlyFirst(a, b),
	)
}
