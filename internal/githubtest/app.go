package githubtest

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

// tokenLife is how long an installation's token is good.
const tokenLife = time.Hour

// installation is the App on one account.
type installation struct {
	id           int64
	account      *user
	all          bool           // every repository of the account
	repositories map[int64]bool // the selected ones
	permissions  map[string]string
	suspended    *time.Time
	created      time.Time
}

// has says whether a repository is part of the installation.
func (i *installation) has(r *Repository) bool {
	return r.owner == i.account && !r.deleted && (i.all || i.repositories[r.id])
}

// token is an installation's token.
type token struct {
	installation *installation
	repositories map[int64]bool // nil: all of the installation
	permissions  map[string]string
	expires      time.Time
}

// Install installs the App on an account, for the named repositories of it or, without names, for
// all, now and later. It sends the webhook "installation" and returns the installation's id.
func (s *Server) Install(owner string, repositories ...string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account, ok := s.users[strings.ToLower(owner)]
	if !ok {
		return 0, fmt.Errorf("install on %s: no such account", owner)
	}
	i := &installation{
		id: s.nextID(), account: account, all: len(repositories) == 0, repositories: map[int64]bool{},
		permissions: maps.Clone(s.options.Permissions), created: s.now(),
	}
	for _, name := range repositories {
		r, ok := s.repositories[strings.ToLower(owner+"/"+name)]
		if !ok {
			return 0, fmt.Errorf("install on %s/%s: no such repository", owner, name)
		}
		i.repositories[r.id] = true
	}
	s.installations[i.id] = i
	s.emitInstallation(i, "created")
	return i.id, nil
}

// AddRepositories adds repositories to an installation that has selected ones.
func (s *Server) AddRepositories(id int64, names ...string) error {
	return s.changeRepositories(id, names, true)
}

// RemoveRepositories takes repositories out of an installation that has selected ones.
func (s *Server) RemoveRepositories(id int64, names ...string) error {
	return s.changeRepositories(id, names, false)
}

func (s *Server) changeRepositories(id int64, names []string, add bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.installations[id]
	if !ok {
		return fmt.Errorf("change installation %d: not installed", id)
	}
	var changed []*Repository
	for _, name := range names {
		r, ok := s.repositories[strings.ToLower(i.account.login+"/"+name)]
		if !ok {
			return fmt.Errorf("change installation %d: no repository %s", id, name)
		}
		if add {
			i.repositories[r.id] = true
		} else {
			delete(i.repositories, r.id)
		}
		changed = append(changed, r)
	}
	s.emitInstallationRepositories(i, changed, add)
	return nil
}

// Uninstall takes the App off an account: its tokens are worth nothing at once.
func (s *Server) Uninstall(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.installations[id]
	if !ok {
		return fmt.Errorf("uninstall %d: not installed", id)
	}
	delete(s.installations, id)
	for value, t := range s.tokens {
		if t.installation == i {
			delete(s.tokens, value)
		}
	}
	s.emitInstallation(i, "deleted")
	return nil
}

// Suspend suspends an installation, or ends that.
func (s *Server) Suspend(id int64, suspended bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.installations[id]
	if !ok {
		return fmt.Errorf("suspend %d: not installed", id)
	}
	action := "unsuspend"
	i.suspended = nil
	if suspended {
		now := s.now()
		action, i.suspended = "suspend", &now
	}
	s.emitInstallation(i, action)
	return nil
}

// Grant sets the permissions of an installation; those of tokens given out before stay.
func (s *Server) Grant(id int64, permissions map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.installations[id]
	if !ok {
		return fmt.Errorf("grant %d: not installed", id)
	}
	i.permissions = maps.Clone(permissions)
	return nil
}

// ExpireTokens ends the life of all tokens given out so far.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Token makes a token of an installation for a test's own requests: with all its repositories and
// permissions.
func (s *Server) Token(id int64) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.installations[id]
	if !ok {
		return "", fmt.Errorf("make a token of %d: not installed", id)
	}
	value, _ := s.newToken(i, nil, i.permissions)
	return value, nil
}

// newToken makes a token. It is as long as GitHub's newer ones: nobody may rely on forty characters.
func (s *Server) newToken(i *installation, repositories map[int64]bool, permissions map[string]string) (string, *token) {
	value := fmt.Sprintf("ghs_%d_%s", s.options.AppID, randomHex(150))
	t := &token{installation: i, repositories: repositories, permissions: maps.Clone(permissions), expires: s.now().Add(tokenLife)}
	s.tokens[value] = t
	return value, t
}

