package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Clone is where git finds a branch.
type Clone struct {
	Repository int64  // its id, which stays when its name changes
	URL        string // without credentials
	Branch     string
	// Token is one of the installation's, for this repository, that may read contents and nothing else.
	Token string
}

// History reads the base repository's past. Its pull requests' heads are no branches of it.
func (h *host) History(ctx context.Context, branch string, commits int) (*buildcontext.History, error) {
	if h.app.options.History == nil {
		return nil, errors.New("read the history: nothing keeps clones here")
	}
	scope := h.scope
	scope.clones = true
	var token string
	request := func(ctx context.Context, client *github.Client) (err error) {
		transport, ok := client.Client().Transport.(*ghinstallation.Transport)
		if !ok {
			return errors.New("the client of an installation is not one")
		}
		token, err = transport.Token(ctx)
		return err
	}
	if failed := h.app.call(ctx, scope, request); failed != nil {
		return nil, failed.err("get a token for git", false, h.app.options.Now())
	}
	address, err := url.JoinPath(h.app.options.ServerURL, h.ref.Owner, h.ref.Name+".git")
	if err != nil || strings.Contains(h.ref.Owner+h.ref.Name, "..") {
		return nil, fmt.Errorf("read the history: %s/%s has no address", h.ref.Owner, h.ref.Name)
	}
	from := Clone{Repository: h.ref.Repository, URL: address, Branch: branch, Token: token}
	history, err := h.app.options.History(ctx, from, commits)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	return history, nil
}
