// SPDX-License-Identifier: MIT

package nbt_test

import (
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

var _ = Describe("The length of a session service message", func() {
	It("is in its first four bytes, with the header (bad-input 17)", func() {
		for _, v := range fixtures.Vectors() {
			if v.Service == fixtures.SessionService {
				Expect(nbt.SessionLen(v.Bytes[:nbt.SessionHeaderLen])).To(Equal(len(v.Bytes)), v.Name)
			}
		}
	})

	It("has seventeen bits", func() {
		Expect(nbt.SessionLen([]byte{0, 1, 0xff, 0xff})).To(Equal(nbt.SessionHeaderLen + nbt.MaxSessionLen))
	})

	DescribeTable("is an error where a stream cannot be cut",
		func(header []byte, cause error) {
			_, err := nbt.SessionLen(header)
			Expect(err).To(MatchError(cause))
		},
		Entry("reserved flag", []byte{0, 2, 0, 0}, nbt.ErrReserved),
		Entry("reserved flag beside the length's bit", []byte{0, 0x81, 0, 0}, nbt.ErrReserved),
		Entry("unknown type, known from its first byte", []byte{0x86}, nbt.ErrType),
		Entry("reserved flag, known from two bytes", []byte{0, 4}, nbt.ErrReserved),
		Entry("no bytes", nil, nbt.ErrTruncated),
		Entry("three bytes", []byte{0, 0, 0}, nbt.ErrTruncated),
	)
})

var _ = Describe("Encoding a session service message", func() {
	DescribeTable("refuses what has no encoding and leaves the bytes as they were",
		func(m nbt.SessionMessage, field string, cause error) {
			b, err := m.AppendBinary([]byte("before"))
			Expect(err).To(MatchError(cause))
			Expect(err.Error()).To(HavePrefix("nbt: cannot encode " + field + ": "))
			Expect(string(b)).To(Equal("before"))
		},
		Entry("a type that is none", nbt.SessionMessage{Type: 0x86}, "TYPE", nbt.ErrType),
		Entry("too much data", nbt.SessionData(make([]byte, nbt.MaxSessionLen+1)), "LENGTH", nbt.ErrRange),
		Entry("nowhere to go", nbt.RetargetSession(netip.AddrPort{}), "RETARGET_IP_ADDRESS", nbt.ErrNotIPv4),
		Entry("a called name in a scope that is none",
			nbt.SessionMessage{Type: nbt.SsnRequest, CalledScope: "."}, "CALLED_NAME", nbt.ErrScope),
		Entry("a calling name in a scope that is none",
			nbt.SessionMessage{Type: nbt.SsnRequest, CallingScope: "."}, "CALLING_NAME", nbt.ErrScope),
	)
})

var _ = Describe("A session service message on one line", func() {
	DescribeTable("says what it is",
		func(vector, line string) {
			m, err := nbt.ParseSessionMessage(fixtures.Named(vector))
			Expect(err).NotTo(HaveOccurred())
			Expect(m.String()).To(Equal(line))
		},
		Entry("request", "session-request", "session request DEMOAPP<41> from PEER<00>"),
		Entry("positive", "session-positive", "positive session response"),
		Entry("negative", "session-refused-82", "negative session response 0x82 called name not present"),
		Entry("retarget", "session-retarget", "retarget session response to 192.168.7.10:139"),
		Entry("message", "session-message", `session message "hello"`),
		Entry("keep alive", "session-keep-alive", "session keep alive"),
	)
})
