// SPDX-License-Identifier: MIT

package survey

import (
	"encoding/binary"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// index finds things by a hash of what they are known by. It keeps no keys: whoever asks compares. A map would keep them
// twice, and take two more cache misses for each of a million frames.
//
// Names can be made up so that they all have one hash; then the index is full early, and what it has no room for is counted.
type index struct {
	slots []slot // a power of two
	used  int
}

type slot struct {
	hash uint32
	at   int32 // plus one; 0 for an empty slot
}

const (
	firstSlots = 1 << 10
	maxProbes  = 1 << 7
)

// find returns what is at the place of a hash, as far as is says that it is the one; -1 if none is.
func (x *index) find(hash uint32, is func(at int32) bool) int32 {
	mask := uint32(len(x.slots) - 1)
	for i := range uint32(min(maxProbes, len(x.slots))) {
		s := &x.slots[(hash+i)&mask]
		if s.at == 0 {
			return -1
		}
		if s.hash == hash && is(s.at-1) {
			return s.at - 1
		}
	}
	return -1
}

// put enters something that is not there. It returns false when there is no room at its place.
func (x *index) put(hash uint32, at int32) bool {
	if 2*(x.used+1) > len(x.slots) {
		x.grow()
	}
	if !x.place(slot{hash, at + 1}) {
		return false
	}
	x.used++
	return true
}

func (x *index) place(s slot) bool {
	mask := uint32(len(x.slots) - 1)
	for i := range uint32(min(maxProbes, len(x.slots))) {
		if p := &x.slots[(s.hash+i)&mask]; p.at == 0 {
			*p = s
			return true
		}
	}
	return false
}

// grow doubles the room. What was crowded is not more so afterwards, so that everything finds its place again.
func (x *index) grow() {
	old := x.slots
	x.slots = make([]slot, max(firstSlots, 2*len(old)))
	for _, s := range old {
		if s.at != 0 && !x.place(s) {
			x.used--
		}
	}
}

// The multipliers of SplitMix64 (Steele, Lea and Flood 2014), which spread every bit over all.
const (
	mix1 = 0xbf58476d1ce4e5b9
	mix2 = 0x94d049bb133111eb
)

// hashOf is the hash of a name at a host.
func hashOf(host int32, name *netbios.Name) uint32 {
	h := binary.LittleEndian.Uint64(name[:8])*mix1 ^ uint64(host+1)*mix2
	h = (h ^ h>>29) + binary.LittleEndian.Uint64(name[8:])
	h = (h ^ h>>32) * mix1
	return uint32(h >> 32)
}

// hashAddr is the hash of an address.
func hashAddr(addr [4]byte) uint32 {
	return uint32(uint64(binary.LittleEndian.Uint32(addr[:])) * mix2 >> 32)
}

// chunks is a list that grows without moving what it holds.
type chunks[T any] struct {
	list []*[chunkLen]T
	n    int
}

const (
	chunkBits = 9
	chunkLen  = 1 << chunkBits
)

func (c *chunks[T]) at(i int32) *T { return &c.list[i>>chunkBits][i&(chunkLen-1)] }

// add appends a zero value and returns its index.
func (c *chunks[T]) add() int32 {
	if c.n == len(c.list)*chunkLen {
		c.list = append(c.list, new([chunkLen]T))
	}
	c.n++
	return int32(c.n - 1)
}
