//go:build !linux

package child

// setLimits does nothing where the kernel keeps no such limits, or none that holds for the memory
// of a Go program: there only the soft limit of the collector and the parent's patience hold.
func setLimits(Limits) error { return nil }
