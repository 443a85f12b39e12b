package checkout

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Root is the directory of the repository that a path belongs to, for Open: the git checkout that it
// lies in, else the nearest directory above it that holds .github, which GitHub reads at the root of a
// repository only. marked is false where there is neither: then it is the directory that the path is, and
// for a file the working directory from, where the file lies in it, else the file's own directory. A path
// that does not exist counts as a file.
func Root(from, path string) (root string, marked bool, err error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(from, path)
	}
	path = filepath.Clean(path)
	dir := path
	for !isDir(dir) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
	}
	file := dir != path
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", false, fmt.Errorf("find the repository of %s: %w", path, err)
	}
	for _, mark := range []string{".git", ".github"} {
		if root, found := above(dir, mark); found {
			return root, true, nil
		}
	}
	if from, err = filepath.EvalSymlinks(from); err != nil {
		return "", false, fmt.Errorf("find the working directory: %w", err)
	}
	if file && Within(from, dir) && from != filepath.Dir(from) {
		return from, false, nil
	}
	return dir, false, nil
}

// Within says whether a path is a directory or lies in it; both are absolute and clean.
func Within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// above finds the nearest directory that holds a name: dir itself or one above it.
func above(dir, name string) (string, bool) {
	for {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return "", false
		}
		dir = filepath.Dir(dir)
	}
}

// mayHaveGit says whether git can know of a repository that a directory lies in: to ask it costs more
// than to look at a small Dockerfile.
func mayHaveGit(dir string) bool {
	if os.Getenv("GIT_DIR") != "" {
		return true
	}
	if _, found := above(dir, ".git"); found {
		return true
	}
	_, bare := above(dir, "HEAD")
	return bare
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
