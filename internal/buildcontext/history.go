package buildcontext

// Commit is one commit of a history, as what it changed: enough to walk from a tree back to the tree
// of its first parent.
type Commit struct {
	ID      string   `json:"id"`
	Changes []Change `json:"changes"`
}

// Change is one path that a commit changed. A zero entry (no Mode) is a file that is not there. The
// text of a link is there where it is known.
type Change struct {
	Old Entry `json:"old"`
	New Entry `json:"new"`
}

// History is the last commits of a branch, newest first, along first parents. The tree that the oldest
// one changed is where counting begins.
type History struct {
	Branch string `json:"branch"`
	// Tree is the newest commit's.
	Tree    []Entry  `json:"tree"`
	Commits []Commit `json:"commits"`
}