// verifyJWT checks the App's own token: RS256 by the App's key, issued in the past, good for at most
// ten minutes.
func (s *Server) verifyJWT(value string) *apiError {
	claims := jwt.RegisteredClaims{}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	if _, err := parser.ParseWithClaims(value, &claims, func(*jwt.Token) (any, error) { return &s.key.PublicKey, nil }); err != nil {
		return badCredentials("A JSON web token could not be decoded")
	}
	now := s.options.Now()
	switch {
	case claims.Issuer != fmt.Sprint(s.options.AppID):
		return badCredentials("'Issuer' claim ('iss') must be an Integer")
	case claims.IssuedAt == nil || claims.IssuedAt.After(now):
		return badCredentials("'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued")
	case claims.ExpiresAt == nil || !claims.ExpiresAt.After(now):
		return badCredentials("'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires")
	case claims.ExpiresAt.After(now.Add(10 * time.Minute)):
		return badCredentials("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}

// levels orders what a permission allows.
var levels = map[string]int{"read": 1, "write": 2, "admin": 3}

// covers says whether the permissions allow what is asked.
func covers(have map[string]string, name, level string) bool {
	return levels[have[name]] >= levels[level]
}

// credentials is who sent a request.
type credentials struct {
	app   bool   // the App itself, by JWT
	token *token // an installation
}

// authenticate reads the Authorization header.
func (s *Server) authenticate(r *http.Request) (credentials, *apiError) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "":
		return credentials{}, nil
	case "bearer", "token":
	default:
		return credentials{}, badCredentials("Bad credentials")
	}
	if strings.Count(value, ".") == 2 {
		if failure := s.verifyJWT(value); failure != nil {
			return credentials{}, failure
		}
		return credentials{app: true}, nil
	}
	t, ok := s.tokens[value]
	if !ok || !t.expires.After(s.options.Now()) {
		return credentials{}, badCredentials("Bad credentials")
	}
	if t.installation.suspended != nil {
		return credentials{}, &apiError{status: http.StatusForbidden, message: "This installation has been suspended"}
	}
	return credentials{token: t}, nil
}

// getApp is GET /app.
func (s *Server) getApp(c *call) (any, *apiError) { return s.appJSON(), nil }

// getInstallation is GET /app/installations/{installation_id}.
func (s *Server) getInstallation(c *call) (any, *apiError) {
	i, ok := s.installations[c.number("installation_id")]
	if !ok {
		return nil, notFound()
	}
	return s.installationJSON(i), nil
}

// getRepositoryInstallation is GET /repos/{owner}/{repo}/installation.
func (s *Server) getRepositoryInstallation(c *call) (any, *apiError) {
	r, ok := s.repositories[strings.ToLower(c.r.PathValue("owner")+"/"+c.r.PathValue("repo"))]
	if ok {
		for _, i := range s.installations {
			if i.has(r) {
				return s.installationJSON(i), nil
			}
		}
	}
	return nil, notFound()
}

// createToken is POST /app/installations/{installation_id}/access_tokens.
func (s *Server) createToken(c *call) (any, *apiError) {
	var request struct {
		Repositories  []string          `json:"repositories"`
		RepositoryIDs []int64           `json:"repository_ids"`
		Permissions   map[string]string `json:"permissions"`
	}
	if err := c.decodeOptional(&request); err != nil {
		return nil, err
	}
	i, ok := s.installations[c.number("installation_id")]
	if !ok {
		return nil, notFound()
	}
	if i.suspended != nil {
		return nil, &apiError{status: http.StatusForbidden, message: "This installation has been suspended"}
	}
	if len(request.Repositories)+len(request.RepositoryIDs) > 500 {
		return nil, &apiError{status: http.StatusUnprocessableEntity, message: "Too many repositories for installation token."}
	}
	var selected map[int64]bool
	for _, r := range request.Repositories {
		request.RepositoryIDs = append(request.RepositoryIDs, s.repositoryID(i.account.login, r))
	}
	for _, id := range request.RepositoryIDs {
		r := s.repositoryByID(id)
		if r == nil || !i.has(r) {
			return nil, &apiError{status: http.StatusUnprocessableEntity, message: "There is at least one repository that does not exist or is not accessible to the parent installation."}
		}
		if selected == nil {
			selected = map[int64]bool{}
		}
		selected[id] = true
	}
	permissions := i.permissions
	if request.Permissions != nil {
		permissions = request.Permissions
		for name, level := range permissions {
			if levels[level] == 0 || !covers(i.permissions, name, level) {
				return nil, &apiError{status: http.StatusUnprocessableEntity, message: "The permissions requested are not granted to this installation."}
			}
		}
	}
	selection := "selected"
	if selected == nil && i.all {
		selection = "all"
	}
	value, t := s.newToken(i, selected, permissions)
	if t.permissions["metadata"] == "" {
		t.permissions["metadata"] = "read" // every token of GitHub's has it
	}
	answer := object{
		"token": value, "expires_at": t.expires.Format(time.RFC3339), "permissions": t.permissions, "repository_selection": selection,
	}
	if selected != nil {
		var list []any
		for _, r := range s.sortedRepositories() {
			if selected[r.id] {
				list = append(list, s.repositoryJSON(r))
			}
		}
		answer["repositories"] = list
	}
	return created{answer}, nil
}
