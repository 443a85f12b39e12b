package requirements

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestAdmits holds PEP 440's comparisons, with the examples of the PEP itself among them.
func TestAdmits(t *testing.T) {
	for _, tt := range []struct {
		specifier, version string
		want               bool
	}{
		{"", "1.0", true},
		{">=1.0,<2", "1.5", true}, {">=1.0,<2", "2.0", false}, {">=1.0,<2", "2.0rc1", false}, {"<2.0rc2", "2.0rc1", true},
		{"~=2.2", "2.9", true}, {"~=2.2", "3.0", false}, {"~=2.2.0", "2.2.5", true}, {"~=2.2.0", "2.3", false}, {"~=2.2.post3", "2.2.post2", false},
		{"==1.1", "1.1.0", true}, {"==1.1", "1.1.post1", false}, {"==1.1.post1", "1.1.post1", true}, {"==1.1.*", "1.1.post1", true}, {"==1.1.*", "1.10", false},
		{"!=1.1", "1.1.post1", true}, {"!=1.1.*", "1.1.post1", false}, {"!=1.*", "2.0", true},
		{">1.7", "1.7.0.post1", false}, {">1.7", "1.7.1", true}, {">1.7.post2", "1.7.post3", true},
		{"<=1.0", "1.0", true}, {"<1.0", "1.0.dev1", false}, {">=1.0", "1.0a1", false}, {">=1.0.dev1", "1.0a1", true},
		{">=1!1.0", "2.0", false}, {">=1.0", "1!0.1", true}, {"===1.0", "1.0", true}, {"===1.0", "1.0.0", false},
		{">=1.9", "1.10", true}, {">=2004d", "2005", false}, {">=1", "1.0+local", false}, {"==1.0a1.*", "1.0a1", false}, {">=1", "x", false},
		{">=1.0a1,<1.0", "1.0a2", false}, {"==1.0-alpha.1", "1.0a1", true}, {"==1.0-1", "1.0.post1", true}, {"==1.0c1", "1.0RC1", true},
	} {
		if got := Admits(tt.specifier, tt.version); got != tt.want {
			t.Errorf("Admits(%q, %q) = %v", tt.specifier, tt.version, got)
		}
	}
}

func TestPreRelease(t *testing.T) {
	for v, want := range map[string][2]bool{
		"1.0": {false, true}, "1.0rc1": {true, true}, "1.0.dev3": {true, true}, "1.0.post1": {false, true}, "1.0+cu118": {false, false}, "main": {false, false},
	} {
		if pre, public := PreRelease(v); [2]bool{pre, public} != want {
			t.Errorf("PreRelease(%q) = %v %v", v, pre, public)
		}
	}
	for specifier, want := range map[string]bool{">=1.0": false, ">=1.0rc1": true, "!=1.0rc1": false, "": false} {
		if AsksForPreRelease(specifier) != want {
			t.Errorf("AsksForPreRelease(%q)", specifier)
		}
	}
}

func TestNotWithPython(t *testing.T) {
	for _, tt := range []struct {
		line, python string
		want         bool
	}{
		{"a ; python_version < '3.9'", "3.11", true}, {"a ; python_version < '3.9'", "3.8.99", false}, {"a ; python_version < '3.9'", "", false},
		{"a ; python_version >= '3.9' and python_version < '3.11'", "3.11.2", true}, {"a ; python_version >= '3.11'", "3.11.99", false},
		{"a ; python_full_version < '3.9'", "3.11", false}, {"a ; python_version < '3.9' or extra == 'x'", "3.11", false},
		{"a ; python_version < '3.9' and sys_platform == 'linux'", "3.11", false}, {"a", "3.11", false},
	} {
		r := Parse(source.New("requirements.txt", []byte(tt.line))).Requirements[0]
		if got := r.NotWithPython(tt.python); got != tt.want {
			t.Errorf("%q with %q: %v", tt.line, tt.python, got)
		}
	}
}

