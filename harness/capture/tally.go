// SPDX-License-Identifier: MIT

package capture

import (
	"cmp"
	"slices"
)

// Skip counts what was left out for the same reason. Packets of TCP that make no frame by themselves, such as an
// acknowledgement, are not left out, nor are fragments of a datagram that became whole.
type Skip struct {
	Why   string // "not IPv4", "not port 137-139", ...
	Count int
	First int // number of the first such packet, as Wireshark counts
}

// maxReasons bounds how many reasons are told apart: a crafted file can have packets of ten thousand link types.
const maxReasons = 64

// skipOther counts what there is no room for.
const skipOther = "other reasons"

// tally counts by reason.
type tally struct {
	list []Skip
	last int // index of the reason that was counted last, which is likely to be the next one too
}

func (t *tally) add(why string, first, count int) {
	if count == 0 {
		return
	}
	if len(t.list) == 0 || t.list[t.last].Why != why {
		t.last = t.find(why, first)
	}
	s := &t.list[t.last]
	s.Count += count
	s.First = min(s.First, first)
}

func (t *tally) find(why string, first int) int {
	if i := slices.IndexFunc(t.list, func(s Skip) bool { return s.Why == why }); i >= 0 {
		return i
	}
	if len(t.list) == maxReasons-1 {
		why = skipOther
	}
	if len(t.list) == maxReasons {
		return maxReasons - 1
	}
	t.list = append(t.list, Skip{Why: why, First: first})
	return len(t.list) - 1
}

// inOrder returns the counts in the order of first appearance.
func (t *tally) inOrder() []Skip {
	slices.SortStableFunc(t.list, func(a, b Skip) int { return cmp.Compare(a.First, b.First) })
	t.last = 0
	return t.list
}
