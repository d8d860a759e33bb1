// SPDX-License-Identifier: MIT

package nbt_test

import (
	"encoding/binary"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
)

// read parses a vector leniently, without an error.
func read[M any](parse func([]byte) (M, error), vector string) M {
	GinkgoHelper()
	m, err := parse(fixtures.Named(vector))
	Expect(err).NotTo(HaveOccurred())
	return m
}

var _ = Describe("Parsing a name service message leniently", func() {
	It("keeps what follows the message (bad-input 12)", func() {
		m := read(nbt.ParseNameMessageLenient, "trailing")
		Expect(m.Trailing).To(Equal([]byte{0}))
		Expect(m.Additional).To(HaveLen(1))
		Expect(m.Odd).To(Equal([]nbt.Odd{{Field: "end", Offset: 68, Err: nbt.ErrTrailing, Got: 1}}))
		Expect(m.Odd[0].String()).To(Equal("end at offset 68: bytes left over: 1"))
	})

	It("reads the whole addresses of a wrong RDLENGTH and keeps the rest (bad-input 10)", func() {
		m := read(nbt.ParseNameMessageLenient, "rdlength-7")
		Expect(m.Answers[0].Addrs).To(HaveLen(1))
		Expect(m.Answers[0].Data).To(Equal([]byte{0}))
		m = read(nbt.ParseNameMessageLenient, "rdlength-65535")
		Expect(m.Answers[0].Addrs).To(Equal([]nbt.NBAddr{{Addr: addr}}))
		Expect(m.Answers[0].Missing).To(BeEquivalentTo(0xffff - 6))
		m = read(nbt.ParseNameMessageLenient, "rdlength-0")
		Expect(m.Answers[0].Addrs).To(BeEmpty())
		Expect(m.Kind()).To(Equal(nbt.KindNegativeRegistration))
	})

	It("reads lower-case letters as the name they mean (bad-input 6)", func() {
		m := read(nbt.ParseNameMessageLenient, "letters-lower")
		Expect(m.Questions[0].Name).To(Equal(demo))
		Expect(m.Questions[0].Lower).To(Equal(^nbt.LowerCase(0)))
		m = read(nbt.ParseNameMessageLenient, "letter-61")
		Expect(m.Questions[0].Lower).To(Equal(nbt.LowerCase(1 << 31)))
	})

	It("keeps a name that is none as labels, and reads on behind it (bad-input 6)", func() {
		m := read(nbt.ParseNameMessageLenient, "letter-80")
		Expect(m.Questions[0].Bare).To(BeTrue())
		Expect(m.Questions[0].Scope).To(Equal(`EEEFENEPEBFAFAC\x80CACACACACACACAEB`))
		Expect(m.Questions[0].Type).To(BeEquivalentTo(nbt.TypeNB))
		m = read(nbt.ParseNameMessageLenient, "first-label-dns")
		Expect(m.Questions[0].Scope).To(Equal("WPAD"))
		Expect(m.String()).To(HavePrefix("other name service message (0x0100 query request RD) WPAD, id "))
	})

	It("reads Samba's longest scopes (bad-input 5)", func() {
		for last, vector := range map[int]string{44: "scope-236", 45: "scope-237", 46: "scope-238"} {
			m := read(nbt.ParseNameMessageLenient, vector)
			Expect(m.Questions[0].Name).To(Equal(demo))
			Expect(m.Questions[0].Scope).To(Equal(scope(last)))
		}
	})

	It("says how many entries a count claims and the message lacks (bad-input 9)", func() {
		m := read(nbt.ParseNameMessageLenient, "count-ancount")
		Expect(m.Missing).To(Equal([4]uint16{0, 0xffff, 0, 0}))
		Expect(m.Answers).To(BeEmpty())
	})

	It("lists names and statistics whatever NUM_NAMES says (bad-input 11)", func() {
		m := read(nbt.ParseNameMessageLenient, "status-255-names")
		Expect(m.Answers[0].Status.Names).To(HaveLen(17))
		Expect(m.Answers[0].Status.Missing).To(BeEquivalentTo(238))
		m = read(nbt.ParseNameMessageLenient, "status-18-behind")
		Expect(m.Answers[0].Status.Names[0].Name).To(Equal(demo))
		Expect(m.Trailing).To(Equal(make([]byte, 18)))
		m = read(nbt.ParseNameMessageLenient, "status-trailing")
		Expect(m.Answers[0].Status.Names[0].Name).To(Equal(demo))
		Expect(m.Answers[0].Status.Rest).To(Equal([]byte{0xde, 0xad}))
		m = read(nbt.ParseNameMessageLenient, "status-cut")
		Expect(m.Answers[0].Status.Names).To(HaveLen(1))
		Expect(m.Answers[0].Status.Cut).To(BeTrue())
		Expect(m.Answers[0].Status.Rest).To(Equal([]byte("CHAT")))
		m = read(nbt.ParseNameMessageLenient, "status-rdlength-0")
		Expect(m.Answers[0].Status).To(BeNil())
		Expect(m.Kind()).To(Equal(nbt.KindStatusResponse))
	})

	It("follows a pointer to a pointer, and a scope that goes on in one (bad-input 2)", func() {
		m := read(nbt.ParseNameMessageLenient, "pointer-twice")
		Expect(m.Additional[1].Name).To(Equal(demo))
		Expect(m.Additional[1].Pointer).To(BeEquivalentTo(50))
		m = read(nbt.ParseNameMessageLenient, "pointer-in-scope")
		Expect(m.Odd).To(HaveLen(1))
		Expect(m.Odd[0].Lossy).To(BeTrue())
		Expect(m.Additional[0].Name).To(Equal(demo))
	})

	It("follows four pointers and no more (bad-input 2)", func() {
		for most, cause := range map[int]error{3: nil, 4: nbt.ErrPointerChain} {
			m := nbt.Claim(1, demo, 0, addr)
			m.Loose = true
			first := m.Additional[0]
			m.Additional = nil
			for i := range most + 1 {
				rr := first
				rr.Pointer = nbt.QuestionName
				if i > 0 {
					rr.Pointer = uint16(50 + 18*(i-1))
				}
				m.Additional = append(m.Additional, rr)
			}
			b := encodeChain(m)
			_, err := nbt.ParseNameMessageLenient(b)
			if cause == nil {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(cause))
			}
		}
	})

	It("follows four pointers from label to label and no more (bad-input 2)", func() {
		// Each name in the data of the first record is a label and a pointer to the name before.
		for hops, cause := range map[int]error{4: nil, 5: nbt.ErrPointerChain} {
			data := []byte("\x01a\x00")
			const at = 62 // where the data begins
			last := at
			for range hops - 1 {
				next := at + len(data)
				data = binary.BigEndian.AppendUint16(append(data, "\x01b"...), 0xc000|uint16(last))
				last = next
			}
			m := nbt.Claim(1, demo, 0, addr)
			m.Additional[0].Type, m.Additional[0].Addrs, m.Additional[0].Data = nbt.TypeNULL, nil, data
			b, err := m.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(b[at]).To(BeEquivalentTo(1))
			b[11] = 2
			b = append(b, "\x01c"...)
			b = binary.BigEndian.AppendUint16(b, 0xc000|uint16(last))
			b = append(b, 0, nbt.TypeNULL, 0, nbt.ClassIN, 0, 0, 0, 0, 0, 0)
			got, err := nbt.ParseNameMessageLenient(b)
			if cause != nil {
				Expect(err).To(MatchError(cause))
				continue
			}
			Expect(err).NotTo(HaveOccurred())
			Expect(got.Additional[1].Scope).To(Equal("c.b.b.b.a"))
		}
	})

	It("takes what a node status that is cut short has for names, not for statistics (bad-input 11)", func() {
		full := fixtures.Named("status-full")
		m, err := nbt.ParseNameMessageLenient(full[:57+4*18+10])
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Answers[0].Status.Names).To(HaveLen(4))
		m, err = nbt.ParseNameMessageLenient(full[:57+3*18+17])
		Expect(err).NotTo(HaveOccurred())
		Expect(m.Answers[0].Status.Names).To(HaveLen(3))
		Expect(m.Answers[0].Status.Rest).To(HaveLen(17))
	})

	It("hands out what stands before the place that it cannot read", func() {
		m, err := nbt.ParseNameMessageLenient(fixtures.Named("pointer-chain"))
		Expect(err).To(MatchError(nbt.ErrPointerChain))
		Expect(m.Questions[0].Name).To(Equal(demo))
		Expect(m.Additional).To(HaveExactElements(HaveField("Name", demo)))
	})

	It("lists sixteen oddities of a message that has more", func() {
		m := nbt.PositiveAnswer(1, demo, 0, addr)
		m.Loose = true
		for range 40 {
			rr := m.Answers[0]
			rr.Data = []byte{1}
			m.Additional = append(m.Additional, rr)
		}
		b, err := m.AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		got, err := nbt.ParseNameMessageLenient(b)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Odd).To(HaveLen(nbt.MaxOdd))
		Expect(got.Additional).To(HaveLen(40))
		Expect(got.AppendBinary(nil)).To(Equal(b))
	})

	It("refuses pointers that lead to more text than a message is worth", func() {
		// Two names with the longest scopes, one after the other in a record, and four thousand pointers to them in turn.
		long := nbt.PositiveAnswer(1, demo, 0, addr).InScope(strings.Repeat(`\xff.`, 109) + `\xff`)
		m := nbt.PositiveAnswer(1, demo, 0, addr)
		for range 2 {
			m.Answers = append(m.Answers, long.Answers[0])
		}
		b, err := m.AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		at := [2]uint16{62, uint16(62 + nbt.EncodedNameLen(long.Answers[0].Scope) + 16)}
		const pointers = 4000
		for i := range pointers {
			b = binary.BigEndian.AppendUint16(b, 0xc000|at[i%2])
			b = append(b, 0, nbt.TypeNULL, 0, nbt.ClassIN, 0, 0, 0, 0, 0, 0)
		}
		binary.BigEndian.PutUint16(b[6:], uint16(3+pointers))
		for _, parse := range []func([]byte) (nbt.NameMessage, error){nbt.ParseNameMessage, nbt.ParseNameMessageLenient} {
			_, err := parse(b)
			Expect(err).To(MatchError(nbt.ErrPointerText))
		}
	})
})

