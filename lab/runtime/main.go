// Command runtime starts the containers of the laboratory's daemon, in the place of runc: it takes a fifth of the
// processor time. It knows what BuildKit asks for with the host's network: the root, the mounts, the user, the
// environment, and processes of its own. It sets up no control group and no filter of system calls. /proc and /sys
// can be read only, for parts of them are the machine's, and the capabilities are those that Docker leaves.
//
// Format: https://github.com/opencontainers/runtime-spec/blob/main/config.md
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	code := 1
	var err error
	if len(os.Args) == 3 && os.Args[0] == inside {
		err = enter(os.Args[1])
	} else {
		code, err = run(os.Args[1:])
	}
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "runtime: %v\n", err)
	}
	os.Exit(code)
}

// run is one of the commands that the daemon gives: run, kill and delete. What has ended needs no deletion.
func run(args []string) (code int, _ error) {
	switch {
	case slices.Contains(args, "delete"):
		return 0, nil
	case slices.Contains(args, "kill"):
		return 0, kill(args[slices.Index(args, "kill")+1:])
	}
	i := slices.Index(args, "--bundle")
	if i < 0 || i+1 >= len(args) || !slices.Contains(args, "run") {
		return 1, fmt.Errorf("not a command that is known here: %v", args)
	}
	c, err := read(args[i+1])
	if err != nil {
		return 1, err
	}
	return c.run(args[i+1], args[len(args)-1])
}

// inside is the name under which this program goes on in the container's namespaces.
const inside = "hitrate-lab-container"

// read reads what a container is.
func read(bundle string) (c container, _ error) {
	text, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, fmt.Errorf("read what a container is: %w", err)
	}
	return c, nil
}

// kill ends the process that runs a container, and with it the container.
func kill(args []string) error {
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, at := range all {
		line, errRead := os.ReadFile(at)
		words := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
		if errRead != nil || !slices.Contains(words, "run") && words[0] != inside || !slices.Contains(args, words[len(words)-1]) {
			continue
		}
		if id, errNumber := strconv.Atoi(filepath.Base(filepath.Dir(at))); errNumber == nil {
			err = errors.Join(err, syscall.Kill(id, syscall.SIGKILL))
		}
	}
	return err
}

// container is what of its description is followed.
type container struct {
	Root struct {
		Path     string
		Readonly bool
	}
	Hostname string
	Process  struct {
		Args []string
		Env  []string
		Cwd  string
		User struct {
			UID            uint32
			GID            uint32
			AdditionalGids []uint32
		}
	}
	Mounts []mount
	Linux  struct {
		Namespaces []struct{ Type, Path string }
	}
}

type mount struct {
	Destination, Type, Source string
	Options                   []string

	tree int // of what is bound
}

// run starts this program again in the container's namespaces and waits for what it becomes.
func (c *container) run(bundle, id string) (int, error) {
	flags := unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	for _, n := range c.Linux.Namespaces {
		if n.Type == "network" && n.Path == "" {
			flags |= unix.CLONE_NEWNET
		}
	}
	command := exec.Cmd{
		Path: "/proc/self/exe", Args: []string{inside, bundle, id}, Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: uintptr(flags), Pdeathsig: syscall.SIGKILL},
	}
	err := command.Run()
	var exited *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case !errors.As(err, &exited):
		return 1, err
	}
	if status, ok := exited.Sys().(syscall.WaitStatus); ok && status.Signal() > 0 {
		return 128 + int(status.Signal()), nil
	}
	return exited.ExitCode(), nil
}

