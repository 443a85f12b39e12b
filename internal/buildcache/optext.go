package buildcache

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// opText writes an operation as text, one fact a line, and collects the steps it uses. What is in
// it is what BuildKit's key of the step has, apart from its inputs: those are replaced by what they
// are. Not in it: names for people, the indexes of inputs and actions, proxy settings.
type opText struct {
	strings.Builder
	parents []*vertex
	context bool
}

func describe(v *vertex) *opText {
	t := &opText{}
	t.op(v)
	return t
}

func (t *opText) line(format string, args ...any) {
	_, _ = fmt.Fprintf(t, format, args...)
	t.WriteByte('\n')
}

func (t *opText) op(v *vertex) {
	switch op := v.op.Op.(type) {
	case *pb.Op_Exec:
		t.exec(v, op.Exec)
	case *pb.Op_File:
		t.file(v, op.File)
	default:
		t.line("%T", op) // the Dockerfile frontend makes no others of an instruction
	}
	if p := v.op.Platform; p != nil && (p.OS != platform.OS || p.Architecture != platform.Architecture || p.Variant != "") {
		t.line("platform %s", strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"))
	}
}

// input says what an input is: "scratch", "step", "context", a base image, a remote source, or the
// operation itself where no instruction stands for it. Steps among them become parents.
func (t *opText) input(v *vertex, index int64) string {
	if index < 0 || index >= int64(len(v.inputs)) {
		return "scratch"
	}
	return t.vertex(v.inputs[index])
}

func (t *opText) vertex(v *vertex) string {
	if len(v.steps) > 0 {
		if !slices.Contains(t.parents, v) {
			t.parents = append(t.parents, v)
		}
		return "step"
	}
	switch op := v.op.Op.(type) {
	case *pb.Op_Source:
		return t.source(op.Source, v.op.Platform)
	case *pb.Op_Merge:
		names := make([]string, 0, len(op.Merge.Inputs))
		for _, in := range op.Merge.Inputs {
			names = append(names, t.input(v, in.Input))
		}
		return "merge(" + strings.Join(names, ", ") + ")"
	}
	inner := describe(v)
	for _, p := range inner.parents {
		if !slices.Contains(t.parents, p) {
			t.parents = append(t.parents, p)
		}
	}
	t.context = t.context || inner.context
	return "{" + strings.ReplaceAll(strings.TrimSuffix(inner.String(), "\n"), "\n", "; ") + "}"
}

func (t *opText) source(op *pb.SourceOp, p *pb.Platform) string {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "local":
		if name, named := strings.CutPrefix(rest, namedLocal); named {
			return "context " + strconv.Quote(name)
		}
		t.context = true
		return "context"
	case "docker-image":
		name := "image " + rest
		if p != nil && (p.OS != platform.OS || p.Architecture != platform.Architecture || p.Variant != "") {
			name += " " + strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
		}
		return name
	}
	text := op.Identifier
	for _, name := range slices.Sorted(maps.Keys(op.Attrs)) {
		text += fmt.Sprintf(" %s=%q", name, op.Attrs[name])
	}
	return text
}

func (t *opText) exec(v *vertex, op *pb.ExecOp) {
	meta := op.GetMeta()
	t.line("run %s", quoted(meta.GetArgs()))
	for _, m := range op.Mounts {
		if m.Dest == pb.RootMount {
			t.line("on %s", t.input(v, m.Input))
		}
	}
	for _, e := range meta.GetEnv() {
		name, value, _ := strings.Cut(e, "=")
		t.line("env %s=%q", name, value)
	}
	t.line("dir %q", meta.GetCwd())
	t.option("user", meta.GetUser())
	if op.Network != pb.NetMode_UNSET {
		t.line("network %s", strings.ToLower(op.Network.String()))
	}
	if op.Security != pb.SecurityMode_SANDBOX {
		t.line("security %s", strings.ToLower(op.Security.String()))
	}
	for _, m := range op.Mounts {
		if m.Dest != pb.RootMount {
			t.mount(v, m)
		}
	}
	for _, s := range op.Secretenv {
		t.line("secret env %s id=%q%s", s.Name, s.ID, flag(" optional", s.Optional))
	}
	for _, d := range op.CdiDevices {
		t.line("device %q%s", d.Name, flag(" optional", d.Optional))
	}
}

