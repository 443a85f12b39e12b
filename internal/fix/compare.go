package fix

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// comparison holds an edited file against the original: it may differ by the declared effects only.
type comparison struct {
	before, after *dockerfile.File
	stages        [][]expected // what each stage's instructions should be
}

// expected is one instruction of the edited file.
type expected struct {
	was *dockerfile.Instruction // of the original; nil for a new COPY
	add *rules.AddCopy          // the new COPY
	now *dockerfile.Instruction // of the edited file
	rewrite
}

// rewrite is what the effects change in a RUN.
type rewrite struct {
	mounts  []rules.AddCacheMount
	flags   []rules.AddFlag
	updates []rules.MergeUpdate // that come in
	loses   bool                // its index update goes elsewhere; the rest stays
	removes bool                // apt's index is taken away at its end
	merged  *dockerfile.Instruction
	dropped []rules.RemoveFlag
	without []*dockerfile.Command // that go
	given   string                // the flag that a COPY gets: "chown", "chmod"
	owner   string                // what it gives
	written string                // the same as the file has it
	named   []string              // what the command of the last of dropped names more
	lost    []string              // variables that it no longer sees
}

func (r rewrite) text() bool {
	return len(r.without) > 0 || len(r.flags) > 0 || len(r.updates) > 0 || r.loses || r.removes || r.merged != nil || len(r.dropped) > 0
}

// newComparison works out the edited file's instructions from the effects of units.
func newComparison(before, after *dockerfile.File, units []*unit) *comparison {
	c := &comparison{before: before, after: after}
	x := expectation{
		rewrites: map[*dockerfile.Instruction]*rewrite{},
		added:    map[*dockerfile.Instruction][]*rules.AddCopy{},
		below:    map[*dockerfile.Instruction][]*dockerfile.Instruction{},
		gone:     map[*dockerfile.Instruction]bool{},
	}
	var seen []rules.Effect // two findings may wish for the same
	for _, u := range units {
		for _, e := range u.effects {
			if !slices.ContainsFunc(seen, func(o rules.Effect) bool { return reflect.DeepEqual(o, e) }) {
				seen = append(seen, e)
				x.add(e)
			}
		}
	}
	for _, stage := range before.Stages {
		var list []expected
		place := func(i *dockerfile.Instruction) {
			e := expected{was: i}
			if r := x.rewrites[i]; r != nil {
				e.rewrite = *r
			}
			list = append(list, e)
		}
		for _, i := range stage.Instructions {
			for _, a := range x.added[i] {
				list = append(list, expected{add: a})
			}
			if !x.gone[i] {
				place(i)
			}
			for _, moved := range x.below[i] {
				place(moved)
			}
		}
		c.stages = append(c.stages, list)
	}
	return c
}

// expectation is what effects do to the instructions of a file.
type expectation struct {
	rewrites map[*dockerfile.Instruction]*rewrite
	added    map[*dockerfile.Instruction][]*rules.AddCopy          // in front of the instruction
	below    map[*dockerfile.Instruction][]*dockerfile.Instruction // what moves to below it
	gone     map[*dockerfile.Instruction]bool                      // from its old place
}

// of is what happens to the instruction where it stands.
func (x expectation) of(i *dockerfile.Instruction) *rewrite {
	if x.rewrites[i] == nil {
		x.rewrites[i] = &rewrite{}
	}
	return x.rewrites[i]
}

// add takes in what one effect does.
func (x expectation) add(e rules.Effect) {
	switch e := e.(type) {
	case rules.MoveEnv:
		x.gone[e.Step] = true
		x.below[e.Below] = append(x.below[e.Below], e.Step)
		for _, i := range between(e.Step, e.Below) {
			if i.Run() != nil {
				x.of(i).lost = append(x.of(i).lost, sets(e.Step)...)
			}
		}
	case rules.OwnCopies:
		for _, i := range e.Copies {
			x.of(i).given, x.of(i).owner, x.of(i).written = e.Flag, e.Owner, e.Written
		}
		switch {
		case e.Keeps:
			x.of(e.Step).dropped = append(x.of(e.Step).dropped, rules.RemoveFlag{Step: e.Step, Command: e.Command, Flag: recursive(e.Command)})
			x.of(e.Step).named = e.Made
		case len(e.Step.Run().Steps) == 1:
			x.gone[e.Step] = true
		default:
			x.of(e.Step).without = append(x.of(e.Step).without, e.Command)
		}
	case rules.AddCopy:
		x.added[e.Of] = append(x.added[e.Of], &e)
	case rules.MoveStep:
		x.gone[e.Step] = true
		x.below[e.Below] = append(x.below[e.Below], e.Step)
	case rules.AddCacheMount:
		x.of(e.Step).mounts = append(x.of(e.Step).mounts, e)
	case rules.AddFlag:
		x.of(e.Step).flags = append(x.of(e.Step).flags, e)
	case rules.RemoveLists:
		x.of(e.Step).removes = true
	case rules.MergeRuns:
		x.gone[e.Second] = true
		x.of(e.First).merged = e.Second
	case rules.RemoveFlag:
		x.of(e.Step).dropped = append(x.of(e.Step).dropped, e)
	case rules.MergeUpdate:
		switch {
		case e.Stays:
		case onlyUpdates(e.Update):
			x.gone[e.Update] = true
		default:
			x.of(e.Update).loses = true
		}
		for _, into := range e.Into {
			// Two findings may wish for the same.
			if !slices.ContainsFunc(x.of(into).updates, func(o rules.MergeUpdate) bool { return o.Update == e.Update }) {
				x.of(into).updates = append(x.of(into).updates, e)
			}
		}
	}
}

