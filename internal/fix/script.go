package fix

import (
	"cmp"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// verbs are the subcommands behind which a flag may be added.
var verbs = []string{"install", "sync", "wheel", "download", "add"}

// sameScript reads the edited script with the shell's parser: the same commands in the same places,
// but for the declared changes.
func sameScript(x *expected) bool {
	was, now := x.was.Run(), x.now.Run()
	if was == nil || now == nil || was.Err != nil || now.Err != nil || was.Exec != nil || now.Exec != nil || was.Heredoc != now.Heredoc {
		return false
	}
	want := wantedCommands(x)
	commands := now.Commands
	if x.removes {
		n := len(commands) - 1
		if n < 0 || !isListsRemoval(commands[n]) {
			return false
		}
		commands = commands[:n]
	}
	return slices.EqualFunc(want, commands, sameCommand)
}

// wanted is a command that the edited script has to have.
type wanted struct {
	*dockerfile.Command
	flag    string   // it has more
	dropped string   // it has no more
	named   []string // it names more, at its end
	moved   bool     // from another RUN: it may stand in another directory, under more exports
}

// wantedCommands are those of the original with the declared changes, but for the removal at the end.
func wantedCommands(x *expected) []wanted {
	var want []wanted
	was := x.was.Run()
	effects := shelleffects.Of(was, dockerfile.State{})
	first := firstPackages(effects)
	for _, cmd := range was.Commands {
		if x.loses && isUpdate(effects, cmd) || slices.Contains(x.without, cmd) {
			continue
		}
		if cmd == first {
			for _, u := range x.updates {
				for _, come := range u.Update.Run().Commands {
					if isUpdate(shelleffects.Of(u.Update.Run(), dockerfile.State{}), come) {
						want = append(want, wanted{Command: come, moved: true})
					}
				}
			}
		}
		w := wanted{Command: cmd}
		for _, f := range x.flags {
			if f.Command == cmd {
				w.flag = f.Flag
			}
		}
		for _, f := range x.dropped {
			if f.Command == cmd {
				w.dropped = f.Flag
				if f.Flag == recursive(cmd) && (cmd.Name == "chown" || cmd.Name == "chmod") {
					w.named = x.named
				}
			}
		}
		want = append(want, w)
	}
	if x.merged != nil {
		for _, cmd := range x.merged.Run().Commands {
			want = append(want, wanted{Command: cmd})
		}
	}
	return want
}

// isListsRemoval says whether a command takes apt's index away, whenever everything before it
// succeeded and with nobody passing over its failure.
func isListsRemoval(c *dockerfile.Command) bool {
	text := ""
	for _, w := range c.Words {
		text += " " + w.Value
	}
	return text[1:] == rules.AptListsRemoval && c.Always && c.Checked && c.Nested == 0 && c.Pipe.Len == 0 && len(c.Redirects) == 0 &&
		(len(c.Prefix) == 0 || len(c.Prefix) == 1 && c.Prefix[0].Value == "sudo")
}

func sameCommand(w wanted, c *dockerfile.Command) bool {
	words, old := c.Words, w.Words
	if w.flag != "" {
		at := slices.IndexFunc(words, func(o dockerfile.Word) bool { return o.Literal && o.Value == w.flag })
		if at < 1 || !words[at-1].Literal || !slices.Contains(verbs, words[at-1].Value) {
			return false
		}
		words = slices.Delete(slices.Clone(words), at, at+1)
	}
	if w.dropped != "" {
		at := slices.IndexFunc(old, func(o dockerfile.Word) bool { return o.Literal && o.Value == w.dropped })
		if at < 1 {
			return false
		}
		old = slices.Delete(slices.Clone(old), at, at+1)
	}
	for _, dir := range w.named {
		old = append(old, dockerfile.Word{Value: dir, Literal: true})
	}
	return sameWords(old, words) && sameWords(w.Prefix, c.Prefix) && sameAssigns(w.Assigns, c.Assigns, w.moved) &&
		slices.EqualFunc(w.Redirects, c.Redirects, func(a, b dockerfile.Redirect) bool {
			return a.FD == b.FD && a.Op == b.Op && a.Target.Value == b.Target.Value
		}) &&
		w.Straight == c.Straight && w.Always == c.Always && w.Checked == c.Checked && w.OtherUser == c.OtherUser && w.Pipe == c.Pipe &&
		w.Nested == c.Nested && (w.moved || w.Dir == c.Dir && w.DirKnown == c.DirKnown)
}

// sameAssigns compares what two commands' environments have more. With more, the second may have
// others too, as long as an index update does not look at them.
func sameAssigns(a, b []dockerfile.Assign, more bool) bool {
	same := func(x, y dockerfile.Assign) bool {
		return x.Name == y.Name && x.Value == y.Value && x.Literal == y.Literal
	}
	if !more {
		return slices.EqualFunc(a, b, same)
	}
	for _, y := range b {
		if isIndexSetting(y.Name) && !slices.ContainsFunc(a, func(x dockerfile.Assign) bool { return same(x, y) }) {
			return false
		}
	}
	return !slices.ContainsFunc(a, func(x dockerfile.Assign) bool {
		return !slices.ContainsFunc(b, func(y dockerfile.Assign) bool { return same(x, y) })
	})
}

func sameWords(a, b []dockerfile.Word) bool {
	return slices.EqualFunc(a, b, func(x, y dockerfile.Word) bool { return x.Value == y.Value && x.Literal == y.Literal })
}

func isUpdate(e shelleffects.Effects, cmd *dockerfile.Command) bool {
	return slices.ContainsFunc(e.Updates, func(u shelleffects.IndexUpdate) bool { return u.Command == cmd })
}

// firstPackages is the first command of a RUN that installs packages of the system; nil for none.
func firstPackages(e shelleffects.Effects) *dockerfile.Command {
	var first *dockerfile.Command
	for _, p := range e.Packages {
		if first == nil || p.Command.Span.Start < first.Span.Start {
			first = p.Command
		}
	}
	return first
}

// onlyUpdates says whether a RUN does nothing but update package indexes.
func onlyUpdates(i *dockerfile.Instruction) bool {
	run := i.Run()
	if run == nil || run.Err != nil {
		return false
	}
	return len(run.Commands) > 0 && len(shelleffects.Of(run, dockerfile.State{}).Updates) == len(run.Commands)
}

// sameMounts says whether a RUN has the declared cache mounts more, with no option but how they are shared, and
// no others.
func sameMounts(was, now *dockerfile.Run, added []rules.AddCacheMount) bool {
	left := slices.Clone(now.Mounts)
	for _, m := range was.Mounts {
		i := slices.IndexFunc(left, func(o *instructions.Mount) bool {
			return o.Type == m.Type && o.Target == m.Target && o.CacheID == m.CacheID
		})
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	var targets []string
	for _, a := range added {
		if !slices.Contains(targets, a.Target) {
			targets = append(targets, a.Target)
		}
	}
	if len(left) != len(targets) {
		return false
	}
	for _, m := range left {
		declared := slices.ContainsFunc(added, func(a rules.AddCacheMount) bool {
			return m.Target == a.Target && m.UID == nil && m.GID == nil &&
				cmp.Or(string(m.CacheSharing), string(instructions.MountSharingShared)) == cmp.Or(a.Sharing, string(instructions.MountSharingShared))
		})
		if !declared || m.Type != instructions.MountTypeCache || m.From != "" || m.Source != "" || m.ReadOnly ||
			m.Mode != nil || (m.CacheID != "" && m.CacheID != m.Target) {
			return false
		}
	}
	return true
}
