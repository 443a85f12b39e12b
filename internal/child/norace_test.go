//go:build !race

package child

const memoryFactor = 1
