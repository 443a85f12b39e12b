package rules

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Brought remembers what copies bring of one context: a proof runs the rules on many versions of a
// Dockerfile, whose copies are mostly the same. It may be used by several runs at the same time.
type Brought struct {
	context *buildcontext.Context

	mu     sync.Mutex
	found  map[string]matched // by source
	like   map[string]bool    // of files: whether package managers read those of their names
	landed map[string]*landed
	locks  map[string]readLock // by path
}

// readLock is a lock file as it was read; nil where it cannot be.
type readLock struct {
	text *source.File
	lock *requirements.Lock
}

// lock reads a lock file; the same text is read once.
func (b *Brought) lock(text *source.File) *requirements.Lock {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.locks[text.Path]; ok && r.text == text {
		return r.lock
	}
	l, err := requirements.ReadLock(text)
	if err != nil {
		l = nil
	}
	b.locks[text.Path] = readLock{text, l}
	return l
}

type matched struct {
	files []string
	whole bool
}

// NewBrought is for runs whose Input has this context.
func NewBrought(c *buildcontext.Context) *Brought {
	return &Brought{context: c, found: map[string]matched{}, like: map[string]bool{}, landed: map[string]*landed{}, locks: map[string]readLock{}}
}

// match are the files of the context that a source names; each source is looked up once.
func (b *Brought) match(source string) ([]string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.found[source]
	if !ok {
		m.files, m.whole = b.context.Match(source)
		b.found[source] = m
	}
	return m.files, m.whole
}

// land says where the files of a copy come to lie. all is false where one of its sources is not followed:
// that is not remembered.
func (b *Brought) land(c *copied, all bool) *landed {
	var key strings.Builder
	_, _ = fmt.Fprintf(&key, "%q %v", c.dest, c.destDir)
	for _, s := range c.sources {
		_, _ = fmt.Fprintf(&key, " %q %v", s.text, s.found)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l, ok := b.landed[key.String()]; ok && all {
		return l
	}
	l := &landed{}
	for _, s := range c.sources {
		if !s.found {
			continue
		}
		clean := cleanSource(s.text)
		for _, f := range b.found[s.text].files {
			like, ok := b.like[f]
			if !ok {
				like = manifestLike(f)
				b.like[f] = like
			}
			for _, image := range c.landing(clean, f) {
				l.settings = l.settings || like && isSettings(image)
				l.pairs = append(l.pairs, pair{f, image, like})
			}
		}
	}
	if all {
		b.landed[key.String()] = l
	}
	return l
}

// landed are the files that a copy brings, as far as the context has them.
type landed struct {
	pairs    []pair
	settings bool // pip's settings are among them

	once    sync.Once
	images  map[string]string // the files by where they come to lie
	others  [2]map[string]bool
	counted [2]sync.Once
	weighed sync.Once
	size    int64 // of the files, in bytes, up to where it is large
	archive bool
}

// byImage are the files by where they come to lie.
func (l *landed) byImage() map[string]string {
	l.once.Do(func() {
		l.images = make(map[string]string, len(l.pairs))
		for _, p := range l.pairs {
			if _, ok := l.images[p.image]; !ok {
				l.images[p.image] = p.context
			}
		}
	})
	return l.images
}

// notManifests are the files that are no manifests: every one, or only code.
func (l *landed) notManifests(onlyCode bool) map[string]bool {
	i := 0
	if onlyCode {
		i = 1
	}
	l.counted[i].Do(func() {
		l.others[i] = map[string]bool{}
		for _, p := range l.pairs {
			if !p.like && (!onlyCode || slices.Contains(codeExtensions, path.Ext(p.context)) && !settingsName.MatchString(path.Base(p.context))) {
				l.others[i][p.context] = true
			}
		}
	})
	return l.others[i]
}

// large says whether the files are many bytes, or an archive is among them; size is that of all of them
// where it is not.
func (l *landed) large(tree buildcontext.Tree) (large bool, size int64) {
	l.weighed.Do(func() {
		for _, f := range l.pairs {
			l.archive = l.archive || isArchive(f.image) || strings.HasSuffix(f.image, ".whl") || strings.HasSuffix(f.image, ".deb") || strings.HasSuffix(f.image, ".zip")
			if entry, ok := tree.Lookup(f.context); ok {
				l.size += entry.Size
			}
			if l.size >= smallSize || l.archive {
				return
			}
		}
	})
	return l.archive || l.size >= smallSize, l.size
}
