package buildcache

import (
	"context"
	"encoding/json"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/util/system"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// platform is the one that every build is compiled for.
var platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// bases answers for every base image without a registry: its configuration sets PATH and nothing
// else. It has a layer, for without one BuildKit takes the image for scratch. It is called from
// several goroutines.
type bases struct{}

func (bases) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var image dockerspec.DockerOCIImage
	image.Platform = platform
	if opt.ImageOpt != nil && opt.ImageOpt.Platform != nil {
		image.Platform = platforms.Normalize(*opt.ImageOpt.Platform)
	}
	image.RootFS = ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromString(ref)}}
	if image.OS != "windows" {
		image.Config.Env = []string{"PATH=" + system.DefaultPathEnv(image.OS)}
	}
	config, err := json.Marshal(image)
	return ref, "", config, err
}
