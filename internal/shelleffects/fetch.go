package shelleffects

import (
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// Fetch is a command that brings a repository from a forge, in the state that a name stands for: a
// clone, an archive of a branch, pip's install of either.
type Fetch struct {
	Command *dockerfile.Command
	How     string // FetchClone, FetchPip or FetchFile
	URL     string // as written, with variables replaced where their values are known
	Ref     Ref
	// Variable is the one that alone holds the name of the state which a clone is told to check out, "" where none does.
	Variable string
	Shallow  bool   // a clone without the history, or one that is made for it (--bare, --mirror)
	Dir      string // of a clone: where it comes to lie, absolute; "" where that is not known
}

// How a Fetch is made.
const (
	FetchClone = "clone" // git clone
	FetchPip   = "pip"   // pip install git+https://…
	FetchFile  = "file"  // an archive that a forge makes of a branch
)

// Checkout is a command that puts a clone into another state: git checkout, git reset --hard, git switch.
type Checkout struct {
	Command *dockerfile.Command
	Ref     Ref
}

// Ref is the name of a state of a repository.
type Ref struct {
	Name string // "" for the default branch
	Kind RefKind
}

// RefKind says how long a name stands for the same state.
type RefKind int

// The kinds of names.
const (
	RefBranch  RefKind = iota // it moves with every push
	RefTag                    // it looks like a release: it is not meant to move
	RefCommit                 // it never moves
	RefUnknown                // it hangs on a variable or on the output of a command
)

var (
	commitName = lazyregexp.New(`^[0-9a-f]{7,64}$`)
	// A release has a number with a dot, or is a number behind a letter, or a date.
	tagName = lazyregexp.New(`(?i)^(refs/)?tags/|(^|[^0-9])\d+\.\d+|^[vr]?\d+$|\d{6,}|\d{4}-\d{2}`)
)

// refOf judges a name.
func refOf(a arg) Ref {
	name := strings.TrimPrefix(a.text, "refs/heads/")
	switch {
	case !a.known:
		return Ref{Name: name, Kind: RefUnknown}
	case name == "" || strings.HasPrefix(a.text, "refs/heads/") || strings.HasPrefix(name, "origin/"):
		return Ref{Name: name}
	case commitName.MatchString(name) && strings.ContainsAny(name, "0123456789"):
		return Ref{Name: name, Kind: RefCommit}
	case tagName.MatchString(name):
		return Ref{Name: name, Kind: RefTag}
	}
	return Ref{Name: name}
}

// chosen is what becomes of a name that a variable holds: whoever sets the variable chooses the state,
// and another value is another step.
func (c *call) chosen(w dockerfile.Word, a arg) arg {
	if !w.Literal && strings.Contains(w.Value, "$") {
		a.known = false
	}
	return a
}

// branch is chosen for what a clone is told to check out: as long as nobody sets the variable, a branch
// that is its value moves like any other.
func (c *call) branch(w dockerfile.Word, a arg) arg {
	if branches[a.text] {
		return a
	}
	return c.chosen(w, a)
}

// fetches adds what a command fetches from forges.
func (e *Effects) fetches(c *call, k kind) {
	switch {
	case c.name == "git":
		e.gitFetch(c)
	case c.name == "curl" || c.name == "wget":
		for i, a := range c.args {
			e.address(c, c.cmd.Words[i+1], a, FetchFile)
		}
	case k.install != nil && (k.install.Tool == "pip" || k.install.Tool == "uv"):
		for i, a := range c.args {
			how := FetchFile
			if strings.Contains(a.text, "git+") {
				how = FetchPip
			}
			e.address(c, c.cmd.Words[i+1], a, how)
		}
	}
}

var gitOptions = options{
	short: "bcoCuj",
	long: []string{"branch", "depth", "config", "origin", "reference", "reference-if-able", "jobs", "filter", "shallow-since", "shallow-exclude",
		"template", "separate-git-dir", "git-dir", "work-tree", "upload-pack", "server-option", "bundle-uri"},
}

func (e *Effects) gitFetch(c *call) {
	p := gitOptions.parse(c.args)
	switch p.word(0) {
	case "clone":
		if len(p.words) < 2 {
			return
		}
		f := Fetch{Command: c.cmd, How: FetchClone, URL: p.words[1].text, Shallow: p.has("depth", "shallow-since", "shallow-exclude", "filter", "bare", "mirror")}
		if f.URL == "" || !strings.ContainsAny(f.URL, ":$") || strings.HasPrefix(f.URL, "file:") {
			return // of the image's own disk
		}
		for i, a := range c.args {
			name, value, has := strings.Cut(a.text, "=")
			switch {
			case (a.text == "-b" || a.text == "--branch") && i+1 < len(c.args):
				f.Ref = refOf(c.branch(c.cmd.Words[i+2], c.args[i+1]))
				if m := oneVariable.FindStringSubmatch(c.cmd.Words[i+2].Value); m != nil && f.Ref.Kind == RefUnknown {
					f.Variable = m[1]
				}
			case has && name == "--branch":
				f.Ref = refOf(c.branch(c.cmd.Words[i+1], arg{text: value, known: a.known}))
			}
		}
		if k := c.git(); len(k.paths) == 1 && !p.has("C") {
			f.Dir = k.paths[0]
		}
		e.Fetches = append(e.Fetches, f)
	case "checkout", "reset", "switch":
		if p.word(0) == "reset" && !p.has("hard") {
			return
		}
		for i, a := range c.args {
			if len(p.words) > 1 && a == p.words[len(p.words)-1] {
				e.Checkouts = append(e.Checkouts, Checkout{Command: c.cmd, Ref: refOf(c.chosen(c.cmd.Words[i+1], a))})
				return
			}
		}
	}
}

// forges are addresses of a whole repository with the name of a state in them; the last group is that
// name. Single files of a branch are left out: most are installers that are meant to be the newest.
var forges = []*lazyregexp.Regexp{
	lazyregexp.New(`^https?://(?:www\.)?github\.com/[^/]+/[^/]+/(?:archive|tarball|zipball)/(?:refs/(?:heads|tags)/)?([^/]+?)(?:\.tar\.gz|\.zip)?$`),
	lazyregexp.New(`^https?://codeload\.github\.com/[^/]+/[^/]+/(?:tar\.gz|zip|legacy\.tar\.gz|legacy\.zip)/(?:refs/(?:heads|tags)/)?([^/]+)$`),
	lazyregexp.New(`^https?://[^/]*gitlab[^/]*/.+/-/archive/([^/]+)/.+$`),
}

// branches are the names that a repository's work goes on under. Only these are taken for branches in
// an address, where nothing tells a branch from a tag.
var branches = map[string]bool{"main": true, "master": true, "develop": true, "development": true, "dev": true, "trunk": true, "HEAD": true, "head": true}

// IsBranch says whether a name is one of those.
func IsBranch(name string) bool { return branches[name] }

// oneVariable is a word that is nothing but a variable.
var oneVariable = lazyregexp.New(`^"?\$\{?([A-Za-z_]\w*)\}?"?$`)

// address reads one word of a command as an address with a branch, a tag or a commit in it.
func (e *Effects) address(c *call, w dockerfile.Word, a arg, how string) {
	text := a.text
	if how == FetchPip {
		_, at, _ := strings.Cut(text, "git+")
		at, _, _ = strings.Cut(at, "#")
		scheme, rest, ok := strings.Cut(at, "://")
		if !ok || scheme == "file" {
			return
		}
		// The user stands before an "@" too, but never behind a slash.
		ref := ""
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			if i := strings.LastIndexByte(rest[slash:], '@'); i >= 0 {
				ref = rest[slash+i+1:]
				at = at[:len(at)-len(ref)-1]
			}
		}
		e.Fetches = append(e.Fetches, Fetch{Command: c.cmd, How: how, URL: at, Ref: refOf(c.chosen(w, arg{text: ref, known: a.known}))})
		return
	}
	if i := strings.Index(text, "https://"); i > 0 {
		text = text[i:] // "name @ https://…", "--url=https://…"
	}
	for _, forge := range forges {
		m := forge.FindStringSubmatch(strings.TrimRight(text, "'\""))
		if m == nil {
			continue
		}
		ref := refOf(arg{text: m[1], known: !strings.Contains(m[1], "$")})
		if branches[m[1]] {
			ref = Ref{Name: m[1]}
		} else if ref.Kind == RefBranch {
			ref.Kind = RefUnknown
		}
		e.Fetches = append(e.Fetches, Fetch{Command: c.cmd, How: how, URL: text, Ref: ref})
		return
	}
}
