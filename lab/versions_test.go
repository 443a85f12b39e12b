package lab

import "testing"

// TestLockedVersions reads each kind of lock file that may lie beside or above a requirements file, and no other.
func TestLockedVersions(t *testing.T) {
	tree := Tree{
		"api/requirements.txt": text("flask\n"),
		"api/poetry.lock":      text("[[package]]\nname = \"Flask\"\ndescription = \"version = \\\"0\\\"\"\noptional = false\nversion = \"2.0.3\"\n\n[package.dependencies]\nname = \"no\"\n[[package]]\nname = \"jinja2\"\nversion = \"3.1.4\"\n[metadata]\n"),
		"uv.lock":              text("version = 1\n[[package]]\nname = \"attrs\"\nversion = \"23.1.0\"\nsource = { registry = \"https://pypi.org/simple\" }\ndependencies = [\n    { name = \"no\" },\n]\n"),
		"Pipfile.lock":         text(`{"default": {"six": {"version": "==1.16.0"}, "git": {"ref": "1"}}, "develop": {"pytest": {"version": "==8.0.0"}}}`),
		"constraints.txt":      text("# none\nurllib3==1.26.18 ; python_version > '3'\nwerkzeug<3\nuvicorn[standard] == 0.30.1\n"),
		"api/requirements.in":  text("click\n"),
		"web/uv.lock":          text("[[package]]\nname = \"elsewhere\"\nversion = \"1\"\n"),
	}
	const first, rest = "Flask 2.0.3\nattrs 23.1.0\n", "jinja2 3.1.4\npytest 8.0.0\nsix 1.16.0\nurllib3 1.26.18\nuvicorn 0.30.1\n"
	if got := lockedVersions(tree, []string{"api/requirements.txt"}); got != first+rest {
		t.Errorf("%q", got)
	}
	tree["api/requirements.txt"] = text("click==8.1.7 \\\n    --hash=sha256:0\n")
	if got := lockedVersions(tree, []string{"api/requirements.in"}); got != first+"click 8.1.7\n"+rest {
		t.Errorf("of what was compiled: %q", got)
	}
}
