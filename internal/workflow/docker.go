package workflow

import (
	"slices"
	"strings"
)

// The words of evidence.
const (
	withoutDockerBuildKit = "DOCKER_BUILDKIT=0"
	withKaniko            = "kaniko"
)

// kanikoProgram is the executor in kaniko's image.
const kanikoProgram = "/kaniko/executor"

// isKanikoImage says whether an image name is kaniko's executor: its repository is
// kaniko-project/executor, of whichever registry.
func isKanikoImage(name string) bool {
	name = strings.TrimPrefix(strings.TrimSpace(name), "docker://")
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name == "kaniko-project/executor" || strings.HasSuffix(name, "/kaniko-project/executor")
}

// valueFlags are the flags of docker build, buildx build and podman build that take a value; the
// others of switchFlags take none. Sources: Docker's CLI reference, "docker buildx build", and
// Podman's, "podman build".
var (
	valueFlags = strings.Fields(`--add-host --allow --annotation --attest --build-arg --build-context --builder
		--cache-from --cache-to --call --cgroup-parent --cpu-period --cpu-quota --cpu-shares -c --cpuset-cpus
		--cpuset-mems --file -f --iidfile --isolation --label --memory -m --memory-swap --metadata-file --network
		--no-cache-filter --output -o --platform --progress --provenance --sbom --secret --security-opt --shm-size
		--ssh --tag -t --target --ulimit --project
		--arch --authfile --cache-ttl --cap-add --cap-drop --cert-dir --creds --env --format --from --ignorefile
		--jobs --logfile --manifest --os --retry --retry-delay --runtime --sign-by --volume -v`)
	switchFlags = strings.Fields(`--save --lint --check --compress --debug -D --disable-content-trust --force-rm --load --no-cache
		--pull --push --quiet -q --rm --squash --stream
		--all-platforms --layers --squash-all --tls-verify`)
	// globalFlags come before the command.
	globalFlags = strings.Fields(`--config --context -c --host -H --log-level -l --tlscacert --tlscert --tlskey
		--builder --connection --url --namespace`)
)

// docker looks at a command of docker, podman or nerdctl.
func (r *shellRun) docker(program string, args []word, line int, at *shellState) {
	args, ok := skipGlobal(args)
	if !ok {
		return
	}
	name, group := args[0].text, ""
	args = args[1:]
	switch name {
	case "buildx", "image", "builder":
		group = name
		if args, ok = skipGlobal(args); !ok {
			return
		}
		name, args = args[0].text, args[1:]
	case "run":
		for _, w := range args {
			if w.literal && isKanikoImage(w.text) {
				r.found(line, withKaniko)
			}
		}
		return
	}
	switch name {
	case "compose":
		r.composeCommand(args, line)
	case "create", "use":
		if group == "buildx" {
			b := createdBuilder(name, args, line)
			r.created = &b
		}
	case "context":
		if len(args) > 0 && args[0].text == "use" {
			r.created = &builder{kind: builderUnknown, line: line}
		}
	case "build", "b":
		c, ok := r.readBuild(program, args, at)
		c.line, c.incomplete = line, !ok
		r.builds = append(r.builds, c)
	}
}

// composeCommand looks at a command of docker compose: build, or up and run with --build. Flags before
// the command take values that are not followed.
func (r *shellRun) composeCommand(args []word, line int) {
	at := slices.IndexFunc(args, func(w word) bool {
		return w.literal && slices.Contains([]string{"build", "up", "run", "create"}, w.text)
	})
	if at < 0 {
		return
	}
	flag := func(name string) bool {
		return slices.ContainsFunc(args[at:], func(w word) bool { return w.literal && w.text == name })
	}
	if args[at].text == "build" || flag("--build") {
		r.composed = append(r.composed, composed{line, args[at].text == "build" && flag("--no-cache")})
	}
}

// skipGlobal skips the flags before a command's name; false where there is no literal name.
func skipGlobal(args []word) ([]word, bool) {
	for len(args) > 0 && args[0].literal && strings.HasPrefix(args[0].text, "-") {
		flag := args[0].text
		args = args[1:]
		if slices.Contains(globalFlags, flag) && len(args) > 0 {
			args = args[1:]
		}
	}
	return args, len(args) > 0 && args[0].literal
}