// encodeChain encodes a claim whose records each point to the one before, which no strict reader takes.
func encodeChain(m nbt.NameMessage) []byte {
	records := m.Additional
	for i := range records {
		records[i].Pointer = nbt.QuestionName
	}
	b, err := m.AppendBinary(nil)
	Expect(err).NotTo(HaveOccurred())
	for i := 1; i < len(records); i++ {
		binary.BigEndian.PutUint16(b[50+18*i:], 0xc000|uint16(50+18*(i-1)))
	}
	return b
}

var _ = Describe("Parsing the beginning of a name service message", func() {
	It("hands out number and flags, if it has those (bad-input 8)", func() {
		m, err := nbt.ParseNameMessageLenient([]byte{0x12, 0x34, 0xad, 0x86, 0})
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(m.ID).To(BeEquivalentTo(0x1234))
		Expect(m.FlagWord()).To(BeEquivalentTo(0xad86))
	})
})

var _ = Describe("Parsing a datagram service message leniently", func() {
	It("tells by how much DGM_LENGTH is wrong (bad-input 14)", func() {
		m := read(nbt.ParseDatagramLenient, "datagram-length-with-header")
		Expect(m.LengthOff).To(Equal(14))
		Expect(string(m.Data)).To(Equal("hello"))
		m = read(nbt.ParseDatagramLenient, "datagram-length-smaller")
		Expect(m.LengthOff).To(BeZero())
		Expect(string(m.Data)).To(Equal("hell"))
		Expect(string(m.Trailing)).To(Equal("o"))
		m = read(nbt.ParseDatagramLenient, "datagram-length-0")
		Expect(m.LengthOff).To(Equal(-68))
		Expect(m.SourceName).To(Equal(peer))
		Expect(string(m.Trailing)).To(Equal("hello"))
	})

	It("hands out the header of an unknown type (bad-input 14)", func() {
		m, err := nbt.ParseDatagramLenient(fixtures.Named("datagram-type-17"))
		Expect(err).To(MatchError(nbt.ErrType))
		Expect(m.Source).To(Equal(from))
		Expect(m.ID).To(BeEquivalentTo(0x2001))
	})

	It("hands out type, flags and number of one that is cut short behind them (bad-input 14)", func() {
		m, err := nbt.ParseDatagramLenient([]byte{0x11, 2, 0x20, 1, 10})
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(m).To(And(HaveField("Type", nbt.DgmGroup), HaveField("Flags", nbt.DgmFirst), HaveField("ID", BeEquivalentTo(0x2001))))
	})

	It("reads names in lower-case letters (bad-input 6)", func() {
		m := read(nbt.ParseDatagramLenient, "datagram-lower-case")
		Expect(m.SourceName).To(Equal(peer))
		Expect(m.DestName).To(Equal(demo))
	})
})

