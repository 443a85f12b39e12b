package dockerfile

import "strings"

// knownBases are images that set no USER, so that they run as root, and the directory that they
// start in. Sources: the official images' Dockerfiles (github.com/docker-library/official-images
// links each), and the Dockerfiles of github.com/ContinuumIO/docker-images,
// github.com/conda-forge/miniforge-images, gitlab.com/nvidia/container-images/cuda and
// github.com/pytorch/pytorch.
var knownBases = map[string]string{
	"almalinux": "/", "alpine": "/", "amazoncorretto": "/", "amazonlinux": "/", "archlinux": "/",
	"buildpack-deps": "/", "busybox": "/", "centos": "/", "debian": "/", "eclipse-temurin": "/",
	"elixir": "/", "erlang": "/", "fedora": "/", "nginx": "/", "node": "/", "openjdk": "/",
	"oraclelinux": "/", "pypy": "/", "python": "/", "rockylinux": "/", "ruby": "/", "rust": "/", "ubuntu": "/",
	"composer": "/app",
	"golang":   "/go",
	"httpd":    "/usr/local/apache2",
	"redis":    "/data",

	"condaforge/mambaforge":  "/",
	"condaforge/miniforge3":  "/",
	"continuumio/anaconda3":  "/",
	"continuumio/miniconda3": "/",
	"nvidia/cuda":            "/",
	"pytorch/pytorch":        "/workspace",
}

// mirrors hold the same images as Docker Hub; those with "library/" its official ones only.
var mirrors = []string{
	"docker.io/library/", "docker.io/", "index.docker.io/library/", "index.docker.io/", "registry-1.docker.io/library/",
	"public.ecr.aws/docker/library/", "mirror.gcr.io/library/", "mirror.gcr.io/", "library/",
}

// knownBase is the directory that an image starts in; ok is false for an image about which nothing
// is known. All known ones run as root.
func knownBase(image string) (workdir string, ok bool) {
	name, _, _ := strings.Cut(image, "@")
	tag := ""
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	for _, mirror := range mirrors {
		if rest, ok := strings.CutPrefix(name, mirror); ok {
			if strings.HasSuffix(mirror, "library/") && strings.Contains(rest, "/") {
				return "", false
			}
			name = rest
			break
		}
	}
	if strings.Contains(tag, "nanoserver") || strings.Contains(tag, "windowsservercore") || strings.Contains(tag, "onbuild") {
		return "", false // Windows has other users; an onbuild image brings instructions of its own
	}
	switch name {
	case "php":
		// The command line variants, to which plain tags belong, set no directory.
		if strings.Contains(tag, "apache") || strings.Contains(tag, "fpm") {
			return "/var/www/html", true
		}
		return "/", true
	case "ghcr.io/astral-sh/uv":
		// uv on a Python image; without "python" in the tag it is an image of its own kind.
		if strings.HasPrefix(tag, "python") || strings.Contains(tag, "-python3") {
			return "/", true
		}
		return "", false
	}
	workdir, ok = knownBases[name]
	return workdir, ok
}
