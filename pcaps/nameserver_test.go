// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"fmt"
	"net/netip"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// asksFor are the requests to name servers, with the words of what may answer them last; responses, in hexadecimal, are
// those of RFC 1002 sections 4.2.5 to 4.2.16.
var asksFor = map[uint16][]uint16{
	registerWord: {grantWord, refusalWord, challengeWord},
	updateWord:   {grantWord, refusalWord},
	refreshWord:  {grantWord, refusalWord},
	letGoWord:    {letWord, notLetWord},
	askWord:      {toldWord, unknownWord, answerWord, deniedWord},
}

// lengths are those of the messages without a scope, in bytes (reference: RFC 1002 section 4.2).
var lengths = map[uint16]int{
	claimWord: 68, overwriteWord: 68, releaseWord: 68, queryWord: 50, answerWord: 62, refusalWord: 62,
	registerWord: 68, updateWord: 68, refreshWord: 68, letGoWord: 68, askWord: 50,
	grantWord: 62, challengeWord: 62, letWord: 62, notLetWord: 62, toldWord: 62, unknownWord: 56, deniedWord: 56, wackWord: 58,
}

// Timers of requests to one address (RFC 1002 section 6).
const (
	askTimeout = 5 * time.Second // UCAST_REQ_RETRY_TIMEOUT
	askCount   = 3               // UCAST_REQ_RETRY_COUNT
)

// injected reports whether a packet is one that the scripts put on the wire, under identifiers of their own.
func injected(f trace.Frame) bool { return id(f)>>8 == 0x70 || id(f) == 0xbad0 }

// said returns the responses to a request, in order: those with one of the words and its id, sent to where it came from.
func (r recording) said(a asked, words ...uint16) []trace.Frame {
	var list []trace.Frame
	for _, f := range r.Frames {
		if f.Kind != trace.UDP || f.From.Port() != namePort || f.To != a.from || id(f) != a.id || f.At < a.frames[0].At {
			continue
		}
		for _, word := range words {
			if be.Uint16(f.Payload[2:]) == word {
				list = append(list, f)
			}
		}
	}
	return list
}

var _ = Describe("In a recording with a name server", func() {
	eachServed("the messages are those of RFC 1002 section 4.2 alone, each of its length, and to one node only", func(r recording) {
		for _, f := range r.Frames {
			if f.Kind != trace.UDP || f.To.Port() != namePort {
				continue
			}
			word := be.Uint16(f.Payload[2:])
			here := fmt.Sprintf("frame %d, flags 0x%04x", f.Number, word)
			Expect(lengths).To(HaveKey(word), here)
			Expect(f.Payload).To(HaveLen(lengths[word]), here)
			Expect(f.Broadcast).To(Equal(word&0x0010 != 0), here+": the B flag and the address go together")
		}
	})

	eachServed("no request is answered twice, or by anybody but who was asked", func(r recording) {
		for word, answers := range asksFor {
			for _, a := range r.requests(word) {
				final := r.said(a, answers...)
				Expect(len(final)).To(BeNumerically("<=", len(a.frames)), "answers to frame %d", a.frames[0].Number)
				for _, f := range final {
					Expect(f.From).To(Equal(a.frames[0].To), "frame %d", f.Number)
					Expect(name(f.Payload, nameAt)).To(Equal(a.name), "frame %d", f.Number)
				}
			}
		}
	})

	eachServed("a request is repeated every 5 s until it is answered, three times at most", func(r recording) {
		for word, answers := range asksFor {
			for _, a := range r.requests(word) {
				end := never
				for _, f := range r.said(a, append([]uint16{wackWord}, answers...)...) {
					end = min(end, f.At)
				}
				// An answer that the script has lost, or held back, is in the recording all the same.
				Expect(len(a.frames)).To(BeNumerically("<=", askCount))
				for i, at := range times(a.frames) {
					Expect(at).To(Equal(time.Duration(i)*askTimeout), "frame %d", a.frames[i].Number)
				}
				if end == never && len(a.frames) < askCount && !injected(a.frames[0]) {
					Fail(fmt.Sprintf("frame %d is not answered, and sent %d times", a.frames[0].Number, len(a.frames)))
				}
			}
		}
	})

	eachServed("nodes ask for 300000 s, and are granted them", func(r recording) {
		const term = 300000
		for _, word := range []uint16{registerWord, updateWord, refreshWord} {
			for _, a := range r.requests(word) {
				if injected(a.frames[0]) {
					continue
				}
				Expect(be.Uint32(a.frames[0].Payload[ttlAt:])).To(BeEquivalentTo(term), "frame %d", a.frames[0].Number)
				for _, f := range r.said(a, grantWord) {
					Expect(be.Uint32(f.Payload[ansAt:])).To(BeEquivalentTo(term), "frame %d", f.Number)
				}
			}
		}
	})

	eachServed("every name of a node has the node's type in NB_FLAGS", func(r recording) {
		types := map[netip.Addr]uint16{}
		for _, word := range []uint16{registerWord, updateWord, refreshWord, letGoWord, claimWord, overwriteWord, releaseWord} {
			for _, f := range r.nameMessages(word) {
				if injected(f) {
					continue
				}
				kind := be.Uint16(f.Payload[ttlAt+6:]) & nodeType
				if known, seen := types[f.From.Addr()]; seen {
					Expect(kind).To(Equal(known), "frame %d", f.Number)
				}
				types[f.From.Addr()] = kind
				if word == registerWord {
					Expect(kind).NotTo(BeZero(), "frame %d: a B node asks no name server", f.Number)
				}
			}
		}
		Expect(types).NotTo(BeEmpty())
	})

	eachServed("who is told to wait is told for which request and how long, and gets the answer by then", func(r recording) {
		for _, wack := range r.nameMessages(wackWord) {
			seconds := be.Uint32(wack.Payload[ansAt:])
			Expect(be.Uint16(wack.Payload[ansAt+4:])).To(BeEquivalentTo(2), "RDLENGTH")
			Expect(be.Uint16(wack.Payload[ansAt+6:])).To(BeEquivalentTo(registerWord), "the request's flag word")
			var claim asked
			for _, a := range r.requests(registerWord) {
				if a.id == id(wack) && a.from == wack.To {
					claim = a
				}
			}
			final := r.said(claim, grantWord, refusalWord)
			Expect(final).To(HaveLen(1), "frame %d", wack.Number)
			Expect(final[0].At-wack.At).To(BeNumerically("<=", time.Duration(seconds)*time.Second), "frame %d", final[0].Number)
		}
	})
})
