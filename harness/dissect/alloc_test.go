// SPDX-License-Identifier: MIT

//go:build !race

// The race detector allocates too.

package dissect_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
)

var _ = Describe("Reading and counting one message after the other", func() {
	It("allocates nothing in the long run, be they of whatever kind", func() {
		var m dissect.Message
		var s dissect.Stats
		for _, v := range fixtures.Vectors() {
			f := of(v)
			Expect(testing.AllocsPerRun(10, func() { // which runs it once before it counts
				m.Read(f)
				s.Add(&m)
			})).To(BeZero(), v.Name)
		}
	})

	It("allocates nothing for a mixture of them", func() {
		var frames []*capture.Frame
		for _, v := range fixtures.Vectors() {
			switch v.Name {
			case "claim", "release", "query", "answer", "negative", "wack", "status-full", "datagram", "session-request":
				frames = append(frames, of(v))
			}
		}
		Expect(frames).To(HaveLen(9))
		var m dissect.Message
		var s dissect.Stats
		Expect(testing.AllocsPerRun(100, func() {
			for _, f := range frames {
				m.Read(f)
				s.Add(&m)
			}
		})).To(BeZero())
	})

	It("allocates nothing for what is odd either", func() {
		f := of(fixtures.Vectors()[0])
		f.Payload = append(f.Payload[:len(f.Payload):len(f.Payload)], "trailing"...)
		f.Odd = []string{"cut by snap length: 96 of 243 bytes"}
		var m dissect.Message
		var s dissect.Stats
		one := func() {
			m.Read(f)
			s.Add(&m)
		}
		one()
		Expect(testing.AllocsPerRun(100, one)).To(BeZero())
	})
})