// readBuild reads the arguments of docker build; false where anything that decides about the
// context, the Dockerfile or the target is not written down.
func (r *shellRun) readBuild(program string, args []word, at *shellState) (command, bool) {
	c := command{dir: at.dir, args: map[string]string{}, containers: program == "podman", depot: program == "depot"}
	flags, contexts, ok := splitBuild(args)
	if !ok {
		return c, false
	}
	var file *buildFlag
	for _, f := range flags {
		switch f.name {
		case "--no-cache":
			c.noCache = c.noCache || f.value == "" || f.value == "true"
		case "--file", "-f":
			file = &f
		case "--target":
			if !f.literal {
				return c, false
			}
			c.target = f.value
		case "--build-arg":
			c.argument(f.value, f.literal, r)
		case "--build-context":
			c.namedContext(f.value, at)
		case "--platform":
			if f.literal {
				c.platforms = append(c.platforms, commaList(f.value)...)
			}
		case "--tag", "-t":
			if f.literal {
				c.tags = append(c.tags, f.value)
			}
		case "--cache-from":
			c.cacheFrom = append(c.cacheFrom, f.value)
		case "--cache-to":
			c.cacheTo = append(c.cacheTo, f.value)
		case "--builder":
			c.builder = true
		}
	}
	if len(contexts) != 1 || !contexts[0].literal || !isLocalContext(contexts[0].text) {
		return c, false
	}
	if c.context, ok = resolve(at.dir, contexts[0].text); !ok || !isKnown(at, contexts[0].text) {
		return c, false
	}
	if file != nil {
		if !file.literal || file.value == "-" || !isKnown(at, file.value) {
			return c, false
		}
		if c.file, ok = resolve(at.dir, file.value); !ok {
			return c, false
		}
		if program == "podman" {
			c.inContext, _ = resolve(c.context, file.value)
		}
	}
	return c, true
}

// buildFlag is a flag of docker build. A switch has a value only where one is written behind "=".
type buildFlag struct {
	name, value string
	literal     bool // no part of the value is a variable's
}

// splitBuild parts the arguments of docker build; false where a word may or may not be a flag, or the
// value of one.
func splitBuild(args []word) (flags []buildFlag, contexts []word, ok bool) {
	for len(args) > 0 {
		w := args[0]
		args = args[1:]
		if w.open && !strings.HasPrefix(w.text, "-") {
			return nil, nil, false // it may hold any flag
		}
		if !strings.HasPrefix(w.text, "-") || w.text == "-" {
			contexts = append(contexts, w)
			continue
		}
		name, value, hasValue := strings.Cut(w.text, "=")
		if len(name) > 2 && name[1] != '-' {
			// Short flags stick together: -qt name, -tname.
			short := name[:2]
			switch {
			case slices.Contains(valueFlags, short):
				name, value, hasValue = short, w.text[2:], true
			case slices.Contains(switchFlags, short):
				args = slices.Concat([]word{{text: "-" + w.text[2:], literal: w.literal, open: w.open}}, args)
				continue
			default:
				return nil, nil, false
			}
		}
		switch {
		case slices.Contains(switchFlags, name) || hasValue:
		case slices.Contains(valueFlags, name):
			if len(args) == 0 {
				return nil, nil, false
			}
			w, value = args[0], args[0].text
			args = args[1:]
		default:
			return nil, nil, false // it may or may not take the next word
		}
		literal := !strings.Contains(value, unknownText) && (w.literal || hasValue && !w.open)
		flags = append(flags, buildFlag{name, value, literal})
	}
	return flags, contexts, true
}

// argument reads a build argument: NAME=value, or NAME with the value of the environment.
func (c *command) argument(text string, literal bool, r *shellRun) {
	name, value, given := strings.Cut(text, "=")
	if strings.Contains(name, unknownText) || name == "" {
		return
	}
	if !given {
		literal = false
		if r.script.lookup != nil && !r.changed[name] {
			value, literal = r.script.lookup(name)
		}
		if volatileVariables[name] || r.volatile[name] {
			value = volatileText
		}
	}
	switch {
	case isVolatile(value):
		c.volatile = append(c.volatile, name)
	case literal:
		c.args[name] = value
	default:
		c.open = append(c.open, name)
	}
}

// namedContext reads a named context, NAME=directory or NAME=address.
func (c *command) namedContext(text string, at *shellState) {
	name, value, ok := strings.Cut(text, "=")
	if !ok || strings.Contains(name, unknownText) {
		return
	}
	if c.contexts == nil {
		c.contexts = map[string]string{}
	}
	c.contexts[name] = namedContextValue(value, at.dir, at.known)
}

// isKnown says whether a path can be resolved: where the shell is, or where the path begins, is known.
func isKnown(at *shellState, p string) bool {
	return at.known || strings.HasPrefix(p, workspace)
}

// isLocalContext says whether a build context is a directory: not the standard input, not a URL, not
// a git address in one of the forms that Docker takes.
func isLocalContext(context string) bool {
	if context == "-" || strings.Contains(context, "://") || strings.HasPrefix(context, "git@") || strings.HasPrefix(context, "github.com/") {
		return false
	}
	return context != "" && !strings.Contains(context, "{{")
}
