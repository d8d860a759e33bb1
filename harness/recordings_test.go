// SPDX-License-Identifier: MIT

package harness_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// Offsets in the messages that the specs change: of name service requests and responses about a name without scope, and of
// datagrams (RFC 1002 sections 4.2 and 4.4).
const (
	flagsAt         = 2
	nameLetterAt    = 13 // the first letter of the question's name
	requestTTLAt    = 56
	requestAddrAt   = 64
	datagramDataAt  = 82
	claimsOfCHAT    = 10 // index of the first of them among the frames of q124565/fixed
	releasesOfCHAT  = 20
	firstDatagramAt = 4
)

// recorded returns the frames of the recording of q124565 on the fixed model, for a spec to change.
func recorded() []trace.Frame {
	GinkgoHelper()
	c, err := harness.ReadRecording(pcaps.FS(), "q124565/fixed.pcap")
	Expect(err).NotTo(HaveOccurred())
	frames := slices.Clone(c.Frames)
	for i := range frames {
		frames[i].Payload = bytes.Clone(frames[i].Payload)
	}
	Expect(frames[claimsOfCHAT].Payload[flagsAt]).To(Equal(byte(0x29)), "the claims are where the specs expect them")
	Expect(frames[releasesOfCHAT].Payload[flagsAt]).To(Equal(byte(0x30)), "the releases are where the specs expect them")
	return frames
}

// compared writes frames to a capture, reads it, and compares a run of q124565 on the fixed model with it.
func compared(frames []trace.Frame) []check.Difference {
	GinkgoHelper()
	var file bytes.Buffer
	Expect(capture.Write(&file, frames)).To(Succeed())
	return comparedFile(file.Bytes())
}

func comparedFile(file []byte) []check.Difference {
	GinkgoHelper()
	c, err := capture.Read(bytes.NewReader(file))
	Expect(err).NotTo(HaveOccurred())
	Expect(c.Cut).To(BeNil())
	s := shipped("q124565")
	return check.Compare(harness.Perform(s, &s.Cases[0], fault.Set{}, harness.Options{}).Frames, c.Frames)
}

// numberOf returns the packet number of a frame of the unchanged recording.
func numberOf(index int) int {
	frames := recorded()
	return frames[index].Number
}

