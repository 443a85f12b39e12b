package githubtest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// gitPath is a request of git's smart HTTP protocol: of a clone or fetch, or of a push.
var gitPath = regexp.MustCompile(`^/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$`)

// serveGit answers a clone or fetch over smart HTTP as GitHub does below its pages' address: Basic
// authentication as x-access-token with an installation's token that may read contents; filters,
// shallow clones and wanted commits are served; a push is refused. The known difference: GitHub gives
// a public repository to anybody.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request, owner, name, service string) {
	s.mu.Lock()
	log := Request{At: s.now(), Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery}
	fault := s.takeFault(r)
	dir, token, failure := s.admitGit(r, owner, name, service)
	if token != nil {
		log.Installation = token.installation.id
	}
	s.mu.Unlock()

	var refused *answer
	if failure != nil {
		refused = &answer{status: failure.status, header: http.Header{}, body: []byte(failure.message + "\n")}
		refused.header.Set("Content-Type", "text/plain; charset=utf-8")
		if failure.status == http.StatusUnauthorized {
			refused.header.Set("WWW-Authenticate", `Basic realm="GitHub"`)
		}
	}
	cut := false
	if fault != nil {
		log.Fault = true
		a := fault.apply(r.Context(), s.options.Now(), refused)
		switch {
		case fault.Cut != CutNever:
			cut = true
		case fault.Status != 0:
			refused = a
		}
	}
	log.Status = http.StatusOK
	switch {
	case cut:
		log.Status = 0
	case refused != nil:
		log.Status = refused.status
	}
	s.mu.Lock()
	s.requests = append(s.requests, log)
	s.mu.Unlock()

	switch {
	case cut:
		panic(http.ErrAbortHandler)
	case refused != nil:
		for name, values := range refused.header {
			w.Header()[name] = values
		}
		w.WriteHeader(refused.status)
		_, _ = w.Write(refused.body) // the client went away
	default:
		s.uploadPack(w, r, dir)
	}
}

// admitGit checks who asks and finds the repository. The lock is held.
func (s *Server) admitGit(r *http.Request, owner, name, service string) (gitDir, *token, *apiError) {
	wants := map[string]string{"info/refs": http.MethodGet, "git-upload-pack": http.MethodPost}
	switch {
	case service == "git-receive-pack", service == "info/refs" && r.URL.Query().Get("service") == "git-receive-pack":
		return "", nil, &apiError{status: http.StatusForbidden, message: "Write access to repository not granted."}
	case r.Method != wants[service]:
		return "", nil, &apiError{status: http.StatusMethodNotAllowed, message: "Method not allowed"}
	case service == "info/refs" && r.URL.Query().Get("service") != "git-upload-pack":
		return "", nil, &apiError{status: http.StatusForbidden, message: "Please upgrade your git client."}
	}
	user, value, ok := r.BasicAuth()
	t := s.tokens[value]
	if !ok || user != "x-access-token" || t == nil || !t.expires.After(s.options.Now()) {
		return "", nil, badCredentials("Invalid username or token. Password authentication is not supported for Git operations.")
	}
	repo, known := s.repositories[strings.ToLower(owner+"/"+name)]
	switch {
	case t.installation.suspended != nil:
		return "", t, &apiError{status: http.StatusForbidden, message: "This installation has been suspended"}
	case !known || !t.installation.has(repo) || t.repositories != nil && !t.repositories[repo.id]:
		return "", t, &apiError{status: http.StatusNotFound, message: "Repository not found."}
	case !covers(t.permissions, "contents", "read"):
		return "", t, &apiError{status: http.StatusForbidden, message: "Resource not accessible by integration"}
	}
	return repo.git, t, nil
}

// uploadPack lets git answer.
func (s *Server) uploadPack(w http.ResponseWriter, r *http.Request, dir gitDir) {
	var in io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in = io.LimitReader(unzipped, maxBody)
	}
	args := []string{"upload-pack", "--stateless-rpc", "--strict"}
	kind := "result"
	if r.Method == http.MethodGet {
		args, kind, in = append(args, "--http-backend-info-refs"), "advertisement", nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), gitTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append(args, string(dir))...)
	cmd.Env = withConfig(gitEnvironment(), "uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true")
	protocol := r.Header.Get("Git-Protocol")
	if protocol == "version=2" || protocol == "version=1" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	var diagnostics bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, w, &diagnostics
	w.Header().Set("Content-Type", "application/x-git-upload-pack-"+kind)
	w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	if kind == "advertisement" && protocol != "version=2" {
		const service = "# service=git-upload-pack\n"
		_, _ = fmt.Fprintf(w, "%04x%s0000", len(service)+4, service) // the client went away
	}
	// A client that goes away in the middle is no failure of ours.
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.violate("githubtest: git upload-pack: %v: %s", err, strings.TrimSpace(diagnostics.String()))
	}
}

// withConfig adds settings to an environment of gitEnvironment.
func withConfig(env []string, settings ...string) []string {
	const count = "GIT_CONFIG_COUNT="
	for i, variable := range env {
		text, ok := strings.CutPrefix(variable, count)
		n, err := strconv.Atoi(text)
		if !ok || err != nil {
			continue
		}
		env[i] = count + strconv.Itoa(n+len(settings))
		for j, setting := range settings {
			key, value, _ := strings.Cut(setting, "=")
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n+j, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n+j, value))
		}
		break
	}
	return env
}