var _ = Describe("Parsing a session service message leniently", func() {
	It("takes a null caller for what it is (bad-input 19)", func() {
		m := read(nbt.ParseSessionMessageLenient, "session-request-null-caller")
		Expect(m.Called).To(Equal(demo))
		Expect(m.CallingBare).To(BeTrue())
		Expect(m.String()).To(Equal("session request DEMOAPP<41> from (null name)"))
	})

	It("keeps the reserved bits and does not count with them (bad-input 17)", func() {
		m := read(nbt.ParseSessionMessageLenient, "session-length-20000")
		Expect(m.Reserved).To(BeEquivalentTo(2))
		Expect(m.Data).To(BeEmpty())
	})

	It("keeps a body that should not be there, or is too short (bad-input 17)", func() {
		m := read(nbt.ParseSessionMessageLenient, "session-positive-with-body")
		Expect(m.Rest).To(Equal([]byte{0}))
		m = read(nbt.ParseSessionMessageLenient, "session-retarget-short")
		Expect(m.Short).To(BeTrue())
		Expect(m.Rest).To(HaveLen(4))
	})

	It("hands out the data of a message that is cut short", func() {
		cut := []byte{0, 0, 0, 9, 'h', 'i'}
		m, err := nbt.ParseSessionMessageLenient(cut)
		Expect(err).To(MatchError(nbt.ErrTruncated))
		Expect(string(m.Data)).To(Equal("hi"))
		Expect(m.Length()).To(Equal(9))
		Expect(m.AppendBinary(nil)).To(Equal(cut))
	})

	It("hands out LENGTH and the names of a request that is cut short", func() {
		b, err := nbt.SessionRequest(demo, peer).AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		m, err := nbt.ParseSessionMessageLenient(b[:len(b)-1])
		Expect(err).To(MatchError(ContainSubstring("CALLING_NAME at offset 38: message ends")))
		Expect(m.Called).To(Equal(demo))
		Expect(m.Length()).To(Equal(68))
		Expect(m.Odd).To(HaveExactElements(HaveField("Text()", Equal("message ends before this field does: says 68, there are 67"))))
		b[3]++
		m, err = nbt.ParseSessionMessageLenient(b)
		Expect(err).To(MatchError(ContainSubstring("LENGTH at offset 2: message ends")))
		Expect([]netbios.Name{m.Called, m.Calling}).To(Equal([]netbios.Name{demo, peer}))
		Expect(m.Length()).To(Equal(69))
	})

	It("hands out LENGTH of a request with a name that cannot be read", func() {
		m, err := nbt.ParseSessionMessageLenient(append([]byte{0x81, 0, 0, 5}, "\x40abcd"...))
		Expect(err).To(MatchError(ContainSubstring("CALLED_NAME")))
		Expect(m.Length()).To(Equal(5))
	})
})

