package githubtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object.
type object = map[string]any

// maxBody bounds a request's body.
const maxBody = 64 << 20

// apiError is an answer that is not a success.
type apiError struct {
	status   int
	message  string
	errors   []any // strings or objects
	document string
	header   http.Header
}

func (e *apiError) json() object {
	body := object{"message": e.message, "documentation_url": e.document, "status": strconv.Itoa(e.status)}
	if e.document == "" {
		body["documentation_url"] = "https://docs.github.com/rest"
	}
	if len(e.errors) > 0 {
		body["errors"] = e.errors
	}
	return body
}

func notFound() *apiError { return &apiError{status: http.StatusNotFound, message: "Not Found"} }

func badCredentials(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, message: message}
}

func notAccessible() *apiError {
	return &apiError{status: http.StatusForbidden, message: "Resource not accessible by integration"}
}

// unprocessable is GitHub's 422 with plain strings.
func unprocessable(reasons ...string) *apiError {
	e := &apiError{status: http.StatusUnprocessableEntity, message: "Unprocessable Entity"}
	for _, r := range reasons {
		e.errors = append(e.errors, r)
	}
	return e
}

// invalid is GitHub's 422 with an object that names a field.
func invalid(resource, field, code, message string) *apiError {
	entry := object{"resource": resource, "field": field, "code": code}
	if message != "" {
		entry["message"] = message
	}
	return &apiError{status: http.StatusUnprocessableEntity, message: "Validation Failed", errors: []any{entry}}
}

// internal is a failure of this package: a test must not pass by it unseen.
func (s *Server) internal(err error) *apiError {
	s.violate("githubtest failed: %v", err)
	return &apiError{status: http.StatusInternalServerError, message: err.Error()}
}

// gitError answers a failed look-up with 404 and anything else as our own failure.
func (s *Server) gitError(err error) *apiError {
	if errors.Is(err, errNotFound) {
		return notFound()
	}
	return s.internal(err)
}

// What a handler returns other than a value for 200.
type (
	created   struct{ value any }
	noContent struct{}
	raw       struct {
		kind string
		data []byte
	}
)

// call is one request being answered, under the server's lock.
type call struct {
	s      *Server
	r      *http.Request
	body   []byte
	who    credentials
	repo   *Repository
	header http.Header
}

