package buildcontext

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// findIgnore asks BuildKit's own dockerui which ignore file a build has, through a client of its gateway
// that answers from the tree. It returns the repository's path of the file and its text; "" for none.
// Asking costs less than 0.3 ms. Which files are left is then computed here, for trees of a hundred thousand
// files and paths that need not exist; that it is what BuildKit's session sends is tested on random trees
// (TestSeesWhatBuildKitSees).
func findIgnore(tree Tree, b Build, read func(path string) ([]byte, error)) (string, []byte, error) {
	if b.Kind == Git {
		return "", nil, nil // dockerui reads none of a context that is not local
	}
	dockerfile := clean(b.Dockerfile)
	a := &answers{
		tree: tree, read: read, dockerfile: dockerfile,
		opts: map[string]string{"filename": path.Base(dockerfile)},
		dirs: map[string]string{"local://context": clean(b.Context), "local://dockerfile": path.Dir("/" + dockerfile)[1:]},
	}
	ui, err := dockerui.NewClient(a)
	if err == nil {
		_, err = ui.ReadEntrypoint(context.Background(), "Dockerfile")
	}
	if err == nil {
		_, err = ui.DockerIgnorePatterns(context.Background())
	}
	switch {
	case a.failed != nil:
		return "", nil, a.failed
	case a.ignoreFile != "":
		return a.ignoreFile, a.ignoreText, nil // an error is about its text: found again, with the line
	case err != nil:
		return "", nil, fmt.Errorf("find the ignore file of %s: %w", b.Dockerfile, err)
	}
	return "", nil, nil
}

// ignoreIn is the ignore file of a named context, the one in its directory.
func ignoreIn(tree Tree, dir string, read func(path string) ([]byte, error)) (string, []byte, error) {
	s := &sent{answers: &answers{tree: tree, read: read}, dir: dir}
	if _, err := s.ReadFile(context.Background(), gateway.ReadRequest{Filename: dockerui.DefaultDockerignoreName}); err != nil {
		return "", nil, s.failed // nil where there is none
	}
	return s.ignoreFile, s.ignoreText, nil
}

// answers are those of a daemon to which a client sends directories of a tree.
type answers struct {
	gateway.Client // the rest of the interface, which is not called
	tree           Tree
	read           func(path string) ([]byte, error)
	dockerfile     string
	opts           map[string]string
	dirs           map[string]string // by the identifier of the local source

	ignoreFile string
	ignoreText []byte
	failed     error // of read
}

func (a *answers) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{Opts: a.opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(nil)}
}

// Solve is asked for a directory that holds the Dockerfile or an ignore file.
func (a *answers) Solve(_ context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	for _, encoded := range req.Definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(encoded); err != nil {
			return nil, fmt.Errorf("decode definition: %w", err)
		}
		if s := op.GetSource(); s != nil {
			result := gateway.NewResult()
			result.SetRef(&sent{answers: a, dir: a.dirs[s.Identifier]})
			return result, nil
		}
	}
	return nil, fmt.Errorf("solve: the definition has no source")
}

// sent is one directory of the tree.
type sent struct {
	gateway.Reference
	*answers
	dir string
}

// StatFile gives no sizes: the limits here are lower than those it is asked for.
func (*sent) StatFile(context.Context, gateway.StatRequest) (*fstypes.Stat, error) {
	return nil, fs.ErrNotExist
}

// ReadFile follows links inside the directory, as a client sends them.
func (s *sent) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	name := path.Join(s.dir, req.Filename)
	if name == s.dockerfile {
		return []byte("FROM scratch\n"), nil // what is in it does not matter here
	}
	if _, found := s.tree.Lookup(name); !found || !strings.HasSuffix(name, ".dockerignore") {
		return nil, fs.ErrNotExist
	}
	below := s.tree.sub(s.dir)
	real, followed := below.resolve(req.Filename)
	if !followed && s.failed == nil {
		if e, found := below.Lookup(real); found && e.Link == "" {
			s.failed = &IgnoreError{Path: name, Message: "a symbolic link whose target is not known"}
		}
	}
	if e, found := below.Lookup(real); !followed || !found || e.Mode == ModeSubmodule {
		return nil, fs.ErrNotExist // to BuildKit a link that leads nowhere is no ignore file either
	}
	text, err := s.read(path.Join(s.dir, real))
	if err != nil {
		if s.failed == nil {
			s.failed = fmt.Errorf("read %s: %w", name, err)
		}
		return nil, err
	}
	s.ignoreFile, s.ignoreText = name, text
	if text == nil {
		text = []byte{}
	}
	return text, nil
}