var _ = Describe("Encoding a message that is not as the RFC has it", func() {
	It("needs to be told that it is meant", func() {
		answer := nbt.PositiveAnswer(1, demo, 0)
		query := nbt.Query(1, demo).InScope(scope(46))
		bare := nbt.Query(1, demo)
		bare.Questions[0].Bare = true
		for _, m := range []nbt.NameMessage{answer, query, bare} {
			_, err := m.AppendBinary(nil)
			Expect(err).To(HaveOccurred())
			m.Loose = true
			b, err := m.AppendBinary(nil)
			Expect(err).NotTo(HaveOccurred())
			_, err = nbt.ParseNameMessage(b)
			Expect(err).To(HaveOccurred())
			got, err := nbt.ParseNameMessageLenient(b)
			Expect(err).NotTo(HaveOccurred())
			Expect(got.Odd).NotTo(BeEmpty())
		}
	})

	It("refuses a bare name that would be read as a NetBIOS name", func() {
		m := nbt.Query(1, demo).InScope("egfcEFEECACACACACACACACACACACACA")
		m.Questions[0].Bare, m.Loose = true, true
		_, err := m.AppendBinary(nil)
		Expect(err).To(MatchError(nbt.ErrFirstLabel))
	})

	It("refuses names longer than any reader takes", func() {
		m := nbt.Query(1, demo).InScope(strings.Repeat("a.", 250) + "a")
		m.Loose = true
		_, err := m.AppendBinary(nil)
		Expect(err).To(MatchError(nbt.ErrNameLong))
	})
})

