package rules

import (
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

var _ = register(&Rule{
	ID:       "unpinned-base",
	Title:    "A base image has no tag, or latest",
	Severity: config.SeverityWarning,
	What: "`FROM` names an image without a tag, or with the tag `latest`, and without a digest. Arguments in `FROM` are resolved; stages of the file, `scratch` and what a build gives a named context for are no images. " +
		"With the setting `aliases`, also an image whose tag is an alias that moves from release to release (`python:3`, `python:3.12-slim`, `node:lts`, `alpine:edge`), as far as the tag alone shows it.",
	Why: "`latest` names whatever was pushed last, also the next major version. The build changes on the day the tag moves, unasked and all at once: " +
		"every step below runs again on another base.",
	Not: "`latest` does not rebuild each time, and a version tag does not stop rebuilds: both rebuild when the image behind them changes, since the cache key is the image's digest. " +
		"Only a digest stops that, and it also stops security updates; hitrate asks for a version, not for a digest. " +
		"Images whose name hangs on an argument without a value are not judged. " +
		"Of aliases: a tag with a full version (`python:3.12.4-slim`) or a date is none; whether two numbers are a full version differs from image to image (`postgres:16.3` is one), " +
		"so numbers are judged for those official images only whose releases are known to have more of them, and tags of other images only where they hold no digit at all.",
	Sources: []Source{
		{"Docker: best practices, pin base image versions", "https://docs.docker.com/build/building/best-practices/#pin-base-image-versions"},
		{"Dockerfile reference: FROM", "https://docs.docker.com/reference/dockerfile/#from"},
		{"Docker official images: tags and aliases", "https://github.com/docker-library/official-images#tags-and-aliases"},
		{"Docker official images: the tags of each image", "https://github.com/docker-library/official-images/tree/master/library"},
	},
	Settings: []config.Setting{{
		Name: "aliases", Kind: "bool", Default: false,
		Doc: "Whether tags that are moved from release to release, such as `python:3`, are looked at too.",
	}},
	Hadolint: []string{"DL3006", "DL3007"},
	Check:    checkUnpinnedBase,
})

func checkUnpinnedBase(p *Pass) {
	for _, stage := range p.File.Stages {
		if stage.From == nil {
			continue
		}
		image, missing := p.File.BaseImage(stage, p.args)
		if missing != "" || image == "scratch" || stage.Parent != nil {
			continue
		}
		isStage := false
		for _, other := range p.File.Stages[:stage.Index] {
			isStage = isStage || other.Name != "" && other.Name == image
		}
		if isStage || strings.Contains(image, "$") || p.namedContext(image) {
			continue
		}
		ref, err := reference.ParseNormalizedNamed(image)
		if err != nil {
			continue
		}
		if _, pinned := ref.(reference.Digested); pinned {
			continue
		}
		why := say("It has no tag, which means latest: when that moves, also to a new major version, every step below runs again on another base, unasked.")
		if tagged, ok := ref.(reference.Tagged); ok {
			switch tag := tagged.Tag(); {
			case tag == "latest":
				why = say("It follows whatever was pushed last: when that moves, also to a new major version, every step below runs again on another base, unasked.")
			case setting[bool](p, "aliases") && isAlias(reference.FamiliarName(ref), tag):
				why = say("Its tag names no full version: when it moves to another release, every step below runs again on another base, unasked.")
			default:
				continue
			}
		}
		p.report(stage.From, Finding{
			Subject: reference.FamiliarName(ref),
			Title:   say("The base image ", code(image), " is not pinned."),
			Here:    say(code(image), " is not pinned."),
			Why:     why,
			Advice:  say("Name the version that the image is built for."),
			Done:    say("The base image now names a version."),
		})
	}
}

// namedContext says whether a build of the file gives another image, or a directory, for an image of this name.
// Source: Docker's reference, "docker buildx build --build-context", "Replace a remote image".
func (p *Pass) namedContext(image string) bool {
	image, ok := buildcontext.ContextName(image)
	return ok && slices.ContainsFunc(append(slices.Clone(p.Builds), p.Facts.Builds...), func(b buildcontext.Build) bool {
		if b.Dockerfile != p.File.Source.Path {
			return false
		}
		for name := range b.Contexts {
			if name, ok := buildcontext.ContextName(name); ok && name == image {
				return true
			}
		}
		return false
	})
}

// fullVersions is of how many numbers the releases of some official images have, by which their most
// exact tags are named: golang since 1.21. Images that are not in it may number in another way.
// Source: the tags of docker-library/official-images, library/NAME, of 21 August 2026 (37079fb336).
var fullVersions = map[string]int{
	"alpine": 3, "busybox": 3, "caddy": 3, "composer": 3, "docker": 3, "golang": 3, "haproxy": 3, "httpd": 3, "mariadb": 3, "maven": 3, "memcached": 3,
	"mongo": 3, "mysql": 3, "nginx": 3, "node": 3, "perl": 3, "php": 3, "python": 3, "rabbitmq": 3, "redis": 3, "ruby": 3, "rust": 3, "tomcat": 3,
	"debian": 2, "postgres": 2,
}

var (
	versionInTag = lazyregexp.New(`^v?(\d+(?:\.\d+)*)$`)
	dateInTag    = lazyregexp.New(`\d{8}`) // debian:bookworm-20240612, alpine:20240606
	commitInTag  = lazyregexp.New(`^[0-9a-f]{7,}$`)
)

// isAlias says whether a tag is certainly one that moves from release to release of the image: it names no
// version at all, or fewer numbers than the image's releases have. What stands behind the version, after a
// hyphen, names a variant (slim, alpine3.20) and does not count.
func isAlias(image, tag string) bool {
	first, _, _ := strings.Cut(tag, "-")
	full, known := fullVersions[image]
	switch m := versionInTag.FindStringSubmatch(first); {
	case dateInTag.MatchString(tag) || commitInTag.MatchString(first):
		return false
	case known && m != nil:
		return strings.Count(m[1], ".")+1 < full
	case known:
		return !strings.ContainsAny(first, "0123456789")
	}
	return !strings.ContainsAny(tag, "0123456789")
}
