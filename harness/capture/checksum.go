// SPDX-License-Identifier: MIT

package capture

import "encoding/binary"

// sum adds bytes to a running ones' complement sum of big-endian 16-bit words (RFC 1071). Adding 32 bits at a time gives
// the same sum once folded, since 2^16 is 1 modulo 2^16-1. Only the last piece of what is summed may have an odd length.
func sum(b []byte, total uint64) uint64 {
	for len(b) >= 8 {
		total += uint64(binary.BigEndian.Uint32(b)) + uint64(binary.BigEndian.Uint32(b[4:]))
		b = b[8:]
	}
	for len(b) >= 2 {
		total += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
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
	return sum(addresses[:8], uint64(protocol)+uint64(length))
}