var _ = Describe("Decoding into a message that was used before", func() {
	It("leaves nothing of an odd node status", func() {
		var m nbt.NameMessage
		for _, vector := range []string{"status-full", "status-cut", "status-255-names", "status-trailing"} {
			for range 2 {
				Expect(m.Decode(fixtures.Named(vector), nbt.Lenient)).To(Succeed())
				Expect(m.Decode(fixtures.Named("status"), nbt.Lenient)).To(Succeed())
				Expect(*m.Answers[0].Status).To(Equal(*messages["status"].(nbt.NameMessage).Answers[0].Status))
			}
		}
	})

	It("reads a WACK with an address as the oddity that it is", func() {
		b := append([]byte(nil), fixtures.Named("answer")...)
		b[2] |= byte(nbt.OpWACK) << 3
		var m nbt.NameMessage
		for range 3 {
			Expect(m.Decode(b, nbt.Lenient)).To(Succeed())
			Expect(m.Odd).To(HaveLen(1))
			Expect(m.Answers[0].Addrs).To(BeEmpty())
			Expect(m.Decode(fixtures.Named("answer"), nbt.Lenient)).To(Succeed())
			Expect(m.Answers[0].Addrs).To(HaveLen(1))
		}
	})

	It("leaves nothing of it", func() {
		var ns nbt.NameMessage
		var dgm nbt.DatagramMessage
		var ssn nbt.SessionMessage
		decoders := map[fixtures.Service]decoder{
			fixtures.NameService: &ns, fixtures.DatagramService: &dgm, fixtures.SessionService: &ssn,
		}
		all := append(fixtures.Malformed(), fixtures.Vectors()...)
		for i := range all {
			// Forwards, backwards and both modes, so that each message follows several others.
			for _, v := range []fixtures.Vector{all[i], all[len(all)-1-i]} {
				for mode, parse := range map[nbt.Mode]func() (any, error){
					nbt.Strict:  func() (any, error) { return parse(v.Service, v.Bytes) },
					nbt.Lenient: func() (any, error) { return parseLenient(v.Service, v.Bytes) },
				} {
					want, wantErr := parse()
					err := decoders[v.Service].Decode(v.Bytes, mode)
					Expect(fmt.Sprint(err)).To(Equal(fmt.Sprint(wantErr)), v.Name)
					Expect(fmt.Sprintf("%+v", shown(decoders[v.Service]))).To(Equal(fmt.Sprintf("%+v", shown(want))), v.Name)
				}
			}
		}
	})
})
