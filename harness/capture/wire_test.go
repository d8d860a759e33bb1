// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
)

// gopacket is the second opinion in these specs: it takes apart what this package writes, and makes what it reads.

// sniffed is a packet as gopacket sees it.
type sniffed struct {
	at   time.Duration // since the first packet
	raw  []byte
	eth  *layers.Ethernet
	ip   *layers.IPv4
	udp  *layers.UDP
	tcp  *layers.TCP
	data []byte
}

func sniff(file []byte) []sniffed {
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	Expect(err).NotTo(HaveOccurred())
	var all []sniffed
	var base time.Time
	for {
		raw, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(info.CaptureLength).To(Equal(info.Length))
		if len(all) == 0 {
			base = info.Timestamp
		}
		p := sniffed{at: info.Timestamp.Sub(base), raw: raw}
		p.eth, p.ip = new(layers.Ethernet), new(layers.IPv4)
		Expect(p.eth.DecodeFromBytes(raw, gopacket.NilDecodeFeedback)).To(Succeed())
		Expect(p.ip.DecodeFromBytes(p.eth.Payload, gopacket.NilDecodeFeedback)).To(Succeed())
		if p.ip.Protocol == layers.IPProtocolTCP {
			p.tcp = new(layers.TCP)
			Expect(p.tcp.DecodeFromBytes(p.ip.Payload, gopacket.NilDecodeFeedback)).To(Succeed())
			p.data = p.tcp.Payload
		} else {
			p.udp = new(layers.UDP)
			Expect(p.udp.DecodeFromBytes(p.ip.Payload, gopacket.NilDecodeFeedback)).To(Succeed())
			p.data = p.udp.Payload
		}
		all = append(all, p)
	}
}

// rebuilt is the packet as gopacket would have written it, with its own lengths and checksums.
func (p sniffed) rebuilt() []byte {
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	stack := []gopacket.SerializableLayer{p.eth, p.ip}
	if p.tcp != nil {
		Expect(p.tcp.SetNetworkLayerForChecksum(p.ip)).To(Succeed())
		stack = append(stack, p.tcp)
	} else {
		Expect(p.udp.SetNetworkLayerForChecksum(p.ip)).To(Succeed())
		stack = append(stack, p.udp)
	}
	Expect(gopacket.SerializeLayers(b, options, append(stack, gopacket.Payload(p.data))...)).To(Succeed())
	return b.Bytes()
}

// summaries writes one line a packet, with sequence numbers counted from the first of each side:
//
//	1.01ms 10.0.0.10:139 > 10.0.0.20:1025 SA seq 0 ack 1 len 0
func summaries(file []byte) []string {
	first := make(map[string]uint32)
	var lines []string
	for _, p := range sniff(file) {
		if p.udp != nil {
			lines = append(lines, fmt.Sprintf("%v %v:%d > %v:%d udp len %d",
				p.at, p.ip.SrcIP, uint16(p.udp.SrcPort), p.ip.DstIP, uint16(p.udp.DstPort), len(p.data)))
			continue
		}
		from := fmt.Sprintf("%v:%d", p.ip.SrcIP, uint16(p.tcp.SrcPort))
		to := fmt.Sprintf("%v:%d", p.ip.DstIP, uint16(p.tcp.DstPort))
		if _, known := first[from+to]; !known || p.tcp.SYN {
			first[from+to] = p.tcp.Seq
		}
		ack := ""
		if p.tcp.ACK {
			ack = fmt.Sprintf(" ack %d", p.tcp.Ack-first[to+from])
		}
		lines = append(lines, fmt.Sprintf("%v %s > %s %s seq %d%s len %d",
			p.at, from, to, flags(p.tcp), p.tcp.Seq-first[from+to], ack, len(p.data)))
	}
	return lines
}

func flags(t *layers.TCP) string {
	var b strings.Builder
	for _, f := range []struct {
		set    bool
		letter byte
	}{{t.SYN, 'S'}, {t.FIN, 'F'}, {t.RST, 'R'}, {t.PSH, 'P'}, {t.ACK, 'A'}} {
		if f.set {
			b.WriteByte(f.letter)
		}
	}
	return b.String()
}

// tape is a capture file being made, in microseconds and the usual byte order unless said otherwise.
type tape struct {
	order binary.AppendByteOrder
	magic uint32
	buf   []byte
	count int
}

func newTape() *tape {
	return (&tape{order: binary.LittleEndian, magic: 0xa1b2c3d4}).header(0x40000, 1)
}

func (t *tape) header(snapLen, link uint32) *tape {
	t.buf = t.order.AppendUint32(nil, t.magic)
	t.buf = t.order.AppendUint16(t.buf, 2)
	t.buf = t.order.AppendUint16(t.buf, 4)
	t.buf = append(t.buf, make([]byte, 8)...)
	t.buf = t.order.AppendUint32(t.buf, snapLen)
	t.buf = t.order.AppendUint32(t.buf, link)
	return t
}

// record adds a packet, a millisecond after the one before, of a given length on the wire.
func (t *tape) record(b []byte, length int) *tape {
	t.buf = t.order.AppendUint32(t.buf, 1000000000)
	fraction := uint32(t.count) * 1000
	if t.magic == 0xa1b23c4d {
		fraction *= 1000
	}
	t.buf = t.order.AppendUint32(t.buf, fraction)
	t.buf = t.order.AppendUint32(t.buf, uint32(len(b)))
	t.buf = t.order.AppendUint32(t.buf, uint32(length))
	t.buf = append(t.buf, b...)
	t.count++
	return t
}

func (t *tape) packet(b []byte) *tape { return t.record(b, len(b)) }

func (t *tape) read() capture.Capture {
	c, err := capture.Read(bytes.NewReader(t.buf))
	ExpectWithOffset(1, err).NotTo(HaveOccurred())
	return c
}

// datagram is an Ethernet frame with a UDP datagram.
func datagram(from, to netip.AddrPort, payload []byte) []byte {
	return serialised(from, to, layers.IPProtocolUDP, &layers.UDP{
		SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port()),
	}, payload)
}

// segment is an Ethernet frame with a TCP segment. Its flags are letters of S, F, R, P and A.
func segment(l line, flags string, seq uint32, payload []byte) []byte {
	return serialised(l.from, l.to, layers.IPProtocolTCP, &layers.TCP{
		SrcPort: layers.TCPPort(l.from.Port()), DstPort: layers.TCPPort(l.to.Port()), Seq: seq, Ack: 1, Window: 8192,
		SYN: strings.Contains(flags, "S"), FIN: strings.Contains(flags, "F"), RST: strings.Contains(flags, "R"),
		PSH: strings.Contains(flags, "P"), ACK: strings.Contains(flags, "A"),
	}, payload)
}

type transport interface {
	gopacket.SerializableLayer
	SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
}

func serialised(from, to netip.AddrPort, protocol layers.IPProtocol, t transport, payload []byte) []byte {
	ip := &layers.IPv4{
		Version: 4, TTL: 128, Protocol: protocol, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice(),
	}
	eth := &layers.Ethernet{
		SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		EthernetType: layers.EthernetTypeIPv4,
	}
	ExpectWithOffset(2, t.SetNetworkLayerForChecksum(ip)).To(Succeed())
	b := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	ExpectWithOffset(2, gopacket.SerializeLayers(b, options, eth, ip, t, gopacket.Payload(payload))).To(Succeed())
	return b.Bytes()[:14+ip.Length] // gopacket pads to 60 bytes
}
