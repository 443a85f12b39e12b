package lab

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
)

// Build is one build by the daemon.
type Build struct {
	Context    string // directory
	Dockerfile string // directory of the Dockerfile
	File       string // its name there
	Target     string
	Args       map[string]string
	Images     map[string]digest.Digest // the base image behind each name
	Contexts   map[string]string        // directories of named contexts
}

// Observed is what the daemon did with one step.
type Observed struct {
	Name   string
	Lines  []int // the last line of each instruction that it stands for
	Cached bool
}

// Run builds, and returns what was done with each step, in no order. Steps are operations that work
// on files: not sources, and not the merge of COPY --link.
func (d *Daemon) Run(ctx context.Context, images *Images, b Build) ([]Observed, error) {
	observed, _, err := d.run(ctx, images, b, nil)
	return observed, err
}

// run exports the result where there are exports, and returns the image's configuration.
func (d *Daemon) run(ctx context.Context, images *Images, b Build, exports []client.ExportEntry) (_ []Observed, config []byte, _ error) {
	contextDir, err := fsutil.NewFS(b.Context)
	if err != nil {
		return nil, nil, err
	}
	dockerfileDir, err := fsutil.NewFS(b.Dockerfile)
	if err != nil {
		return nil, nil, err
	}
	// "cmdline" says that a syntax line has been followed: this frontend is the one that is meant.
	attrs := map[string]string{"filename": b.File, "target": b.Target, "cmdline": "followed"}
	mounts := map[string]fsutil.FS{"context": contextDir, "dockerfile": dockerfileDir}
	for name, value := range b.Args {
		attrs["build-arg:"+name] = value
	}
	for name, d := range b.Images {
		attrs["context:"+name] = "oci-layout://lab@" + d.String()
	}
	for name, dir := range b.Contexts {
		if mounts[name], err = fsutil.NewFS(dir); err != nil {
			return nil, nil, err
		}
		attrs["context:"+name] = "local:" + name
	}
	opt := client.SolveOpt{
		FrontendAttrs: attrs,
		Exports:       exports,
		LocalMounts:   mounts,
		OCIStores:     map[string]content.Store{"lab": images.Store},
		Session:       []session.Attachable{secretsprovider.NewSecretProvider(anySecret{})},
	}

	var seen recorder
	status := make(chan *client.SolveStatus)
	vertexes := map[digest.Digest]*client.Vertex{}
	var printed []byte
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := range status {
			for _, l := range s.Logs {
				printed = append(printed, l.Data...)
			}
			for _, v := range s.Vertexes {
				last := vertexes[v.Digest]
				if last != nil {
					v.Cached = v.Cached || last.Cached
				}
				vertexes[v.Digest] = v
			}
		}
	}()
	_, err = d.Client.Build(ctx, opt, "hitrate-lab", func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		result, err := builder.Build(ctx, &recordingClient{Client: c, recorder: &seen})
		if err == nil {
			config = result.Metadata[exptypes.ExporterImageConfigKey]
		}
		return result, err
	}, status)
	<-read
	d.mounted = d.mounted || seen.mounted
	if err != nil {
		return nil, nil, fmt.Errorf("%w\n%s", err, printed[max(0, len(printed)-1000):])
	}
	var out []Observed
	for id, s := range seen.steps {
		v := vertexes[id]
		if v == nil {
			return nil, nil, fmt.Errorf("the daemon said nothing of %s, lines %v", s.Name, s.Lines)
		}
		out = append(out, Observed{Name: v.Name, Lines: s.Lines, Cached: v.Cached})
	}
	return out, config, nil
}

// anySecret has a value for every name.
type anySecret struct{}

func (anySecret) GetSecret(_ context.Context, id string) ([]byte, error) { return []byte(id), nil }

// recorder keeps the steps of the definition that the frontend asks to be built: its source map says
// which instruction each of them is.
type recorder struct {
	mu      sync.Mutex
	steps   map[digest.Digest]Observed
	mounted bool // there is a cache mount
}

type recordingClient struct {
	gateway.Client
	*recorder
}

func (c *recordingClient) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if req.Definition != nil && req.Definition.Source != nil {
		steps, mounted, err := stepsOf(req.Definition)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		c.mounted = c.mounted || mounted
		if c.steps == nil {
			c.steps = map[digest.Digest]Observed{}
		}
		maps.Copy(c.steps, steps)
		c.mu.Unlock()
	}
	return c.Client.Solve(ctx, req)
}

// stepsOf are a definition's steps, and whether one of them has a cache mount.
func stepsOf(definition *pb.Definition) (_ map[digest.Digest]Observed, mounted bool, _ error) {
	steps := map[digest.Digest]Observed{}
	for _, text := range definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(text); err != nil {
			return nil, false, err
		}
		if op.GetExec() == nil && op.GetFile() == nil {
			continue
		}
		mounted = mounted || slices.ContainsFunc(op.GetExec().GetMounts(), func(m *pb.Mount) bool { return m.MountType == pb.MountType_CACHE })
		id := digest.FromBytes(text)
		var s Observed
		for _, l := range definition.Source.Locations[id.String()].GetLocations() {
			last := 0
			for _, r := range l.GetRanges() {
				last = max(last, int(r.GetEnd().GetLine()))
			}
			s.Lines = append(s.Lines, last)
		}
		if len(s.Lines) > 0 {
			steps[id] = s
		}
	}
	return steps, mounted, nil
}
