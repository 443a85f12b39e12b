package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	gopath "path"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// needs is what base images have to hold so that builds whose commands do nothing succeed.
type needs struct {
	mu       sync.Mutex
	images   map[string]bool            // as a named context calls them
	ownUsers bool                       // commands add users, and make their directories
	paths    map[string]map[string]bool // copied or mounted from stages and images, and the base images of these
	users    map[string]bool            // and groups
	programs map[string]bool
	unpacked map[string]bool // programs that are run by their path: an archive may have brought them
	remote   bool            // something is fetched from the network
}

func newNeeds() *needs {
	return &needs{images: map[string]bool{}, paths: map[string]map[string]bool{}, users: map[string]bool{}, programs: map[string]bool{}, unpacked: map[string]bool{}}
}

// add reads what one build needs from the definition that BuildKit's frontend makes of it.
func (n *needs) add(ctx context.Context, text []byte, b buildcontext.Build) error {
	caps := pb.Caps.CapSet(pb.Caps.All())
	local := llb.Local("context")
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, text, dockerfile2llb.ConvertOpt{
		Config:         dockerui.Config{BuildArgs: maps.Clone(b.Args), Target: b.Target},
		MainContext:    &local,
		SourceMap:      llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text),
		TargetPlatform: &platform,
		MetaResolver:   n,
		LLBCaps:        &caps,
	})
	if err != nil {
		return err
	}
	definition, err := result.State.Marshal(ctx, llb.LinuxAmd64, llb.WithCaps(caps))
	if err != nil {
		return err
	}
	ops := map[string]*pb.Op{}
	for _, data := range definition.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(data); err != nil {
			return err
		}
		ops[digest.FromBytes(data).String()] = op
	}
	for _, op := range ops {
		n.op(op, ops)
	}
	return nil
}

// ResolveImageConfig notes the image.
func (n *needs) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", "", nil, err
	}
	n.mu.Lock()
	n.images[contextName(named)] = true
	n.mu.Unlock()
	image := dockerspec.DockerOCIImage{}
	image.Platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	image.Config.Env = []string{path}
	image.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}
	config, err := json.Marshal(image)
	return ref, "", config, err
}

func contextName(named reference.Named) string {
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest")
}

// takes notes a path that is taken of an operation's result.
func (n *needs) takes(p string, of *pb.Op, ops map[string]*pb.Op) {
	if n.paths[p] == nil {
		n.paths[p] = map[string]bool{}
	}
	bases(of, ops, n.paths[p])
}

// bases collects the images that an operation's files stand on.
func bases(op *pb.Op, ops map[string]*pb.Op, into map[string]bool) {
	input := func(i int64) {
		if i >= 0 && int(i) < len(op.Inputs) {
			bases(ops[op.Inputs[i].Digest], ops, into)
		}
	}
	switch {
	case op.GetSource() != nil:
		if name, image := strings.CutPrefix(op.GetSource().Identifier, "docker-image://"); image {
			if named, err := reference.ParseNormalizedNamed(name); err == nil {
				into[contextName(named)] = true
			}
		}
	case op.GetExec() != nil:
		for _, m := range op.GetExec().Mounts {
			if m.Dest == "/" {
				input(m.Input)
			}
		}
	case op.GetFile() != nil:
		for _, a := range op.GetFile().Actions {
			input(a.Input)
		}
	default:
		for i := range op.Inputs {
			input(int64(i))
		}
	}
}

func (n *needs) op(op *pb.Op, ops map[string]*pb.Op) {
	// elsewhere says that an input is neither the build context nor made of nothing.
	elsewhere := func(input int64) bool {
		if input < 0 || int(input) >= len(op.Inputs) {
			return false
		}
		source := ops[op.Inputs[input].Digest].GetSource()
		return source == nil || !strings.HasPrefix(source.Identifier, "local://")
	}
	switch {
	case op.GetSource() != nil:
		scheme, _, _ := strings.Cut(op.GetSource().Identifier, "://")
		n.remote = n.remote || scheme == "http" || scheme == "https" || scheme == "git"
	case op.GetExec() != nil:
		meta := op.GetExec().Meta
		n.programs[meta.Args[0]] = true
		n.user(strings.Split(meta.User, ":")...)
		for _, m := range op.GetExec().Mounts {
			if m.Selector != "" && m.Dest != "/" && elsewhere(m.Input) {
				n.takes(clean(m.Selector), ops[op.Inputs[m.Input].Digest], ops)
			}
		}
	case op.GetFile() != nil:
		for _, a := range op.GetFile().Actions {
			if c := a.GetCopy(); c != nil {
				n.owner(c.Owner)
				if elsewhere(a.SecondaryInput) {
					n.takes(clean(c.Src), ops[op.Inputs[a.SecondaryInput].Digest], ops)
				}
			}
			if m := a.GetMkdir(); m != nil {
				n.owner(m.Owner)
			}
			if m := a.GetMkfile(); m != nil {
				n.owner(m.Owner)
			}
		}
	}
}

// made forgets the directories that a command makes and that must not be there before: those of mkdir without -p.
func (n *needs) made(c *dockerfile.Command) {
	if c.Name != "mkdir" {
		return
	}
	for _, w := range c.Words[1:] {
		switch {
		case w.Value == "--parents" || strings.HasPrefix(w.Value, "-") && !strings.HasPrefix(w.Value, "--") && strings.Contains(w.Value, "p"):
			return
		case gopath.IsAbs(w.Value):
			made := clean(w.Value)
			maps.DeleteFunc(n.paths, func(p string, _ map[string]bool) bool { return p == made || strings.HasPrefix(p, made+"/") })
		}
	}
}

