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
	records []seenRecord          // in the order in which they came
	byWork  map[workKey]int       // the last one of them, by its number in records, from 1
	byID    map[keyDigest]*record // those of several inputs
	images  map[string][]*record  // by repository
	latest  []Key                 // of the build added last: what causes are told against
}

// seenRecord is one record in a cache.
type seenRecord struct {
	*record
	before int // the number of the one before it with the same workKey, 0 for none
}

// workKey is what records have in common of which one may match the other: the work, and the first input that is
// not asked for by contents, which is at the same place for all records of one work.
type workKey struct{ work, on keyDigest }

// on is the first input that is not asked for by contents; nil for none.
func (r *record) on() *record {
	for _, dep := range r.deps {
		if !dep.byContents {
			return dep.from
		}
	}
	return nil
}

func (r *record) workKey() workKey {
	key := workKey{work: r.work}
	if on := r.on(); on != nil {
		key.on = on.id
	}
	return key
}

// Add puts the keys of one build into the cache.
func (s *Seen) Add(keys []Key) {
	for _, k := range keys {
		s.add(k.record)
	}
	s.latest = keys
}

func (s *Seen) add(r *record) {
	key := r.workKey()
	last := s.byWork[key]
	if s.findIn(last, r) != nil {
		return
	}
	if s.byWork == nil {
		s.byWork = map[workKey]int{}
		s.byID = map[keyDigest]*record{}
		s.images = map[string][]*record{}
	}
	s.records = append(s.records, seenRecord{record: r, before: last})
	s.byWork[key] = len(s.records)
	if len(r.deps) > 1 {
		s.byID[r.id] = r
	}
	if r.node.kind == nodeImage {
		s.images[r.node.image.repository] = append(s.images[r.node.image.repository], r)
	}
	for _, dep := range r.deps {
		s.add(dep.from)
	}
}

// find returns the record that is the same by all its inputs, or nil.
func (s *Seen) find(r *record) *record { return s.findIn(s.byWork[r.workKey()], r) }

// findIn finds it where the number of the last one with its workKey is known.
func (s *Seen) findIn(last int, r *record) *record {
	if len(r.deps) > 1 {
		return s.byID[r.id]
	}
	// Of one input there is one, or a few that take other things of it.
	for at := last; at > 0; at = s.records[at-1].before {
		if old := s.records[at-1].record; old.id == r.id {
			return old
		}
	}
	return nil
}

// last appends those of one key to a list, the oldest first, up to a number of the last ones.
func (s *Seen) last(list []*record, key workKey, most int) []*record {
	begin := len(list)
	for at := s.byWork[key]; at > 0 && len(list)-begin < most; at = s.records[at-1].before {
		list = append(list, s.records[at-1].record)
	}
	slices.Reverse(list[begin:])
	return list
}

// Predict says for each key of a build what it does with a cache that has seen the others, in the same order.
func Predict(keys []Key, seen *Seen) []Prediction {
	if len(keys) == 0 {
		return nil
	}
	p := newPredictor(keys[0].record.plan, seen)
	out := make([]Prediction, len(keys))
	for i, k := range keys {
		out[i].State = p.outcome(k.record).state()
	}
	p.explain(keys, out)
	p.doubted(keys[0].record.plan, func(step int) *record { return keys[step].record }, func(step, twin int) {
		out[step] = Prediction{Maybe, keys[twin].record.origin() + " does the same, and what both take may be equal"}
	})
	return out
}

// outcome is how a record stands to those that the cache holds.
type outcome struct {
	of         *record   // nil where it is not known yet
	same       []*record // it is one of these to BuildKit
	like       []*record // it may come out as one of these
	candidates []*record // of them both
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

// predictor compares the records of one build with those of a cache.
type predictor struct {
	seen     *Seen
	outcomes []outcome // of the nodes of the build's plan
	traces   int
	within   bool // operations of this build are compared with each other, not with the cache
}

func newPredictor(plan *Plan, seen *Seen) *predictor {
	p := &predictor{seen: seen, outcomes: make([]outcome, len(plan.nodes))}
	var lists slab[*record] // mostly of one record each
	for i := range p.outcomes {
		o := &p.outcomes[i]
		o.same, o.like, o.candidates = lists.some(1)[:0], lists.some(1)[:0], lists.some(1)[:0]
	}
	return p
}

// reset forgets what was said of one build, before the next one of the same plan or after the cache has seen more.
func (p *predictor) reset() {
	for i := range p.outcomes {
		o := &p.outcomes[i]
		*o = outcome{same: o.same[:0], like: o.like[:0], candidates: o.candidates[:0]}
	}
	p.traces = 0
}

// outcome is computed inputs first: its recursion is as deep as the longest chain of steps.
func (p *predictor) outcome(r *record) *outcome {
	o := &p.outcomes[r.node.index]
	if o.of != nil {
		return o
	}
	o.of = r
	switch r.node.kind {
	case nodeImage:
		p.image(r, o)
	case nodeContext:
		// Not asked for by its contents, as the files that a stage begins with: sent anew each time.
	case nodeRemote:
		if old := p.seen.find(r); old != nil && r.node.pinned {
			o.same = append(o.same, old)
		} else if old != nil {
			o.like = append(o.like, old) // what is at the other end may have changed
		}
	default:
		o.candidates = p.candidates(r, o.candidates)
		for _, old := range o.candidates {
			switch p.match(r, old) {
			case Cached:
				o.same = append(o.same, old)
			case Maybe:
				o.like = append(o.like, old)
			}
		}
	}
	return o
}

// maxCandidates is how many builds back a step is compared with by contents that only a trace tells, where a
// cache has seen many. One that is the same by all its inputs is found however old it is.
const maxCandidates = 32

// candidates appends the records in the cache that can match: the last ones of the same work whose first input that is
// not asked for by contents is, or may be, the same, and the one that is the same record.
func (p *predictor) candidates(r *record, list []*record) []*record {
	const most = maxCandidates + 1 // one more, to know that there are more
	if on := r.on(); on == nil {
		list = p.seen.last(list, r.workKey(), most)
	} else {
		from := p.outcome(on)
		for _, olds := range [][]*record{from.same, from.like} {
			for _, old := range olds {
				list = p.seen.last(list, workKey{r.work, old.id}, most)
			}
		}
	}
	if len(list) <= maxCandidates {
		return list
	}
	list = slices.Delete(list, 0, len(list)-maxCandidates)
	if own := p.seen.find(r); own != nil && !contains(list, own) {
		list = append(list, own)
	}
	return list
}

// image: the same name is the same image; a digest tells images apart; whether a name without one
// means the image that a digest names is not known here.
func (p *predictor) image(r *record, o *outcome) {
	if old := p.seen.find(r); old != nil {
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

// is says whether an operation is one of the cache.
func (p *predictor) is(r, old *record) bool {
	if p.within {
		return r.id == old.id
	}
	return contains(p.outcome(r).same, old)
}

// contains compares by what the records are: each tree has records of its own.
func contains(list []*record, r *record) bool {
	return slices.ContainsFunc(list, func(o *record) bool { return o == r || o.id == r.id })
}
