package buildcache

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/solver/pb"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// keyNode is one operation of a plan as BuildKit's cache asks for it. What is here depends on the
// Dockerfile alone; a tree adds the contents.
type keyNode struct {
	kind  nodeKind
	index int // in the plan's nodes
	// op is what BuildKit's digest of the operation is made of (CacheMap in solver/llbsolver/ops):
	// not the names of the sources, nor what an input is.
	op   string
	opID keyDigest // of op
	deps []keyDep
	step int // the first of its steps in the plan, or -1

	actions []fileAction // of a COPY, ADD or WORKDIR

	name   string        // of an image, remote source or named context, for people
	image  imageIdentity // of an image
	pinned bool          // a remote source that names what it must contain
}

type nodeKind int

const (
	nodeWork    nodeKind = iota
	nodeContext          // the build context: asked for by contents alone
	nodeImage            // a base image
	nodeRemote           // a source over the network
)

// keyDep is what an operation asks of one of its inputs.
type keyDep struct {
	node *keyNode
	// selector names what is taken of the input: part of the key as long as the input is the same.
	selector string
	// byContents says that BuildKit also takes another input whose selected contents are equal.
	byContents bool
	contents   []selection
	// inside are paths that have to be there too and lie in others of contents.
	inside []selection
}

// fileAction is one of the actions of a file operation.
type fileAction struct {
	*pb.FileAction
	text  string     // that tells it apart, apart from the folder of what it copies
	takes *selection // what it copies of an input, nil for no copy
}

// imageIdentity is what tells images apart without a registry.
type imageIdentity struct {
	repository, tag, digest, platform string
}

