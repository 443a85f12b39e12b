package buildcache

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// origin is where the contents at a path of an operation's result come from, as far as the
// Dockerfile and the context tell: what copies and WORKDIRs put there, on what a command or an image
// left.
type origin struct {
	layers []layer // topmost first
	base   *record // a command, an image or a remote source; nil for nothing
	path   string  // in base
	// unknown says that it could not be followed.
	unknown bool
}

// layer is what one operation puts at a path.
type layer struct {
	kind string // "file" or "dir" where text is the contents of exactly this path
	how  string // with which owner and mode
	text string // all that it puts there, as the Dockerfile and the context say
	// whole says that other text of the same kind means other contents.
	whole bool
	from  *origin // what it copies, where that is of another operation
}

// maxTraces bounds the work of one prediction: stages can copy from each other many times.
const maxTraces = 20_000

// sameContents says whether what two steps take of two different inputs is equal: Cached for yes,
// Rebuilt for no, Maybe where only building shows it.
func (p *predictor) sameContents(dep, was recordDep) State {
	if len(dep.contents) != len(was.contents) {
		return Maybe
	}
	state := Cached
	for i := range dep.contents {
		s, old := &dep.contents[i], &was.contents[i]
		if !s.plain() || !old.plain() {
			// What a pattern takes is equal if all that it looks at is.
			if !s.equal(old) {
				return Maybe
			}
			fixed, _ := splitWildcards(s.clean)
			if p.sameOrigin(p.trace(dep.from, fixed), p.trace(was.from, fixed)) != Cached {
				return Maybe
			}
			continue
		}
		switch p.sameOrigin(p.trace(dep.from, s.clean), p.trace(was.from, old.clean)) {
		case Rebuilt:
			return Rebuilt
		case Maybe:
			state = Maybe
		}
	}
	return state
}

func (s *selection) equal(o *selection) bool {
	return s.path == o.path && s.wildcard == o.wildcard && s.follow == o.follow && slices.Equal(s.include, o.include) &&
		slices.Equal(s.exclude, o.exclude) && slices.Equal(s.required, o.required)
}

func (p *predictor) sameOrigin(a, b origin) State {
	if p.traces++; p.traces > maxTraces || a.unknown || b.unknown {
		return Maybe
	}
	below := Maybe
	switch {
	case a.base == nil && b.base == nil:
		below = Cached
	case a.base == nil || b.base == nil || a.path != b.path:
	case p.is(a.base, b.base):
		below = Cached
	}
	if below != Cached || len(a.layers) != len(b.layers) {
		return Maybe
	}
	for i := range a.layers {
		x, y := a.layers[i], b.layers[i]
		switch {
		case x.text != y.text && x.whole && y.whole && x.kind == y.kind && x.how == y.how && len(a.layers) == 1:
			return Rebuilt
		case x.kind != y.kind || x.how != y.how || x.text != y.text || (x.from == nil) != (y.from == nil):
			return Maybe
		case x.from != nil && p.sameOrigin(*x.from, *y.from) != Cached:
			return Maybe
		}
	}
	return Cached
}

// trace follows a path down through copies and WORKDIRs. It takes every path for what it looks like:
// links between the directories of an image are known for the usual ones alone (see related).
func (p *predictor) trace(r *record, at string) origin {
	var o origin
	p.follow(r, at, &o)
	return o
}

// follow adds what an operation and those below it put at a path; it returns true when nothing
// further down can show there.
func (p *predictor) follow(r *record, at string, o *origin) bool {
	for {
		if p.traces++; p.traces > maxTraces {
			o.unknown = true
			return true
		}
		switch {
		case len(r.node.actions) > 0:
			base, done := p.followFile(r, at, o)
			if done || base == nil {
				return done
			}
			r = base
		case r.node.kind == nodeWork && r.node.op == "merge":
			for _, dep := range slices.Backward(r.deps) {
				if p.follow(dep.from, at, o) {
					return true
				}
			}
			return false
		default:
			o.base, o.path = r, at
			return true
		}
	}
}

