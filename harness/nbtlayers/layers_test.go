// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
)

// layer is each of the layers.
type layer interface {
	gopacket.ApplicationLayer
	gopacket.DecodingLayer
	gopacket.SerializableLayer
}

func blank(service fixtures.Service, strict bool) layer {
	switch service {
	case fixtures.NameService:
		return &nbtlayers.NBNS{Strict: strict}
	case fixtures.DatagramService:
		return &nbtlayers.NBDS{Strict: strict}
	case fixtures.SessionService:
		return &nbtlayers.NBSS{Strict: strict}
	}
	panic(fmt.Sprintf("unknown service %q", service))
}

// parse reads what the layer should have read, with its mode and with the codec alone.
func parse(l layer, b []byte) (says string, err error) {
	switch l := l.(type) {
	case *nbtlayers.NBNS:
		m, err := nbt.ParseNameMessageLenient(b)
		if l.Strict {
			m, err = nbt.ParseNameMessage(b)
		}
		return says1(m), err
	case *nbtlayers.NBDS:
		m, err := nbt.ParseDatagramLenient(b)
		if l.Strict {
			m, err = nbt.ParseDatagram(b)
		}
		return says1(m), err
	case *nbtlayers.NBSS:
		for len(b) > 0 {
			length := nbt.SessionLenLenient
			read := nbt.ParseSessionMessageLenient
			if l.Strict {
				length, read = nbt.SessionLen, nbt.ParseSessionMessage
			}
			n, err := length(b)
			if err != nil || n > len(b) {
				break
			}
			m, err := read(b[:n])
			if err != nil {
				return says + fmt.Sprintf("%d left", len(b)), err
			}
			says += says1(m) + "\n"
			b = b[n:]
		}
		return says + fmt.Sprintf("%d left", len(b)), nil
	}
	panic(fmt.Sprintf("unknown layer %T", l))
}

// says1 is what a message says.
func says1(m interface {
	String() string
	Fields() []nbt.Field
},
) string {
	return fmt.Sprint(m.String(), m.Fields())
}

// told is what the layer says.
func told(l layer) (says string) {
	switch l := l.(type) {
	case *nbtlayers.NBNS:
		return says1(l.NameMessage)
	case *nbtlayers.NBDS:
		return says1(l.DatagramMessage)
	case *nbtlayers.NBSS:
		for _, m := range l.Messages {
			says += says1(m) + "\n"
		}
		return says + fmt.Sprintf("%d left", len(l.LayerPayload()))
	}
	panic(fmt.Sprintf("unknown layer %T", l))
}

// packet puts a message into UDP or TCP, IPv4 and Ethernet.
func packet(service fixtures.Service, message []byte) []byte {
	GinkgoHelper()
	ip := layers.IPv4{Version: 4, TTL: 64, SrcIP: net.IPv4(10, 0, 0, 1), DstIP: net.IPv4(10, 0, 0, 2)}
	udp := layers.UDP{SrcPort: 1024, DstPort: nbtlayers.PortNBNS}
	tcp := layers.TCP{SrcPort: nbtlayers.PortNBSS, DstPort: 1024, ACK: true}
	var transport gopacket.SerializableLayer = &udp
	ip.Protocol = layers.IPProtocolUDP
	switch service {
	case fixtures.NameService:
	case fixtures.DatagramService:
		udp.DstPort = nbtlayers.PortNBDS
	case fixtures.SessionService:
		ip.Protocol, transport = layers.IPProtocolTCP, &tcp
	}
	buffer := gopacket.NewSerializeBuffer()
	Expect(gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true},
		&layers.Ethernet{
			SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 2},
			EthernetType: layers.EthernetTypeIPv4,
		},
		&ip, transport, gopacket.Payload(message),
	)).To(Succeed())
	return buffer.Bytes()
}

// streams has gopacket decode what is in TCP.
var streams = gopacket.DecodeOptions{DecodeStreamsAsDatagrams: true}

func short(v fixtures.Vector) bool { return len(v.Bytes) < 60000 }

var _ = BeforeSuite(nbtlayers.Register)

