package buildcache

import (
	"encoding/json"
	"fmt"
	"strings"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
)

// imageJSON is an image's configuration in a form that compares: what only tells how it came about
// is dropped, Env is a map (two images whose variables were set in another order run the same), and
// encoding/json sorts the keys.
func imageJSON(image dockerspec.DockerOCIImage) ([]byte, error) {
	text, err := json.Marshal(image)
	if err != nil {
		return nil, fmt.Errorf("encode image configuration: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("decode image configuration: %w", err)
	}
	for _, name := range []string{"history", "created", "rootfs"} {
		delete(fields, name)
	}
	if config, ok := fields["config"].(map[string]any); ok {
		env := map[string]string{}
		for _, pair := range image.Config.Env {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		config["Env"] = env
	}
	return json.Marshal(fields)
}