// followFile adds what the actions of one COPY, ADD or WORKDIR put at a path. It returns the input
// that they work on, nil for scratch.
func (p *predictor) followFile(r *record, at string, o *origin) (base *record, done bool) {
	inputs := int64(len(r.node.deps))
	for i := range slices.Backward(r.node.actions) {
		action := &r.node.actions[i]
		switch a := action.Action.(type) {
		case *pb.FileAction_Mkdir:
			if dir := path.Clean(a.Mkdir.Path); dir == at || below(at, dir) || aliased(dir, at) {
				o.layers = append(o.layers, layer{text: fmt.Sprintf("mkdir %q %#o %v", dir, a.Mkdir.Mode, a.Mkdir.Owner)})
			}
		case *pb.FileAction_Mkfile:
			o.layers = append(o.layers, layer{text: fmt.Sprintf("mkfile %q %#o %q", a.Mkfile.Path, a.Mkfile.Mode, a.Mkfile.Data)})
		case *pb.FileAction_Copy:
			l, touches := p.copied(r, action, at)
			if touches {
				o.layers = append(o.layers, l)
			}
			if touches && l.kind == "file" {
				return nil, true
			}
		default:
			o.unknown = true
			return nil, true
		}
		if i == 0 {
			if in := action.Input; in >= 0 && in < inputs {
				base = r.input(in)
				if base == nil {
					o.unknown = true // made on the context itself: no Dockerfile does that
					return nil, true
				}
			}
		} else if action.Input >= 0 && action.Input < inputs {
			o.unknown = true // more than one thread of actions
			return nil, true
		}
	}
	return base, false
}

// copied is what one copy puts at a path.
func (p *predictor) copied(r *record, action *fileAction, at string) (layer, bool) {
	a := action.GetCopy()
	dest := path.Clean(a.Dest)
	if dest != at && !below(dest, at) && !below(at, dest) && !aliased(dest, at) {
		return layer{}, false
	}
	s, text := action.takes, "copy "+action.text
	if s == nil {
		return layer{text: text}, true
	}
	if from := r.input(action.SecondaryInput); from != nil {
		source := s.clean
		if !s.plain() {
			source, _ = splitWildcards(source)
			text += fmt.Sprintf(" %q", a.Src)
		}
		o := p.trace(from, source)
		return layer{text: text, from: &o}, true
	}
	files := r.files.of(r.node.deps[action.SecondaryInput].node)
	is, err := files.selected(s, selected{})
	if err != nil {
		return layer{text: text + err.Error()}, true
	}
	l := layer{text: text + is.sum}
	top, err := files.lookup(s.at(), s.follow)
	if s.wildcard || len(s.include) > 0 || err != nil || top == nil || !top.isDir() || !a.DirCopyContents || aliased(dest, at) || below(dest, at) {
		return l, true
	}
	// A directory's contents go to dest: only what it has at this path counts.
	inside := path.Join(top.path, strings.TrimPrefix(at, dest))
	if len(s.exclude) > 0 {
		return l, touches(files.taken(s), inside)
	}
	f := top
	for name := range strings.SplitSeq(strings.TrimPrefix(inside[len(top.path):], "/"), "/") {
		switch {
		case name == "":
		case !f.isDir():
			return l, true // a file or a link in the way
		default:
			if f = f.child(name); f == nil {
				return layer{}, false
			}
		}
	}
	if f.link {
		return l, true
	}
	kind := "file"
	if f.isDir() {
		kind = "dir"
	}
	// With another mode or owner, or unpacked, other text can come out the same.
	plain := a.Mode == -1 && a.ModeStr == "" && (f.isDir() || !a.AttemptUnpackDockerCompatibility)
	return layer{kind: kind, how: fmt.Sprintf("%v %d %q", a.Owner, a.Mode, a.ModeStr), text: f.sum(), whole: plain}, true
}

// touches says whether a list of files has something at a path, in it, or a file in its way.
func touches(list map[string]*file, at string) bool {
	for p, f := range list {
		if p == at || below(p, at) || !f.isDir() && below(at, p) {
			return true
		}
	}
	return false
}

// input is an input of an operation that is not the context.
func (r *record) input(index int64) *record {
	want := &r.node.deps[index]
	for _, dep := range r.deps {
		if dep.keyDep == want {
			return dep.from
		}
	}
	return nil
}

// below says whether a path lies in a directory.
func below(p, dir string) bool {
	return dir == "/" && p != "/" || strings.HasPrefix(p, dir+"/")
}

// aliased says that two paths may be one through the links that images usually have between their
// directories: /bin and others to /usr, /var/run to /run.
func aliased(a, b string) bool {
	return slices.Contains(linked, firstName(a)) && slices.Contains(linked, firstName(b)) &&
		a != b && !below(a, b) && !below(b, a)
}

var linked = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "var", "run"}

func firstName(p string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
	return name
}
