package buildcache

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// explain gives each prediction that is not Cached its cause.
func (p *predictor) explain(keys []Key, predictions []Prediction) {
	for i, k := range keys {
		if predictions[i].State != Cached {
			predictions[i].Cause = p.cause(k.record, predictions[i].State)
		}
	}
}

// cause prefers what changed in the step itself: its words, its files. What runs again because of
// what it stands on says which step that is.
func (p *predictor) cause(r *record, state State) string {
	if len(p.seen.records) == 0 {
		return "nothing is cached yet"
	}
	if state == Maybe {
		return p.doubt(r)
	}
	old := p.counterpart(r)
	if old == nil {
		if up := p.above(r, Rebuilt); up != "" {
			return up
		}
		return "this " + r.keyword() + " is new"
	}
	if text := differentWork(r, old); text != "" {
		return text
	}
	if text := differentFiles(r, old); text != "" {
		return text
	}
	if up := p.above(r, Rebuilt); up != "" {
		return up
	}
	if up := p.above(r, Maybe); up != "" {
		return up
	}
	return p.otherInput(r, old)
}

// counterpart is what the step was in the build before: the same words on the same files, else the
// same words, else the step that stood in its place: the same keyword on the same input, of the stage
// of the same name.
func (p *predictor) counterpart(r *record) *record {
	for _, old := range slices.Backward(p.seen.records) {
		if old.work == r.work {
			return old.record
		}
	}
	step := r.step()
	if step == nil {
		return nil
	}
	var best *record
	score := 0
	for i, k := range p.seen.latest {
		old := k.record
		if old == nil || k.record.plan.Steps[i].OnBuild != step.OnBuild {
			continue
		}
		other := &old.plan.Steps[i]
		n := 0
		if keyword(other.Instruction) != keyword(step.Instruction) {
			continue
		}
		if old.node.op == r.node.op {
			n += 8
		}
		if other.Instruction == step.Instruction {
			n += 4
		}
		if p.onSame(r, old) {
			n += 2
		}
		if other.Stage == step.Stage && other.Index == step.Index {
			n++
		}
		if n > score {
			best, score = old, n
		}
	}
	if score < 2 {
		return nil // nothing but a keyword in common
	}
	return best
}

// onSame says whether two steps stand on the same work.
func (p *predictor) onSame(r, old *record) bool {
	if len(r.deps) == 0 || len(old.deps) == 0 {
		return len(r.deps) == len(old.deps)
	}
	return contains(p.outcome(r.deps[0].from).same, old.deps[0].from)
}

func (r *record) step() *Step {
	if r.node.step < 0 {
		return nil
	}
	return &r.plan.Steps[r.node.step]
}

func keyword(instruction string) string {
	word, _, _ := strings.Cut(instruction, " ")
	return strings.ToUpper(word)
}

// differentWork says what of the step itself is another: the first difference of the texts of its
// operation, in the order command, variable, working directory, user, the rest.
func differentWork(r, old *record) string {
	if r.node.op == old.node.op {
		return ""
	}
	a, b := old.step(), r.step()
	if a == nil || b == nil {
		return ""
	}
	was, is := factsOf(a.Op), factsOf(b.Op)
	if was["run"] != is["run"] && is["run"] != "" {
		return "the command of this RUN changed"
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		variable, isVariable := strings.CutPrefix(name, "env ")
		if !isVariable || was[name] == is[name] {
			continue
		}
		if _, before := was[name]; before {
			return "the variable " + variable + " has another value"
		}
		return "the variable " + variable + " is new in its environment"
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if variable, isVariable := strings.CutPrefix(name, "env "); isVariable && is[name] == "" {
			return "the variable " + variable + " is gone from its environment"
		}
	}
	switch {
	case was["dir"] != is["dir"]:
		return fmt.Sprintf("its working directory is %s, which was %s", is["dir"], was["dir"])
	case was["user"] != is["user"] && is["user"] == "":
		return fmt.Sprintf("it runs as the image's user, no longer as %s", was["user"])
	case was["user"] != is["user"]:
		return fmt.Sprintf("it runs as user %s", is["user"])
	case was["mount"] != is["mount"]:
		return "the mounts of this RUN changed"
	case was["order"] != is["order"]:
		return "the variable " + firstMoved(was["order"], is["order"]) + " is set in another order"
	}
	return "this " + r.keyword() + " changed"
}

