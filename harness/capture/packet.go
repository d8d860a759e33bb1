// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/stack"
)

// Lengths of headers without options.
const (
	ethernetLen = 14
	ipv4Len     = 20
	udpLen      = 8
	tcpLen      = 20
)

// The numbers of the protocols that we know.
const (
	etherTypeIPv4 = 0x0800
	protocolTCP   = 6
	protocolUDP   = 17
)

// The flags of TCP (RFC 9293 section 3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// Reasons to skip a packet.
const (
	skipShort    = "too short for its headers"
	skipNotIPv4  = "not IPv4"
	skipFragment = "IPv4 fragment"
	skipNotNBT   = "not port 137-139"
	skipProtocol = "neither UDP nor TCP"
	skipIPv4     = "malformed IPv4 header"
	skipTCP      = "malformed TCP header"
)

// endpoint is an IPv4 address and a port in one number.
type endpoint uint64

func (e endpoint) addrPort() netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(e>>16))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(e))
}

func (e endpoint) port() uint16 { return uint16(e) }

// packet is one packet of NBT, taken apart.
type packet struct {
	from, to  endpoint
	broadcast bool
	tcp       bool
	flags     byte
	seq       uint32
	payload   []byte // part of the record
	missing   int    // TCP: bytes of the payload that were not captured
	odd       []string
}

func (p *packet) note(format string, args ...any) {
	p.odd = append(p.odd, fmt.Sprintf(format, args...))
}

// decode takes a record apart, or says why it is to be skipped.
func (p *packet) decode(rec record) (skip string) {
	b := rec.data
	if rec.length > len(b) {
		p.note("cut by snap length: %d of %d bytes", len(b), rec.length)
	}
	if len(b) < ethernetLen {
		return skipShort
	}
	p.broadcast = b[0]&1 != 0
	etherType, b := binary.BigEndian.Uint16(b[12:]), b[ethernetLen:]
	for isVLANTag(etherType) {
		if len(b) < 4 {
			return skipShort
		}
		etherType, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	if etherType != etherTypeIPv4 {
		return skipNotIPv4
	}
	return p.decodeIPv4(b)
}

// isVLANTag tells a tag of IEEE 802.1Q or 802.1ad, or of their precursor, from what it precedes.
func isVLANTag(etherType uint16) bool {
	return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100
}

func (p *packet) decodeIPv4(b []byte) (skip string) {
	if len(b) < ipv4Len {
		return skipShort
	}
	headerLen, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || headerLen < ipv4Len {
		return skipIPv4
	}
	if len(b) < headerLen {
		return skipShort
	}
	if total == 0 {
		// A card that cuts large packets itself is given them without their length, and captures show that.
		p.note("IPv4 length 0")
		total = len(b)
	}
	if total < headerLen {
		return skipIPv4
	}
	header := b[:headerLen]
	if fragment := binary.BigEndian.Uint16(b[6:]); fragment&0x3fff != 0 { // more to come, or not the first
		return skipFragment
	}
	protocol := b[9]
	if protocol != protocolTCP && protocol != protocolUDP {
		return skipProtocol
	}
	body := b[headerLen:min(total, len(b))] // without what pads short Ethernet frames
	if len(body) < 4 {
		return skipShort
	}
	p.from = endpoint(binary.BigEndian.Uint32(b[12:]))<<16 | endpoint(binary.BigEndian.Uint16(body))
	p.to = endpoint(binary.BigEndian.Uint32(b[16:]))<<16 | endpoint(binary.BigEndian.Uint16(body[2:]))
	p.tcp = protocol == protocolTCP
	if !isNBT(p.tcp, p.from.port()) && !isNBT(p.tcp, p.to.port()) {
		return skipNotNBT
	}
	if total > len(b) && p.odd == nil { // the snap length would explain it
		p.note("IPv4 length %d but %d bytes captured", total, len(b))
	}
	if fold(sum(header, 0)) != 0xffff {
		p.note("bad IPv4 header checksum")
	}
	if p.tcp {
		return p.decodeTCP(b[12:20], body, total-headerLen)
	}
	return p.decodeUDP(b[12:20], body)
}

func isNBT(tcp bool, port uint16) bool {
	if tcp {
		return port == stack.SessionPort
	}
	return port == stack.NamePort || port == stack.DatagramPort
}

func (p *packet) decodeUDP(addresses, b []byte) (skip string) {
	if len(b) < udpLen {
		return skipShort
	}
	length, checksum := int(binary.BigEndian.Uint16(b[4:])), binary.BigEndian.Uint16(b[6:])
	switch {
	case length < udpLen:
		p.note("UDP length %d is less than its header", length)
		p.payload = b[udpLen:]
		return ""
	case length > len(b):
		p.note("UDP length %d but %d bytes captured", length, len(b))
		p.payload = b[udpLen:]
		return "" // the checksum covers what is not there
	case length < len(b):
		p.note("UDP length %d but %d bytes in the packet", length, len(b))
	}
	if checksum != 0 && fold(sum(b[:length], pseudoHeader(addresses, protocolUDP, length))) != 0xffff {
		p.note("bad UDP checksum")
	}
	p.payload = b[udpLen:length]
	return ""
}

// decodeTCP takes a segment apart, of which b was captured. Its length is what the IPv4 header leaves for it.
func (p *packet) decodeTCP(addresses, b []byte, length int) (skip string) {
	if len(b) < tcpLen {
		return skipShort
	}
	headerLen := int(b[12]>>4) * 4
	if headerLen < tcpLen || headerLen > length {
		return skipTCP
	}
	if headerLen > len(b) {
		return skipShort
	}
	if len(b) == length && fold(sum(b, pseudoHeader(addresses, protocolTCP, length))) != 0xffff {
		p.note("bad TCP checksum")
	}
	p.seq = binary.BigEndian.Uint32(b[4:])
	p.flags = b[13]
	p.payload = b[headerLen:]
	p.missing = length - len(b)
	return ""
}
