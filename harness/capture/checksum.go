// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"math/bits"
)

// sum adds bytes to a running ones' complement sum of big-endian 16-bit words (RFC 1071). Adding 64 bits at a time, with the
// carry put back in, gives the same sum once folded, since 2^16 is 1 modulo 2^16-1. Only the last piece of what is summed
// may have an odd length.
func sum(b []byte, total uint64) uint64 {
	var carry uint64
	for len(b) >= 16 {
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b), carry)
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b[8:]), carry)
		b = b[16:]
	}
	if len(b) >= 8 {
		total, carry = bits.Add64(total, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	var rest uint64
	for len(b) >= 2 {
		rest += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		rest += uint64(b[0]) << 8
	}
	total, carry = bits.Add64(total, rest, carry)
	return total + carry // which does not overflow: after a carry the sum is smaller than what was added
}

// fold reduces a sum to 16 bits. What carries a right checksum folds to 0xffff; the checksum is the complement.
func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// pseudoHeader is the sum of what UDP and TCP checksums cover beside the segment: addresses (the eight bytes of the IPv4
// header from its source address), protocol and length.
func pseudoHeader(addresses []byte, protocol byte, length int) uint64 {
	return words(addresses[:8]) + uint64(protocol) + uint64(length)
}

// words is [sum] of a few words of 32 bits, of which a header is made: so few that no carry is lost.
func words(b []byte) (total uint64) {
	for len(b) >= 4 {
		total += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	return total
}