func TestReadLock(t *testing.T) {
	for _, tt := range []struct {
		path, text, name string
		want             []Locked
	}{
		{"poetry.lock", "[[package]]\nname = \"Zope.Interface\"\nversion = \"5.0\"\npython-versions = \">=3.7\"\n[metadata]\npython-versions = \"^3.11\"\n", "zope-interface",
			[]Locked{{Version: "5.0", Python: []string{">=3.11,<4", ">=3.7"}}}},
		{"a/poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\npython-versions = \"*\"\n[package.source]\ntype = \"git\"\n", "a", []Locked{{Version: "1", Elsewhere: true}}},
		{"poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nmarkers = \"sys_platform == 'win32'\"\n[package.source]\ntype = \"legacy\"\n", "a", []Locked{{Version: "1", Conditional: true}}},
		{"uv.lock", "requires-python = \">=3.9\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"https://pypi.org/simple\" }\n" +
			"[[package]]\nname = \"a\"\nversion = \"2\"\nsource = { registry = \"https://pypi.org/simple\" }\nresolution-markers = [\"python_full_version >= '3.10'\"]\n", "a",
			[]Locked{{Version: "1", Python: []string{">=3.9"}}, {Version: "2", Python: []string{">=3.9"}, Conditional: true}}},
		{"uv.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { virtual = \".\" }\n", "a", []Locked{{Version: "1", Elsewhere: true}}},
		{"pdm.lock", "[[metadata.targets]]\nrequires_python = \">=3.10\"\n[[package]]\nname = \"a\"\nversion = \"1\"\n[[package]]\nname = \"a\"\nversion = \"1\"\nextras = [\"x\"]\n", "a",
			[]Locked{{Version: "1", Python: []string{">=3.10"}}}},
		{"Pipfile.lock", `{"_meta": {"requires": {"python_version": "3.11"}}, "default": {"A": {"version": "==1", "markers": "python_version >= '3.8'"}}, "develop": {}}`, "a",
			[]Locked{{Version: "1", Python: []string{"==3.11.*", ">=3.8"}}}},
		{"Pipfile.lock", `{"default": {"a": {"version": "==1", "markers": "sys_platform == 'win32'"}, "b": {"git": "https://x"}}}`, "a", []Locked{{Version: "1", Conditional: true}}},
		{"Pipfile.lock", `{"default": {"b": {"git": "https://x"}}}`, "b", []Locked{{Elsewhere: true}}},
		{"requirements.txt", "# This file is autogenerated by pip-compile with Python 3.12\na==1\n", "a", []Locked{{Version: "1", Python: []string{"==3.12.*"}}}},
		{"constraints.txt", "a==1 ; python_version > '3'\nb>=2\n", "a", []Locked{{Version: "1", Conditional: true}}},
		{"constraints.txt", "b>=2\nc==1.*\n", "b", nil},
		{"constraints.txt", "a @ https://x.org/a.zip\n", "a", []Locked{{Elsewhere: true}}},
	} {
		l, err := ReadLock(source.New(tt.path, []byte(tt.text)))
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		if diff := cmp.Diff(tt.want, l.Of(tt.name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tt.path, tt.text, diff)
		}
	}
	for path, text := range map[string]string{"uv.lock": "[[", "Pipfile.lock": "{"} {
		if _, err := ReadLock(source.New(path, []byte(text))); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

// TestPin: what comes out is read as the same requirement with one version.
func TestPin(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"flask", "flask==1.2"}, {"flask  # web", "flask==1.2  # web"}, {"Flask >= 1 , <2", "Flask == 1.2"}, {"flask>=1,<2 # web", "flask==1.2 # web"},
		{"flask[async, dotenv]", "flask[async, dotenv]==1.2"}, {"flask [async] ~= 1.0", "flask [async] == 1.2"}, {"flask (>=1.0)", "flask (==1.2)"},
		{"flask ; python_version > '3'", "flask==1.2 ; python_version > '3'"}, {"flask>1;python_version>'3'", "flask==1.2;python_version>'3'"},
		{"flask==1.*", "flask==1.2"}, {"zope.interface!=5 ; os_name == 'posix'  # x", "zope.interface==1.2 ; os_name == 'posix'  # x"},
		{"flask>=1 \\\n  ,<2", ""}, {"-e flask", ""}, {"flask @ https://x.org/a.zip", ""}, {"./flask", ""}, {"flask --global-option=x", ""}, {"git+https://x.org/a", ""},
	} {
		src := source.New("requirements.txt", []byte("a==1\n"+tt.line+"\nb\n"))
		before := Parse(src)
		if len(before.Requirements) != 3 {
			t.Fatalf("%q: %d requirements", tt.line, len(before.Requirements))
		}
		edit, ok := before.Requirements[1].Pin(src, "1.2")
		if !ok {
			if tt.want != "" {
				t.Errorf("%q: no edit", tt.line)
			}
			continue
		}
		text, err := source.Apply(src.Data, []source.Edit{edit})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(text); got != "a==1\n"+tt.want+"\nb\n" {
			t.Errorf("%q: %q", tt.line, got)
			continue
		}
		after := Parse(source.New("requirements.txt", text)).Requirements[1]
		was := before.Requirements[1]
		if after.ExactVersion() != "1.2" || !after.Pinned || after.Name != was.Name || after.Marker != was.Marker || !cmp.Equal(after.Extras, was.Extras) {
			t.Errorf("%q: read again as %+v", tt.line, after)
		}
	}
}
