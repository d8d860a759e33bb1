// SPDX-License-Identifier: MIT

package capture

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// linkType says what the packets of an interface begin with (tcpdump.org/linktypes.html).
type linkType uint32

// The link types that are taken apart.
const (
	linkNull      linkType = 0 // an address family in the byte order of whoever captured
	linkEthernet  linkType = 1
	linkPPP       linkType = 9
	linkRawBSD    linkType = 12 // what some systems call LINKTYPE_RAW
	linkRawBSDOS  linkType = 14
	linkPPPHDLC   linkType = 50 // or Cisco HDLC
	linkPPPoE     linkType = 51
	linkRaw       linkType = 101
	linkCiscoHDLC linkType = 104
	linkLoop      linkType = 108 // an address family in network byte order
	linkSLL       linkType = 113
	linkPPPDir    linkType = 204 // a byte that tells the direction, then PPP
	linkIPv4      linkType = 228
	linkSLL2      linkType = 276
)

// The numbers of EtherType that mean something to us.
const (
	etherTypeIPv4      = 0x0800
	etherTypeVLAN      = 0x8100 // IEEE 802.1Q
	etherTypeQinQ      = 0x88a8 // IEEE 802.1ad
	etherTypeOldQinQ   = 0x9100 // its precursor
	etherTypeIPv6      = 0x86dd
	etherTypeMPLS      = 0x8847
	etherTypeMPLSGroup = 0x8848
	etherTypePPPoE     = 0x8864
	maxEtherLength     = 1500 // up to here the field is a length, and LLC follows (IEEE 802.3)
)

// Reasons to skip a packet below IPv4.
const (
	skipShort      = "too short for its headers"
	skipNotIPv4    = "not IPv4"
	skipIPv6       = "IPv6"
	skipNetBEUI    = "NetBEUI: NetBIOS without TCP/IP"
	skipPPPControl = "PPP control protocol"
	skipCompressed = "compressed or encrypted PPP"
)

func (l linkType) supported() bool {
	switch l {
	case linkNull, linkEthernet, linkPPP, linkRawBSD, linkRawBSDOS, linkPPPHDLC, linkPPPoE, linkRaw, linkCiscoHDLC, linkLoop,
		linkSLL, linkPPPDir, linkIPv4, linkSLL2:
		return true
	}
	return false
}

// unsupported names a link type that is not taken apart, and those that NBT is likely to be captured on by their names.
func (l linkType) unsupported() string {
	names := map[linkType]string{
		6: "token ring", 10: "FDDI", 105: "IEEE 802.11", 107: "frame relay", 119: "Prism", 123: "ATM", 127: "radiotap",
		163: "AVS", 189: "USB", 192: "PPI", 220: "USB", 249: "USB", 253: "netlink",
	}
	if name, ok := names[l]; ok {
		return fmt.Sprintf("link type %d (%s) is not supported", l, name)
	}
	return fmt.Sprintf("link type %d is not supported", l)
}

// decodeLink takes a packet apart from what its link type says that it begins with.
func (p *packet) decodeLink(link linkType, b []byte) (skip string) {
	switch link {
	case linkEthernet:
		return p.decodeEthernet(b)
	case linkRaw, linkRawBSD, linkRawBSDOS, linkIPv4:
		return p.decodeIP(b)
	case linkSLL:
		if len(b) < 16 {
			return skipShort
		}
		p.broadcast = isGroupSLL(binary.BigEndian.Uint16(b))
		return p.decodeEtherType(binary.BigEndian.Uint16(b[14:]), b[16:])
	case linkSLL2:
		if len(b) < 20 {
			return skipShort
		}
		p.broadcast = isGroupSLL(uint16(b[10]))
		return p.decodeEtherType(binary.BigEndian.Uint16(b), b[20:])
	case linkNull, linkLoop:
		if len(b) < 4 {
			return skipShort
		}
		return p.decodeFamily(binary.BigEndian.Uint32(b), binary.LittleEndian.Uint32(b), b[4:])
	case linkPPP:
		return p.decodePPP(b)
	case linkPPPDir:
		if len(b) < 1 {
			return skipShort
		}
		return p.decodePPP(b[1:])
	case linkPPPHDLC, linkCiscoHDLC:
		if len(b) >= 4 && (b[0] == 0x0f || b[0] == 0x8f) { // Cisco's addresses of one and of all
			return p.decodeEtherType(binary.BigEndian.Uint16(b[2:]), b[4:])
		}
		if link == linkCiscoHDLC {
			return skipNotIPv4
		}
		return p.decodePPP(b)
	case linkPPPoE:
		return p.decodePPPoE(b)
	}
	return p.texts.unsupported(link)
}