func (t *opText) mount(v *vertex, m *pb.Mount) {
	text := fmt.Sprintf("mount %s %q", strings.ToLower(m.MountType.String()), m.Dest)
	switch m.MountType {
	case pb.MountType_SECRET:
		s := m.GetSecretOpt()
		text += fmt.Sprintf(" id=%q uid=%d gid=%d mode=%#o%s", s.GetID(), s.GetUid(), s.GetGid(), s.GetMode(), flag(" optional", s.GetOptional()))
	case pb.MountType_SSH:
		s := m.GetSSHOpt()
		text += fmt.Sprintf(" id=%q uid=%d gid=%d mode=%#o%s", s.GetID(), s.GetUid(), s.GetGid(), s.GetMode(), flag(" optional", s.GetOptional()))
	case pb.MountType_TMPFS:
		text += fmt.Sprintf(" size=%d", m.GetTmpfsOpt().GetSize())
	case pb.MountType_CACHE:
		text += fmt.Sprintf(" id=%q sharing=%s from %s", strings.TrimPrefix(m.GetCacheOpt().GetID(), "/"),
			strings.ToLower(m.GetCacheOpt().GetSharing().String()), t.input(v, m.Input))
	default:
		text += " from " + t.input(v, m.Input)
	}
	if m.Selector != "" {
		text += fmt.Sprintf(" source=%q", m.Selector)
	}
	t.line("%s%s", text, flag(" readonly", m.Readonly))
}

func (t *opText) file(v *vertex, op *pb.FileOp) {
	// Actions work on an input, or on what an action before made of it.
	inputs := int64(len(v.inputs))
	for i, action := range op.Actions {
		if i == 0 || action.Input < inputs {
			t.line("on %s", t.input(v, action.Input))
		}
		switch a := action.Action.(type) {
		case *pb.FileAction_Mkdir:
			t.line("mkdir %q mode=%#o%s%s%s", a.Mkdir.Path, a.Mkdir.Mode, flag(" parents", a.Mkdir.MakeParents),
				owner(a.Mkdir.Owner), timestamp(a.Mkdir.Timestamp))
		case *pb.FileAction_Mkfile:
			t.line("mkfile %q mode=%#o%s%s %q", a.Mkfile.Path, a.Mkfile.Mode, owner(a.Mkfile.Owner), timestamp(a.Mkfile.Timestamp), a.Mkfile.Data)
		case *pb.FileAction_Copy:
			t.copy(a.Copy, t.input(v, action.SecondaryInput))
		default:
			t.line("%T", a) // the Dockerfile frontend makes no others
		}
	}
}

func (t *opText) copy(a *pb.FileActionCopy, from string) {
	text := fmt.Sprintf("copy %q from %s to %q", a.Src, from, a.Dest)
	text += owner(a.Owner)
	switch {
	case a.ModeStr != "":
		text += fmt.Sprintf(" mode=%q", a.ModeStr)
	case a.Mode != -1:
		text += fmt.Sprintf(" mode=%#o", a.Mode)
	}
	if len(a.IncludePatterns) > 0 {
		text += " include=" + quoted(a.IncludePatterns)
	}
	if len(a.ExcludePatterns) > 0 {
		text += " exclude=" + quoted(a.ExcludePatterns)
	}
	if len(a.RequiredPaths) > 0 {
		text += " required=" + quoted(a.RequiredPaths)
	}
	text += flag(" unpack", a.AttemptUnpackDockerCompatibility)
	text += flag(" itself", !a.DirCopyContents)
	text += flag(" replace", a.AlwaysReplaceExistingDestPaths)
	t.line("%s%s", text, timestamp(a.Timestamp))
}

func (t *opText) option(name, value string) {
	if value != "" {
		t.line("%s %q", name, value)
	}
}

func owner(o *pb.ChownOpt) string {
	if o == nil {
		return ""
	}
	text := " owner=" + user(o.User)
	if o.Group != nil {
		text += ":" + user(o.Group)
	}
	return text
}

func user(u *pb.UserOpt) string {
	switch u := u.GetUser().(type) {
	case *pb.UserOpt_ByName:
		return strconv.Quote(u.ByName.GetName())
	case *pb.UserOpt_ByID:
		return strconv.FormatUint(uint64(u.ByID), 10)
	}
	return ""
}

func timestamp(t int64) string {
	if t == -1 {
		return ""
	}
	return fmt.Sprintf(" created=%d", t)
}

func flag(text string, on bool) string {
	if on {
		return text
	}
	return ""
}

// quoted is a list of strings as text that no element can be mistaken in.
func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(out, " ") + "]"
}