// enter makes what this process sees the container, and becomes its process.
func enter(bundle string) error {
	runtime.LockOSThread() // the capabilities are each thread's own
	c, err := read(bundle)
	if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	if err := unix.Sethostname([]byte(c.Hostname)); err != nil {
		return fmt.Errorf("set the name of the host: %w", err)
	}
	for i := range c.Mounts {
		if err := c.Mounts[i].open(); err != nil {
			return fmt.Errorf("open %s: %w", c.Mounts[i].Source, err)
		}
	}
	// From here on every path is one of the container's, and its links lead nowhere else.
	if err := errors.Join(unix.Chroot(c.Root.Path), unix.Chdir("/")); err != nil {
		return fmt.Errorf("enter the root: %w", err)
	}
	unix.Umask(0o022)
	for _, m := range c.Mounts {
		if err := m.mount(); err != nil {
			return fmt.Errorf("mount %s: %w", m.Destination, err)
		}
	}
	if err := devices(); err != nil {
		return fmt.Errorf("make the devices: %w", err)
	}
	if c.Root.Readonly {
		if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	return c.become()
}

// become runs the process in the place of this one.
func (c *container) become() error {
	os.Clearenv()
	for _, pair := range c.Process.Env {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	user := c.Process.User
	if os.Getenv("HOME") == "" {
		c.Process.Env = append(c.Process.Env, "HOME="+home(user.UID))
	}
	if err := unix.Chdir(c.Process.Cwd); err != nil {
		return fmt.Errorf("enter the working directory: %w", err)
	}
	program, err := exec.LookPath(c.Process.Args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return err
	}
	groups := make([]int, len(user.AdditionalGids))
	for i, g := range user.AdditionalGids {
		groups[i] = int(g)
	}
	if err := bound(); err != nil {
		return fmt.Errorf("drop the capabilities: %w", err)
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(int(user.GID)), syscall.Setuid(int(user.UID))); err != nil {
		return fmt.Errorf("become the user: %w", err)
	}
	return syscall.Exec(program, c.Process.Args, c.Process.Env)
}

// capabilities are those that Docker leaves to root.
var capabilities = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP,
	unix.CAP_NET_BIND_SERVICE, unix.CAP_NET_RAW, unix.CAP_SYS_CHROOT, unix.CAP_MKNOD, unix.CAP_AUDIT_WRITE, unix.CAP_SETFCAP,
}

// bound keeps the process that this thread becomes from having any other capability.
func bound() error {
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		if slices.Contains(capabilities, c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// home is that of a user by /etc/passwd, as runc sets it where the environment does not.
func home(id uint32) string {
	accounts, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return "/"
	}
	for line := range strings.Lines(string(accounts)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > 5 && f[2] == fmt.Sprint(id) {
			return f[5]
		}
	}
	return "/"
}

// open takes hold of what is bound into the container, while its path still leads there.
func (m *mount) open() (err error) {
	switch m.Type {
	case "proc", "sysfs":
		m.Options = append(m.Options, "ro")
		return nil
	case "overlay": // its directories are not the container's either
		return m.openOverlay()
	}
	if m.Type == "bind" || slices.Contains(m.Options, "rbind") || slices.Contains(m.Options, "bind") {
		m.Type = "bind"
		m.tree, err = unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	}
	return err
}

// openOverlay mounts one aside and takes hold of that.
func (m *mount) openOverlay() error {
	dir, err := os.MkdirTemp("", "hitrate-lab-overlay-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(dir) }()
	flags, data := m.flags()
	if err := unix.Mount("overlay", dir, "overlay", flags, data); err != nil {
		return err
	}
	m.Type = "bind"
	m.tree, err = unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	return errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
}

// flags are a mount's options: those that every file system knows, and the others.
func (m *mount) flags() (flags uintptr, data string) {
	var others []string
	for _, o := range m.Options {
		switch flag, known := mountFlags[o]; {
		case known:
			flags |= flag
		default:
			others = append(others, o)
		}
	}
	return flags, strings.Join(others, ",")
}

// mount puts it where it belongs, which is made where it is not there.
func (m *mount) mount() error {
	if m.Type == "cgroup" {
		return nil
	}
	if err := m.destination(); err != nil {
		return err
	}
	flags, data := m.flags()
	if m.Type != "bind" {
		return unix.Mount(m.Source, m.Destination, m.Type, flags, data)
	}
	if err := unix.MoveMount(m.tree, "", unix.AT_FDCWD, m.Destination, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return err
	}
	if flags&unix.MS_RDONLY == 0 {
		return unix.Close(m.tree)
	}
	return errors.Join(unix.Close(m.tree), unix.Mount("", m.Destination, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
}

// mountFlags are options that are not the file system's own; what they say beside reading and writing is of no
// matter here.
var mountFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "rw": 0, "nosuid": unix.MS_NOSUID, "noexec": unix.MS_NOEXEC, "nodev": unix.MS_NODEV, "strictatime": unix.MS_STRICTATIME,
	"relatime": unix.MS_RELATIME, "rbind": 0, "bind": 0, "rprivate": 0, "private": 0, "rslave": 0, "slave": 0, "rshared": 0,
}

func (m *mount) destination() error {
	if _, err := os.Stat(m.Destination); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var is unix.Stat_t
	if m.Type == "bind" {
		if err := unix.Fstat(m.tree, &is); err != nil {
			return err
		}
	}
	if m.Type != "bind" || is.Mode&unix.S_IFMT == unix.S_IFDIR {
		return os.MkdirAll(m.Destination, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(m.Destination), 0o755); err != nil {
		return err
	}
	return os.WriteFile(m.Destination, nil, 0o644)
}

// devices are those that every container has.
func devices() error {
	old := unix.Umask(0)
	defer unix.Umask(old)
	var errs []error
	for name, number := range map[string][2]uint32{"null": {1, 3}, "zero": {1, 5}, "full": {1, 7}, "random": {1, 8}, "urandom": {1, 9}, "tty": {5, 0}} {
		err := unix.Mknod("/dev/"+name, unix.S_IFCHR|0o666, int(unix.Mkdev(number[0], number[1])))
		if !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		err := os.Symlink(to, "/dev/"+name)
		if !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
