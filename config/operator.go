package config

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The operator's environment variables. The two secrets can also be given as
// the name of a file, in the variable with the suffix FileSuffix.
const (
	EnvAppID         = "HITRATE_APP_ID"
	EnvPrivateKey    = "HITRATE_PRIVATE_KEY"
	EnvWebhookSecret = "HITRATE_WEBHOOK_SECRET"
	EnvDatabaseURL   = "HITRATE_DATABASE_URL"
	EnvListen        = "HITRATE_LISTEN"
	EnvWorkers       = "HITRATE_WORKERS"
	EnvCacheDir      = "HITRATE_CACHE_DIR"
	EnvLogLevel      = "HITRATE_LOG_LEVEL"
	EnvServerURL     = "GITHUB_SERVER_URL"
	EnvAPIURL        = "GITHUB_API_URL"
	EnvGraphQLURL    = "GITHUB_GRAPHQL_URL"

	FileSuffix = "_FILE"
)

// What stands for a variable that is not set. The App's id and the secrets
// have no default.
const (
	DefaultDatabaseURL = "sqlite://hitrate.db"
	DefaultListen      = ":8080"
	DefaultWorkers     = 2
	DefaultCacheDir    = "hitrate-cache"
	DefaultLogLevel    = "info"
	DefaultServerURL   = "https://github.com"
	DefaultAPIURL      = "https://api.github.com"
	DefaultGraphQLURL  = "https://api.github.com/graphql"
)

// MaxWorkers bounds Operator.Workers: the work is bound by processors and by
// GitHub's limits, and more only holds more memory.
const MaxWorkers = 64

// LogLevels are the values of Operator.LogLevel, from the most to the least talkative.
func LogLevels() []string { return []string{"debug", "info", "warn", "error"} }

// Operator holds the settings of one running server. Printing or logging it
// shows no secret.
type Operator struct {
	AppID         int64
	PrivateKey    []byte `json:"-"` // PEM, PKCS #1 or PKCS #8, RSA
	WebhookSecret []byte `json:"-"` // never empty
	DatabaseURL   string // sqlite://PATH
	Listen        string // HOST:PORT, the host may be empty
	Workers       int
	CacheDir      string
	LogLevel      string // one of LogLevels
	// The addresses of GitHub, used as given: nothing is appended to them.
	ServerURL, APIURL, GraphQLURL string
}

// OperatorError is what is wrong with one of the operator's settings. Its
// message says what to do and holds no secret.
type OperatorError struct {
	Variable string
	Message  string
}

// Error reads "VARIABLE: message".
func (e *OperatorError) Error() string { return e.Variable + ": " + e.Message }

// OperatorFromEnv reads the operator's settings. A flag on the command line
// overrides a variable by answering for it in getenv. readFile reads the files
// that the _FILE variables name (os.ReadFile). The error joins an
// *OperatorError for every setting that is wrong.
func OperatorFromEnv(getenv func(string) string, readFile func(string) ([]byte, error)) (Operator, error) {
	e := environment{getenv: getenv, readFile: readFile}
	o := Operator{
		AppID:         e.appID(),
		PrivateKey:    e.privateKey(),
		WebhookSecret: e.secret(EnvWebhookSecret, "set it to the webhook secret of the GitHub App"),
		DatabaseURL:   e.database(),
		Listen:        e.listen(),
		Workers:       e.workers(),
		CacheDir:      e.or(EnvCacheDir, DefaultCacheDir),
		LogLevel:      e.logLevel(),
		ServerURL:     e.address(EnvServerURL, DefaultServerURL),
		APIURL:        e.address(EnvAPIURL, DefaultAPIURL),
		GraphQLURL:    e.address(EnvGraphQLURL, DefaultGraphQLURL),
	}
	if err := errors.Join(e.errors...); err != nil {
		return Operator{}, err
	}
	return o, nil
}

// DatabasePath is the file of the SQLite database.
func (o Operator) DatabasePath() string {
	return strings.TrimPrefix(o.DatabaseURL, "sqlite://")
}

// Level is LogLevel as slog has it; anything unknown is info.
func (o Operator) Level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// LogValue gives the settings without the secrets.
func (o Operator) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int64("app_id", o.AppID),
		slog.String("private_key", setOrNot(o.PrivateKey)),
		slog.String("webhook_secret", setOrNot(o.WebhookSecret)),
		slog.String("database_url", o.DatabaseURL),
		slog.String("listen", o.Listen),
		slog.Int("workers", o.Workers),
		slog.String("cache_dir", o.CacheDir),
		slog.String("log_level", o.LogLevel),
		slog.String("server_url", o.ServerURL),
		slog.String("api_url", o.APIURL),
		slog.String("graphql_url", o.GraphQLURL),
	)
}

// String gives the settings without the secrets.
func (o Operator) String() string { return o.LogValue().String() }

// Format prints String for every verb, so that %#v and %x show no secret either.
func (o Operator) Format(f fmt.State, _ rune) {
	// A fmt.State that fails is fmt's to report.
	_, _ = f.Write([]byte(o.String()))
}