// instructions compares the instructions of the two files, those that make no step among them.
func (c *comparison) instructions() Reason {
	if len(c.after.Stages) != len(c.before.Stages) || !c.sameHead() {
		return rules.ChangesSteps
	}
	for i, stage := range c.after.Stages {
		list := c.stages[i]
		if c.text(c.before, c.before.Stages[i].From) != c.text(c.after, stage.From) || len(stage.Instructions) != len(list) {
			return rules.ChangesSteps
		}
		for k := range list {
			x := &list[k]
			x.now = stage.Instructions[k]
			if !c.sameInstruction(x) {
				return rules.ChangesSteps
			}
		}
	}
	return ""
}

// sameHead compares what stands above the first stage: parser directives and arguments.
func (c *comparison) sameHead() bool {
	directive := func(a, b dockerfile.Directive) bool { return a.Name == b.Name && a.Value == b.Value }
	argument := func(a, b *dockerfile.Instruction) bool { return c.text(c.before, a) == c.text(c.after, b) }
	return slices.EqualFunc(c.before.Directives, c.after.Directives, directive) &&
		slices.EqualFunc(c.before.MetaArgs, c.after.MetaArgs, argument)
}

func (c *comparison) text(f *dockerfile.File, i *dockerfile.Instruction) string {
	return f.Source.Text(i.Span)
}

func (c *comparison) sameInstruction(x *expected) bool {
	switch {
	case x.add != nil:
		return sameCopy(*x.add, x.now)
	case x.owner != "":
		return sameOwned(x)
	case x.text() || len(x.mounts) > 0:
		was, now := x.was.Run(), x.now.Run()
		if was == nil || now == nil || !sameMounts(was, now, x.mounts) || !sameFlags(x.was, x.now) {
			return false
		}
		if x.text() {
			return sameScript(x)
		}
		return sameRun(was, now)
	}
	return c.text(c.before, x.was) == c.text(c.after, x.now)
}

// sameFlags compares the flags of two RUNs that are no mounts.
func sameFlags(a, b *dockerfile.Instruction) bool {
	return slices.Equal(flagsOf(a, "mount"), flagsOf(b, "mount"))
}

// flagsOf are the flags of an instruction, sorted, without those of one name.
func flagsOf(i *dockerfile.Instruction, without string) []string {
	var out []string
	for _, f := range i.Flags {
		if f.Name != without {
			out = append(out, f.Name+"="+f.Value)
		}
	}
	slices.Sort(out)
	return out
}

// sameOwned says whether a COPY or ADD is the same but for its new owner or mode.
func sameOwned(x *expected) bool {
	flags := append(flagsOf(x.was, ""), x.given+"="+x.written)
	slices.Sort(flags)
	return x.was.Keyword == x.now.Keyword && slices.Equal(flags, flagsOf(x.now, "")) &&
		slices.EqualFunc(x.was.Args, x.now.Args, func(a, b dockerfile.Arg) bool { return a.Value == b.Value })
}

// sameRun says whether the shell gets the same.
func sameRun(a, b *dockerfile.Run) bool {
	return a != nil && b != nil && a.Script == b.Script && a.Heredoc == b.Heredoc && slices.Equal(a.Exec, b.Exec)
}

// sameCopy says whether an instruction is the declared COPY: the flags of the one that it is taken
// from, the declared sources and destination.
func sameCopy(add rules.AddCopy, now *dockerfile.Instruction) bool {
	if now.Keyword != "COPY" || !slices.Equal(flagsOf(add.Of, ""), flagsOf(now, "")) || len(now.Args) != len(add.Sources)+1 {
		return false
	}
	for i, src := range append(slices.Clone(add.Sources), add.Dest) {
		if now.Args[i].Value != src {
			return false
		}
	}
	return true
}

// plans compares what BuildKit makes of the two files.
func (c *comparison) plans(before, after *buildcache.Plan) Reason {
	if !bytes.Equal(before.Image, after.Image) {
		return rules.ChangesImage
	}
	warned := map[string]int{}
	for _, w := range before.Warnings {
		warned[w.Rule+"\x00"+w.Message]++
	}
	for _, w := range after.Warnings {
		k := w.Rule + "\x00" + w.Message
		if warned[k]--; warned[k] < 0 {
			return rules.NewWarning
		}
	}
	was, now := stepsByLine(c.before, before), stepsByLine(c.after, after)
	for _, list := range c.stages {
		for k := range list {
			x := &list[k]
			steps := now[x.now]
			if x.add != nil {
				if len(steps) != 1 || !copiesLike(steps[0], was[x.add.Of], x.add.Of.Keyword == "ADD") {
					return rules.ChangesSteps
				}
				continue
			}
			if !slices.EqualFunc(was[x.was], steps, func(a, b string) bool { return sameOp(a, b, x.rewrite) }) {
				return rules.ChangesSteps
			}
		}
	}
	// What ONBUILD brings stands on the lines of FROM.
	for i := range c.before.Stages {
		a, b := was[c.before.Stages[i].From], now[c.after.Stages[i].From]
		if !slices.EqualFunc(a, b, func(a, b string) bool { return sameOp(a, b, rewrite{}) }) {
			return rules.ChangesSteps
		}
	}
	return ""
}