// keyNodes makes the nodes of a definition, inputs first, and notes them by vertex.
func keyNodes(vertexes []*vertex, byVertex map[*vertex]*keyNode) ([]*keyNode, error) {
	nodes := make([]*keyNode, 0, len(vertexes))
	for _, v := range vertexes {
		n := &keyNode{index: len(nodes), step: -1}
		if len(v.steps) > 0 {
			n.step = v.steps[0]
		}
		inputs := make([]*keyNode, len(v.inputs))
		for i, in := range v.inputs {
			inputs[i] = byVertex[in]
			n.deps = append(n.deps, keyDep{node: inputs[i]})
		}
		var err error
		switch op := v.op.Op.(type) {
		case *pb.Op_Source:
			n.source(op.Source, v.op.Platform)
		case *pb.Op_Exec:
			err = n.exec(op.Exec, v.op.Platform)
		case *pb.Op_File:
			err = n.fileOp(op.File)
		case *pb.Op_Merge:
			n.op = "merge"
		case nil: // the definition's last operation only names the result
			continue
		default:
			return nil, fmt.Errorf("key of %T: not made by the Dockerfile frontend", op)
		}
		if err != nil {
			return nil, err
		}
		n.opID = hash(n.op)
		byVertex[v] = n
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// gitCommit is a full commit at the end of a git source's reference.
var gitCommit = regexp.MustCompile(`#[0-9a-f]{40}(:|$)`)

func (n *keyNode) source(op *pb.SourceOp, p *pb.Platform) {
	scheme, rest, _ := strings.Cut(op.Identifier, "://")
	switch scheme {
	case "local":
		n.kind = nodeContext
		n.op = "context " + rest
		n.name, _ = strings.CutPrefix(rest, namedLocal)
		if rest == contextName {
			n.name = ""
		}
	case "docker-image":
		n.kind = nodeImage
		n.image = newImageIdentity(rest, p)
		n.name = shortImageName(rest)
		n.op = fmt.Sprintf("image %+v", n.image)
		if n.image.digest != "" {
			// The digest is all that counts: the name is no part of BuildKit's key.
			n.op = fmt.Sprintf("image %s %s", n.image.digest, n.image.platform)
		}
	default:
		n.kind = nodeRemote
		n.name = op.Identifier
		n.op = op.Identifier
		for _, name := range slices.Sorted(maps.Keys(op.Attrs)) {
			n.op += fmt.Sprintf(" %s=%q", name, op.Attrs[name])
		}
		n.pinned = op.Attrs[pb.AttrHTTPChecksum] != "" || gitCommit.MatchString(op.Identifier) || op.Attrs[pb.AttrGitChecksum] != ""
		if url := op.Attrs[pb.AttrFullRemoteURL]; url != "" {
			n.name = url
		}
		if name, unknown := strings.CutPrefix(op.Identifier, unknownSource); unknown {
			n.name = "the named context " + name
		}
	}
}

func newImageIdentity(name string, p *pb.Platform) imageIdentity {
	id := imageIdentity{repository: name}
	if p != nil {
		id.platform = strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
	}
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return id
	}
	id.repository = ref.Name()
	if tagged, ok := ref.(reference.Tagged); ok {
		id.tag = tagged.Tag()
	}
	if digested, ok := ref.(reference.Digested); ok {
		id.digest = digested.Digest().String()
	}
	return id
}

// shortImageName is a name as people write it, with the beginning of its digest.
func shortImageName(name string) string {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	text := reference.FamiliarName(ref)
	if tagged, ok := ref.(reference.Tagged); ok && tagged.Tag() != "latest" {
		text += ":" + tagged.Tag()
	}
	if digested, ok := ref.(reference.Digested); ok {
		text += "@" + digested.Digest().String()[:19]
	}
	return text
}

// fileOp follows fileOp.CacheMap.
func (n *keyNode) fileOp(op *pb.FileOp) error {
	var texts []string
	var indexes [][3]int64
	byKey := map[int64]bool{} // inputs that the result is made on: never by contents
	selected := map[int64][]selection{}
	owner := func(o *pb.ChownOpt) {
		if by, ok := o.GetUser().GetUser().(*pb.UserOpt_ByName); ok {
			selected[by.ByName.GetInput()] = append(selected[by.ByName.GetInput()], newSelection("/etc/passwd", true, false))
		}
		if by, ok := o.GetGroup().GetUser().(*pb.UserOpt_ByName); ok {
			selected[by.ByName.GetInput()] = append(selected[by.ByName.GetInput()], newSelection("/etc/group", true, false))
		}
	}
	for _, a := range op.Actions {
		action := fileAction{FileAction: a}
		byKey[action.Input] = true
		indexes = append(indexes, [3]int64{action.Input, action.SecondaryInput, action.Output})
		var text []byte
		var err error
		switch a := action.Action.(type) {
		case *pb.FileAction_Mkdir:
			owner(a.Mkdir.Owner)
			text, err = json.Marshal(a.Mkdir)
		case *pb.FileAction_Mkfile:
			owner(a.Mkfile.Owner)
			text, err = json.Marshal(a.Mkfile)
		case *pb.FileAction_Copy:
			copied := a.Copy.CloneVT()
			owner(copied.Owner)
			if in := action.SecondaryInput; in >= 0 && in < int64(len(n.deps)) {
				takes := newSelection(copied.Src, copied.FollowSymlink, copied.AllowWildcard && buildcontext.HasWildcard(copied.Src))
				takes.include, takes.exclude, takes.required = copied.IncludePatterns, copied.ExcludePatterns, copied.RequiredPaths
				action.takes = &takes
				selected[in] = append(selected[in], takes)
				copied.Src = path.Base(copied.Src)
			}
			text, err = json.Marshal(copied)
		default:
			return fmt.Errorf("key of %T: not made by the Dockerfile frontend", a)
		}
		if err != nil {
			return fmt.Errorf("encode file action: %w", err)
		}
		action.text = string(text)
		texts = append(texts, action.text)
		n.actions = append(n.actions, action)
	}
	n.op = fmt.Sprintf("file %q %v", texts, indexes)
	for in, list := range selected {
		if in < 0 || in >= int64(len(n.deps)) || byKey[in] {
			continue
		}
		dep := &n.deps[in]
		paths := make([]string, 0, len(list))
		for _, s := range list {
			paths = append(paths, s.path)
		}
		slices.Sort(paths)
		dep.selector = quoted(paths)
		dep.byContents = true
		dep.contents = reduce(list)
		for i := range list {
			if s := &list[i]; s.plain() && !slices.ContainsFunc(dep.contents, func(o selection) bool { return s.equal(&o) }) {
				dep.inside = append(dep.inside, *s)
			}
		}
	}
	return nil
}

// reduce drops the plain selections that lie in another, and sorts: as BuildKit's dedupeSelectors.
func reduce(list []selection) []selection {
	var out []selection
	for _, follow := range []bool{false, true} {
		var paths []string
		for _, s := range list {
			if s.plain() && s.follow == follow {
				paths = append(paths, s.path)
			}
		}
		for _, p := range outermost(paths) {
			out = append(out, newSelection(p, follow, false))
		}
	}
	for _, s := range list {
		if !s.plain() {
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b selection) int { return strings.Compare(a.path, b.path) })
	return out
}

// outermost drops the paths that lie below another one, and sorts.
func outermost(paths []string) []string {
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	if len(paths) <= 1 {
		return paths
	}
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool {
		return slices.ContainsFunc(paths, func(above string) bool {
			return above != p && strings.HasPrefix(p, strings.TrimSuffix(above, "/")+"/")
		})
	})
}

