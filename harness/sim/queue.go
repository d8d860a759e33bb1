// SPDX-License-Identifier: MIT

package sim

import (
	"time"

	"github.com/nbtlab/nbtlab/harness/stack"
)

// item is something that will happen. Items at the same time happen in the order in which they were queued.
type item struct {
	at    time.Duration
	seq   uint64
	cause uint32      // the event of the trace that brought it about
	node  int32       // where it happens; everybody for a broadcast
	timer uint32      // the timer that rings, 0 for an input
	in    stack.Input // what arrives
}

const everybody = -1

func (a *item) before(b *item) bool { return a.at < b.at || a.at == b.at && a.seq < b.seq }

// queue is a binary heap of items. It holds values, so that queueing one costs no allocation of its own.
type queue []item

func (q *queue) push(x item) {
	h := append(*q, x)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].before(&x) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = x
	*q = h
}

// pop takes the earliest item off a queue that is not empty.
func (q *queue) pop() item {
	h := *q
	top, last := h[0], h[len(h)-1]
	h[len(h)-1] = item{}
	h = h[:len(h)-1]
	*q = h
	if len(h) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(&h[child]) {
			child++
		}
		if last.before(&h[child]) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = last
	return top
}