var _ = Describe("A recorded capture", func() {
	It("matches the run it was recorded from", func() {
		Expect(compared(recorded())).To(BeEmpty())
	})

	DescribeTable("differs when one field of one frame is altered",
		func(index int, field string, alter func(f *trace.Frame)) {
			frames := recorded()
			alter(&frames[index])
			list := compared(frames)
			Expect(list).To(HaveLen(1))
			Expect(list[0].Change).To(Equal(check.Altered))
			Expect(list[0].Recorded.Number).To(Equal(numberOf(index)))
			Expect(list[0].Fields).To(ContainElement(field))
			Expect(list[0].String()).To(ContainSubstring(field))
		},
		Entry("the name", claimsOfCHAT, "QUESTION_NAME", func(f *trace.Frame) { f.Payload[nameLetterAt]++ }),
		Entry("the flags", releasesOfCHAT+1, "flags", func(f *trace.Frame) { f.Payload[flagsAt+1] ^= 0x10 }),
		Entry("the ttl", releasesOfCHAT, "TTL", func(f *trace.Frame) { f.Payload[requestTTLAt+3] = 9 }),
		Entry("the address", claimsOfCHAT+2, "NB_ADDRESS", func(f *trace.Frame) { f.Payload[requestAddrAt+3]++ }),
		Entry("the destination", claimsOfCHAT+1, "destination", func(f *trace.Frame) {
			f.To = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.20"), f.To.Port())
		}),
		Entry("the destination, where it is everybody's on another port", claimsOfCHAT+1, "destination", func(f *trace.Frame) {
			f.To = netip.AddrPortFrom(stack.LimitedBroadcast, stack.DatagramPort)
		}),
		Entry("the source", releasesOfCHAT, "source", func(f *trace.Frame) {
			f.From = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.11"), f.From.Port())
		}),
		Entry("the payload", firstDatagramAt+1, "USER_DATA", func(f *trace.Frame) { f.Payload[datagramDataAt] = 'A' }),
		Entry("the group bit of the MAC address", releasesOfCHAT, "broadcast MAC", func(f *trace.Frame) { f.Broadcast = false }),
		Entry("the length", firstDatagramAt, "DGM_LENGTH", func(f *trace.Frame) {
			f.Payload = f.Payload[:len(f.Payload)-1]
			binary.BigEndian.PutUint16(f.Payload[10:], uint16(len(f.Payload)-14))
		}),
		Entry("a transaction identifier in the first frame of an exchange", claimsOfCHAT, "NAME_TRN_ID", renumber),
		Entry("a transaction identifier in the last frame of an exchange", claimsOfCHAT+2, "NAME_TRN_ID", renumber),
		Entry("a transaction identifier in the middle of an exchange", releasesOfCHAT+1, "NAME_TRN_ID", renumber),
		Entry("the identifier of a datagram, but not of the error that answers it", firstDatagramAt+2, "DGM_ID",
			func(f *trace.Frame) { f.Payload[2] ^= 0x55 }),
		Entry("the called name of a session request", 15, "CALLED_NAME", func(f *trace.Frame) { f.Payload[5]++ }),
	)

	It("differs when a checksum is wrong", func() {
		file := recordingBytes()
		record := 24 + 16 // of the first packet
		file[record+14+20+6] ^= 0xff
		list := comparedFile(file)
		Expect(list).To(HaveLen(1))
		Expect(list[0].Recorded.Number).To(Equal(1))
		Expect(list[0].String()).To(ContainSubstring("checksum"))
	})

	It("differs when a message is removed, naming it (bad-input 42)", func() {
		frames := slices.Delete(recorded(), releasesOfCHAT+2, releasesOfCHAT+3)
		list := compared(frames)
		Expect(list).To(HaveLen(1))
		Expect(list[0].Change).To(Equal(check.Extra))
		Expect(list[0].String()).To(And(ContainSubstring("release"), ContainSubstring("CHAT<20>")))
	})

	It("differs when a message is added, naming it (bad-input 42)", func() {
		frames := recorded()
		extra := frames[releasesOfCHAT+2]
		extra.At += time.Millisecond
		list := compared(slices.Insert(frames, releasesOfCHAT+3, extra))
		Expect(list).To(HaveLen(1))
		Expect(list[0].Change).To(Equal(check.Missing))
		Expect(list[0].Recorded.Number).To(BeNumerically("~", numberOf(releasesOfCHAT+1), 2))
	})

	It("differs when two frames of one sender change places (bad-input 42)", func() {
		frames := recorded()
		a, b := claimsOfCHAT+2, claimsOfCHAT+3 // the last claim and the overwrite demand
		frames[a].Payload, frames[b].Payload = frames[b].Payload, frames[a].Payload
		list := compared(frames)
		Expect(list).To(HaveLen(1))
		Expect(list[0].Change).To(Equal(check.Moved))
		Expect(list[0].Recorded.Number).To(BeElementOf(numberOf(a), numberOf(b)))
	})

	It("differs when a stream event is missing", func() {
		frames := recorded()
		i := slices.IndexFunc(frames, func(f trace.Frame) bool { return f.Kind == trace.Fin })
		list := compared(slices.Delete(frames, i, i+1))
		Expect(list).NotTo(BeEmpty())
		Expect(list[0].String()).To(ContainSubstring("fin"))
	})

	Describe("still matches", func() {
		It("when all times are shifted and stretched", func() {
			frames := recorded()
			for i := range frames {
				frames[i].At = frames[i].At*3 + time.Hour
			}
			Expect(compared(frames)).To(BeEmpty())
		})

		It("when transaction identifiers are consistently renumbered", func() {
			frames := recorded()
			for i := range frames {
				if f := &frames[i]; f.Kind == trace.UDP {
					at := 0
					if f.To.Port() == 138 {
						at = 2
					}
					id := binary.BigEndian.Uint16(f.Payload[at:])
					binary.BigEndian.PutUint16(f.Payload[at:], id*31+7)
				}
			}
			Expect(compared(frames)).To(BeEmpty())
		})

		It("when the client's port is another", func() {
			frames := recorded()
			other := func(a netip.AddrPort) netip.AddrPort {
				if a.Port() == 1025 {
					return netip.AddrPortFrom(a.Addr(), 40000)
				}
				return a
			}
			for i := range frames {
				frames[i].From, frames[i].To = other(frames[i].From), other(frames[i].To)
			}
			Expect(compared(frames)).To(BeEmpty())
		})

		It("when broadcasts go to 255.255.255.255, and marks no destination for it where something else differs", func() {
			frames := recorded()
			for i := range frames {
				if f := &frames[i]; f.Broadcast {
					f.To = netip.AddrPortFrom(stack.LimitedBroadcast, f.To.Port())
				}
			}
			Expect(compared(frames)).To(BeEmpty())
			frames[releasesOfCHAT].Payload[requestTTLAt+3] = 9
			list := compared(frames)
			Expect(list).To(HaveLen(1))
			for _, row := range check.FieldRows(list[0]) {
				Expect(row.Differs).To(Equal(row.Name == "TTL"), row.Name)
			}
		})

		It("when MAC addresses, IP identifications and ttls are others", func() {
			file := recordingBytes()
			for at := 24; at < len(file); {
				packet := file[at+16:]
				length := int(binary.LittleEndian.Uint32(file[at+8:]))
				packet[5] ^= 0x40 * (1 - packet[0]&1) // the destination, unless it is everybody
				packet[11] ^= 0x40                    // the source
				ip := packet[14:34]
				binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+100)
				ip[8] = 32
				binary.BigEndian.PutUint16(ip[10:], 0)
				binary.BigEndian.PutUint16(ip[10:], headerChecksum(ip))
				at += 16 + length
			}
			Expect(comparedFile(file)).To(BeEmpty())
		})
	})

	It("of one model differs from the run of the other", func() {
		s := shipped("q124565")
		c, err := harness.ReadRecording(pcaps.FS(), "q124565/Q124565.pcap")
		Expect(err).NotTo(HaveOccurred())
		list := check.Compare(harness.Perform(s, &s.Cases[0], fault.Set{}, harness.Options{}).Frames, c.Frames)
		Expect(list).NotTo(BeEmpty())
		Expect(list[0].Change).To(Equal(check.Extra))
		Expect(list[0].String()).To(ContainSubstring("release"))
	})
})

// renumber gives one frame an identifier of its own.
func renumber(f *trace.Frame) { f.Payload[0] ^= 0x55 }

func recordingBytes() []byte {
	GinkgoHelper()
	b, err := fs.ReadFile(pcaps.FS(), "q124565/fixed.pcap")
	Expect(err).NotTo(HaveOccurred())
	return bytes.Clone(b)
}

// headerChecksum is the Internet checksum of an IPv4 header whose checksum field is zero.
func headerChecksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
