package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// WorkTree lists the files of the work tree as they are now, by path: in a git checkout those that git
// tracks or would track, else every file. progress, where not nil, is called with the number of
// files seen so far.
func (c *Checkout) WorkTree(ctx context.Context, progress func(files int)) ([]buildcontext.Entry, error) {
	l := lister{ctx: ctx, top: c.root, progress: progress}
	defer l.close()
	var err error
	if c.HasGit() {
		err = l.listed(c.git)
	} else {
		err = l.walk(c.root, "")
		slices.Sort(l.nested)
		c.Nested = slices.Compact(l.nested)
	}
	if err != nil {
		return nil, fmt.Errorf("list the work tree: %w", err)
	}
	slices.SortFunc(l.entries, func(a, b buildcontext.Entry) int { return strings.Compare(a.Path, b.Path) })
	return l.entries, nil
}

// maxIgnored bounds how many paths that git ignores are listed.
const maxIgnored = 5000

// Ignored lists what lies in the work tree and git ignores, by path: files, and folders of which it tracks
// nothing; not more than a bounded number of them. Without git there is none.
func (c *Checkout) Ignored(ctx context.Context) ([]string, error) {
	if !c.HasGit() {
		return nil, nil
	}
	out, err := c.git.run(ctx, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--no-empty-directory")
	if err != nil {
		return nil, fmt.Errorf("list what git ignores: %w", err)
	}
	paths := splitZero(out)
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, "/")
	}
	slices.Sort(paths)
	return paths[:min(len(paths), maxIgnored)], nil
}

// lister makes the entries of a work tree. It asks for each file in its directory, which is opened once:
// os.Root follows a path from the top for each question, and there is one for each file.
type lister struct {
	ctx      context.Context
	top      *os.Root
	progress func(files int)
	entries  []buildcontext.Entry
	nested   []string

	open []directory // from the top down to the last file's
}

type directory struct {
	path string // "" is the top
	root *os.Root
}

// listed makes entries of what git lists.
func (l *lister) listed(g git) error {
	out, err := g.run(l.ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	paths := splitZero(out)
	slices.Sort(paths)
	for _, p := range slices.Compact(paths) {
		dir, base := l.directory(p)
		info, err := l.look(dir, base, p)
		if err == nil && info != nil {
			err = l.add(dir, base, p, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walk makes entries of every file below a directory.
func (l *lister) walk(dir *os.Root, prefix string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	_ = f.Close() // nothing was written
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := l.look(dir, name, prefix+name)
		if err != nil {
			return err
		}
		if prefix != "" && info != nil && (name == ".git" || name == ".github" && info.IsDir()) {
			l.nested = append(l.nested, strings.TrimSuffix(prefix, "/"))
		}
		switch {
		case info == nil || info.IsDir() && name == ".git":
		case info.IsDir():
			below, err := dir.OpenRoot(name)
			if err != nil {
				return fmt.Errorf("look into %s: %w", prefix+name, err)
			}
			err = l.walk(below, prefix+name+"/")
			_ = below.Close() // nothing was written
			if err != nil {
				return err
			}
		default:
			if err := l.add(dir, name, prefix+name, info); err != nil {
				return err
			}
		}
	}
	return nil
}

// directory is the one that a path lies in, with the path from there: the path's last element, or, where
// the directory cannot be opened by itself (it is a link within the work tree, or gone), the whole path
// from the top.
func (l *lister) directory(p string) (dir *os.Root, base string) {
	parent := path.Dir(p)
	if parent == "." || strings.HasSuffix(p, "/") { // git lists another repository as "dir/"
		return l.top, p
	}
	for n := len(l.open); n > 0; n-- {
		last := l.open[n-1]
		if last.path == parent {
			return last.root, path.Base(p)
		}
		if strings.HasPrefix(parent, last.path+"/") {
			break
		}
		_ = last.root.Close() // nothing was written
		l.open = l.open[:n-1]
	}
	from, rest := l.top, parent
	if n := len(l.open); n > 0 {
		from, rest = l.open[n-1].root, parent[len(l.open[n-1].path)+1:]
	}
	root, err := from.OpenRoot(filepath.FromSlash(rest))
	if err != nil {
		return l.top, p
	}
	l.open = append(l.open, directory{parent, root})
	return root, path.Base(p)
}

func (l *lister) close() {
	for _, d := range l.open {
		_ = d.root.Close() // nothing was written
	}
}

// workObject is the object id of a work tree's file: the work tree is one tree, so its path is
// another text for every other content.
const workObject = "work:"

// look is what lies at a path from a directory; nil where it is gone.
func (l *lister) look(dir *os.Root, name, p string) (fs.FileInfo, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	info, err := dir.Lstat(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil //nolint:nilnil // in git's index, deleted from the work tree
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", p, err)
	}
	return info, nil
}

// add makes the entry of a file, by its path from a directory and its path in the work tree. Sockets, pipes
// and devices, which are never sent to a builder as files, have none.
func (l *lister) add(dir *os.Root, name, p string, info fs.FileInfo) error {
	if n := len(l.entries); l.progress != nil && n%1000 == 0 {
		l.progress(n)
	}
	entry := buildcontext.Entry{Path: p, Object: workObject + p, Size: info.Size()}
	switch mode := info.Mode(); {
	case mode&fs.ModeSymlink != 0:
		link, err := dir.Readlink(filepath.FromSlash(name))
		if err != nil {
			return fmt.Errorf("read the link %s: %w", p, err)
		}
		entry.Mode, entry.Link = buildcontext.ModeSymlink, filepath.ToSlash(link)
	case mode.IsDir():
		entry.Mode = buildcontext.ModeSubmodule // git lists a directory only for a submodule
	case !mode.IsRegular():
		return nil
	case mode&0o111 != 0:
		entry.Mode = buildcontext.ModeExecutable
	default:
		entry.Mode = buildcontext.ModeFile
	}
	l.entries = append(l.entries, entry)
	return nil
}
