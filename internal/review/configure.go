package review

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// configure reads the changed files and the configuration that holds: the organisation's and the base
// branch's, never the head's, which is only checked.
func (g *gatherer) configure(ctx context.Context) error {
	var err error
	if g.s.Changed, err = g.host.ChangedFiles(ctx); err != nil {
		return fmt.Errorf("list changed files: %w", err)
	}
	if g.s.Login, err = g.host.Login(ctx); err != nil {
		return fmt.Errorf("read own login: %w", err)
	}
	base, err := g.tree(ctx, g.s.PullRequest.Base)
	if err != nil {
		return err
	}
	var organisation, repository *config.Layer
	data, ok, err := g.host.OrganisationFile(ctx, config.RepositoryPath)
	if err != nil {
		return fmt.Errorf("read the organisation's configuration: %w", err)
	}
	if ok {
		if organisation = g.layer(OfOrganisation, data); organisation != nil {
			organisation.Origin = config.OriginOrganisation
		}
	}
	baseObject := ""
	if e, ok := base.find(config.RepositoryPath); ok {
		data, err := g.blob(ctx, e)
		if err := g.hostError(err); err != nil {
			return err
		}
		if err != nil {
			g.problem(OfBase, config.Error{Path: config.RepositoryPath, Line: 1, Column: 1, Message: "the file cannot be read: it is " + err.Error()})
		} else {
			repository = g.layer(OfBase, data)
		}
		baseObject = e.Object
	}
	g.s.Config = config.Effective(organisation, repository)
	return g.checkHeadConfig(ctx, baseObject)
}

// checkHeadConfig reads the configuration that the pull request brings, to say what is wrong with it.
func (g *gatherer) checkHeadConfig(ctx context.Context, baseObject string) error {
	at := slices.IndexFunc(g.s.Changed, func(f ChangedFile) bool { return f.Path == config.RepositoryPath })
	if at < 0 || g.s.Changed[at].Status == "removed" || g.s.Changed[at].Object == baseObject {
		return nil
	}
	data, err := g.blob(ctx, buildcontext.Entry{Path: config.RepositoryPath, Object: g.s.Changed[at].Object})
	if err := g.hostError(err); err != nil {
		return err
	}
	// What the pull request brings takes the place of what the base has, so that is not said too.
	g.s.ConfigProblems = slices.DeleteFunc(g.s.ConfigProblems, func(p ConfigProblem) bool { return p.Origin == OfBase })
	if err != nil {
		g.problem(OfPullRequest, config.Error{Path: config.RepositoryPath, Line: 1, Column: 1, Message: "the file cannot be read: it is " + err.Error()})
		return nil //nolint:nilerr // it is said to the author
	}
	g.layer(OfPullRequest, data)
	return nil
}

func (g *gatherer) problem(origin Origin, e config.Error) {
	g.s.ConfigProblems = append(g.s.ConfigProblems, ConfigProblem{origin, e})
}

// layer reads one configuration file; nil where it cannot be used, with the problems noted.
func (g *gatherer) layer(origin Origin, data []byte) *config.Layer {
	layer, err := config.Parse(config.RepositoryPath, data, rules.Schemas())
	if err == nil {
		return layer
	}
	var all config.Errors
	if !errors.As(err, &all) {
		all = config.Errors{{Path: config.RepositoryPath, Line: 1, Column: 1, Message: err.Error()}}
	}
	for _, e := range all {
		g.problem(origin, *e)
	}
	return nil
}
