// SPDX-License-Identifier: MIT

package replay

import (
	"cmp"
	"slices"
	"time"

	"github.com/nbtlab/nbtlab/harness/scenario"
)

// Supply adds calls that somebody knows of to the history: when the application exited, say. They are in the order in which
// they were made, with times on a clock of their own. Those that the frames show too keep the frames' times, and give the
// others their place.
func (h *History) Supply(v *View, calls []Call) {
	seen := slices.Clone(h.Calls)
	pairs := common(seen, calls)
	nextID := 0
	for i := range h.Calls {
		nextID = max(nextID, h.Calls[i].ID+1)
	}
	for k, c := range calls {
		if _, known := pairs[k]; known {
			continue
		}
		c.ID, c.Seen = nextID, -1
		nextID++
		c.At = placed(seen, calls, pairs, k)
		c.Pos = len(v.Frames)
		for i := range v.Frames {
			if v.Frames[i].At > c.At {
				c.Pos = i
				break
			}
		}
		if c.Verb == scenario.Stop {
			h.takeOver(&c)
		}
		h.Calls = append(h.Calls, c)
	}
	slices.SortStableFunc(h.Calls, func(a, b Call) int { return cmp.Or(cmp.Compare(a.Pos, b.Pos), cmp.Compare(a.At, b.At)) })
}

// takeOver makes a stop the cause of the releases that were sent then.
func (h *History) takeOver(stop *Call) {
	kept := h.Calls[:0:0]
	for _, c := range h.Calls {
		if c.Verb != scenario.DeleteName || c.Seen < 0 || c.At < stop.At-atTheEnd || c.At > stop.At+repetition {
			kept = append(kept, c)
			continue
		}
		if len(stop.Instead) == 0 {
			stop.Pos, stop.At = c.Pos, c.At
		}
		stop.Instead = append(stop.Instead, c)
	}
	h.Calls = kept
}

// placed is the time of a supplied call in the capture: as long after the last one before it that the frames show, else as
// long before the next, else as it says.
func placed(seen, calls []Call, pairs map[int]int, k int) time.Duration {
	for i := k - 1; i >= 0; i-- {
		if s, ok := pairs[i]; ok {
			return seen[s].At + calls[k].At - calls[i].At
		}
	}
	for i := k + 1; i < len(calls); i++ {
		if s, ok := pairs[i]; ok {
			return max(0, seen[s].At-(calls[i].At-calls[k].At))
		}
	}
	return calls[k].At
}

// maxCommon bounds the table in which calls are aligned, in cells.
const maxCommon = 4 << 20

// common pairs supplied calls with those that the frames show, in order: by the indexes of both.
func common(seen, calls []Call) map[int]int {
	pairs := map[int]int{}
	var own []int // of the calls that can be supplied
	for i := range seen {
		if suppliable(seen[i].Verb) {
			own = append(own, i)
		}
	}
	n, m := len(own), len(calls)
	if (n+1)*(m+1) > maxCommon {
		return pairs
	}
	length := make([]int32, (n+1)*(m+1))
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			best := max(length[(i+1)*(m+1)+j], length[i*(m+1)+j+1])
			if same(&seen[own[i]], &calls[j]) {
				best = max(best, length[(i+1)*(m+1)+j+1]+1)
			}
			length[i*(m+1)+j] = best
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case same(&seen[own[i]], &calls[j]) && length[i*(m+1)+j] == length[(i+1)*(m+1)+j+1]+1:
			pairs[j] = own[i]
			i, j = i+1, j+1
		case length[(i+1)*(m+1)+j] >= length[i*(m+1)+j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}

// suppliable reports whether a scenario supplies calls of this kind: those that the wire may not show. The others it shows
// as they were.
func suppliable(v scenario.Verb) bool {
	switch v {
	case scenario.AddName, scenario.AddGroup, scenario.DeleteName, scenario.Listen, scenario.Stop, scenario.Restart:
		return true
	default:
		return false
	}
}

func same(a, b *Call) bool { return a.Verb == b.Verb && a.Name == b.Name }
