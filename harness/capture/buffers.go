// SPDX-License-Identifier: MIT

package capture

import "math/bits"

// Sizes of buffers: powers of two from the smallest that is worth it to the longest message.
const (
	smallestBuffer = 6 // a power of two
	largestBuffer  = 18
	maxSpare       = 4 << 20 // bytes of buffers kept to be used again
)

// buffers keeps what is no longer used for what is needed next.
type buffers struct {
	free [largestBuffer + 1][][]byte // by the power of two that they hold
	size int
}

// class is the smallest power of two that holds so many bytes.
func class(n int) int { return max(bits.Len(uint(max(n, 1)-1)), smallestBuffer) }

// get returns an empty buffer with room for so many bytes.
func (bs *buffers) get(n int) []byte {
	k := class(n)
	if k > largestBuffer {
		return make([]byte, 0, n)
	}
	if free := bs.free[k]; len(free) > 0 {
		b := free[len(free)-1]
		bs.free[k] = free[:len(free)-1]
		bs.size -= cap(b)
		return b[:0]
	}
	return make([]byte, 0, 1<<k)
}

// put takes back a buffer of get.
func (bs *buffers) put(b []byte) {
	k := class(cap(b))
	if k > largestBuffer || cap(b) != 1<<k || bs.size+cap(b) > maxSpare {
		return
	}
	bs.free[k] = append(bs.free[k], b)
	bs.size += cap(b)
}
