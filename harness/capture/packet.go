// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"

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
	protocolICMP = 1
	protocolIPv4 = 4
	protocolTCP  = 6
	protocolUDP  = 17
	protocolIPv6 = 41
	protocolGRE  = 47
	protocolESP  = 50
	protocolAH   = 51
)

// The flags of TCP (RFC 9293 section 3.1).
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
)

// Reasons to skip a packet from IPv4 on.
const (
	skipNotNBT   = "not port 137-139"
	skipProtocol = "neither UDP nor TCP"
	skipIPv4     = "malformed IPv4 header"
	skipTCP      = "malformed TCP header"
	skipQuoted   = "quoted in an ICMP error"
)

// kept is not a reason to skip a packet: it is kept until the rest of its datagram arrives.
const kept = "kept"

// packet is one packet of NBT, taken apart.
type packet struct {
	from, to  endpoint
	broadcast bool
	tcp       bool
	flags     byte
	seq       uint32
	payload   []byte // part of the record
	missing   int    // TCP: bytes of the payload that were not captured
	tunnel    string // what it came through, if anything
	quoted    bool   // the tunnel is an ICMP error
	odd       []string

	captured, length int // of the record
	noTotal          bool
	unchecked        bool // leave checksums alone
	now              mark
	texts            *texts
	fragments        *fragments
}

// begin forgets the packet before. What every packet sets is left: this is done for each.
func (p *packet) begin(now mark) {
	p.broadcast, p.tcp, p.quoted, p.noTotal = false, false, false, false
	p.payload, p.missing, p.tunnel, p.odd, p.now = nil, 0, "", p.odd[:0], now
}

func (p *packet) note(format string, numbers ...int) {
	p.odd = append(p.odd, p.texts.format(format, numbers...))
}

// decode takes a record apart, or says why it is to be skipped.
func (p *packet) decode(rec *record) (skip string) {
	if rec.alien != "" {
		return rec.alien
	}
	p.captured, p.length = len(rec.data), rec.length
	if rec.clamp {
		p.note("time out of range")
	}
	if rec.noTime {
		p.note("no time in the file")
	}
	return p.decodeLink(rec.link, rec.data)
}

// decodeIPv4 takes a packet of IPv4 apart, with any options.
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
	p.noTotal = total == 0
	if p.noTotal {
		// A card that cuts large packets itself is given them without their length, and captures show that.
		total = len(b)
	}
	if total < headerLen {
		return skipIPv4
	}
	header, body := b[:headerLen], b[headerLen:min(total, len(b))] // without what pads short Ethernet frames
	if fragment := binary.BigEndian.Uint16(b[6:]); fragment&(fragmentMore|fragmentOffset) != 0 {
		return p.decodeFragment(header, body, total-headerLen)
	}
	return p.decodeDatagram(header, body, total-headerLen)
}

// decodeDatagram takes apart a datagram of a given length, of which body was captured.
func (p *packet) decodeDatagram(header, body []byte, length int) (skip string) {
	switch protocol := header[9]; protocol {
	case protocolUDP, protocolTCP:
		if len(body) < 4 {
			return skipShort
		}
		p.from = endpoint(binary.BigEndian.Uint32(header[12:]))<<16 | endpoint(binary.BigEndian.Uint16(body))
		p.to = endpoint(binary.BigEndian.Uint32(header[16:]))<<16 | endpoint(binary.BigEndian.Uint16(body[2:]))
		p.tcp = protocol == protocolTCP
		if isNBT(p.tcp, p.from.port()) || isNBT(p.tcp, p.to.port()) {
			p.broadcast = p.broadcast || p.to.isLimitedBroadcast() // where the link has no MAC addresses
			return p.decodeNBT(header, body, length)
		}
		if !p.tcp {
			return p.decodeUDPTunnel(body)
		}
		return skipNotNBT
	case protocolGRE:
		return p.decodeGRE(body)
	case protocolIPv4:
		return p.through("IP in IP", (*packet).decodeIPv4, body)
	case protocolIPv6:
		return skipIPv6InIPv4
	case protocolICMP:
		return p.decodeICMP(body)
	case protocolESP, protocolAH:
		return skipIPsec
	}
	return skipProtocol
}

func isNBT(tcp bool, port uint16) bool {
	if tcp {
		return port == stack.SessionPort
	}
	return port == stack.NamePort || port == stack.DatagramPort
}

// decodeNBT takes apart UDP or TCP of one of our ports.
func (p *packet) decodeNBT(header, body []byte, length int) (skip string) {
	switch {
	case p.length > p.captured:
		p.note("cut by snap length: %d of %d bytes", p.captured, p.length)
	case length > len(body):
		p.note("IPv4 length %d but %d bytes captured", len(header)+length, len(header)+len(body))
	}
	if p.noTotal {
		p.note("IPv4 length 0")
	}
	if fold(words(header)) != 0xffff {
		p.note("bad IPv4 header checksum")
	}
	if p.tcp {
		return p.decodeTCP(header[12:20], body, length)
	}
	return p.decodeUDP(header[12:20], body)
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
	if checksum != 0 && !p.unchecked && fold(sum(b[:length], pseudoHeader(addresses, protocolUDP, length))) != 0xffff {
		p.note("bad UDP checksum")
	}
	p.payload = b[udpLen:length]
	return ""
}

// decodeTCP takes a segment apart, of which b was captured. Its length is what the IPv4 header leaves for it.
func (p *packet) decodeTCP(addresses, b []byte, length int) (skip string) {
	if p.quoted {
		return skipQuoted // a piece of a segment is of no use
	}
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
	if len(b) == length && !p.unchecked && fold(sum(b, pseudoHeader(addresses, protocolTCP, length))) != 0xffff {
		p.note("bad TCP checksum")
	}
	p.seq = binary.BigEndian.Uint32(b[4:])
	p.flags = b[13]
	p.payload = b[headerLen:]
	p.missing = length - len(b)
	return ""
}