func setOrNot(secret []byte) string {
	if len(secret) == 0 {
		return "not set"
	}
	return "set"
}

// environment collects what is wrong while settings are read.
type environment struct {
	getenv   func(string) string
	readFile func(string) ([]byte, error)
	errors   []error
}

func (e *environment) fail(variable, format string, args ...any) {
	e.errors = append(e.errors, &OperatorError{Variable: variable, Message: fmt.Sprintf(format, args...)})
}

func (e *environment) or(variable, fallback string) string {
	if v := e.getenv(variable); v != "" {
		return v
	}
	return fallback
}

func (e *environment) appID() int64 {
	v := strings.TrimSpace(e.getenv(EnvAppID))
	if v == "" {
		e.fail(EnvAppID, "is not set: set it to the App ID shown in the settings of the GitHub App")
		return 0
	}
	id, err := strconv.ParseInt(v, 10, 64)
	if err != nil || id <= 0 {
		e.fail(EnvAppID, "is not an App ID: set it to the number shown in the settings of the GitHub App")
	}
	return id
}

// secret reads a secret from its variable or its file, without the line end
// that editors and secret stores put behind it; nil where it said what is wrong.
func (e *environment) secret(variable, remedy string) []byte {
	value, file := e.getenv(variable), e.getenv(variable+FileSuffix)
	if value != "" && file != "" {
		e.fail(variable, "is set together with %s: set only one of them", variable+FileSuffix)
		return nil
	}
	source, secret := variable, []byte(value)
	if file != "" {
		source += FileSuffix
		var err error
		if secret, err = e.readFile(file); err != nil {
			// The name stays out of the message: people put the secret itself there.
			e.fail(source, "the file that it names cannot be read: %s", readReason(err))
			return nil
		}
	}
	secret = bytes.TrimRight(secret, "\r\n")
	if len(bytes.TrimSpace(secret)) == 0 {
		if file != "" {
			e.fail(source, "the file that it names is empty: %s", remedy)
		} else {
			e.fail(source, "is not set: %s, or %s to a file that holds it", remedy, variable+FileSuffix)
		}
		return nil
	}
	return secret
}

func readReason(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return "reading failed"
}

func (e *environment) privateKey() []byte {
	key := e.secret(EnvPrivateKey, "set it to the private key (PEM) of the GitHub App")
	if key == nil {
		return nil
	}
	// Files of variables have no line breaks; people write \n for them.
	if !bytes.Contains(key, []byte("\n")) {
		key = bytes.ReplaceAll(key, []byte(`\n`), []byte("\n"))
	}
	if reason := checkPrivateKey(key); reason != "" {
		variable := EnvPrivateKey
		if e.getenv(EnvPrivateKey) == "" {
			variable += FileSuffix
		}
		e.fail(variable, "%s: give the .pem file that GitHub made for the App, whole", reason)
		return nil
	}
	return key
}

func checkPrivateKey(key []byte) string {
	block, _ := pem.Decode(key)
	if block == nil {
		return "is not a PEM private key"
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return ""
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "is PEM, but holds no readable private key"
	}
	if _, ok := parsed.(*rsa.PrivateKey); !ok {
		return "is not an RSA key, which GitHub Apps need"
	}
	return ""
}

func (e *environment) database() string {
	v := e.or(EnvDatabaseURL, DefaultDatabaseURL)
	scheme, path, ok := strings.Cut(v, "://")
	switch {
	// The address can hold a password, so no message repeats it.
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		e.fail(EnvDatabaseURL, "PostgreSQL is not supported: this version supports SQLite only; set it to sqlite://PATH")
	case !ok || scheme != "sqlite" || path == "":
		e.fail(EnvDatabaseURL, "is not sqlite://PATH, with the path of the database file")
	}
	return v
}

func (e *environment) listen() string {
	v := e.or(EnvListen, DefaultListen)
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		e.fail(EnvListen, "%q is not HOST:PORT or :PORT, like %s", v, DefaultListen)
	}
	return v
}

func (e *environment) workers() int {
	v := e.or(EnvWorkers, strconv.Itoa(DefaultWorkers))
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > MaxWorkers {
		e.fail(EnvWorkers, "%q is not a number from 1 to %d", v, MaxWorkers)
	}
	return n
}

func (e *environment) logLevel() string {
	v := strings.ToLower(e.or(EnvLogLevel, DefaultLogLevel))
	if !slices.Contains(LogLevels(), v) {
		e.fail(EnvLogLevel, "%q is not one of %s", v, strings.Join(LogLevels(), ", "))
	}
	return v
}

// address does not repeat the value either: it can hold a name and password.
func (e *environment) address(variable, fallback string) string {
	v := e.or(variable, fallback)
	u, err := url.Parse(v)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		e.fail(variable, "is not an address: set it to one like %s", fallback)
	case u.User != nil:
		e.fail(variable, "must not hold a user name or password: set it to an address like %s", fallback)
	case u.RawQuery != "" || u.Fragment != "":
		e.fail(variable, `must not hold "?" or "#": set it to an address like %s`, fallback)
	}
	return v
}
