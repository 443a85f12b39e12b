package buildcontext

import (
	"context"
	"fmt"
	iofs "io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	continuityfs "github.com/containerd/continuity/fs"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// client is the daemon that dockerui talks to: it has the directories that a client sends.
type client struct {
	gateway.Client
	opts   map[string]string
	locals map[string]string // directories of the file system, by the name of the local source
}

func (c *client) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{Opts: c.opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(nil)}
}

func (c *client) Solve(_ context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	for _, encoded := range req.Definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(encoded); err != nil {
			return nil, err
		}
		if s := op.GetSource(); s != nil {
			result := gateway.NewResult()
			result.SetRef(&directory{dir: c.locals[strings.TrimPrefix(s.Identifier, "local://")]})
			return result, nil
		}
	}
	return nil, fmt.Errorf("no source in the definition")
}

type directory struct {
	gateway.Reference
	dir string
}

func (d *directory) ReadFile(_ context.Context, req gateway.ReadRequest) ([]byte, error) {
	p, err := continuityfs.RootPath(d.dir, req.Filename) // links stay inside, as in a snapshot
	if err != nil {
		return nil, err
	}
	return os.ReadFile(p)
}

func (d *directory) StatFile(context.Context, gateway.StatRequest) (*fstypes.Stat, error) {
	return nil, iofs.ErrNotExist // only the size counts
}

// seenByBuildKit is what BuildKit sees of a directory for one build: dockerui chooses the ignore file and
// reads its patterns, and the sender of buildx's sessions walks the files.
func seenByBuildKit(ctx context.Context, root string, b Build) ([]string, error) {
	dir := filepath.Join(root, b.Context)
	c := &client{
		opts:   map[string]string{"filename": path.Base(b.Dockerfile)},
		locals: map[string]string{"context": dir, "dockerfile": filepath.Join(root, path.Dir(b.Dockerfile))},
	}
	if b.Kind == Git {
		// dockerui reads no ignore file of a context that the daemon clones; there is nothing to read here.
		return walked(ctx, dir, nil)
	}
	ui, err := dockerui.NewClient(c)
	if err != nil {
		return nil, err
	}
	if _, err := ui.ReadEntrypoint(ctx, "Dockerfile"); err != nil {
		return nil, err
	}
	excludes, err := ui.DockerIgnorePatterns(ctx)
	if err != nil {
		return nil, err
	}
	return walked(ctx, dir, excludes)
}

func walked(ctx context.Context, dir string, excludes []string) ([]string, error) {
	all, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	left, err := fsutil.NewFilterFS(all, &fsutil.FilterOpt{ExcludePatterns: excludes})
	if err != nil {
		return nil, err
	}
	var paths []string
	err = left.Walk(ctx, "", func(p string, _ iofs.DirEntry, err error) error {
		paths = append(paths, p)
		return err
	})
	slices.Sort(paths)
	return paths, err
}

// seenByUs are the files and directories of a context.
func seenByUs(c *Context) []string {
	paths := map[string]bool{}
	add := func(p string) {
		for ; p != "." && !paths[p]; p = path.Dir(p) {
			paths[p] = true
		}
	}
	for _, e := range c.Tree.Entries {
		add(e.Path)
	}
	for _, dir := range c.EmptyDirs {
		add(dir)
	}
	return slices.Sorted(maps.Keys(paths))
}