// firstMoved is the first name of a list that stood elsewhere in the other.
func firstMoved(was, is string) string {
	a, b := strings.Fields(was), strings.Fields(is)
	for i := range b {
		if i >= len(a) || a[i] != b[i] {
			return b[i]
		}
	}
	return strings.Join(b, ", ")
}

// keyword is the instruction of an operation, or of what is made for it.
func (r *record) keyword() string {
	if s := r.step(); s != nil {
		return keyword(s.Instruction)
	}
	return "step"
}

// factsOf reads the text of an operation (see opText) by the first word of each line.
func factsOf(op string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(op) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "env":
			name, value, _ := strings.Cut(rest, "=")
			facts["env "+name] = value
			facts["order"] += name + " "
		case "on":
		default:
			facts[word] += rest
		}
	}
	return facts
}

// differentFiles names a file that the step takes from the context and that is another.
func differentFiles(r, old *record) string {
	list := old.changesTo(r)
	if len(list) == 0 {
		return ""
	}
	// A file says more than the folders that came with it, and what is there more than what is gone.
	rank := func(c change) int {
		switch {
		case c.is == nil:
			return 1
		case c.is.isDir():
			return 2
		}
		return 0
	}
	slices.SortStableFunc(list, func(a, b change) int { return rank(a) - rank(b) })
	first := list[0]
	f, verb := first.is, "changed"
	switch {
	case first.was == nil:
		verb = "is new"
	case first.is == nil:
		f, verb = first.was, "is gone"
	case first.was.content == first.is.content && first.was.mode != first.is.mode:
		verb = "has another mode"
	}
	text := strings.TrimPrefix(f.path, "/")
	if first.named != "" {
		text += " of the named context " + first.named
	}
	text += " " + verb
	if n := len(list) - 1; n == 1 {
		text += ", and one more path"
	} else if n > 1 {
		text += fmt.Sprintf(", and %d more paths", n)
	}
	return text
}

// changesTo lists the files of the context in which two forms of one step differ.
func (r *record) changesTo(is *record) []change {
	var list []change
	old, new := r.contextSelections(), is.contextSelections()
	for i := range min(len(old), len(new)) {
		a, b := old[i], new[i]
		of := changesIn(r.files.of(a.from), is.files.of(b.from), a.selection, b.selection)
		for j := range of {
			of[j].named = b.from.name
		}
		list = append(list, of...)
	}
	return list
}

// changesIn lists the files in which what two selections take of two contexts differs.
func changesIn(wasFiles, isFiles *files, a, b *selection) []change {
	var list []change
	if a.plain() && b.plain() {
		was, _ := wasFiles.lookup(cleanKey(path.Join("/", a.path)), a.follow)
		now, _ := isFiles.lookup(cleanKey(path.Join("/", b.path)), b.follow)
		changes(was, now, &list)
		return list
	}
	was, now := wasFiles.taken(a), isFiles.taken(b)
	for _, p := range slices.Sorted(maps.Keys(now)) {
		switch f := was[p]; {
		case f == nil:
			list = append(list, change{is: now[p]})
		case f.isDir() && now[p].isDir(): // what is in them is listed by itself
		case !f.same(now[p]):
			list = append(list, change{was: f, is: now[p]})
		}
	}
	for _, p := range slices.Sorted(maps.Keys(was)) {
		if now[p] == nil {
			list = append(list, change{was: was[p]})
		}
	}
	return list
}