// isGroupSLL tells broadcasts and multicasts by the packet type of Linux's cooked captures.
func isGroupSLL(kind uint16) bool { return kind == 1 || kind == 2 }

// decodeFamily decides by an address family in either byte order. That of IPv4 is 2 everywhere, those of IPv6 are not the
// same on any two systems.
func (p *packet) decodeFamily(big, little uint32, b []byte) (skip string) {
	switch min(big, little) {
	case 2:
		return p.decodeIPv4(b)
	case 10, 24, 28, 30:
		return skipIPv6
	}
	return skipNotIPv4
}

func (p *packet) decodeEthernet(b []byte) (skip string) {
	if len(b) < ethernetLen {
		return skipShort
	}
	p.broadcast = b[0]&1 != 0
	etherType := binary.BigEndian.Uint16(b[12:])
	if etherType == etherTypeIPv4 {
		return p.decodeIPv4(b[ethernetLen:])
	}
	return p.decodeEtherType(etherType, b[ethernetLen:])
}

// decodeEtherType takes apart what an EtherType announces, with any number of tags in between.
func (p *packet) decodeEtherType(etherType uint16, b []byte) (skip string) {
	for etherType == etherTypeVLAN || etherType == etherTypeQinQ || etherType == etherTypeOldQinQ {
		if len(b) < 4 {
			return skipShort
		}
		etherType, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch etherType {
	case etherTypeIPv4:
		return p.decodeIPv4(b)
	case etherTypeIPv6:
		return skipIPv6
	case etherTypePPPoE:
		return p.decodePPPoE(b)
	case etherTypeMPLS, etherTypeMPLSGroup:
		return p.decodeMPLS(b)
	}
	if etherType <= maxEtherLength {
		return p.decodeLLC(b)
	}
	return skipNotIPv4
}

// decodeLLC finds IPv4 behind IEEE 802.2 and SNAP (RFC 1042).
func (p *packet) decodeLLC(b []byte) (skip string) {
	switch {
	case len(b) < 3:
		return skipShort
	case b[0] == 0xf0 && b[1]&^1 == 0xf0:
		return skipNetBEUI
	case b[0] != 0xaa || b[1] != 0xaa || b[2] != 3:
		return skipNotIPv4
	case len(b) < 8:
		return skipShort
	case b[3] != 0 || b[4] != 0 || b[5] != 0:
		return skipNotIPv4
	}
	etherType := binary.BigEndian.Uint16(b[6:])
	if etherType <= maxEtherLength {
		return skipNotIPv4
	}
	return p.decodeEtherType(etherType, b[8:])
}

// decodeMPLS finds IPv4 behind labels, the last of which has a bit set (RFC 3032). What follows has no type: Ethernet may
// look like anything, so only what looks like IPv4 is taken for it.
func (p *packet) decodeMPLS(b []byte) (skip string) {
	for {
		if len(b) < 4 {
			return skipShort
		}
		last := b[2]&1 != 0
		b = b[4:]
		if last {
			return p.decodeIP(b)
		}
	}
}

// decodeIP takes apart what can be either version.
func (p *packet) decodeIP(b []byte) (skip string) {
	if len(b) == 0 {
		return skipShort
	}
	switch b[0] >> 4 {
	case 4:
		return p.decodeIPv4(b)
	case 6:
		return skipIPv6
	}
	return skipNotIPv4
}

// decodePPPoE takes apart a session packet (RFC 2516).
func (p *packet) decodePPPoE(b []byte) (skip string) {
	if len(b) < 6 {
		return skipShort
	}
	if b[1] != 0 {
		return skipPPPControl
	}
	return p.decodePPP(b[6:])
}

// decodePPP takes apart a packet of PPP, with or without the address and control fields of HDLC and with its protocol
// number in one byte or two (RFC 1661, RFC 1662).
func (p *packet) decodePPP(b []byte) (skip string) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) == 0 {
		return skipShort
	}
	protocol := uint16(b[0])
	if b[0]&1 != 0 {
		b = b[1:]
	} else {
		if len(b) < 2 {
			return skipShort
		}
		protocol, b = binary.BigEndian.Uint16(b), b[2:]
	}
	switch {
	case protocol == 0x21:
		return p.decodeIPv4(b)
	case protocol == 0x57:
		return skipIPv6
	case protocol == 0x2d || protocol == 0x2f || protocol == 0xfd || protocol == 0x53:
		return skipCompressed
	case protocol >= 0x8000:
		return skipPPPControl
	}
	return skipNotIPv4
}

// endpoint is an IPv4 address and a port in one number.
type endpoint uint64

func (e endpoint) addrPort() netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(e>>16))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(e))
}

func (e endpoint) port() uint16 { return uint16(e) }

func (e endpoint) isLimitedBroadcast() bool { return uint32(e>>16) == 1<<32-1 }