// Random trees and ignore files, seen by BuildKit's own code and by ours. HITRATE_SEED repeats one.
func TestSeesWhatBuildKitSees(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("HITRATE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("HITRATE_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const rounds = 120
	refused := 0
	for round := range rounds {
		files, b := randomTree(r)
		root := t.TempDir()
		var entries []Entry
		for p, text := range files {
			if err := os.MkdirAll(filepath.Join(root, path.Dir(p)), 0o755); err != nil {
				t.Fatal(err)
			}
			e := Entry{Path: p, Mode: ModeFile, Object: text}
			if target, isLink := strings.CutPrefix(text, "-> "); isLink {
				e.Mode, e.Link = ModeSymlink, target
				if err := os.Symlink(target, filepath.Join(root, p)); err != nil {
					t.Fatal(err)
				}
			} else if err := os.WriteFile(filepath.Join(root, p), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		want, theirs := seenByBuildKit(t.Context(), root, b)
		c, ours := Open(NewTree(entries), b, func(p string) ([]byte, error) { return []byte(files[p]), nil })
		if (theirs != nil) != (ours != nil) {
			t.Fatalf("round %d: BuildKit says %v, we say %v\n%q", round, theirs, ours, files)
		}
		if ours != nil {
			refused++
			continue
		}
		if diff := cmp.Diff(want, seenByUs(c)); diff != "" {
			t.Fatalf("round %d: %+v\n%q\n-BuildKit +ours:\n%s", round, b, files, diff)
		}
	}
	if refused > rounds/2 {
		t.Errorf("%d of %d ignore files were refused: the test compares too little", refused, rounds)
	}
}

// randomTree makes files (a path and its text, "-> " and a target for a link) and how they are built.
func randomTree(r *rand.Rand) (map[string]string, Build) {
	names := []string{"a", "b", "ab", "a.py", "b.txt", "lib", ".git", ".env", "Makefile", "x y", "ä"}
	one := func(list []string) string { return list[r.IntN(len(list))] }
	b := Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}
	if r.IntN(3) == 0 {
		b.Dockerfile = "docker/app.Dockerfile"
	}
	if r.IntN(3) == 0 {
		b.Context = "lib"
	}
	files := map[string]string{b.Dockerfile: "FROM scratch\n", path.Join(b.Context, "file"): "x"}
	isDir := func(p string) bool {
		for f := range files {
			if strings.HasPrefix(f, p+"/") {
				return true
			}
		}
		return false
	}
	add := func(p, text string) {
		for dir := p; dir != "."; dir = path.Dir(dir) {
			if _, taken := files[dir]; taken {
				return
			}
		}
		if !isDir(p) {
			files[p] = text
		}
	}
	for range 3 + r.IntN(20) {
		p := one(names)
		for range r.IntN(4) {
			p += "/" + one(names)
		}
		text := "text"
		if r.IntN(8) == 0 {
			text = "-> " + one(names)
		}
		add(p, text)
	}
	for _, p := range []string{b.Dockerfile + ".dockerignore", path.Join(b.Context, ".dockerignore"), ".dockerignore", "Dockerfile.dockerignore"} {
		switch r.IntN(8) {
		case 0, 1:
		case 2:
			add(p, "-> "+one([]string{".dockerignore", "../.dockerignore", "lib/.dockerignore", "/.dockerignore", "lib", "nowhere"}))
		default:
			add(p, randomIgnore(r, names))
		}
	}
	return files, b
}

func randomIgnore(r *rand.Rand, names []string) string {
	one := func(list []string) string { return list[r.IntN(len(list))] }
	var lines []string
	for range r.IntN(6) {
		var parts []string
		for range 1 + r.IntN(3) {
			parts = append(parts, one(append([]string{"*", "**", "*.py", "?", "[ab]", "a*", `\a`, "..", ".", "lib", "lib"}, names...)))
		}
		line := strings.Join(parts, "/")
		switch r.IntN(8) {
		case 0, 1:
			line = "!" + line
		case 2:
			line = "/" + line
		case 3:
			line += "/"
		case 4:
			line = "  " + line + "  "
		case 5:
			line = "#" + line
		}
		if r.IntN(40) == 0 {
			line += one([]string{"[", "!", `\`, "[]a]"})
		}
		lines = append(lines, line)
	}
	return one([]string{"", "", "\ufeff"}) + strings.Join(lines, one([]string{"\n", "\n", "\r\n"}))
}

// What it costs to ask dockerui for the ignore file of a build.
func BenchmarkFindIgnore(b *testing.B) {
	tree := treeOf("Dockerfile\n.dockerignore\na.py")
	for b.Loop() {
		file, _, err := findIgnore(tree, Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}, func(string) ([]byte, error) { return []byte("a\nb\n"), nil })
		if err != nil || file != ".dockerignore" {
			b.Fatal(file, err)
		}
	}
}
