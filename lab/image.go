package lab

import (
	"archive/tar"
	"bytes"
	"encoding/json"
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

// Images is an OCI layout of base images: each is Debian's static busybox.
type Images struct {
	Store content.Store
	dir   string
	layer ocispecs.Descriptor
	diff  digest.Digest
}

// path is the variable that the model assumes of every base image.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

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
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		h.ModTime = time.Unix(0, 0)
		if err == nil {
			err = w.WriteHeader(&h)
		}
		if err == nil {
			_, err = w.Write(data)
		}
	}
	for _, d := range []string{"bin/", "etc/", "tmp/", "root/", "proc/", "sys/", "dev/"} {
		add(tar.Header{Name: d, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
	}
	add(tar.Header{Name: "bin/busybox", Mode: 0o755}, busybox)
	for _, applet := range []string{"sh", "cat", "cp", "date", "echo", "false", "id", "ls", "mkdir", "mv", "rm", "sleep", "test", "touch", "true"} {
		add(tar.Header{Name: "bin/" + applet, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
	}
	add(tar.Header{Name: "etc/passwd", Mode: 0o644}, []byte("root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/:/bin/sh\n"))
	add(tar.Header{Name: "etc/group", Mode: 0o644}, []byte("root:x:0:\napp:x:1000:\n"))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("write base image: %w", err)
	}
	if i.layer, err = i.blob(ocispecs.MediaTypeImageLayer, b.Bytes()); err != nil {
		return nil, err
	}
	i.diff = i.layer.Digest
	i.Store, err = local.NewStore(dir)
	return i, err
}

// Add makes an image; two with one label are the same. The layers are always equal.
func (i *Images) Add(label string) (digest.Digest, error) {
	config := ocispecs.Image{
		Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"},
		Config:   ocispecs.ImageConfig{Env: []string{path}, Labels: map[string]string{"lab": label}},
		RootFS:   ocispecs.RootFS{Type: "layers", DiffIDs: []digest.Digest{i.diff}},
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
		Layers:    []ocispecs.Descriptor{i.layer},
	})
	if err != nil {
		return "", err
	}
	manifest, err := i.blob(ocispecs.MediaTypeImageManifest, text)
	return manifest.Digest, err
}

func (i *Images) blob(mediaType string, data []byte) (ocispecs.Descriptor, error) {
	d := ocispecs.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	return d, os.WriteFile(filepath.Join(i.dir, "blobs", "sha256", d.Digest.Encoded()), data, 0o644)
}
