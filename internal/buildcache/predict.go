package buildcache

import "slices"

// State is what a build with a cache does with a step.
type State string

// The states of a step.
const (
	Cached  State = "cached"
	Rebuilt State = "rebuilt"
	// Maybe is where the outcome hangs on what a command puts out, or on something outside the
	// repository.
	Maybe State = "maybe"
)

// Prediction is the state of one step and, unless it is cached, one sentence that says why: it names
// the file, the variable, the instruction or the parent. It is plain text that holds words of the
// Dockerfile and paths of the repository.
type Prediction struct {
	State State
	Cause string
}

// Seen is what a cache holds: the keys of builds. The zero value is an empty cache.
type Seen struct {
	records map[string]*record
	byWork  map[string][]*record
	byInput map[inputKey][]*record
	images  map[string][]*record // by repository
	latest  []Key                // of the build added last: what causes are told against
}

// Add puts the keys of one build into the cache.
func (s *Seen) Add(keys []Key) {
	if s.records == nil {
		s.records = map[string]*record{}
		s.byWork = map[string][]*record{}
		s.byInput = map[inputKey][]*record{}
		s.images = map[string][]*record{}
	}
	for _, k := range keys {
		s.add(k.record)
	}
	s.latest = keys
}

func (s *Seen) add(r *record) {
	if s.records[r.id] != nil {
		return
	}
	s.records[r.id] = r
	if r.node.kind == nodeImage {
		s.images[r.node.image.repository] = append(s.images[r.node.image.repository], r)
	}
	s.byWork[r.work] = append(s.byWork[r.work], r)
	for i, dep := range r.deps {
		key := inputKey{r.work, i, dep.from.id}
		s.byInput[key] = append(s.byInput[key], r)
		s.add(dep.from)
	}
}

// inputKey finds the records of one work by one of their inputs.
type inputKey struct {
	work  string
	input int
	id    string
}

// Predict says for each key what a build does whose cache has seen the others, in the same order.
func Predict(keys []Key, seen *Seen) []Prediction {
	p := predictor{seen: seen, known: map[*record]*outcome{}}
	out := make([]Prediction, len(keys))
	for i, k := range keys {
		out[i].State = p.outcome(k.record).state()
	}
	p.explain(keys, out)
	return out
}

// outcome is how a record stands to those that the cache holds.
type outcome struct {
	same []*record // it is one of these to BuildKit
	like []*record // it may come out as one of these
}

func (o *outcome) state() State {
	switch {
	case len(o.same) > 0:
		return Cached
	case len(o.like) > 0:
		return Maybe
	}
	return Rebuilt
}

type predictor struct {
	seen   *Seen
	known  map[*record]*outcome
	slab   []outcome // of which outcomes are taken
	traces int
}

// outcome is computed inputs first: its recursion is as deep as the longest chain of steps.
func (p *predictor) outcome(r *record) *outcome {
	if o := p.known[r]; o != nil {
		return o
	}
	if len(p.slab) == 0 {
		p.slab = make([]outcome, 32)
	}
	o := &p.slab[0]
	p.slab = p.slab[1:]
	p.known[r] = o
	switch r.node.kind {
	case nodeImage:
		p.image(r, o)
	case nodeContext:
		// Not asked for by its contents, as the files that a stage begins with: sent anew each time.
	case nodeRemote:
		if old := p.seen.records[r.id]; old != nil && r.node.pinned {
			o.same = append(o.same, old)
		} else if old != nil {
			o.like = append(o.like, old) // what is at the other end may have changed
		}
	default:
		candidates := p.candidates(r)
		for i, old := range candidates {
			switch p.match(r, old) {
			case Cached:
				o.same = addTo(o.same, candidates, i)
			case Maybe:
				o.like = addTo(o.like, candidates, i)
			}
		}
	}
	return o
}

// addTo appends the record at an index to a list, of which it makes none of its own for one record.
func addTo(list, of []*record, at int) []*record {
	if list == nil {
		return of[at : at+1 : at+1]
	}
	return append(list, of[at])
}

// candidates are the records in the cache that can match: those of the same work whose first input that is
// not asked for by contents is, or may be, the same.
func (p *predictor) candidates(r *record) []*record {
	for i, dep := range r.deps {
		if dep.byContents {
			continue
		}
		from := p.outcome(dep.from)
		var list []*record
		for _, olds := range [][]*record{from.same, from.like} {
			for _, old := range olds {
				found := p.seen.byInput[inputKey{r.work, i, old.id}]
				if list == nil {
					list = slices.Clip(found)
				} else {
					list = append(list, found...)
				}
			}
		}
		return p.newest(r, list)
	}
	return p.newest(r, p.seen.byWork[r.work])
}

// maxCandidates is how many builds back a step is compared with by contents that only a trace tells, where a
// cache has seen many. One that is the same by all its inputs is found however old it is.
const maxCandidates = 32

// newest are the last of a list of candidates, and the one that is the same record.
func (p *predictor) newest(r *record, list []*record) []*record {
	if len(list) <= maxCandidates {
		return list
	}
	list = list[len(list)-maxCandidates:]
	if own := p.seen.records[r.id]; own != nil && !contains(list, own) {
		list = append(slices.Clip(list), own)
	}
	return list
}

// image: the same name is the same image; a digest tells images apart; whether a name without one
// means the image that a digest names is not known here.
func (p *predictor) image(r *record, o *outcome) {
	if old := p.seen.records[r.id]; old != nil {
		o.same = append(o.same, old)
	}
	own := r.node.image
	for _, old := range p.seen.images[own.repository] {
		other := old.node.image
		if own.platform == other.platform && (own.digest == "") != (other.digest == "") &&
			(own.tag == other.tag || own.tag == "" || other.tag == "") {
			o.like = append(o.like, old)
		}
	}
}

// match compares an operation with one in the cache that is the same work on the same files of the
// context: are its other inputs the same?
func (p *predictor) match(r, old *record) State {
	state := Cached
	if len(r.deps) != len(old.deps) {
		return Rebuilt
	}
	for i, dep := range r.deps {
		was := old.deps[i]
		from := p.outcome(dep.from)
		same := contains(from.same, was.from) && (dep.selector == was.selector)
		switch {
		case same:
		case dep.byContents && was.byContents && dep.from.made() && was.from.made():
			return Rebuilt // other contents, as the Dockerfile says
		case dep.byContents && was.byContents:
			switch p.sameContents(dep, was) {
			case Rebuilt:
				return Rebuilt
			case Maybe:
				state = Maybe
			}
		case contains(from.like, was.from):
			state = Maybe
		default:
			return Rebuilt
		}
	}
	return state
}

// made says that the Dockerfile alone tells what is in the result: an inline document, the directory
// of a cache mount.
func (r *record) made() bool {
	return r.node.kind == nodeWork && len(r.node.deps) == 0
}

// contains compares by what the records are: each tree has records of its own.
func contains(list []*record, r *record) bool {
	return slices.ContainsFunc(list, func(o *record) bool { return o == r || o.id == r.id })
}
