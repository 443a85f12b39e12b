package fix_test

import (
	"maps"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestReadByPackages checks that a COPY of the source stays above an install of Node.js packages which read files of
// the project when they are installed, or of which a lock file says that they lie in the project.
func TestReadByPackages(t *testing.T) {
	const lock = `{"lockfileVersion": 3}`
	for _, tt := range []struct {
		name, project, lock, install string
		file                         string // of the source
		stays                        bool
	}{
		{"none", `{"dependencies": {"left-pad": "1.3.0"}}`, lock, "npm ci", "prisma/schema.prisma", false},
		{"prisma's client", `{"dependencies": {"@prisma/client": "5.0.0"}}`, lock, "npm ci", "prisma/schema.prisma", true},
		{"prisma's client without a schema", `{"dependencies": {"@prisma/client": "5.0.0"}}`, lock, "npm ci", "src/app.js", false},
		{"prisma's client, no scripts", `{"dependencies": {"@prisma/client": "5.0.0"}}`, lock, "npm ci --ignore-scripts", "prisma/schema.prisma", false},
		{"puppeteer's settings", `{"devDependencies": {"puppeteer": "22.0.0"}}`, lock, "npm ci", ".puppeteerrc.cjs", true},
		{"puppeteer without settings", `{"devDependencies": {"puppeteer": "22.0.0"}}`, lock, "npm ci", "src/app.js", false},
		{"msw's worker", `{"msw": {"workerDirectory": "public"}}`, lock, "npm ci", "public/index.html", true},
		{"archive of the project", `{"dependencies": {"a": "1.0.0"}}`, `{"packages": {"node_modules/a": {"resolved": "file:vendor/a.tgz"}}}`, "npm ci", "vendor/a.tgz", true},
		{"archive of the registry", `{"dependencies": {"a": "1.0.0"}}`, `{"packages": {"node_modules/a": {"resolved": "https://registry.example/a/-/a-1.0.0.tgz"}}}`, "npm ci", "vendor/a.tgz", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{".dockerignore": ".git\nnode_modules\nDockerfile\n", "index.js": "x\n", "package.json": tt.project, "package-lock.json": tt.lock}
			maps.Copy(files, map[string]string{tt.file: "x\n"})
			in, ok := inputOf(t, []byte("FROM node:20\nWORKDIR /app\nCOPY . .\nRUN "+tt.install+"\n"), files)
			if !ok {
				t.Fatal("does not parse")
			}
			findings := rules.Run(in)
			r := fix.Prove(t.Context(), in, findings)
			if len(findings) != 1 {
				t.Fatalf("findings %v", findings)
			}
			if (r.Withheld[0] == rules.NeedsSource) != tt.stays || (len(r.Suggestions) == 0) != tt.stays {
				t.Errorf("suggestions %v, withheld %v", r.Suggestions, r.Withheld)
			}
		})
	}
}