// run notes the paths of programs that are run by them, or made executable.
func (n *needs) run(c *dockerfile.Command) {
	words := c.Words[:1]
	if c.Name == "chmod" {
		words = c.Words
	}
	for _, w := range words {
		if gopath.IsAbs(w.Value) {
			n.unpacked[gopath.Clean(w.Value)] = true
		}
	}
}

func (n *needs) owner(o *pb.ChownOpt) {
	n.user(o.GetUser().GetByName().GetName(), o.GetGroup().GetByName().GetName())
}

func (n *needs) user(names ...string) {
	for _, name := range names {
		if strings.Trim(name, "0123456789") != "" && name != "root" {
			n.users[name] = true
		}
	}
}

// clean is a path without the leading slash, with something in the place of a wildcard.
func clean(p string) string {
	p = strings.TrimPrefix(gopath.Clean("/"+p), "/")
	var b strings.Builder
	class := false
	for _, r := range p {
		switch {
		case class:
			class = r != ']'
		case r == '[':
			class = true
			b.WriteByte('x')
		case r == '*' || r == '?':
			b.WriteByte('x')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// distributionUsers are accounts that Debian and Alpine bring.
var distributionUsers = map[string]int{"daemon": 1, "nobody": 65534, "www-data": 33}

// layer is the file system of a base image: stub under the name of every program, users, and at each path
// that is copied or mounted of what stands on this image, "" for every image, a file, or a directory with one.
func (n *needs) layer(stub []byte, random bool, image string) []LayerFile {
	dirs, files := map[string]int64{}, map[string]LayerFile{}
	put := func(f LayerFile) {
		for d := gopath.Dir(f.Name); d != "."; d = gopath.Dir(d) {
			if _, known := dirs[d]; !known {
				dirs[d] = 0o755
			}
		}
		if _, isDir := dirs[f.Name]; !isDir {
			files[f.Name] = f
		}
	}
	put(LayerFile{Name: ".lab/stub", Mode: 0o755, Data: stub})
	var outputs []string
	for _, p := range slices.Backward(sortedKeys(n.paths)) { // what is below something first
		if p == "" {
			continue
		}
		outputs = append(outputs, "/"+p)
		if image != "" && !n.paths[p][image] {
			continue
		}
		if _, isDir := dirs[p]; !isDir && isFile(p) {
			put(LayerFile{Name: p, Mode: 0o666, Data: []byte("stub")})
			continue
		}
		put(LayerFile{Name: p + "/stub", Mode: 0o666, Data: []byte("stub")})
		dirs[p] = 0o777
	}
	for _, name := range []string{"/bin/sh", "/bin/bash", "/bin/ash", "/usr/bin/env", "/usr/bin/bash", "/usr/bin/python3"} {
		n.programs[name] = true
	}
	for _, name := range sortedKeys(n.programs) {
		at := gopath.Join("bin", name)
		if gopath.IsAbs(name) {
			at = name[1:]
		}
		if _, isDir := dirs[at]; !isDir && !strings.HasPrefix(at, "dev/") {
			put(LayerFile{Name: at, Link: "/.lab/stub"})
		}
	}
	ids := maps.Clone(distributionUsers)
	for i, name := range sortedKeys(n.users) {
		if _, known := ids[name]; !known {
			ids[name] = 1000 + i
		}
		if !n.ownUsers {
			dirs["home"], dirs["home/"+name] = 0o755, 0o777
		}
	}
	for _, f := range accounts(ids) {
		put(f)
	}
	put(LayerFile{Name: ".lab/outputs", Mode: 0o644, Data: []byte(strings.Join(outputs, "\n"))})
	if random {
		put(LayerFile{Name: ".lab/random", Mode: 0o644})
	}
	for _, f := range skeleton() {
		if name := strings.TrimSuffix(f.Name, "/"); dirs[name] == 0 {
			dirs[name] = f.Mode
		}
	}
	var out []LayerFile
	for _, d := range sortedKeys(dirs) {
		delete(files, d)
		out = append(out, LayerFile{Name: d + "/", Mode: dirs[d]})
	}
	for _, p := range sortedKeys(files) {
		out = append(out, files[p])
	}
	return out
}

// isFile guesses from the name of what a command makes whether it is a file.
func isFile(p string) bool {
	name := gopath.Base(p)
	extension := strings.TrimPrefix(gopath.Ext(name), ".")
	switch name {
	case ".venv", ".local", ".local-browsers", ".cache", ".cargo", ".npm", ".nvm", ".m2", ".next", ".config", ".pyenv", ".poetry", ".rustup":
		return false
	case "Makefile", "Gemfile", "Pipfile", "LICENSE", "Procfile":
		return true
	}
	if dir := gopath.Base(gopath.Dir(p)); dir == "bin" || dir == "sbin" {
		return true
	}
	return extension != "" && extension != "d" && strings.Trim(extension, "0123456789") != ""
}

// String is for a person who wants to see why a build fails.
func (n *needs) String() string {
	return fmt.Sprintf("images %v, paths %v, users %v, programs %v", sortedKeys(n.images), sortedKeys(n.paths), sortedKeys(n.users), sortedKeys(n.programs))
}
