package buildcache

import (
	"context"
	"errors"
	"strings"

	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerui"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// namedLocal begins the names of local sources that stand for named contexts; the rest is the
// context's own name.
const namedLocal = "named:"

// unknownSource is what a named context is read from whose files come from somewhere that is not
// known: a source over the network, which may be another with each build. The host cannot exist (RFC
// 2606).
const unknownSource = "https://unknown.invalid/"

// withContexts is BuildKit's own client of a frontend, which knows the named contexts of a build and
// replaces stages and images by them. What it asks its daemon is answered here: the ignore file of a
// directory is applied where its files are read, and every image is the same canned one.
func (c *compiler) withContexts(target string, args map[string]string) (*dockerui.Client, error) {
	opts := map[string]string{"target": target}
	for name, value := range args {
		opts["build-arg:"+name] = value
	}
	for name, value := range c.in.Contexts {
		if name, ok := buildcontext.ContextName(name); ok {
			opts["context:"+name] = contextSource(name, value)
		}
	}
	return dockerui.NewClient(&daemon{opts: opts})
}

// contextSource is a named context as buildx passes it on to the frontend.
func contextSource(name, value string) string {
	scheme, rest, _ := strings.Cut(value, ":")
	switch {
	case buildcontext.IsDirectory(value):
		return "local:" + namedLocal + name
	case scheme == "docker-image":
		if _, err := reference.ParseNormalizedNamed(strings.TrimPrefix(rest, "//")); err == nil {
			return value
		}
	case scheme == "http", scheme == "https", scheme == "git":
		if _, isGit, err := dockerui.DetectGitContext(value, nil); !isGit && scheme != "git" || isGit && err == nil {
			return value
		}
	}
	return unknownSource + name
}

// daemon answers what dockerui asks while a Dockerfile is compiled.
type daemon struct {
	bases
	gateway.Client // the rest of the interface, which is never called
	opts           map[string]string
}

func (d *daemon) BuildOpts() gateway.BuildOpts {
	return gateway.BuildOpts{Opts: d.opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(nil), Workers: []gateway.WorkerInfo{{Platforms: []ocispecs.Platform{platform}}}}
}

func (d *daemon) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return d.bases.ResolveImageConfig(ctx, ref, opt)
}

// Solve is asked for the ignore files of directories.
func (d *daemon) Solve(context.Context, gateway.SolveRequest) (*gateway.Result, error) {
	result := gateway.NewResult()
	result.SetRef(noFiles{})
	return result, nil
}

// noFiles is a directory without files.
type noFiles struct{ gateway.Reference }

var errNoFiles = errors.New("no such file")

func (noFiles) ReadFile(context.Context, gateway.ReadRequest) ([]byte, error) { return nil, errNoFiles }

func (noFiles) StatFile(context.Context, gateway.StatRequest) (*fstypes.Stat, error) {
	return nil, errNoFiles
}