var _ = Describe("A layer", func() {
	for _, v := range fixtures.Vectors() {
		It("reads "+v.Name+" as the codec does, and writes it again", func() {
			for _, strict := range []bool{false, true} {
				l := blank(v.Service, strict)
				Expect(l.DecodeFromBytes(v.Bytes, gopacket.NilDecodeFeedback)).To(Succeed())
				want, err := parse(l, v.Bytes)
				Expect(err).NotTo(HaveOccurred())
				Expect(told(l)).To(Equal(want))
				Expect(append(l.LayerContents(), l.LayerPayload()...)).To(Equal(v.Bytes))

				buffer := gopacket.NewSerializeBuffer()
				Expect(l.SerializeTo(buffer, gopacket.SerializeOptions{FixLengths: true})).To(Succeed())
				Expect(buffer.Bytes()).To(Equal(v.Bytes))
			}
		})

		if !short(v) {
			continue
		}

		It("of "+v.Name+" is found in its packet, and the packet written from its layers again", func() {
			data := packet(v.Service, v.Bytes)
			p := gopacket.NewPacket(data, layers.LayerTypeEthernet, streams)
			Expect(p.ErrorLayer()).To(BeNil())
			l := p.ApplicationLayer().(layer)
			Expect(l.LayerType()).To(Equal(l.CanDecode()))
			want, err := parse(l, v.Bytes)
			Expect(err).NotTo(HaveOccurred())
			Expect(told(l)).To(Equal(want))
			Expect(p.String()).To(ContainSubstring(l.LayerType().String()))
			Expect(p.Dump()).NotTo(BeEmpty())

			buffer := gopacket.NewSerializeBuffer()
			Expect(gopacket.SerializePacket(buffer, gopacket.SerializeOptions{}, p)).To(Succeed())
			Expect(buffer.Bytes()).To(Equal(data))
		})
	}

	for _, v := range fixtures.Malformed() {
		It(fmt.Sprintf("reads %s as the codec does (bad-input %d)", v.Name, v.Row), func() {
			for _, strict := range []bool{false, true} {
				l := blank(v.Service, strict)
				err := l.DecodeFromBytes(v.Bytes, gopacket.NilDecodeFeedback)
				want, wantErr := parse(l, v.Bytes)
				if v.Service != fixtures.SessionService { // where what is wrong may be left
					Expect(fmt.Sprint(err)).To(Equal(fmt.Sprint(wantErr)))
				}
				Expect(told(l)).To(Equal(want))
				p := gopacket.NewPacket(packet(v.Service, v.Bytes), layers.LayerTypeEthernet, streams)
				Expect(p.Dump()).NotTo(BeEmpty())
			}
		})
	}

	It("of a good vector's beginning is no panic (bad-input 8)", func() {
		for _, v := range fixtures.Vectors() {
			for n := range min(len(v.Bytes), 300) {
				for _, strict := range []bool{false, true} {
					l := blank(v.Service, strict)
					err := l.DecodeFromBytes(append([]byte(nil), v.Bytes[:n]...), gopacket.NilDecodeFeedback)
					if v.Service != fixtures.SessionService && strict {
						Expect(err).To(HaveOccurred())
					}
				}
			}
		}
	})

	It("in strict mode refuses what is odd, else lists it", func() {
		b := fixtures.Named("datagram-length-with-header")
		var l nbtlayers.NBDS
		Expect(l.DecodeFromBytes(b, gopacket.NilDecodeFeedback)).To(Succeed())
		Expect(l.Odd).To(HaveLen(1))
		l.Strict = true
		Expect(l.DecodeFromBytes(b, gopacket.NilDecodeFeedback)).To(MatchError(nbt.ErrLength))
	})

	It("that cannot be read to its end is in the packet with what was read", func() {
		p := gopacket.NewPacket(fixtures.Named("pointer-chain"), nbtlayers.LayerTypeNBNS, gopacket.Default)
		Expect(p.ErrorLayer().Error()).To(MatchError(nbt.ErrPointerChain))
		Expect(p.Layer(nbtlayers.LayerTypeNBNS).(*nbtlayers.NBNS).Questions).To(HaveLen(1))
		Expect(p.Metadata().Truncated).To(BeFalse())
	})

	It("tells gopacket of a message that is cut short", func() {
		b := fixtures.Named("claim")
		p := gopacket.NewPacket(b[:20], nbtlayers.LayerTypeNBNS, gopacket.Default)
		Expect(p.ErrorLayer()).NotTo(BeNil())
		Expect(p.Metadata().Truncated).To(BeTrue())
	})

	It("allocates nothing once it has grown", func() {
		if raceEnabled {
			return
		}
		var stream []fixtures.Vector
		for _, name := range []string{
			"claim", "query", "answer", "status-full", "negative", "claim-scope", "datagram", "datagram-scope", "datagram-error",
			"session-request", "session-message", "session-keep-alive",
		} {
			for _, v := range fixtures.Vectors() {
				if v.Name == name {
					v.Bytes = packet(v.Service, v.Bytes)
					stream = append(stream, v)
				}
			}
		}
		var (
			ethernet layers.Ethernet
			ip       layers.IPv4
			udp      layers.UDP
			tcp      layers.TCP
			nbns     nbtlayers.NBNS
			nbds     nbtlayers.NBDS
			nbss     nbtlayers.NBSS
			payload  gopacket.Payload
			found    []gopacket.LayerType
		)
		parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet,
			&ethernet, &ip, &udp, &tcp, &nbns, &nbds, &nbss, &payload)
		Expect(testing.AllocsPerRun(100, func() {
			for _, v := range stream {
				if err := parser.DecodeLayers(v.Bytes, &found); err != nil {
					panic(err)
				}
			}
		})).To(BeZero())

		buffer := gopacket.NewSerializeBuffer()
		Expect(testing.AllocsPerRun(100, func() {
			for _, l := range []gopacket.SerializableLayer{&nbns, &nbds, &nbss} {
				_ = buffer.Clear()
				_ = l.SerializeTo(buffer, gopacket.SerializeOptions{})
			}
		})).To(BeZero())
	})
})

