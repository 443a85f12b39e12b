package buildcontext

import "fmt"

// Judge says of paths, one by one, whether a context's ignore file leaves them out. What it has said of a
// directory it remembers: walking a history asks for a few paths of each commit. It is for one goroutine.
type Judge struct{ walk *walk }

// Judge returns a judge with the budget of one tree.
func (c *Context) Judge() *Judge {
	if c.ignore == nil {
		return &Judge{}
	}
	return &Judge{walk: c.ignore.walk()}
}

// File says whether the ignore file leaves out a file, by its path in the context directory. Its error is
// an *IgnoreError.
func (j *Judge) File(p string) (out bool, err error) {
	return j.ask(p, (*walk).file)
}

// Dir says it of a directory. One that is left in is seen by BuildKit as long as the tree has a file in it,
// also where all of these are left out.
func (j *Judge) Dir(p string) (out bool, err error) {
	return j.ask(p, func(w *walk, p string) (verdict, error) { return w.parent(p + "/x") })
}

func (j *Judge) ask(p string, judge func(*walk, string) (verdict, error)) (bool, error) {
	if j.walk == nil {
		return false, nil
	}
	if tooDeep(p) {
		return false, &IgnoreError{Path: j.walk.ig.path, Message: fmt.Sprintf("a path of the repository is longer than %d bytes or deeper than %d directories", maxPath, maxDepth)}
	}
	j.walk.ig.mu.Lock()
	defer j.walk.ig.mu.Unlock()
	v, err := judge(j.walk, p)
	return v.out, err
}
