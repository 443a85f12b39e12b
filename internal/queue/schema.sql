-- Times are milliseconds since 1970, 0 for none.
CREATE TABLE pull_requests (
	installation  INTEGER NOT NULL,
	repository    INTEGER NOT NULL,
	number        INTEGER NOT NULL,
	owner         TEXT    NOT NULL,
	name          TEXT    NOT NULL,
	wanted        INTEGER NOT NULL,            -- how often a look was wanted
	done          INTEGER NOT NULL DEFAULT 0,  -- the count of wants that looks have settled
	claimed       INTEGER NOT NULL DEFAULT 0,  -- wanted as it was when the running work began, 0 when none runs
	woken         INTEGER NOT NULL DEFAULT 0,  -- when the wake that is on its way comes
	owed_since    INTEGER NOT NULL,            -- the first want that no look has begun to settle
	not_before    INTEGER NOT NULL,            -- end of the quiet period or of the pause after a failure
	limited_until INTEGER NOT NULL DEFAULT 0,  -- when GitHub takes requests again; no want shortens it
	attempts      INTEGER NOT NULL DEFAULT 0,  -- failures since the last want
	posted_head   TEXT    NOT NULL DEFAULT '', -- the head that the last look was at
	review_id     INTEGER NOT NULL DEFAULT 0,
	last_error    TEXT    NOT NULL DEFAULT '',
	updated       INTEGER NOT NULL,
	PRIMARY KEY (installation, repository, number)
) WITHOUT ROWID;
CREATE INDEX pull_requests_owed ON pull_requests (not_before) WHERE wanted > done;
CREATE INDEX pull_requests_claimed ON pull_requests (repository, number) WHERE claimed > 0;
