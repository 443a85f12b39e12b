package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// commit puts out what the repository around the working directory stands at.
func commit() error {
	dir, err := os.Getwd()
	for err == nil {
		text, err := os.ReadFile(filepath.Join(dir, ".git/HEAD"))
		if err == nil {
			fmt.Println(string(text))
			return nil
		}
		if dir == "/" {
			return errors.New("not a git repository")
		}
		dir = filepath.Dir(dir)
	}
	return err
}

// projectFiles are those that a project of any language may have.
var projectFiles = []string{"README.md", "requirements.txt", "setup.py", "package.json", "Gemfile"}

// clone makes a repository with nothing to speak of in it.
func clone(words []string) error {
	into := words[len(words)-1]
	if strings.Contains(into, ":") {
		into = strings.TrimSuffix(filepath.Base(into), ".git")
	}
	for _, f := range append([]string{".git/HEAD"}, projectFiles...) {
		if err := write(filepath.Join(into, f), ""); err != nil {
			return err
		}
	}
	return nil
}

// download leaves a file where the flags say that one is left, and puts it out where they say none.
func download(name string, args []string) error {
	into, address, last, prefix := "", "", "", ""
	for i := 0; i < len(args); i++ {
		a := args[i]
		value := func() string { return wordBehind(args, &i) }
		long, joined, hasValue := strings.Cut(a, "=")
		short := strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--")
		switch {
		case strings.Contains(a, "://"):
			address = a
			last = filepath.Base(a)
		case (long == "--output" || long == "--output-document") && hasValue:
			into = joined
		case name == "wget" && long == "--directory-prefix" && hasValue:
			prefix = joined
		case name == "wget" && (a == "-P" || a == "--directory-prefix"):
			prefix = value()
		case a == "--output" || a == "--output-document", short && name == "curl" && strings.HasSuffix(a, "o"), short && name == "wget" && strings.HasSuffix(a, "O"):
			into = value()
		case short && name == "wget" && strings.Contains(a, "O"): // -O-, -qO/dev/null
			_, into, _ = strings.Cut(a, "O")
		case short && name == "curl" && strings.Contains(a, "O"), a == "--remote-name":
			into = "."
		}
	}
	switch {
	case into == "-" || into == "" && (name == "curl" || address == ""):
		fmt.Print(printed(address))
		return nil
	case into == "" || into == ".":
		into = filepath.Join(prefix, last)
	}
	// A comment: what is downloaded may be run as a script.
	return write(into, "# "+address+"\n")
}

// printed is what a download puts out that the command behind it in the pipe needs: an archive, the script
// that adds NodeSource's packages and fetches the index, or the one that installs nvm. Others put out nothing.
func printed(address string) string {
	switch {
	case archive.MatchString(address):
		return "# " + address + "\n"
	case strings.Contains(address, "deb.nodesource.com/setup"):
		return "apt-get update\n"
	case strings.Contains(address, "/nvm/") && strings.HasSuffix(address, "install.sh"):
		return "mkdir -p \"${NVM_DIR:=$HOME/.nvm}\"; echo 'nvm() { :; }' > \"$NVM_DIR/nvm.sh\"\n"
	}
	return ""
}
