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
	r := &Result{}
	if r.Files, err = readFiles(at); err != nil {
		return nil, err
	}
	return r, r.configure(config)
}

func readFiles(at string) (map[string]string, error) {
	f, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	files := map[string]string{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read an image: %w", err)
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			return nil, fmt.Errorf("read an image: %w", err)
		}
		files["/"+strings.Trim(h.Name, "/")] = fmt.Sprintf("%c %#o %d:%d %s %x", h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname, sum.Sum(nil)[:8])
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

// forget leaves out the contents of the files of a name.
func (r *Result) forget(name string) {
	for p, f := range r.Files {
		if gopath.Base(p) == name {
			r.Files[p] = f[:strings.LastIndexByte(f, ' ')]
		}
	}
}

// Differences lists, for people, what is another in a second image, apart from paths that may be.
func (r *Result) Differences(other *Result, may func(path string) bool) []string {
	var out []string
	for _, p := range sortedKeys(r.Files) {
		is, there := other.Files[p]
		switch {
		case may(p):
		case !there:
			out = append(out, "gone: "+p)
		case is != r.Files[p]:
			out = append(out, fmt.Sprintf("%s: %s, was %s", p, is, r.Files[p]))
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