// exec follows ExecOp.CacheMap and getMountDeps.
func (n *keyNode) exec(op *pb.ExecOp, p *pb.Platform) error {
	op = op.CloneVT()
	selectors := make([][]string, len(n.deps))
	for _, m := range op.Mounts {
		if m.Input >= 0 && m.Input < int64(len(n.deps)) {
			switch m.MountType {
			case pb.MountType_SECRET, pb.MountType_SSH, pb.MountType_TMPFS:
			default:
				from := path.Join("/", m.Selector)
				selectors[m.Input] = append(selectors[m.Input], from)
				// The last mount of an input decides. The root is what the command works on.
				n.deps[m.Input].byContents = m.Dest != pb.RootMount && m.ContentCache != pb.MountContentCache_OFF &&
					(m.Output == int64(pb.SkipOutput) || m.Readonly || from == "/")
			}
		}
		m.Selector = ""
		if c := m.CacheOpt; c != nil {
			_, own, _ := strings.Cut(c.ID, "/")
			if c.Sharing != pb.CacheSharingOpt_SHARED || c.ID != m.Dest && own != m.Dest {
				c.ID, c.Sharing = "", pb.CacheSharingOpt_SHARED
			}
		}
	}
	if meta := op.Meta; meta != nil {
		meta.ProxyEnv = nil
		for _, h := range meta.ExtraHosts {
			h.IP = ""
		}
	}
	text, err := json.Marshal(op)
	if err != nil {
		return fmt.Errorf("encode command: %w", err)
	}
	n.op = fmt.Sprintf("exec %s %s/%s/%s", text, p.GetOS(), p.GetArchitecture(), p.GetVariant())
	for i := range n.deps {
		dep := &n.deps[i]
		dep.selector = quoted(selectors[i])
		if !dep.byContents {
			continue
		}
		for _, from := range outermost(selectors[i]) {
			if from == "/" {
				dep.contents = nil
				break
			}
			dep.contents = append(dep.contents, newSelection(from, true, false))
		}
		if dep.contents == nil {
			dep.contents = []selection{newSelection("/", false, false)}
		}
	}
	return nil
}

// keyDigest tells texts apart. It is half of a SHA-256: nobody finds two texts with one digest, also not one who
// writes Dockerfiles and files for it.
type keyDigest [sha256.Size / 2]byte

func digestOf(text []byte) keyDigest {
	sum := sha256.Sum256(text)
	return keyDigest(sum[:])
}

// hash is the digest of a list of texts.
func hash(texts ...string) keyDigest {
	var list []byte
	for _, t := range texts {
		list = appendText(list, t)
	}
	return digestOf(list)
}

// appendText appends a text so that no two lists of texts are written alike.
func appendText(list []byte, text string) []byte {
	list = strconv.AppendInt(list, int64(len(text)), 10)
	return append(append(list, ':'), text...)
}