func (c *call) number(name string) int64 {
	n, err := strconv.ParseInt(c.r.PathValue(name), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (c *call) decode(into any) *apiError {
	if err := json.Unmarshal(c.body, into); err != nil {
		if errors.As(err, new(*json.SyntaxError)) || len(c.body) == 0 {
			return &apiError{status: http.StatusBadRequest, message: "Problems parsing JSON"}
		}
		return &apiError{status: http.StatusUnprocessableEntity, message: "Invalid request.\n\n" + err.Error()}
	}
	return nil
}

func (c *call) decodeOptional(into any) *apiError {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	return c.decode(into)
}

// accepts says whether the request asks for a media type of GitHub's by its last word.
func (c *call) accepts(kind string) bool {
	for _, value := range strings.Split(c.r.Header.Get("Accept"), ",") {
		media, _, _ := strings.Cut(strings.TrimSpace(value), ";")
		media = strings.TrimSuffix(media, "+json")
		if strings.HasPrefix(media, "application/vnd.github.") && strings.HasSuffix(media, "."+kind) {
			return true
		}
	}
	return false
}

// handler answers a call. The server's lock is held.
type handler func(c *call) (any, *apiError)

// access is what a route asks of the one who calls.
type access struct {
	app               bool   // the App's JWT
	permission, level string // else an installation's token with this
}

// newRoutes is the API. The first route that fits a request answers it. (ServeMux refuses
// /pulls/{n}/files beside /pulls/comments/{id}.)
func (s *Server) newRoutes() []route {
	var routes []route
	route := func(pattern string, a access, h handler) {
		method, path, _ := strings.Cut(pattern, " ")
		routes = append(routes, route{method, strings.Split(path, "/"), a, h})
	}
	app := access{app: true}
	can := func(permission, level string) access { return access{permission: permission, level: level} }
	const repo = "/repos/{owner}/{repo}"

	route("GET /app", app, s.getApp)
	route("GET /app/installations/{installation_id}", app, s.getInstallation)
	route("POST /app/installations/{installation_id}/access_tokens", app, s.createToken)
	route("GET /app/hook/deliveries", app, s.listDeliveries)
	route("GET /app/hook/deliveries/{delivery_id}", app, s.getDelivery)
	route("POST /app/hook/deliveries/{delivery_id}/attempts", app, s.redeliver)
	route("GET "+repo+"/installation", app, s.getRepositoryInstallation)
	route("GET /installation/repositories", can("metadata", "read"), s.listInstallationRepositories)
	route("GET /rate_limit", access{}, s.getRateLimit)
	route("GET /users/{username}", access{}, s.getUser)

	route("GET "+repo, can("metadata", "read"), s.getRepository)
	route("GET "+repo+"/contents/{path...}", can("contents", "read"), s.getContents)
	route("GET "+repo+"/git/trees/{tree_sha...}", can("contents", "read"), s.getTree)
	route("GET "+repo+"/git/blobs/{file_sha}", can("contents", "read"), s.getBlob)
	route("GET "+repo+"/git/commits/{commit_sha}", can("contents", "read"), s.getGitCommit)
	route("GET "+repo+"/commits/{ref}", can("contents", "read"), s.getCommit)
	route("GET "+repo+"/compare/{basehead...}", can("contents", "read"), s.compare)

	route("GET "+repo+"/pulls/comments/{comment_id}", can("pull_requests", "read"), s.getComment)
	route("PATCH "+repo+"/pulls/comments/{comment_id}", can("pull_requests", "write"), s.updateComment)
	route("DELETE "+repo+"/pulls/comments/{comment_id}", can("pull_requests", "write"), s.deleteComment)
	route("GET "+repo+"/pulls/{pull_number}", can("pull_requests", "read"), s.getPullRequest)
	route("GET "+repo+"/pulls/{pull_number}/files", can("pull_requests", "read"), s.listFiles)
	route("GET "+repo+"/pulls/{pull_number}/reviews", can("pull_requests", "read"), s.listReviews)
	route("POST "+repo+"/pulls/{pull_number}/reviews", can("pull_requests", "write"), s.createReview)
	route("GET "+repo+"/pulls/{pull_number}/reviews/{review_id}", can("pull_requests", "read"), s.getReview)
	route("PUT "+repo+"/pulls/{pull_number}/reviews/{review_id}", can("pull_requests", "write"), s.updateReview)
	route("DELETE "+repo+"/pulls/{pull_number}/reviews/{review_id}", can("pull_requests", "write"), s.deleteReview)
	route("POST "+repo+"/pulls/{pull_number}/reviews/{review_id}/events", can("pull_requests", "write"), s.submitReview)
	route("GET "+repo+"/pulls/{pull_number}/reviews/{review_id}/comments", can("pull_requests", "read"), s.listReviewComments)
	route("GET "+repo+"/pulls/{pull_number}/comments", can("pull_requests", "read"), s.listComments)
	route("POST "+repo+"/pulls/{pull_number}/comments/{comment_id}/replies", can("pull_requests", "write"), s.createReply)

	route("POST "+repo+"/check-runs", can("checks", "write"), s.createCheckRun)
	route("GET "+repo+"/check-runs/{check_run_id}", can("checks", "read"), s.getCheckRun)
	route("PATCH "+repo+"/check-runs/{check_run_id}", can("checks", "write"), s.updateCheckRun)
	route("GET "+repo+"/check-runs/{check_run_id}/annotations", can("checks", "read"), s.listAnnotations)
	route("GET "+repo+"/commits/{ref}/check-runs", can("checks", "read"), s.listCheckRuns)
	return routes
}

// route is a method and path, who may use it, and what answers it.
type route struct {
	method   string
	segments []string // of the path; {name} is any one, {name...} at the end any number
	access   access
	handle   handler
}

// match says whether the route fits a request and takes the values from its path.
func (to route) match(r *http.Request) bool {
	have := strings.Split(r.URL.EscapedPath(), "/")
	if to.method != r.Method {
		return false
	}
	values := map[string]string{}
	for i, want := range to.segments {
		name, isValue := strings.CutPrefix(strings.TrimSuffix(want, "}"), "{")
		if i >= len(have) || (!isValue && have[i] != want) {
			return false
		}
		value := have[i]
		if rest, ok := strings.CutSuffix(name, "..."); ok {
			name, value = rest, strings.Join(have[i:], "/")
			have = have[:i+1]
		}
		plain, err := url.PathUnescape(value)
		if err != nil {
			return false
		}
		if isValue {
			values[name] = plain
		}
	}
	if len(have) != len(to.segments) {
		return false
	}
	for name, value := range values {
		r.SetPathValue(name, value)
	}
	return true
}

// answer is a response before it is sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP answers the API, and git below the pages' address. A Fault that cuts the connection panics with http.ErrAbortHandler, as
// net/http wants it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if found := gitPath.FindStringSubmatch(r.URL.Path); found != nil {
		s.serveGit(w, r, found[1], found[2], found[3])
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), s.options.BasePath)
	if !ok || !strings.HasPrefix(path, "/") {
		http.NotFound(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r = r.Clone(r.Context())
	if r.URL, err = r.URL.Parse(path + query(r.URL)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var violations []string
	if c := s.options.Contract; c != nil {
		violations = c.Request(r, body)
	}

	s.mu.Lock()
	log := Request{At: s.now(), Method: r.Method, Path: path, Query: r.URL.RawQuery, Body: string(body)}
	fault := s.takeFault(r)
	who, authErr := s.authenticate(r)
	if who.token != nil {
		log.Installation = who.token.installation.id
	}
	var a *answer
	if fault == nil || !fault.instead() {
		a = s.answer(r, body, who, authErr)
	}
	s.mu.Unlock()

	if a != nil {
		if c := s.options.Contract; c != nil {
			violations = append(violations, c.Answer(r, a.status, a.header, a.body)...)
		}
	}
	if fault != nil {
		log.Fault = true
		a = fault.apply(r.Context(), s.options.Now(), a)
	}
	if a != nil {
		log.Status = a.status
	}
	s.mu.Lock()
	s.requests = append(s.requests, log)
	for _, v := range violations {
		s.violate("%s %s: %s", r.Method, path, v)
	}
	s.mu.Unlock()

	if a == nil {
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client went away
}

func query(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	return "?" + u.RawQuery
}

// answer finds the route, checks who asks, and runs the handler. The lock is held.
func (s *Server) answer(r *http.Request, body []byte, who credentials, authErr *apiError) *answer {
	c := &call{s: s, r: r, body: body, who: who, header: http.Header{}}
	value, failure := any(nil), authErr
	if failure == nil {
		failure = s.limit(c)
	}
	if failure == nil {
		i := slices.IndexFunc(s.routes, func(to route) bool { return to.match(r) })
		switch {
		case i < 0:
			s.violate("%s %s: this package does not have it", r.Method, r.URL.Path)
			failure = notFound()
		default:
			if failure = s.admit(c, s.routes[i].access); failure == nil {
				value, failure = s.routes[i].handle(c)
			}
		}
	}
	return s.encode(c, value, failure)
}

// admit checks the credentials and finds the repository.
func (s *Server) admit(c *call, a access) *apiError {
	switch {
	case a.app && !c.who.app:
		return badCredentials("A JSON web token could not be decoded")
	case a.app:
		return nil
	case c.who.app && a.permission != "":
		return badCredentials("Bad credentials")
	case c.who.token == nil && a.permission != "":
		return badCredentials("Requires authentication")
	}
	if owner := c.r.PathValue("owner"); owner != "" {
		repo, ok := s.repositories[strings.ToLower(owner+"/"+c.r.PathValue("repo"))]
		t := c.who.token
		if !ok || t == nil || !t.installation.has(repo) || (t.repositories != nil && !t.repositories[repo.id]) {
			return notFound()
		}
		c.repo = repo
	}
	if a.permission != "" && !covers(c.who.token.permissions, a.permission, a.level) {
		return notAccessible()
	}
	return nil
}

// encode makes the bytes of an answer.
func (s *Server) encode(c *call, value any, failure *apiError) *answer {
	a := &answer{status: http.StatusOK, header: c.header}
	h := a.header
	h.Set("X-GitHub-Request-Id", strings.ToUpper(randomHex(4)))
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
	h.Set("Content-Type", "application/json; charset=utf-8")
	if failure != nil {
		a.status, value = failure.status, failure.json()
		for name, values := range failure.header {
			h[name] = values
		}
	}
	switch v := value.(type) {
	case created:
		a.status, value = http.StatusCreated, v.value
	case accepted:
		a.status, value = http.StatusAccepted, object{}
	case noContent:
		a.status = http.StatusNoContent
		h.Del("Content-Type")
		return a
	case raw:
		h.Set("Content-Type", v.kind)
		a.body = v.data
	}
	if a.body == nil {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			s.violate("githubtest failed: %v", err)
		}
		a.body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	}
	if c.r.Method == http.MethodGet && a.status == http.StatusOK {
		// An ETag is good for the token that it was given to only.
		tag := fmt.Sprintf(`W/"%x"`, sha256.Sum256(append([]byte(c.r.Header.Get("Authorization")), a.body...)))
		h.Set("ETag", tag)
		if c.r.Header.Get("If-None-Match") == tag {
			a.status, a.body = http.StatusNotModified, nil
		}
	}
	return a
}

// paginate returns the page of a list that the request asks for, and sets the Link header.
func paginate[T any](c *call, list []T) []T {
	values := c.r.URL.Query()
	size, err := strconv.Atoi(values.Get("per_page"))
	if err != nil || size < 1 {
		size = 30
	}
	size = min(size, 100)
	page, err := strconv.Atoi(values.Get("page"))
	if err != nil || page < 1 {
		page = 1
	}
	last := max((len(list)+size-1)/size, 1)
	var links []string
	link := func(relation string, page int) {
		values.Set("page", strconv.Itoa(page))
		links = append(links, fmt.Sprintf("<%s%s?%s>; rel=%q", c.s.apiURL, c.r.URL.EscapedPath(), values.Encode(), relation))
	}
	if page > 1 {
		link("prev", min(page-1, last))
	}
	if page < last {
		link("next", page+1)
		link("last", last)
	}
	if page > 1 {
		link("first", 1)
	}
	if len(links) > 0 {
		c.header.Set("Link", strings.Join(links, ", "))
	}
	from := min((page-1)*size, len(list))
	return list[from:min(from+size, len(list))]
}

// getUser is GET /users/{username}.
func (s *Server) getUser(c *call) (any, *apiError) {
	u, ok := s.users[strings.ToLower(c.r.PathValue("username"))]
	if !ok {
		return nil, notFound()
	}
	return s.publicUserJSON(u), nil
}
