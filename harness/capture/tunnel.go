// SPDX-License-Identifier: MIT

package capture

import "encoding/binary"

// Reasons to skip what comes through a tunnel.
const (
	skipNested      = "a tunnel inside a tunnel"
	skipIPv6InIPv4  = "tunnel not opened: IPv6 in IPv4"
	skipTeredo      = "tunnel not opened: Teredo (IPv6)"
	skipIPsec       = "tunnel not opened: IPsec"
	skipL2TPControl = "L2TP control message"
	skipL2TPv3      = "tunnel not opened: L2TP other than version 2"
	skipGRERouting  = "tunnel not opened: GRE with routing"
	skipGREOther    = "tunnel not opened: GRE of another protocol"
	skipGREVersion  = "tunnel not opened: GRE of another version"
	skipERSPAN      = "tunnel not opened: ERSPAN of what is not Ethernet"
	skipGeneve      = "tunnel not opened: Geneve"
	skipGTP         = "tunnel not opened: GTP"
)

// The ports of the tunnels in UDP.
const (
	portL2TP   = 1701
	portGTP    = 2152
	portTeredo = 3544
	portIPsec  = 4500
	portGRE    = 4754
	portVXLAN  = 4789
	portGeneve = 6081
)

// through takes apart what a tunnel carries, unless the tunnel is inside another one.
func (p *packet) through(tunnel string, decode func(*packet, []byte) string, b []byte) (skip string) {
	if p.tunnel != "" {
		return skipNested
	}
	p.tunnel = tunnel
	return decode(p, b)
}

// decodeUDPTunnel takes apart UDP on none of our ports.
func (p *packet) decodeUDPTunnel(b []byte) (skip string) {
	port := p.from.port()
	if !isTunnel(port) {
		if port = p.to.port(); !isTunnel(port) {
			return skipNotNBT
		}
	}
	if len(b) < udpLen {
		return skipShort
	}
	b = b[udpLen:]
	switch port {
	case portL2TP:
		return p.decodeL2TP(b)
	case portVXLAN:
		if len(b) < 8 {
			return skipShort
		}
		return p.through("VXLAN", (*packet).decodeEthernet, b[8:])
	case portGRE:
		return p.decodeGRE(b)
	case portTeredo:
		return skipTeredo
	case portIPsec:
		return skipIPsec
	case portGTP:
		return skipGTP
	}
	return skipGeneve
}

func isTunnel(port uint16) bool {
	switch port {
	case portL2TP, portGTP, portTeredo, portIPsec, portGRE, portVXLAN, portGeneve:
		return true
	}
	return false
}

// decodeL2TP takes apart version 2 (RFC 2661 section 3.1), which carries PPP.
func (p *packet) decodeL2TP(b []byte) (skip string) {
	const control, hasLength, hasSequence, hasOffset = 0x8000, 0x4000, 0x0800, 0x0200
	if len(b) < 6 {
		return skipShort
	}
	flags := binary.BigEndian.Uint16(b)
	switch {
	case flags&15 != 2:
		return skipL2TPv3
	case flags&control != 0:
		return skipL2TPControl
	}
	header := 6
	if flags&hasLength != 0 {
		header += 2
	}
	if flags&hasSequence != 0 {
		header += 4
	}
	if flags&hasOffset != 0 {
		if len(b) < header+2 {
			return skipShort
		}
		header += 2 + int(binary.BigEndian.Uint16(b[header:]))
	}
	if len(b) < header {
		return skipShort
	}
	return p.through("L2TP", (*packet).decodePPP, b[header:])
}

// decodeGRE takes apart GRE (RFC 2784, RFC 2890), that of PPTP (RFC 2637 section 4.1), and ERSPAN in it
// (draft-foschiano-erspan).
func (p *packet) decodeGRE(b []byte) (skip string) {
	const hasChecksum, hasRouting, hasKey, hasSequence, hasAck = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	if len(b) < 4 {
		return skipShort
	}
	flags, protocol := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	version := flags & 7
	header := 4
	if flags&hasRouting != 0 {
		return skipGRERouting
	}
	for _, field := range [...]uint16{hasChecksum, hasKey, hasSequence} {
		if flags&field != 0 {
			header += 4
		}
	}
	switch version {
	case 0:
	case 1:
		if flags&hasAck != 0 {
			header += 4
		}
	default:
		return skipGREVersion
	}
	if len(b) < header {
		return skipShort
	}
	b = b[header:]
	switch protocol {
	case 0x880b:
		if len(b) == 0 {
			return skipPPPControl // an acknowledgement alone
		}
		return p.through("GRE", (*packet).decodePPP, b)
	case 0x6558:
		return p.through("GRE", (*packet).decodeEthernet, b)
	case 0x88be:
		if flags&hasSequence == 0 {
			return p.through("ERSPAN I", (*packet).decodeEthernet, b)
		}
		if len(b) < 8 {
			return skipShort
		}
		return p.through("ERSPAN II", (*packet).decodeEthernet, b[8:])
	case 0x22eb:
		return p.decodeERSPAN3(b)
	case etherTypeIPv4:
		return p.through("GRE", (*packet).decodeIPv4, b)
	case etherTypeIPv6:
		return skipIPv6
	case etherTypeMPLS, etherTypeMPLSGroup:
		return p.through("GRE", (*packet).decodeMPLS, b)
	}
	return skipGREOther
}

// decodeERSPAN3 takes apart type III: twelve bytes, of which one bit announces eight more.
func (p *packet) decodeERSPAN3(b []byte) (skip string) {
	if len(b) < 12 {
		return skipShort
	}
	header := 12
	if b[11]&1 != 0 {
		header += 8
	}
	if len(b) < header {
		return skipShort
	}
	switch frameType := b[10] >> 2 & 0x1f; frameType {
	case 0:
		return p.through("ERSPAN III", (*packet).decodeEthernet, b[header:])
	case 2:
		return p.through("ERSPAN III", (*packet).decodeIP, b[header:])
	}
	return skipERSPAN
}

// decodeICMP takes apart an error, which quotes the beginning of the packet that it is about (RFC 792).
func (p *packet) decodeICMP(b []byte) (skip string) {
	if len(b) < 8 {
		return skipProtocol
	}
	switch b[0] {
	case 3, 4, 5, 11, 12:
	default:
		return skipProtocol
	}
	p.quoted = true
	switch skip = p.through(QuotedTunnel, (*packet).decodeIPv4, b[8:]); skip {
	case "", skipQuoted:
		return skip
	}
	return skipProtocol
}
