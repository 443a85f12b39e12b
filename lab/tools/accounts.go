package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// accountValues are options of useradd, adduser, groupadd and addgroup that take a value in a word of its own.
var accountValues = []string{"-u", "--uid", "-g", "--gid", "-d", "--home-dir", "--home", "-h", "-s", "--shell", "-G", "--groups", "-c", "--comment", "--gecos", "--ingroup", "-K", "-k"}

// account is the name that a command adds, and the values of its options.
func account(args []string) (name string, values map[string]string) {
	values = map[string]string{}
	for i := 0; i < len(args); i++ {
		option, value, joined := strings.Cut(args[i], "=")
		switch {
		case !strings.HasPrefix(option, "-"):
			if name == "" {
				name = args[i]
			}
		case joined:
			values[option] = value
		case slices.Contains(accountValues, option) && i+1 < len(args):
			i++
			values[option] = args[i]
		default:
			values[option] = ""
		}
	}
	return name, values
}

func first(values map[string]string, names ...string) (string, bool) {
	for _, name := range names {
		if v, there := values[name]; there {
			return v, true
		}
	}
	return "", false
}

// user adds an account where there is none of the name: with a home of its own where the options say so, or
// the program makes one by itself.
func user(program string, args []string) error {
	name, values := account(args)
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil || name == "" {
		return err
	}
	_, made := first(values, "-m", "--create-home")
	_, not := first(values, "-M", "--no-create-home", "-H")
	made = made || program == "adduser" && !not
	if _, rest, there := strings.Cut("\n"+string(passwd), "\n"+name+":"); there {
		// The base image has it already, for a later step is to run as this user.
		f := strings.Split(rest, ":")
		return ownHome(made, values, name, f[1], f[2])
	}
	id, ok := first(values, "-u", "--uid")
	if !ok {
		id = fmt.Sprint(1000 + strings.Count(string(passwd), "\n"))
	}
	own := id
	groupName, hasGroup := first(values, "-g", "--gid", "--ingroup", "-G")
	if program == "adduser" && !hasGroup || program == "useradd" && !hasGroup {
		if err := group([]string{"-g", id, name}); err != nil {
			return err
		}
	} else if own, err = groupID(groupName); err != nil {
		return err
	}
	if err := ownHome(made, values, name, id, own); err != nil {
		return err
	}
	return os.WriteFile("/etc/passwd", append(passwd, fmt.Sprintf("%s:x:%s:%s::%s:/bin/sh\n", name, id, own, homeOf(values, name))...), 0o644)
}

// homeOf is the home directory that options give a user.
func homeOf(values map[string]string, name string) string {
	if dir, _ := first(values, "-d", "--home-dir", "--home"); dir != "" {
		return dir
	}
	return "/home/" + name
}

// ownHome makes a user's home directory where one is asked for and there is none.
func ownHome(asked bool, values map[string]string, name, id, group string) error {
	dir := homeOf(values, name)
	if _, err := os.Stat(dir); err == nil || !asked {
		return nil
	}
	number, errs := strconv.Atoi(id)
	groupNumber, err := strconv.Atoi(group)
	if err := errors.Join(errs, err, os.MkdirAll(dir, 0o755), os.Chown(dir, number, groupNumber)); err != nil {
		return err
	}
	return skeleton(dir, number, groupNumber)
}

// skeleton copies what every new home has.
func skeleton(dir string, user, group int) error {
	files, err := filepath.Glob("/etc/skel/.[a-z]*")
	for _, f := range files {
		text, errRead := os.ReadFile(f)
		to := filepath.Join(dir, filepath.Base(f))
		err = errors.Join(err, errRead, os.WriteFile(to, text, 0o644), os.Chown(to, user, group))
	}
	return err
}

// groupID is the number of a group by its name or number.
func groupID(name string) (string, error) {
	if strings.Trim(name, "0123456789") == "" {
		return name, nil
	}
	groups, err := os.ReadFile("/etc/group")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(groups)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); f[0] == name {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("group %q does not exist", name)
}

// group adds a group where there is none of the name.
func group(args []string) error {
	name, values := account(args)
	groups, err := os.ReadFile("/etc/group")
	if err != nil || name == "" || strings.Contains("\n"+string(groups), "\n"+name+":") {
		return err
	}
	id, ok := first(values, "-g", "--gid")
	if !ok {
		id = fmt.Sprint(1000 + strings.Count(string(groups), "\n"))
	}
	return os.WriteFile("/etc/group", append(groups, fmt.Sprintf("%s:x:%s:\n", name, id)...), 0o644)
}