var _ = Describe("The datagram service's layer", func() {
	It("takes what is serialized behind it for the user data", func() {
		var l nbtlayers.NBDS
		Expect(l.DecodeFromBytes(fixtures.Named("datagram-length-with-header"), gopacket.NilDecodeFeedback)).To(Succeed())
		buffer := gopacket.NewSerializeBuffer()
		options := gopacket.SerializeOptions{FixLengths: true}
		Expect(gopacket.SerializeLayers(buffer, options, &l, gopacket.Payload("goodbye"))).To(Succeed())
		m, err := nbt.ParseDatagram(buffer.Bytes())
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("goodbye"))
	})

	It("keeps a wrong length and trailing bytes unless told to fix lengths (bad-input 14)", func() {
		for _, vector := range []string{"datagram-length-with-header", "datagram-length-smaller", "datagram-length-0"} {
			p := gopacket.NewPacket(fixtures.Named(vector), nbtlayers.LayerTypeNBDS, gopacket.Default)
			buffer := gopacket.NewSerializeBuffer()
			Expect(gopacket.SerializePacket(buffer, gopacket.SerializeOptions{}, p)).To(Succeed())
			Expect(buffer.Bytes()).To(Equal(fixtures.Named(vector)), vector)
		}
	})
})

var _ = Describe("The name service's layer", func() {
	It("fixes counts and lengths if told to (bad-input 9)", func() {
		for _, vector := range []string{"count-ancount", "rdlength-65535", "status-255-names"} {
			var l nbtlayers.NBNS
			Expect(l.DecodeFromBytes(fixtures.Named(vector), gopacket.NilDecodeFeedback)).To(Succeed())
			buffer := gopacket.NewSerializeBuffer()
			Expect(l.SerializeTo(buffer, gopacket.SerializeOptions{})).To(Succeed())
			Expect(buffer.Bytes()).To(Equal(fixtures.Named(vector)))
			Expect(buffer.Clear()).To(Succeed())
			Expect(l.SerializeTo(buffer, gopacket.SerializeOptions{FixLengths: true})).To(Succeed())
			m, err := nbt.ParseNameMessageLenient(buffer.Bytes())
			Expect(err).NotTo(HaveOccurred())
			for _, odd := range m.Odd {
				Expect(odd.Err).To(Equal(nbt.ErrCount), "%s: what a message must have is not for a length to fix", vector)
			}
		}
	})
})

