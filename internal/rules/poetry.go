package rules

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// PoetryEnvironmentApart says whether the virtual environment that poetry installs into certainly lies
// outside its cache directory. By default it lies in it (cache-dir/virtualenvs): a mount on the cache
// would take the environment out of the image.
// Source: https://python-poetry.org/docs/configuration/#virtualenvspath
func PoetryEnvironmentApart(in *dockerfile.Instruction, state dockerfile.State) bool {
	on := func(name string) bool { v := strings.ToLower(state.Env[name]); return v == "true" || v == "1" }
	off := func(name string) bool { v := strings.ToLower(state.Env[name]); return v == "false" || v == "0" }
	if off("POETRY_VIRTUALENVS_CREATE") || on("POETRY_VIRTUALENVS_IN_PROJECT") {
		return true
	}
	if dir := state.Env["POETRY_VIRTUALENVS_PATH"]; path.IsAbs(dir) && !strings.Contains(dir, "cache") {
		return true
	}
	end := in
	for stage := in.Stage; stage != nil; stage = stage.Parent {
		for _, step := range stage.Instructions {
			for _, cmd := range commandsOf(step) {
				if cmd.Always && setsEnvironmentApart(cmd) {
					return true
				}
			}
			if step == end {
				break
			}
		}
		end = nil
	}
	return false
}

// setsEnvironmentApart reads "poetry config virtualenvs.create false" and its like.
func setsEnvironmentApart(cmd *dockerfile.Command) bool {
	n := len(cmd.Words)
	if cmd.Name != "poetry" || n < 4 || cmd.Words[1].Value != "config" {
		return false
	}
	switch cmd.Words[n-2].Value {
	case "virtualenvs.create":
		return cmd.Words[n-1].Value == "false"
	case "virtualenvs.in-project":
		return cmd.Words[n-1].Value == "true"
	}
	return false
}
