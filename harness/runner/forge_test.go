// SPDX-License-Identifier: MIT

package runner_test

import (
	"encoding/hex"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/runner"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// injected performs one inject step of pc at 10.0.0.10, and returns what it puts on the wire.
func injected(step string) runner.Inject {
	GinkgoHelper()
	s, err := scenario.Parse("spec.scenario", []byte("node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n"+step+"\npeer stop\n"))
	Expect(err).NotTo(HaveOccurred())
	m := runner.New(s.Nodes, make([]time.Duration, len(s.Nodes)), &s.Cases[0])
	Expect(m.Next(0)).To(Equal(runner.Begin{}))
	return m.Next(0).(runner.Inject)
}

var _ = Describe("An injected name service packet", func() {
	const (
		chat   = "20 45444549454246454341434143414341434143414341434143414341434143 41 00"
		rest   = "0020 0001 c00c 0020 0001 0000 0000 0006 0000 0a00 000a"
		record = "0020 0001 0000 0000 0006 0000 0a00 000a"
	)
	bytes := func(text string) []byte {
		var digits []byte
		for _, c := range []byte(text) {
			if c != ' ' {
				digits = append(digits, c)
			}
		}
		b, err := hex.DecodeString(string(digits))
		Expect(err).NotTo(HaveOccurred())
		return b
	}

	DescribeTable("has the broadcast flag when it is for everybody, and not when it is for one",
		func(kind, toOne, toAll, counts, after string) {
			one, all := injected("pc inject "+kind+" CHAT to peer id 0x7001"), injected("pc inject "+kind+" CHAT to all id 0x7001")
			Expect(one.Frame.To.String()).To(Equal("10.0.0.20:137"))
			Expect(one.Frame.Broadcast).To(BeFalse())
			Expect(one.Frame.Payload).To(Equal(bytes("7001" + toOne + counts + chat + after)))
			Expect(all.Frame.To.String()).To(Equal("10.0.0.255:137"))
			Expect(all.Frame.Broadcast).To(BeTrue())
			Expect(all.Frame.Payload).To(Equal(bytes("7001" + toAll + counts + chat + after)))
		},
		Entry(nil, "claim", "2900", "2910", "0001 0000 0000 0001", rest),
		Entry(nil, "overwrite", "2800", "2810", "0001 0000 0000 0001", rest),
		Entry(nil, "refresh", "4000", "4010", "0001 0000 0000 0001", rest),
		Entry(nil, "multihomed", "7900", "7910", "0001 0000 0000 0001", rest),
		Entry(nil, "release", "3000", "3010", "0001 0000 0000 0001", rest),
		Entry(nil, "query", "0100", "0110", "0001 0000 0000 0000", "0020 0001"),
		Entry(nil, "status-request", "0000", "0010", "0001 0000 0000 0000", "0021 0001"),
		Entry(nil, "grant", "ad80", "ad80", "0000 0001 0000 0000", record),
		Entry(nil, "refusal", "ad86", "ad86", "0000 0001 0000 0000", record),
		Entry(nil, "challenge", "ad00", "ad00", "0000 0001 0000 0000", record),
		Entry(nil, "conflict-demand", "ad87", "ad87", "0000 0001 0000 0000", "0020 0001 0000 0000 0006 0000 0000 0000"),
		Entry(nil, "wack", "bc00", "bc00", "0000 0001 0000 0000", "000a 0001 0000 0000 0002 2900"),
		Entry(nil, "answer", "8500", "8500", "0000 0001 0000 0000", record),
		Entry(nil, "denial", "8503", "8503", "0000 0001 0000 0000", "000a 0001 0000 0000 0000"),
		Entry(nil, "release-grant", "b400", "b400", "0000 0001 0000 0000", record),
		Entry(nil, "release-refusal", "b406", "b406", "0000 0001 0000 0000", record),
	)
})
