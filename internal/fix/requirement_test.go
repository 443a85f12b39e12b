package fix_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

const (
	pinnedDockerfile = "FROM python:3.12\nCOPY . .\nRUN pip install --no-cache-dir -r requirements.txt\n"
	flaskAndJinja    = "version = 1\nrequires-python = \">=3.10\"\n" +
		"[[package]]\nname = \"flask\"\nversion = \"3.0.3\"\nsource = { registry = \"https://pypi.org/simple\" }\n" +
		"[[package]]\nname = \"jinja2\"\nversion = \"3.1.4\"\nsource = { registry = \"https://pypi.org/simple\" }\n"
)

// pins proves the edits of requirements and applies those of each file.
func pins(t *testing.T, in rules.Input, findings []rules.Finding) (texts map[string]string, withheld []string) {
	t.Helper()
	texts = map[string]string{}
	byPath := map[string][]fix.Suggestion{}
	r := fix.Prove(context.Background(), in, findings)
	for _, s := range r.Suggestions {
		byPath[s.Path] = append(byPath[s.Path], s)
	}
	for path, all := range byPath {
		file, err := in.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(fix.Apply(file, all))
	}
	for i, reason := range r.Withheld {
		withheld = append(withheld, findings[i].Subject+": "+string(reason))
	}
	slices.Sort(withheld)
	return texts, withheld
}

// TestPinRequirements: lines of several files, each with its comment, blanks, marker and line end.
func TestPinRequirements(t *testing.T) {
	in, _ := inputOf(t, []byte(pinnedDockerfile), map[string]string{
		"requirements.txt": "-r base.txt\nFlask >= 2 # web\r\n", "base.txt": "# of all\njinja2 ; python_version > '3'\nsetuptools", "uv.lock": flaskAndJinja, ".dockerignore": ".git\n",
	})
	findings := rules.Run(in)
	texts, withheld := pins(t, in, findings)
	// The line ends of requirements.txt are mixed.
	if diff := cmp.Diff(map[string]string{"base.txt": "# of all\njinja2==3.1.4 ; python_version > '3'\nsetuptools"}, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"flask: " + string(rules.MixedNewlines)}, withheld); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	in, _ = inputOf(t, []byte(pinnedDockerfile), map[string]string{
		"requirements.txt": "\ufeffflask>=2\r\njinja2\r\n", "uv.lock": flaskAndJinja, ".dockerignore": ".git\n",
	})
	texts, withheld = pins(t, in, rules.Run(in))
	if diff := cmp.Diff(map[string]string{"requirements.txt": "\ufeffflask==3.0.3\r\njinja2==3.1.4\r\n"}, texts); diff != "" || withheld != nil {
		t.Errorf("withheld %v (-want +got):\n%s", withheld, diff)
	}
}

// TestPinsThatCommandsRead: a command that looks for something in the file would find something else.
func TestPinsThatCommandsRead(t *testing.T) {
	for run, want := range map[string]bool{
		"cp requirements.txt /tmp/":                              true,
		"grep -c = other.txt":                                    true,
		"pip install --no-cache-dir $(grep == requirements.txt)": false,
		"sed -i /torch/d requirements.txt":                       false,
		"xargs pip install < requirements.txt":                   false,
	} {
		in, _ := inputOf(t, []byte(pinnedDockerfile+"RUN "+run+"\n"), map[string]string{"requirements.txt": "flask>=2\n", "uv.lock": flaskAndJinja, ".dockerignore": ".git\n"})
		texts, withheld := pins(t, in, rules.Run(in))
		if len(texts) > 0 != want {
			t.Errorf("%s: %d files edited, withheld %q", run, len(texts), withheld)
		}
	}
}

// TestWrongPins: an edit is not believed what it declares.
func TestWrongPins(t *testing.T) {
	for _, tt := range []struct {
		name, requirements string
		old, new           string // the edit
		effect             rules.Effect
		want               rules.Reason
	}{
		{"right", "flask>=2\njinja2\n", ">=2", "==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, ""},
		{"another version than declared", "flask>=2\n", ">=2", "==3.0.2", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.NotProven},
		{"a version that the range does not admit", "flask<3\n", "<3", "==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.NotProven},
		{"another project", "flask>=2\n", "flask>=2", "jinja2==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"another line too", "flask>=2\njinja2\n", ">=2\njinja2", "==3.0.3\njinja2==3.1.4", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"a line more", "flask>=2\n", ">=2", "==3.0.3\njinja2", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"a marker", "flask>=2\n", ">=2", "==3.0.3 ; python_version > '3'", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"without its extra", "flask[async]>=2\n", "[async]>=2", "==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"a range", "flask>=2\n", ">=2", ">=3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.NotProven},
		{"a comment only", "flask>=2\n", ">=2", ">=2 # pinned", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.NotProven},
		{"hashes", "flask>=2\njinja2==3.1.4 --hash=sha256:aa\n", ">=2", "==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.HashesAsked},
		{"hidden text", "flask>=2\n", ">=2", "==3.0.3\u200b", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.ChangesSteps},
		{"a file that pip refuses", "flask>=2\n=x\n", ">=2", "==3.0.3", rules.PinRequirement{Name: "flask", Version: "3.0.3"}, rules.DoesNotParse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, _ := inputOf(t, []byte(pinnedDockerfile), map[string]string{"requirements.txt": tt.requirements, ".dockerignore": ".git\n"})
			findings := rules.Run(in)
			for i := range findings {
				if findings[i].Subject != "flask" {
					continue
				}
				at := strings.Index(tt.requirements, tt.old)
				findings[i].Unit = &rules.Unit{
					Path: "requirements.txt", Effects: []rules.Effect{tt.effect},
					Edits: []source.Edit{{Span: source.Span{Start: at, End: at + len(tt.old)}, New: tt.new}},
				}
			}
			texts, withheld := pins(t, in, findings)
			var want []string
			if tt.want != "" {
				want = []string{"flask: " + string(tt.want)}
			}
			if diff := cmp.Diff(want, withheld); diff != "" || (len(texts) > 0) != (tt.want == "") {
				t.Errorf("%d files edited, withheld (-want +got):\n%s", len(texts), diff)
			}
		})
	}
}
