package lab

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	gopath "path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/moby/buildkit/client"
)

// Result is an image as a person has it who pulls it: paths, and the configuration.
type Result struct {
	Files  map[string]string // type, mode, owner and contents of each path, as text
	Config map[string]any    // without history, creation time and layers; Env as a map
	texts  map[string]string // what stands in small files, to show it
}

// Result builds the side and exports it.
func (s Side) Result(ctx context.Context, d *Daemon, images *Images) (*Result, error) {
	dir, b, err := s.write()
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	at := filepath.Join(dir, ".lab-result.tar") // written when the context has been read
	_, config, err := d.run(ctx, images, b, []client.ExportEntry{{
		Type:   client.ExporterTar,
		Output: func(map[string]string) (io.WriteCloser, error) { return os.Create(at) },
	}})
	if err != nil {
		return nil, err
	}
	r := &Result{Files: map[string]string{}, texts: map[string]string{}}
	if err := r.read(at); err != nil {
		return nil, err
	}
	// The Dockerfile and the ignore file, where the image holds them, have another text: that is what was suggested.
	r.forget(b.File)
	r.forget(".dockerignore")
	r.forget(b.File + ".dockerignore")
	return r, r.configure(config)
}

// read takes the files of an exported image.
func (r *Result) read(at string) error {
	f, err := os.Open(at)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	const small = 500 // bytes
	for files := tar.NewReader(f); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read an image: %w", err)
		}
		all, text := sha256.New(), &strings.Builder{}
		var into io.Writer = all
		if h.Size <= small {
			into = io.MultiWriter(all, text)
		}
		if _, err := io.Copy(into, files); err != nil {
			return fmt.Errorf("read an image: %w", err)
		}
		p := "/" + strings.Trim(h.Name, "/")
		r.Files[p] = fmt.Sprintf("%c %#o %d:%d %s %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname, all.Sum(nil)[:8])
		r.texts[p] = text.String()
	}
}

func (r *Result) configure(text []byte) error {
	if err := json.Unmarshal(text, &r.Config); err != nil {
		return fmt.Errorf("read an image's configuration: %w", err)
	}
	for _, name := range []string{"history", "created", "rootfs"} {
		delete(r.Config, name)
	}
	if config, ok := r.Config["config"].(map[string]any); ok {
		list, _ := config["Env"].([]any)
		env := map[string]string{}
		for _, pair := range list {
			name, value, _ := strings.Cut(fmt.Sprint(pair), "=")
			env[name] = value
		}
		config["Env"] = env
	}
	return nil
}

// sum is how a file's contents are told.
func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", s[:8])
}

// forget leaves out the contents of the files of a name.
func (r *Result) forget(name string) {
	for p, f := range r.Files {
		if gopath.Base(p) == name {
			r.Files[p] = f[:strings.LastIndexByte(f, ' ')]
		}
	}
}

// Differences lists, for people, what is another in a second image, apart from paths that may be, and from files
// that hold a text which was edited, before, and the edited text after.
func (r *Result) Differences(other *Result, may func(path string) bool, edited [][2]string) []string {
	isEdited := func(was, is string) bool {
		return slices.ContainsFunc(edited, func(e [2]string) bool {
			rest, found := strings.CutSuffix(was, sum(e[0]))
			return found && rest+sum(e[1]) == is
		})
	}
	var out []string
	for _, p := range sortedKeys(r.Files) {
		is, there := other.Files[p]
		switch {
		case may(p):
		case !there:
			out = append(out, "gone: "+p)
		case is != r.Files[p] && !isEdited(r.Files[p], is):
			out = append(out, fmt.Sprintf("%s: %s, was %s", p, is, r.Files[p]))
			if is, was := other.texts[p], r.texts[p]; is != was {
				out = append(out, fmt.Sprintf("%s: %q, was %q", p, is, was))
			}
		}
	}
	for _, p := range sortedKeys(other.Files) {
		if _, there := r.Files[p]; !there && !may(p) {
			out = append(out, "new: "+p)
		}
	}
	slices.Sort(out)
	if !reflect.DeepEqual(r.Config, other.Config) {
		out = append(out, fmt.Sprintf("configuration %v, was %v", other.Config, r.Config))
	}
	return out
}
