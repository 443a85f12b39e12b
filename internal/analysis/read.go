package analysis

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// maxText is the largest file that is read, in bytes.
const maxText = 1_000_000

// maxLinks is how many symbolic links are followed to one file.
const maxLinks = 10

var (
	errTooLarge  = errors.New("larger than 1 MB")
	errBinary    = errors.New("not a text file")
	errLink      = errors.New("a symbolic link")
	errSubmodule = errors.New("a submodule")
)

// unfit says why an object's text is not worth reading; nil where it is.
func unfit(data []byte) error {
	switch {
	case len(data) > maxText:
		return errTooLarge
	case bytes.IndexByte(data, 0) >= 0:
		return errBinary
	}
	return nil
}

// read gives the text of a repository file; see rules.Input.Read.
func (a *run) read(p string) (*source.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if file, ok := a.texts[p]; ok {
		return file, nil
	}
	if err, ok := a.lost[p]; ok {
		return nil, err
	}
	entry, err := a.follow(p)
	if err != nil {
		return nil, err
	}
	if reason, ok := a.Unreadable[entry.Object]; ok {
		return nil, errors.New(reason)
	}
	if entry.Size > maxText {
		return nil, errTooLarge
	}
	data, ok := a.Blobs[entry.Object]
	switch {
	case !ok && a.fetch == nil:
		a.needs[entry.Object] = true
		return nil, rules.ErrNeeded
	case !ok:
		data, err = a.fetch(entry)
	}
	if err == nil {
		err = unfit(data)
	}
	if err != nil {
		// What is in the tree and cannot be read is not what is not there, whatever its error says.
		a.lost[p] = errors.New(err.Error())
		return nil, a.lost[p]
	}
	file := source.New(p, data)
	a.texts[p] = file
	return file, nil
}

// follow finds the file at a path, through symbolic links whose text is known.
func (a *run) follow(p string) (buildcontext.Entry, error) {
	at := p
	for range maxLinks {
		entry, found := a.tree.Lookup(at)
		switch {
		case !found:
			return entry, fmt.Errorf("read %s: %w", p, fs.ErrNotExist)
		case entry.Mode == buildcontext.ModeSubmodule:
			return entry, errSubmodule
		case entry.Mode != buildcontext.ModeSymlink:
			return entry, nil
		case entry.Link == "" || path.IsAbs(entry.Link):
			return entry, errLink
		}
		if at = path.Join(path.Dir(at), entry.Link); strings.HasPrefix(at, "../") {
			return entry, errLink
		}
	}
	return buildcontext.Entry{}, errLink
}
