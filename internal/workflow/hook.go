package workflow

import (
	"path"
)

// hook reads hooks/build, which Docker Hub's automated builds run instead of their own docker build: in
// the folder that holds the Dockerfile and hooks, with the commit and the Dockerfile's path in variables.
// Source: Docker's documentation, "Advanced automated builds".
func (r *reader) hook() {
	dir := path.Dir(path.Dir(r.file.Path))
	if dir == "." {
		dir = ""
	}
	var shell shellReader
	shell.read(script{text: string(r.file.Data), line: 1, dir: dir, lookup: func(name string) (string, bool) {
		switch name {
		case "SOURCE_COMMIT":
			return volatileText, true
		case "DOCKERFILE_PATH":
			return "Dockerfile", r.exists(path.Join(dir, "Dockerfile"))
		}
		return "", false
	}})
	r.commands(&shell, inRepository, elsewhere)
}
