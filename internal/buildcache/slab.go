package buildcache

// slab hands out the elements of slices that it makes: many small values are one allocation.
type slab[T any] struct{ left []T }

func (s *slab[T]) one() *T { return &s.some(1)[0] }

// some returns so many elements as a slice of its own.
func (s *slab[T]) some(n int) []T {
	if len(s.left) < n {
		s.left = make([]T, max(n, 64))
	}
	out := s.left[:n:n]
	s.left = s.left[n:]
	return out
}