var _ = Describe("The session service's layer", func() {
	request, message := fixtures.Named("session-request"), fixtures.Named("session-message")

	It("reads two messages in one segment (bad-input 18)", func() {
		var l nbtlayers.NBSS
		both := append(append([]byte(nil), request...), message...)
		Expect(l.DecodeFromBytes(both, gopacket.NilDecodeFeedback)).To(Succeed())
		Expect(l.Messages).To(HaveLen(2))
		Expect(string(l.Messages[1].Data)).To(Equal("hello"))
		Expect(l.LayerPayload()).To(BeEmpty())
		Expect(l.NextLayerType()).To(Equal(gopacket.LayerTypeZero))
	})

	It("leaves a message that goes on in the next segment (bad-input 18)", func() {
		for n := 1; n < len(message); n++ {
			segment := append(append([]byte(nil), request...), message[:n]...)
			p := gopacket.NewPacket(segment, nbtlayers.LayerTypeNBSS, gopacket.Default)
			l := p.ApplicationLayer().(*nbtlayers.NBSS)
			Expect(l.Messages).To(HaveLen(1))
			Expect(l.LayerContents()).To(Equal(request))
			Expect(l.LayerPayload()).To(Equal(message[:n]))
			Expect(l.NextLayerType()).To(Equal(gopacket.LayerTypePayload))
			Expect(p.ErrorLayer()).To(BeNil())
			Expect(p.Metadata().Truncated).To(BeTrue())
		}
	})

	It("stops where no message begins, and keeps those before", func() {
		segment := append(append([]byte(nil), message...), 0x86, 0, 0, 0)
		p := gopacket.NewPacket(segment, nbtlayers.LayerTypeNBSS, gopacket.Default)
		Expect(p.ErrorLayer().Error()).To(MatchError(nbt.ErrType))
		l := p.Layer(nbtlayers.LayerTypeNBSS).(*nbtlayers.NBSS)
		Expect(l.Messages).To(HaveLen(1))
		Expect(l.LayerPayload()).To(HaveLen(4))
	})

	It("refuses names that run over the message's length (bad-input 18)", func() {
		var l nbtlayers.NBSS
		err := l.DecodeFromBytes(fixtures.Named("session-request-length-short"), gopacket.NilDecodeFeedback)
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(l.Messages).To(BeEmpty())
	})

	It("reads the reserved flags of a broken stack, or refuses them (bad-input 17)", func() {
		var l nbtlayers.NBSS
		Expect(l.DecodeFromBytes(fixtures.Named("session-flag-80"), gopacket.NilDecodeFeedback)).To(Succeed())
		Expect(l.Messages[0].Odd).To(HaveLen(1))
		l.Strict = true
		Expect(l.DecodeFromBytes(fixtures.Named("session-flag-80"), gopacket.NilDecodeFeedback)).To(
			MatchError(nbt.ErrReserved))
	})

	It("reads ten thousand empty messages, a thousand at a time (bad-input 17)", func() {
		var l nbtlayers.NBSS
		rest, total := make([]byte, 4*10000), 0
		for len(rest) > 0 {
			Expect(l.DecodeFromBytes(rest, gopacket.NilDecodeFeedback)).To(Succeed())
			Expect(len(l.Messages)).To(BeNumerically("<=", nbtlayers.MaxMessages))
			total += len(l.Messages)
			rest = l.LayerPayload()
		}
		Expect(total).To(Equal(10000))
	})
})

var _ = Describe("Registering the layers", func() {
	It("twice is no panic", func() {
		Expect(nbtlayers.Register).NotTo(Panic())
		Expect(nbtlayers.LayerTypeNBNS.String()).To(Equal("NBNS"))
		Expect(nbtlayers.PortNBSS.LayerType()).To(Equal(nbtlayers.LayerTypeNBSS))
	})
})
