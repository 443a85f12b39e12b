// Package lab compares hitrate's model of the build cache with BuildKit's real daemon: it builds a
// Dockerfile, makes one change, builds again, reads for each step whether it was cached or executed,
// and sets that against the prediction.
//
// It needs root, and Debian's runc, busybox-static and bash-static, which it installs when they are
// missing. It opens no port: the daemon listens on a unix socket, its root is an empty directory that is removed
// afterwards, and base images come from a directory.
//
// go test ./... in this directory runs a part that takes minutes, with random tests that are the same each time;
// HITRATE_LAB=all runs everything, with new ones. HITRATE_LAB_SEED repeats a random run, HITRATE_LAB_STEPS sets the
// length of the one of changes, in steps, HITRATE_LAB_REPAIRS that of the one of suggestions, in repaired
// Dockerfiles, HITRATE_LAB_WORKERS on how many daemons at once it is (with go test -parallel of at least as many),
// and HITRATE_LAB_DEBUG prints each of their builds. A TMPDIR in memory (/dev/shm) saves processor time, and more of
// the waiting for the disk.
//
// HITRATE_LAB_REPOS names a directory of real repositories whose commits are replayed, HITRATE_LAB_TREES one of
// work trees whose Dockerfiles are built with and without what hitrate suggests.
package lab
