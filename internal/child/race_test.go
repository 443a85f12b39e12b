//go:build race

package child

// The race detector takes several times the memory of what it watches.
const memoryFactor = 4
