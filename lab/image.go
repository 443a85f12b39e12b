package lab

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Images is an OCI layout of base images. Those that Add makes are Debian's static busybox.
type Images struct {
	Store content.Store
	dir   string
	layer ocispecs.Descriptor
}

// path is the variable that the model assumes of every base image.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// LayerFile is one path of a layer: a directory where the name ends in a slash, a symbolic link
// where there is a link, else a file.
type LayerFile struct {
	Name, Link string
	Mode       int64
	Owner      int // user and group
	Data       []byte
}

// NewImages writes the layout into a directory.
func NewImages(dir string) (*Images, error) {
	i := &Images{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "blobs", "sha256"), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("busybox")
	if err != nil {
		return nil, &Unavailable{err.Error()}
	}
	busybox, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	files := append(skeleton(), LayerFile{Name: "bin/busybox", Mode: 0o755, Data: busybox})
	for _, applet := range []string{"sh", "cat", "cp", "date", "echo", "false", "id", "ls", "mkdir", "mv", "rm", "sleep", "test", "touch", "true"} {
		files = append(files, LayerFile{Name: "bin/" + applet, Link: "busybox"})
	}
	files = append(files, accounts(map[string]int{"app": 1000})...)
	if i.layer, err = i.Layer(files); err != nil {
		return nil, err
	}
	i.Store, err = local.NewStore(dir)
	return i, err
}

// skeleton is the directories that every system has.
func skeleton() []LayerFile {
	var files []LayerFile
	for _, d := range []string{"bin/", "etc/", "tmp/", "root/", "proc/", "sys/", "dev/", "home/", "media/", "mnt/", "opt/", "run/", "sbin/", "srv/", "usr/", "var/"} {
		files = append(files, LayerFile{Name: d, Mode: 0o755})
	}
	return files
}

// accounts are the files that name root and users, each with a group of its own.
func accounts(ids map[string]int) []LayerFile {
	passwd, group := "root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n"
	for _, name := range sortedKeys(ids) {
		passwd += fmt.Sprintf("%s:x:%d:%d:%s:/home/%s:/bin/sh\n", name, ids[name], ids[name], name, name)
		group += fmt.Sprintf("%s:x:%d:\n", name, ids[name])
	}
	return []LayerFile{{Name: "etc/passwd", Mode: 0o644, Data: []byte(passwd)}, {Name: "etc/group", Mode: 0o644, Data: []byte(group)}}
}

// Layer writes a layer of files, in their order.
func (i *Images) Layer(files []LayerFile) (ocispecs.Descriptor, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Name: f.Name, Linkname: f.Link, Mode: f.Mode, Size: int64(len(f.Data)), Uid: f.Owner, Gid: f.Owner, ModTime: time.Unix(0, 0)}
		if f.Link != "" {
			h.Typeflag, h.Mode = tar.TypeSymlink, 0o777
		}
		if err := w.WriteHeader(&h); err != nil {
			return ocispecs.Descriptor{}, fmt.Errorf("write %s into a layer: %w", f.Name, err)
		}
		if _, err := w.Write(f.Data); err != nil {
			return ocispecs.Descriptor{}, fmt.Errorf("write %s into a layer: %w", f.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return ocispecs.Descriptor{}, fmt.Errorf("write a layer: %w", err)
	}
	return i.blob(ocispecs.MediaTypeImageLayer, b.Bytes())
}

// Add makes an image; two with one label are the same. The layers are always equal.
func (i *Images) Add(label string) (digest.Digest, error) { return i.AddOn(label, i.layer) }

// AddOn makes an image of layers, the lowest first.
func (i *Images) AddOn(label string, layers ...ocispecs.Descriptor) (digest.Digest, error) {
	return i.AddConfigured(label, ocispecs.ImageConfig{}, layers...)
}

// AddConfigured is AddOn with more of a configuration than PATH.
func (i *Images) AddConfigured(label string, own ocispecs.ImageConfig, layers ...ocispecs.Descriptor) (digest.Digest, error) {
	own.Env = append([]string{path}, own.Env...)
	own.Labels = map[string]string{"lab": label}
	config := ocispecs.Image{
		Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"},
		Config:   own,
		RootFS:   ocispecs.RootFS{Type: "layers"},
	}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.Digest) // not compressed
	}
	text, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	configured, err := i.blob(ocispecs.MediaTypeImageConfig, text)
	if err != nil {
		return "", err
	}
	text, err = json.Marshal(ocispecs.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispecs.MediaTypeImageManifest,
		Config:    configured,
		Layers:    layers,
	})
	if err != nil {
		return "", err
	}
	manifest, err := i.blob(ocispecs.MediaTypeImageManifest, text)
	return manifest.Digest, err
}

// blob writes one that is not there. Another may write or read the same at the time.
func (i *Images) blob(mediaType string, data []byte) (ocispecs.Descriptor, error) {
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	at := filepath.Join(i.dir, "blobs", "sha256", d.Digest.Encoded())
	if _, err := os.Stat(at); err == nil {
		return d, nil
	}
	f, err := os.CreateTemp(i.dir, "blob-")
	if err != nil {
		return d, err
	}
	_, err = f.Write(data)
	return d, errors.Join(err, f.Close(), os.Rename(f.Name(), at))
}
