package github

import "container/list"

// lru keeps the values used last. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	size  int
	order *list.List // of entries, the one used last in front
	byKey map[K]*list.Element
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](size int) *lru[K, V] {
	return &lru[K, V]{size: size, order: list.New(), byKey: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(key K) (value V, ok bool) {
	element, ok := l.byKey[key]
	if !ok {
		return value, false
	}
	l.order.MoveToFront(element)
	return element.Value.(lruEntry[K, V]).value, true
}

func (l *lru[K, V]) put(key K, value V) {
	l.remove(key)
	l.byKey[key] = l.order.PushFront(lruEntry[K, V]{key, value})
	if l.order.Len() > l.size {
		l.remove(l.order.Back().Value.(lruEntry[K, V]).key)
	}
}

func (l *lru[K, V]) remove(key K) {
	if element, ok := l.byKey[key]; ok {
		l.order.Remove(element)
		delete(l.byKey, key)
	}
}