// contextSelection is a selection and the context that it is of.
type contextSelection struct {
	*selection
	from *keyNode
}

// contextSelections is what an operation takes of build contexts.
func (r *record) contextSelections() []contextSelection {
	var all []contextSelection
	for _, dep := range r.node.deps {
		if dep.node.kind == nodeContext && dep.byContents {
			for i := range dep.contents {
				all = append(all, contextSelection{&dep.contents[i], dep.node})
			}
		}
	}
	return all
}

// above names the nearest input of a state.
func (p *predictor) above(r *record, state State) string {
	for _, dep := range r.deps {
		if p.outcome(dep.from).state() != state || state == Rebuilt && dep.byContents {
			continue
		}
		verb := "runs again"
		if state == Maybe {
			verb = "may run again"
		}
		if dep.from.step() != nil {
			return dep.from.origin() + " " + verb
		}
		if dep.from.node.kind == nodeImage {
			if state == Maybe {
				return "whether " + dep.from.node.name + " is the image of before is not known here"
			}
			return "the base image is " + dep.from.node.name + p.was(dep.from)
		}
		if up := p.above(dep.from, state); up != "" {
			return up
		}
	}
	return ""
}

// was names the one base image that a new one can only have come for.
func (p *predictor) was(image *record) string {
	names := map[string]bool{}
	for _, k := range p.seen.latest {
		for _, dep := range k.record.deps {
			if dep.from.node.kind == nodeImage && !dep.byContents {
				names[dep.from.node.name] = true
			}
		}
	}
	if len(names) != 1 || names[image.node.name] {
		return ""
	}
	return ", which was " + slices.Collect(maps.Keys(names))[0]
}

// doubt says what a maybe hangs on.
func (p *predictor) doubt(r *record) string {
	for _, dep := range r.deps {
		o := p.outcome(dep.from)
		from := dep.from.origin()
		switch {
		case o.state() == Cached:
		case dep.from.node.kind == nodeImage && dep.byContents:
			return "it depends on what is in " + from
		case dep.from.node.kind == nodeImage:
			return "whether " + from + " is the image of before is not known here"
		case dep.from.node.kind == nodeRemote:
			return "what is at " + from + " may have changed"
		case dep.byContents && o.state() == Rebuilt:
			return from + " runs again, and what it puts out may be the same"
		case dep.byContents:
			return from + " may run again, and what it puts out may be the same"
		default:
			return from + " may run again"
		}
	}
	return "it takes other files of a step that is cached, and they may be the same"
}

// origin names an operation for people.
func (r *record) origin() string {
	if s := r.step(); s != nil {
		of := ""
		if s.OnBuild {
			of = "an ONBUILD of "
		}
		return fmt.Sprintf("%s%s in line %d", of, keyword(s.Instruction), s.Lines.First)
	}
	if r.node.name != "" {
		return r.node.name
	}
	// What a COPY --link makes is merged last.
	for _, dep := range slices.Backward(r.deps) {
		if s := dep.from.origin(); s != "" {
			return s
		}
	}
	return "what it is made on"
}

// otherInput is for a step whose inputs are all cached, but are not those of before.
func (p *predictor) otherInput(r, old *record) string {
	for i, dep := range r.deps {
		if i < len(old.deps) && !contains(p.outcome(dep.from).same, old.deps[i].from) {
			if dep.from.node.kind == nodeImage {
				return "the base image is " + dep.from.node.name + p.was(dep.from)
			}
			if dep.from.node.kind == nodeContext {
				return "its stage begins with the named context " + dep.from.node.name + ", whose files are sent anew for each build"
			}
			if dep.from.made() && r.keyword() != "RUN" {
				return "the inline document of this " + r.keyword() + " changed"
			}
			if dep.from.made() {
				return "the mounts of this RUN changed"
			}
			return "it stands on " + dep.from.origin() + " now"
		}
	}
	return "it is made on other files"
}
