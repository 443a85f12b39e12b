package dockerfile

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// dump writes a parsed file as text: the goldens in testdata.
func dump(f *File) string {
	var b strings.Builder
	at := func(s source.Span) string {
		first := f.Source.LinesFromSpan(s)
		where := fmt.Sprintf("%d-%d", first.First, first.Last)
		if first.First == first.Last {
			where = fmt.Sprint(first.First)
		}
		return fmt.Sprintf("%s %q", where, f.Source.Text(s))
	}
	for _, d := range f.Directives {
		fmt.Fprintf(&b, "directive %s = %s at %s\n", d.Name, d.Value, at(d.Span))
	}
	if f.Escape != '\\' {
		fmt.Fprintf(&b, "escape %c\n", f.Escape)
	}
	for _, c := range f.Comments {
		fmt.Fprintf(&b, "comment %q at %s\n", c.Text, at(c.Span))
	}
	var instruction func(in *Instruction, indent string)
	instruction = func(in *Instruction, indent string) {
		fmt.Fprintf(&b, "%s%s at %s", indent, in.Keyword, at(in.Span))
		switch {
		case in.Stage == nil:
			b.WriteString(" before the stages")
		case in == in.Stage.From:
			fmt.Fprintf(&b, " stage %d %q image %q platform %q", in.Stage.Index, in.Stage.Name, in.Stage.Image, in.Stage.Platform)
			if in.Stage.Parent != nil {
				fmt.Fprintf(&b, " parent %d", in.Stage.Parent.Index)
			}
		case in.Command == nil:
			b.WriteString(" untyped")
		}
		b.WriteByte('\n')
		indent += "  "
		for _, c := range in.Comments {
			fmt.Fprintf(&b, "%sabove %q\n", indent, c.Text)
		}
		for _, fl := range in.Flags {
			fmt.Fprintf(&b, "%sflag %s=%s at %s\n", indent, fl.Name, fl.Value, at(fl.Span))
		}
		for _, a := range in.Args {
			fmt.Fprintf(&b, "%sarg %q at %s\n", indent, a.Value, at(a.Span))
		}
		if in.Trigger != nil {
			instruction(in.Trigger, indent)
		}
		if in.run != nil {
			dumpRun(&b, in.run, indent, at)
		}
	}
	for _, in := range f.Instructions {
		instruction(in, "")
	}
	return b.String()
}

func dumpRun(b *strings.Builder, r *Run, indent string, at func(source.Span) string) {
	if r.Exec != nil {
		fmt.Fprintf(b, "%sexec %q\n", indent, r.Exec)
	} else {
		fmt.Fprintf(b, "%sscript %q heredoc=%t\n", indent, r.Script, r.Heredoc)
	}
	for _, m := range r.Mounts {
		fmt.Fprintf(b, "%smount %s target=%s from=%s source=%s\n", indent, m.Type, m.Target, m.From, m.Source)
	}
	if r.Err != nil {
		fmt.Fprintf(b, "%serror %v\n", indent, r.Err)
	}
	word := func(w Word) string {
		s := fmt.Sprintf("%q", w.Value)
		if !w.Literal {
			s += "?"
		}
		return s
	}
	for i, s := range r.Steps {
		var names []string
		for _, c := range s.Commands {
			names = append(names, c.Name)
		}
		fmt.Fprintf(b, "%sstep %d op %q(%d) heredoc=%t commands %v at %s\n", indent, i, s.Op, s.OpSpan.Len(), s.HasHeredoc, names, at(s.Span))
	}
	for _, c := range r.Commands {
		var flags []string
		for name, on := range map[string]bool{"always": c.Always, "straight": c.Straight, "checked": c.Checked, "other-user": c.OtherUser, "dir-unknown": !c.DirKnown} {
			if on {
				flags = append(flags, name)
			}
		}
		sort.Strings(flags)
		fmt.Fprintf(b, "%scommand %q %v", indent, c.Name, flags)
		if c.Nested > 0 {
			fmt.Fprintf(b, " nested=%d", c.Nested)
		}
		if c.Dir != "" {
			fmt.Fprintf(b, " dir=%s", c.Dir)
		}
		if c.Pipe.Len > 0 {
			fmt.Fprintf(b, " pipe=%d/%d", c.Pipe.Index, c.Pipe.Len)
		}
		fmt.Fprintf(b, " at %s\n", at(c.Span))
		for _, w := range c.Prefix {
			fmt.Fprintf(b, "%s  prefix %s\n", indent, word(w))
		}
		for _, w := range c.Words {
			fmt.Fprintf(b, "%s  word %s at %s\n", indent, word(w), at(w.Span))
		}
		for _, a := range c.Assigns {
			fmt.Fprintf(b, "%s  assign %s=%s at %s\n", indent, a.Name, word(a.Word), at(a.Span))
		}
		for _, x := range c.Redirects {
			fmt.Fprintf(b, "%s  redirect %s%s %s\n", indent, x.FD, x.Op, word(x.Target))
		}
	}
}
