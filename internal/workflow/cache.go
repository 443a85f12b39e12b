package workflow

import (
	"encoding/csv"
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// cacheUse is how one build uses a cache, as written, with the lines; 0 for what is not written.
type cacheUse struct {
	from, to         []string // entries of cache-from and cache-to
	fromLine, toLine int
	noCache          bool
	noCacheUnknown   bool // whether is not written down
	noCacheLine      int
	builder          builder
	hosted           bool
	inline           bool // BUILDKIT_INLINE_CACHE=1
	line             int  // of the build
}

// of tells a build where its cache is kept. What hangs on an expression is not known; "none" is only
// said where a runner and builder are new in each run and nothing is imported or exported, or where the
// build is told not to use what it has.
func (u cacheUse) of(path string, b *buildcontext.Build) {
	place := func(line int) {
		b.CacheFrom = fmt.Sprintf("%s, line %d", path, line)
	}
	switch {
	case u.noCache:
		b.Cache = buildcontext.CacheNone
		place(u.noCacheLine)
		return
	case u.noCacheUnknown:
		return
	case u.builder.kind == builderKept:
		b.Cache = buildcontext.CacheBuilder
		place(u.builder.line)
		return
	}
	for _, entry := range u.to {
		if kind, mode := cacheEntry(entry); kind != buildcontext.CacheUnknown {
			b.Cache, b.CacheMode = kind, mode
			place(u.toLine)
			return
		}
	}
	for _, entry := range u.from {
		kind, _ := cacheEntry(entry)
		switch {
		case kind == buildcontext.CacheRegistry && u.inline:
			b.Cache = buildcontext.CacheInline
		case kind == buildcontext.CacheRegistry, kind == buildcontext.CacheUnknown:
			continue // who exports it, and how, is not known
		default:
			b.Cache = kind
		}
		place(u.fromLine)
		return
	}
	if len(u.from)+len(u.to) == 0 && u.fromLine+u.toLine == 0 && u.hosted && u.builder.kind == builderNew {
		b.Cache = buildcontext.CacheNone
		place(u.line)
	}
}

// cacheEntry reads one entry of cache-from or cache-to as buildx does: comma-separated key=value, or an
// image's name alone.
func cacheEntry(entry string) (kind buildcontext.CacheKind, mode string) {
	fields, err := csv.NewReader(strings.NewReader(entry)).Read()
	if err != nil {
		return buildcontext.CacheUnknown, ""
	}
	if !strings.Contains(entry, "=") {
		if strings.Contains(entry, unknownText) && !strings.ContainsAny(entry, "/:") {
			return buildcontext.CacheUnknown, "" // an expression that may stand for all of it
		}
		return buildcontext.CacheRegistry, ""
	}
	for _, field := range fields {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if strings.Contains(value, unknownText) {
			continue
		}
		switch strings.ToLower(key) {
		case "type":
			kind = cacheKind(value)
		case "mode":
			mode = value
		}
	}
	return kind, mode
}

func cacheKind(name string) buildcontext.CacheKind {
	switch name {
	case "gha":
		return buildcontext.CacheGHA
	case "registry":
		return buildcontext.CacheRegistry
	case "inline":
		return buildcontext.CacheInline
	case "local":
		return buildcontext.CacheLocal
	case "s3", "azblob":
		return buildcontext.CacheOther
	}
	return buildcontext.CacheUnknown
}

// ranked says which of two places that do the same build tells more about its cache: one that keeps it,
// then one of which nothing is known, then one that keeps none.
func ranked(kind buildcontext.CacheKind) int {
	switch kind {
	case buildcontext.CacheNone:
		return 0
	case buildcontext.CacheUnknown:
		return 1
	}
	return 2
}
