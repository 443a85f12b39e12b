package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keys are made for each run, so that no private key lies in the repository.
var keys = sync.OnceValue(func() map[string]string {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			panic(err)
		}
		return der
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return map[string]string{
		"pkcs1":  block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"pkcs8":  block("PRIVATE KEY", pkcs8(rsaKey)),
		"ec":     block("PRIVATE KEY", pkcs8(ecKey)),
		"public": block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)),
	}
})

const webhookSecret = "hunter2-never-shown"

func operatorFrom(env, files map[string]string) (Operator, error) {
	return OperatorFromEnv(
		func(name string) string { return env[name] },
		func(name string) ([]byte, error) {
			if data, ok := files[name]; ok {
				return []byte(data), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		})
}

func TestOperatorDefaults(t *testing.T) {
	got, err := operatorFrom(map[string]string{
		EnvAppID: "7", EnvPrivateKey: keys()["pkcs1"], EnvWebhookSecret: webhookSecret,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Operator{
		AppID: 7, PrivateKey: []byte(strings.TrimSpace(keys()["pkcs1"])), WebhookSecret: []byte(webhookSecret),
		DatabaseURL: "sqlite://hitrate.db", Listen: ":8080", Workers: 2, CacheDir: "hitrate-cache", LogLevel: "info",
		ServerURL: "https://github.com", APIURL: "https://api.github.com", GraphQLURL: "https://api.github.com/graphql",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.DatabasePath() != "hitrate.db" || got.Level() != slog.LevelInfo {
		t.Errorf("database %q, level %v", got.DatabasePath(), got.Level())
	}
}

func TestOperatorFromFiles(t *testing.T) {
	got, err := operatorFrom(map[string]string{
		EnvAppID: " 12345\n", EnvPrivateKey + "_FILE": "/run/key", EnvWebhookSecret + "_FILE": "/run/secret",
		EnvDatabaseURL: "sqlite:///var/lib/hitrate/db", EnvListen: "127.0.0.1:0", EnvWorkers: "8",
		EnvCacheDir: "/cache", EnvLogLevel: "DEBUG",
		EnvServerURL: "http://127.0.0.1:3000", EnvAPIURL: "http://127.0.0.1:3000/api/v3/", EnvGraphQLURL: "http://127.0.0.1:3000/api/graphql",
	}, map[string]string{"/run/key": keys()["pkcs8"], "/run/secret": webhookSecret + "\r\n"})
	if err != nil {
		t.Fatal(err)
	}
	want := Operator{
		AppID: 12345, PrivateKey: []byte(strings.TrimSpace(keys()["pkcs8"])), WebhookSecret: []byte(webhookSecret),
		DatabaseURL: "sqlite:///var/lib/hitrate/db", Listen: "127.0.0.1:0", Workers: 8, CacheDir: "/cache", LogLevel: "debug",
		ServerURL: "http://127.0.0.1:3000", APIURL: "http://127.0.0.1:3000/api/v3/", GraphQLURL: "http://127.0.0.1:3000/api/graphql",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.DatabasePath() != "/var/lib/hitrate/db" || got.Level() != slog.LevelDebug {
		t.Errorf("database %q, level %v", got.DatabasePath(), got.Level())
	}
}

// A key on one line with \n in it comes from files of variables.
func TestOperatorKeyOnOneLine(t *testing.T) {
	got, err := operatorFrom(map[string]string{
		EnvAppID: "7", EnvPrivateKey: strings.ReplaceAll(keys()["pkcs1"], "\n", `\n`), EnvWebhookSecret: webhookSecret,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(got.PrivateKey)) != strings.TrimSpace(keys()["pkcs1"]) {
		t.Error("the key differs")
	}
}

func TestOperatorErrors(t *testing.T) {
	good := map[string]string{EnvAppID: "7", EnvPrivateKey: keys()["pkcs1"], EnvWebhookSecret: webhookSecret}
	files := map[string]string{"/empty": " \n", "/key": keys()["pkcs1"]}
	tests := []struct {
		name string
		set  map[string]string
		want []string
	}{
		{"nothing set", map[string]string{EnvAppID: "", EnvPrivateKey: "", EnvWebhookSecret: ""}, []string{
			"HITRATE_APP_ID: is not set: set it to the App ID shown in the settings of the GitHub App",
			"HITRATE_PRIVATE_KEY: is not set: set it to the private key (PEM) of the GitHub App, or HITRATE_PRIVATE_KEY_FILE to a file that holds it",
			"HITRATE_WEBHOOK_SECRET: is not set: set it to the webhook secret of the GitHub App, or HITRATE_WEBHOOK_SECRET_FILE to a file that holds it",
		}},
		{"App ID", map[string]string{EnvAppID: "Iv1.abc"}, []string{"HITRATE_APP_ID: is not an App ID: set it to the number shown in the settings of the GitHub App"}},
		{"App ID zero", map[string]string{EnvAppID: "0"}, []string{"HITRATE_APP_ID: is not an App ID: set it to the number shown in the settings of the GitHub App"}},
		{"secret of spaces", map[string]string{EnvWebhookSecret: "  "}, []string{"HITRATE_WEBHOOK_SECRET: is not set: set it to the webhook secret of the GitHub App, or HITRATE_WEBHOOK_SECRET_FILE to a file that holds it"}},
		{"both", map[string]string{EnvWebhookSecret + "_FILE": "/key", EnvPrivateKey + "_FILE": "/key"}, []string{
			"HITRATE_PRIVATE_KEY: is set together with HITRATE_PRIVATE_KEY_FILE: set only one of them",
			"HITRATE_WEBHOOK_SECRET: is set together with HITRATE_WEBHOOK_SECRET_FILE: set only one of them",
		}},
		{"no file", map[string]string{EnvWebhookSecret: "", EnvWebhookSecret + "_FILE": webhookSecret}, []string{"HITRATE_WEBHOOK_SECRET_FILE: the file that it names cannot be read: it does not exist"}},
		{"empty file", map[string]string{EnvWebhookSecret: "", EnvWebhookSecret + "_FILE": "/empty"}, []string{"HITRATE_WEBHOOK_SECRET_FILE: the file that it names is empty: set it to the webhook secret of the GitHub App"}},
		{"not PEM", map[string]string{EnvPrivateKey: webhookSecret}, []string{"HITRATE_PRIVATE_KEY: is not a PEM private key: give the .pem file that GitHub made for the App, whole"}},
		{"empty key file", map[string]string{EnvPrivateKey: "", EnvPrivateKey + "_FILE": "/empty"}, []string{"HITRATE_PRIVATE_KEY_FILE: the file that it names is empty: set it to the private key (PEM) of the GitHub App"}},
		{"public key", map[string]string{EnvPrivateKey: keys()["public"]}, []string{"HITRATE_PRIVATE_KEY: is PEM, but holds no readable private key: give the .pem file that GitHub made for the App, whole"}},
		{"EC key", map[string]string{EnvPrivateKey: keys()["ec"]}, []string{"HITRATE_PRIVATE_KEY: is not an RSA key, which GitHub Apps need: give the .pem file that GitHub made for the App, whole"}},
		{"PostgreSQL", map[string]string{EnvDatabaseURL: "postgres://u:" + webhookSecret + "@h/db"}, []string{"HITRATE_DATABASE_URL: PostgreSQL is not supported: this version supports SQLite only; set it to sqlite://PATH"}},
		{"PostgreSQL's other name", map[string]string{EnvDatabaseURL: "postgresql:///db"}, []string{"HITRATE_DATABASE_URL: PostgreSQL is not supported: this version supports SQLite only; set it to sqlite://PATH"}},
		{"MySQL", map[string]string{EnvDatabaseURL: "mysql://u:" + webhookSecret + "@h/db"}, []string{"HITRATE_DATABASE_URL: is not sqlite://PATH, with the path of the database file"}},
		{"path only", map[string]string{EnvDatabaseURL: "hitrate.db"}, []string{"HITRATE_DATABASE_URL: is not sqlite://PATH, with the path of the database file"}},
		{"no path", map[string]string{EnvDatabaseURL: "sqlite://"}, []string{"HITRATE_DATABASE_URL: is not sqlite://PATH, with the path of the database file"}},
		{"several", map[string]string{EnvListen: "8080", EnvWorkers: "0", EnvLogLevel: "loud"}, []string{
			`HITRATE_LISTEN: "8080" is not HOST:PORT or :PORT, like :8080`,
			`HITRATE_WORKERS: "0" is not a number from 1 to 64`,
			`HITRATE_LOG_LEVEL: "loud" is not one of debug, info, warn, error`,
		}},
		{"bad port", map[string]string{EnvListen: ":65536"}, []string{`HITRATE_LISTEN: ":65536" is not HOST:PORT or :PORT, like :8080`}},
		{"addresses", map[string]string{EnvServerURL: "github.example.com", EnvAPIURL: "ftp://x/", EnvGraphQLURL: "https://u:" + webhookSecret + "@x/graphql"}, []string{
			"GITHUB_SERVER_URL: is not an address: set it to one like https://github.com",
			"GITHUB_API_URL: is not an address: set it to one like https://api.github.com",
			"GITHUB_GRAPHQL_URL: must not hold a user name or password: set it to an address like https://api.github.com/graphql",
		}},
		{"query", map[string]string{EnvAPIURL: "https://x/?token=" + webhookSecret}, []string{`GITHUB_API_URL: must not hold "?" or "#": set it to an address like https://api.github.com`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			env := maps.Clone(good)
			maps.Copy(env, test.set)
			got, err := operatorFrom(env, files)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(strings.Join(test.want, "\n"), err.Error()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Operator{}, got); diff != "" {
				t.Errorf("settings together with an error: %s", diff)
			}
			var one *OperatorError
			if !errors.As(err, &one) || !strings.HasPrefix(test.want[0], one.Variable+": ") {
				t.Errorf("no OperatorError of the first variable in %#v", err)
			}
			if strings.Contains(err.Error(), webhookSecret) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

func TestReadReason(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "p", Err: fs.ErrPermission}, "permission denied"},
		{&fs.PathError{Op: "read", Path: "p", Err: errors.New("is a directory")}, "is a directory"},
		{errors.New("p is odd"), "reading failed"},
	} {
		if got := readReason(test.err); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

func TestOperatorShowsNoSecret(t *testing.T) {
	o := Operator{AppID: 4711, PrivateKey: []byte("private-never-shown"), WebhookSecret: []byte(webhookSecret), Listen: ":1"}
	encoded, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("start", "settings", o, "pointer", &o)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("start", "settings", o, "nested", struct{ O Operator }{o})
	shown := map[string]string{"json": string(encoded), "slog": logged.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown[verb] = fmt.Sprintf(verb, o)
		shown[verb+" pointer"] = fmt.Sprintf(verb, &o)
		shown[verb+" nested"] = fmt.Sprintf(verb, struct{ O Operator }{o})
	}
	// How the secrets would look as text, as bytes, in hex and in base64.
	forms := []string{"never-shown", "6e657665722d", "110 101 118 101", "0x6e, 0x65", "bmV2ZXItc2hvd24", "aHVudGVyMi1u"}
	for _, how := range slices.Sorted(maps.Keys(shown)) {
		if !strings.Contains(shown[how], "4711") {
			t.Errorf("%s shows no settings: %s", how, shown[how])
		}
		for _, form := range forms {
			if strings.Contains(shown[how], form) {
				t.Errorf("%s shows a secret: %s", how, shown[how])
			}
		}
	}
}
