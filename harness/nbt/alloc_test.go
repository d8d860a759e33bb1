// SPDX-License-Identifier: MIT

package nbt_test

import (
	"encoding/binary"
	"runtime"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

// The codec's share of a simulated run's time is mostly its allocations.
var _ = Describe("Allocations", func() {
	count := func(f func()) float64 {
		if raceEnabled {
			return 0
		}
		return testing.AllocsPerRun(100, f)
	}

	for _, vector := range []string{"claim", "overwrite", "negative", "conflict", "release", "query", "answer", "wack"} {
		It("parsing "+vector+" makes one", func() {
			b := fixtures.Named(vector)
			Expect(count(func() { _, _ = nbt.ParseNameMessage(b) })).To(BeNumerically("<=", 1))
		})
	}

	It("parsing a node status response makes three: the record, the status and its names", func() {
		b := fixtures.Named("status-full")
		Expect(count(func() { _, _ = nbt.ParseNameMessage(b) })).To(BeNumerically("<=", 3))
	})

	It("parsing datagrams and session messages makes none", func() {
		datagram, request := fixtures.Named("datagram"), fixtures.Named("session-request")
		Expect(count(func() {
			_, _ = nbt.ParseDatagram(datagram)
			_, _ = nbt.ParseSessionMessage(request)
			_, _ = nbt.SessionLen(request)
		})).To(BeZero())
	})

	It("appending to a slice with room makes none", func() {
		buffer := make([]byte, 0, 1024)
		claim, status := messages["claim"].(nbt.NameMessage), messages["status-full"].(nbt.NameMessage)
		redirect := messages["redirect-pointer"].(nbt.NameMessage)
		datagram, request := messages["datagram"].(nbt.DatagramMessage), messages["session-request"].(nbt.SessionMessage)
		Expect(count(func() {
			_, _ = claim.AppendBinary(buffer)
			_, _ = status.AppendBinary(buffer)
			_, _ = redirect.AppendBinary(buffer)
			_, _ = datagram.AppendBinary(buffer)
			_, _ = request.AppendBinary(buffer)
		})).To(BeZero())
	})

	It("appending to nothing makes one", func() {
		for name, m := range messages {
			Expect(count(func() { _, _ = m.AppendBinary(nil) })).To(BeNumerically("<=", 1), name)
		}
	})

	It("making a claim makes one", func() {
		var m nbt.NameMessage
		Expect(count(func() { m = nbt.Claim(1, demo, nbt.ONTB, addr) })).To(BeNumerically("<=", 1))
		Expect(m.ID).To(BeNumerically("<=", 1))
	})

	It("are not made by decoding one message after the other into the same one", func() {
		var stream [][]byte
		for _, vector := range []string{
			"claim", "query", "answer", "answer-group", "status-request", "status-full", "status", "negative", "wack", "redirect",
			"no-name-uncounted", "query-label-63", "claim-scope", "trailing", "status-18-behind", "letters-lower",
		} {
			stream = append(stream, fixtures.Named(vector))
		}
		datagrams := [][]byte{
			fixtures.Named("datagram"), fixtures.Named("datagram-second"), fixtures.Named("datagram-error"),
			fixtures.Named("datagram-length-with-header"),
		}
		sessions := [][]byte{
			fixtures.Named("session-request"), fixtures.Named("session-message"), fixtures.Named("session-retarget"),
			fixtures.Named("session-request-null-caller"),
		}
		var name nbt.NameMessage
		var datagram nbt.DatagramMessage
		var session nbt.SessionMessage
		for _, b := range stream {
			Expect(name.Decode(b, nbt.Lenient)).To(Succeed())
		}
		Expect(count(func() {
			for _, b := range stream {
				_ = name.Decode(b, nbt.Lenient)
			}
			for _, b := range datagrams {
				_ = datagram.Decode(b, nbt.Lenient)
			}
			for _, b := range sessions {
				_ = session.Decode(b, nbt.Lenient)
			}
		})).To(BeZero())
	})

	It("are not made by counts that nothing stands behind (bad-input 9)", func() {
		// An error and its text are all that is made: far less than 65535 records.
		for _, vector := range []string{"count-qdcount", "count-ancount", "count-nscount", "count-arcount"} {
			b := fixtures.Named(vector)
			Expect(count(func() { _, _ = nbt.ParseNameMessage(b) })).To(BeNumerically("<", 10))
		}
	})

	// Whatever 64 KiB claim, they cost at most eight times as much and a mebibyte.
	DescribeTable("are bounded by the message (bad-input 9)",
		func(counts [4]uint16, entry []byte) {
			b := make([]byte, 0, 0xffff)
			b = binary.BigEndian.AppendUint16(b, 1)
			b = binary.BigEndian.AppendUint16(b, 0x8100)
			for _, count := range counts {
				b = binary.BigEndian.AppendUint16(b, count)
			}
			for len(b)+len(entry) <= cap(b) {
				b = append(b, entry...)
			}
			for _, parse := range []func([]byte) (nbt.NameMessage, error){nbt.ParseNameMessage, nbt.ParseNameMessageLenient} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, _ = parse(b)
				runtime.ReadMemStats(&after)
				Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<=", 8*len(b)+1<<20))
			}
		},
		Entry("null names in questions", [4]uint16{0xffff}, []byte{0, 0, 0x20, 0, 1}),
		Entry("records of nothing", [4]uint16{0, 0, 0xffff}, []byte{0, 0, 0xa, 0, 1, 0, 0, 0, 0, 0, 0}),
		Entry("records of nothing, in as many as fit", [4]uint16{0, 0, 5956}, []byte{0, 0, 0xa, 0, 1, 0, 0, 0, 0, 0, 0}),
		Entry("records of one address", [4]uint16{0, 0, 3854}, []byte{
			0, 0, 0x20, 0, 1, 0, 0, 0, 0, 0, 6, 0, 0, 10, 0, 0, 1,
		}),
		Entry("node status of no names and no statistics", [4]uint16{0, 0, 5460}, []byte{
			0, 0, 0x21, 0, 1, 0, 0, 0, 0, 0, 1, 0,
		}),
		Entry("names of escapes", [4]uint16{0, 0, 4681}, []byte{
			2, 0xff, 0xff, 0, 0, 0xa, 0, 1, 0, 0, 0, 0, 0, 0,
		}),
	)
})
