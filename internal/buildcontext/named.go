package buildcontext

import "strings"

// UnknownContext is the value of a named context whose files come from somewhere that is not written down.
const UnknownContext = "?"

// addressPrefixes begin the values of named contexts that buildx does not take for directories.
// Source: docker/buildx, "Additional build contexts".
var addressPrefixes = []string{"docker-image://", "oci-layout://", "target:", "input:", "http://", "https://", "git://", "ssh://", "git@", "github.com/", "service:"}

// IsDirectory says whether the value of a named context is a directory.
func IsDirectory(value string) bool {
	for _, prefix := range addressPrefixes {
		if strings.HasPrefix(value, prefix) {
			return false
		}
	}
	return value != "" && value != UnknownContext
}
