package buildcontext

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"
)

// UnknownContext is the value of a named context whose files come from somewhere that is not written down.
const UnknownContext = "?"

// addressPrefixes begin the values of named contexts that buildx and compose do not take for
// directories. Source: Docker's reference, "docker buildx build --build-context", and the Compose
// Specification, "additional_contexts".
var addressPrefixes = []string{"docker-image://", "oci-layout://", "target:", "input:", "service:", "http://", "https://", "git://", "ssh://", "git@", "github.com/"}

// maxContexts is the most named contexts of one build.
const maxContexts = 100

// IsDirectory says whether the value of a named context is a directory.
func IsDirectory(value string) bool {
	for _, prefix := range addressPrefixes {
		if strings.HasPrefix(value, prefix) {
			return false
		}
	}
	return value != "" && value != UnknownContext
}

// ContextName is the name of a named context as BuildKit knows it: that of an image, without the default
// registry and tag. ok is false for one that buildx refuses.
func ContextName(name string) (_ string, ok bool) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", false
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), true
}

// openNamed opens the named contexts of a build that are directories of the repository: each with the
// .dockerignore in it, and none other.
func openNamed(tree Tree, b Build, read func(path string) ([]byte, error)) (map[string]*Context, error) {
	if len(b.Contexts) > maxContexts {
		return nil, fmt.Errorf("the build has %d named contexts; hitrate reads up to %d", len(b.Contexts), maxContexts)
	}
	var all map[string]*Context
	var failed error
	for name, value := range b.Contexts {
		name, ok := ContextName(name)
		if !ok || !IsDirectory(value) {
			continue
		}
		dir := clean(value)
		c := &Context{Build: Build{Kind: Local, Context: dir}, All: tree.sub(dir)}
		file, text, err := ignoreIn(tree, dir, read)
		if err == nil {
			err = c.ignoring(file, text)
		}
		if err != nil {
			failed = errors.Join(failed, err) // the others may need to be read too
			continue
		}
		if all == nil {
			all = map[string]*Context{}
		}
		all[name] = c
	}
	return all, failed
}
