// SPDX-License-Identifier: MIT

package sim

import "math/rand/v2"

// dice turns the seed into numbers. Nothing else in a run is random, and only Uint64 of PCG is used, whose sequence Go
// guarantees, so that a seed means the same on every machine and in every release.
type dice struct{ pcg rand.PCG }

func newDice(seed uint64) dice {
	var d dice
	d.pcg.Seed(seed, 0x4e42544c4142) // the second word is this package's own: "NBTLAB"
	return d
}

// id draws a first transaction identifier, low enough that a run does not wrap around.
func (d *dice) id() uint16 { return uint16(d.pcg.Uint64() & 0x7fff) }

// chance reports true with odds of n in a thousand. Certain outcomes draw nothing.
func (d *dice) chance(n int) bool {
	if n <= 0 {
		return false
	}
	return d.pcg.Uint64()%1000 < uint64(n)
}