// stepsByLine are the operations of each instruction.
func stepsByLine(f *dockerfile.File, plan *buildcache.Plan) map[*dockerfile.Instruction][]string {
	at := map[int]*dockerfile.Instruction{}
	for _, i := range f.Instructions {
		at[f.Source.LineFromOffset(i.Span.Start)] = i
	}
	out := map[*dockerfile.Instruction][]string{}
	for _, s := range plan.Steps {
		if i := at[s.Lines.First]; i != nil {
			out[i] = append(out[i], s.Op)
		}
	}
	return out
}

// sameOp compares two operations but for what they stand on, which the order of the instructions
// says, and for the declared changes of a RUN.
func sameOp(was, now string, r rewrite) bool {
	a, b := opLines(was), opLines(now)
	for _, m := range r.mounts {
		// The new mount, once; where another unit wished for the same, it is one mount.
		i := slices.IndexFunc(b, func(line string) bool { return isMount(line, m) })
		if i >= 0 && !slices.Contains(a, b[i]) {
			b = slices.Delete(b, i, i+1)
		}
	}
	a = slices.DeleteFunc(sortedEnv(a), func(line string) bool {
		return slices.ContainsFunc(r.lost, func(name string) bool { return strings.HasPrefix(line, "env "+name+"=") })
	})
	return slices.EqualFunc(a, sortedEnv(b), func(x, y string) bool {
		switch {
		case x == y:
			return true
		case r.owner != "":
			return strings.HasPrefix(x, "copy ") && x == strings.Replace(y, givenText(r), "", 1)
		}
		return r.text() && strings.HasPrefix(x, "run ") && strings.HasPrefix(y, "run ")
	})
}

// sortedEnv puts the variables of an operation in order: a RUN does the same whichever was set first.
func sortedEnv(lines []string) []string {
	isEnv := func(line string) bool { return strings.HasPrefix(line, "env ") }
	first := slices.IndexFunc(lines, isEnv)
	if first < 0 {
		return lines
	}
	end := first
	for end < len(lines) && isEnv(lines[end]) {
		end++
	}
	slices.Sort(lines[first:end])
	return lines
}

// givenText is how an operation shows the owner or mode that a COPY gets.
func givenText(r rewrite) string {
	if r.given == "chmod" {
		mode, _ := strconv.ParseUint(r.owner, 8, 32)
		return fmt.Sprintf(" mode=%#o", mode)
	}
	return ownerText(r.owner)
}

// ownerText is how an operation shows an owner.
func ownerText(owner string) string {
	user, group, _ := strings.Cut(owner, ":")
	quote := func(name string) string {
		if _, err := strconv.ParseUint(name, 10, 32); err == nil {
			return name
		}
		return strconv.Quote(name)
	}
	return " owner=" + quote(user) + ":" + quote(group)
}

// opLines are the lines of an operation without those that say what it stands on.
func opLines(op string) []string {
	return slices.DeleteFunc(strings.Split(op, "\n"), func(line string) bool { return strings.HasPrefix(line, "on ") })
}

func isMount(line string, m rules.AddCacheMount) bool {
	return strings.HasPrefix(line, fmt.Sprintf("mount cache %q ", m.Target))
}

// copiesLike says whether the operation of a new COPY copies with the owner, mode and options of the
// one it is taken from. An ADD would unpack archives; of a directory's files it does not.
func copiesLike(now string, of []string, add bool) bool {
	if len(of) != 1 {
		return false
	}
	want := map[string]bool{}
	for _, line := range opLines(of[0]) {
		if rest, ok := copyOptions(line); ok {
			if add {
				rest = strings.Replace(rest, " unpack", "", 1)
			}
			want[rest] = true
		}
	}
	lines := 0
	for _, line := range opLines(now) {
		if line == "" {
			continue
		}
		rest, ok := copyOptions(line)
		if !ok || !want[rest] {
			return false
		}
		lines++
	}
	return lines > 0 && len(want) == 1
}

// copyOptions is a line "copy SOURCE from INPUT to DESTINATION OPTIONS" without the source and the
// destination, and without what only says that the source is not a directory.
func copyOptions(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "copy ")
	if !ok {
		return "", false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", false
	}
	from, to, ok := strings.Cut(rest[len(quoted):], " to ")
	if !ok {
		return "", false
	}
	dest, err := strconv.QuotedPrefix(to)
	if err != nil {
		return "", false
	}
	return from + to[len(dest):], true
}
