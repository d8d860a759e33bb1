// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"fmt"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// forms are the name service messages of the recordings, by flag word: length without a scope (0 where it varies), and
// QDCOUNT, ANCOUNT, NSCOUNT, ARCOUNT.
var forms = map[uint16]struct {
	length int
	counts [4]uint16
}{
	claimWord:     {68, [4]uint16{1, 0, 0, 1}},
	overwriteWord: {68, [4]uint16{1, 0, 0, 1}},
	releaseWord:   {68, [4]uint16{1, 0, 0, 1}},
	queryWord:     {50, [4]uint16{1, 0, 0, 0}},
	statusAskWord: {50, [4]uint16{1, 0, 0, 0}},
	answerWord:    {62, [4]uint16{0, 1, 0, 0}},
	refusalWord:   {62, [4]uint16{0, 1, 0, 0}},
	conflictWord:  {62, [4]uint16{0, 1, 0, 0}},
	statusWord:    {0, [4]uint16{0, 1, 0, 0}},
}

// header checks what every name service message of a flag word has in common.
func header(f trace.Frame, word uint16) {
	GinkgoHelper()
	here := fmt.Sprintf("frame %d, flags 0x%04x", f.Number, word)
	form, known := forms[word]
	Expect(known).To(BeTrue(), here)
	if form.length > 0 {
		Expect(f.Payload).To(HaveLen(form.length), here)
	}
	for i, want := range form.counts {
		Expect(be.Uint16(f.Payload[4+2*i:])).To(Equal(want), "%s, count %d", here, i)
	}
	wantType := uint16(typeNB)
	if word == statusWord || word == statusAskWord {
		wantType = typeNBSTAT
	}
	Expect(be.Uint16(f.Payload[typeAt:])).To(Equal(wantType), here+", type")
	Expect(be.Uint16(f.Payload[typeAt+2:])).To(BeEquivalentTo(classIN), here+", class")
}

// record checks the additional record of a request: that of the name asked about, for ever, at the sender's address.
func record(f trace.Frame) {
	GinkgoHelper()
	here := fmt.Sprintf("frame %d", f.Number)
	rr := f.Payload[rrAt:]
	Expect(be.Uint16(rr)).To(BeEquivalentTo(0xc00c), here+": a pointer to the question's name")
	Expect(be.Uint16(rr[2:])).To(BeEquivalentTo(typeNB), here+": RR_TYPE")
	Expect(be.Uint16(rr[4:])).To(BeEquivalentTo(classIN), here+": RR_CLASS")
	Expect(be.Uint32(rr[6:])).To(BeZero(), here+": TTL")
	Expect(be.Uint16(rr[10:])).To(BeEquivalentTo(6), here+": RDLENGTH")
	Expect(be.Uint16(rr[12:])&^group).To(BeZero(), here+": NB_FLAGS of a B node")
	Expect(addr(rr[14:])).To(Equal(f.From.Addr()), here+": NB_ADDRESS")
}

// broadcast checks that a request goes to everybody, from port 137 to port 137.
func broadcast(f trace.Frame) {
	GinkgoHelper()
	Expect(f.Broadcast).To(BeTrue(), "frame %d", f.Number)
	Expect(f.To).To(Equal(netip.MustParseAddrPort("10.0.0.255:137")), "frame %d", f.Number)
	Expect(f.From.Port()).To(BeEquivalentTo(namePort), "frame %d", f.Number)
}

// response checks the record of a response with one address, and finds the request that it answers: it goes back to where
// that came from, under its id, about its name.
func response(r recording, f trace.Frame, request, flags uint16, owner netip.Addr) asked {
	GinkgoHelper()
	here := fmt.Sprintf("frame %d", f.Number)
	Expect(be.Uint32(f.Payload[ansAt:])).To(BeZero(), here+": TTL")
	Expect(be.Uint16(f.Payload[ansAt+4:])).To(BeEquivalentTo(6), here+": RDLENGTH")
	Expect(be.Uint16(f.Payload[ansAt+6:])).To(Equal(flags), here+": NB_FLAGS")
	Expect(addr(f.Payload[ansAt+8:])).To(Equal(owner), here+": NB_ADDRESS")
	return answers(r, f, request)
}

func answers(r recording, f trace.Frame, request uint16) asked {
	GinkgoHelper()
	Expect(f.Broadcast).To(BeFalse(), "frame %d", f.Number)
	for _, a := range r.requests(request) {
		if a.id == id(f) && a.from == f.To {
			Expect(name(f.Payload, nameAt)).To(Equal(a.name), "frame %d", f.Number)
			Expect(a.frames[0].Number).To(BeNumerically("<", f.Number), "frame %d", f.Number)
			return a
		}
	}
	Fail(fmt.Sprintf("frame %d answers no request of %v with id 0x%04x", f.Number, f.To, id(f)))
	return asked{}
}

// flagsOf returns the NB_FLAGS with which a node claims a name.
func flagsOf(r recording, name string, node netip.Addr) uint16 {
	GinkgoHelper()
	for _, word := range []uint16{claimWord, registerWord} {
		for _, a := range r.requests(word) {
			if a.name == name && a.from.Addr() == node {
				return be.Uint16(a.frames[0].Payload[ttlAt+6:])
			}
		}
	}
	Fail(fmt.Sprintf("%v never claimed %s", node, name))
	return 0
}

var _ = Describe("In a recording, the name service", func() {
	eachSegment("has the messages of RFC 1002 section 4.2 alone, each of its length", func(r recording) {
		for _, f := range r.Frames {
			if f.Kind == trace.UDP && f.To.Port() == namePort {
				header(f, be.Uint16(f.Payload[2:]))
			}
		}
	})

	eachSegment("claims a name three times, 250 ms apart, and 250 ms later demands it", func(r recording) {
		demands := r.requests(overwriteWord)
		for _, claim := range r.requests(claimWord) {
			first := claim.frames[0]
			for _, f := range claim.frames {
				broadcast(f)
				record(f)
			}
			refused, ok := r.answered(claim, refusalWord)
			Expect(times(claim.frames)).To(Equal(due(first.At, refused)), "claim of %s, frame %d", claim.name, first.Number)
			if ok {
				continue
			}
			Expect(demands).NotTo(BeEmpty(), "the demand after the claim of %s, frame %d", claim.name, first.Number)
			i := 0 // demands are in the order of the claims but for those of other nodes
			for i < len(demands)-1 && demands[i].from != claim.from {
				i++
			}
			demand := demands[i]
			demands = append(demands[:i:i], demands[i+1:]...)
			Expect(demand.frames).To(HaveLen(1))
			f := demand.frames[0]
			broadcast(f)
			record(f)
			Expect(f.At-first.At).To(Equal(retryCount*retryTimeout), "frame %d, the demand of frame %d", f.Number, first.Number)
			Expect(demand.id).NotTo(Equal(claim.id))
			// But for the id and RD it is the claim again.
			Expect(f.Payload[4:]).To(Equal(first.Payload[4:]), "frame %d, the demand of frame %d", f.Number, first.Number)
		}
		Expect(demands).To(BeEmpty(), "demands without a claim")
	})

	eachSegment("releases a name three times, 250 ms apart, unless the same node claims it again", func(r recording) {
		for _, release := range r.requests(releaseWord) {
			first := release.frames[0]
			end := never
			for _, claim := range r.requests(claimWord) {
				if at := claim.frames[0].At; claim.name == release.name && claim.from == release.from && at >= first.At {
					end = min(end, at)
				}
			}
			Expect(times(release.frames)).To(Equal(due(first.At, end)), "release of %s, frame %d", release.name, first.Number)
			for _, f := range release.frames {
				broadcast(f)
				record(f)
			}
			Expect(be.Uint16(first.Payload[ttlAt+6:])).To(Equal(flagsOf(r, release.name, release.from.Addr())),
				"NB_FLAGS of the release, frame %d, are those of the claim", first.Number)
		}
	})

	eachSegment("asks for a name three times, 250 ms apart, until it is answered", func(r recording) {
		for _, query := range r.requests(queryWord) {
			answered, _ := r.answered(query, answerWord)
			for _, f := range query.frames {
				broadcast(f)
			}
			Expect(times(query.frames)).To(Equal(due(query.frames[0].At, answered)), "query for %s", query.name)
		}
	})

	eachRecording("gives each request an id of its own", func(r recording) {
		type key struct {
			from netip.AddrPort
			id   uint16
		}
		seen := map[key]string{}
		for _, word := range []uint16{
			claimWord, overwriteWord, releaseWord, queryWord, statusAskWord, registerWord, updateWord, refreshWord, letGoWord, askWord,
		} {
			for _, a := range r.requests(word) {
				what := fmt.Sprintf("0x%04x of %s", word, a.name)
				Expect(seen).NotTo(HaveKey(key{a.from, a.id}), what)
				seen[key{a.from, a.id}] = what
			}
		}
	})

	eachSegment("answers a query under its id, to who asked, with the owner's address", func(r recording) {
		for _, f := range r.nameMessages(answerWord) {
			owner := f.From.Addr()
			response(r, f, queryWord, flagsOf(r, name(f.Payload, nameAt), owner), owner)
		}
	})

	eachSegment("refuses a claim under its id, to who claims, with the owner's address", func(r recording) {
		for _, f := range r.nameMessages(refusalWord) {
			owner := f.From.Addr()
			claim := response(r, f, claimWord, flagsOf(r, name(f.Payload, nameAt), owner), owner)
			Expect(claim.from.Addr()).NotTo(Equal(owner))
		}
	})

	eachRecording("sends conflict demands with no address and no lifetime", func(r recording) {
		for _, f := range r.nameMessages(conflictWord) {
			Expect(f.Broadcast).To(BeFalse())
			Expect(be.Uint32(f.Payload[ansAt:])).To(BeZero(), "TTL")
			Expect(be.Uint16(f.Payload[ansAt+4:])).To(BeEquivalentTo(6), "RDLENGTH")
			Expect(be.Uint16(f.Payload[ansAt+6:])).To(BeZero(), "NB_FLAGS: unique, B node")
			Expect(addr(f.Payload[ansAt+8:])).To(Equal(netip.IPv4Unspecified()))
		}
	})

	eachRecording("answers a node status request with 103 bytes, and 18 for each name", func(r recording) {
		const registered, deregistered = uint16(0x0400), uint16(0x1400) // NAME_FLAGS: ACT; ACT and DRG
		list, _ := packets(r.file)
		for _, f := range r.nameMessages(statusWord) {
			answers(r, f, statusAskWord)
			Expect(name(f.Payload, nameAt)).To(Equal("*"))
			n := int(f.Payload[rowsAt])
			Expect(f.Payload).To(HaveLen(103 + 18*n))
			Expect(be.Uint32(f.Payload[ansAt:])).To(BeZero(), "TTL")
			Expect(int(be.Uint16(f.Payload[ansAt+4:]))).To(Equal(1+rowLen*n+endLen), "RDLENGTH")
			for i := range n {
				flags := be.Uint16(f.Payload[rowsAt+1+i*rowLen+16:])
				Expect(flags).To(BeElementOf(registered, deregistered), "NAME_FLAGS of row %d", i)
			}
			Expect(f.Payload[rowsAt+1+n*rowLen:][:6]).To(Equal(list[f.Number-1][6:12]), "UNIT_ID is the MAC address")
		}
	})
})

var _ = Describe("In a recording, the datagram service", func() {
	const unique, toGroup, toAll, failed = 0x10, 0x11, 0x12, 0x13

	eachRecording("sends whole datagrams from port 138 to port 138, with the sender's address in them", func(r recording) {
		type key struct {
			from netip.AddrPort
			id   uint16
		}
		ids := map[key]bool{}
		for _, msgType := range []byte{unique, toGroup, toAll} {
			for _, f := range r.datagrams(msgType) {
				here := fmt.Sprintf("frame %d", f.Number)
				Expect(f.From.Port()).To(BeEquivalentTo(datagramPort), here)
				const sourceType = 0x0c
				Expect(f.Payload[1]&^sourceType).To(BeEquivalentTo(0x02), here+": FLAGS: first and only fragment")
				owner := flagsOf(r, name(f.Payload, 14), f.From.Addr()) & nodeType
				Expect(uint16(f.Payload[1]&sourceType)).To(Equal(owner>>11), here+": FLAGS: the node type of the name's owner")
				Expect(addr(f.Payload[4:])).To(Equal(f.From.Addr()), here+": SOURCE_IP")
				Expect(be.Uint16(f.Payload[8:])).To(Equal(f.From.Port()), here+": SOURCE_PORT")
				Expect(int(be.Uint16(f.Payload[10:]))).To(Equal(len(f.Payload)-14), here+": DGM_LENGTH is without the header")
				Expect(be.Uint16(f.Payload[12:])).To(BeZero(), here+": PACKET_OFFSET")
				Expect(len(f.Payload)).To(BeNumerically("<=", 576-20-8), here+": MAX_DATAGRAM_LENGTH")
				Expect(name(f.Payload, 14)).NotTo(Equal("*"), here+": SOURCE_NAME")
				wildcard := name(f.Payload, 14+34) == "*"
				Expect(wildcard).To(Equal(msgType == toAll), here+": DESTINATION_NAME")
				Expect(f.Broadcast).To(Equal(msgType != unique), here)
				datagram := key{f.From, be.Uint16(f.Payload[2:])}
				Expect(ids[datagram]).To(BeFalse(), here+": a DGM_ID of its own")
				ids[datagram] = true
			}
		}
	})

	eachRecording("answers with an error of eleven bytes only a unique datagram, and once", func(r recording) {
		answered := map[int]bool{}
		for _, f := range r.datagrams(failed) {
			here := fmt.Sprintf("frame %d", f.Number)
			Expect(f.Payload).To(HaveLen(11), here)
			Expect(f.Payload[1]).To(BeZero(), here+": FLAGS")
			Expect(addr(f.Payload[4:])).To(Equal(f.From.Addr()), here+": SOURCE_IP")
			Expect(be.Uint16(f.Payload[8:])).To(BeEquivalentTo(datagramPort), here+": SOURCE_PORT")
			Expect(f.Payload[10]).To(BeEquivalentTo(0x82), here+": ERROR_CODE")
			Expect(f.Broadcast).To(BeFalse(), here)
			cause := 0
			for _, d := range r.datagrams(unique) {
				same := be.Uint16(d.Payload[2:]) == be.Uint16(f.Payload[2:]) // DGM_ID
				if same && d.From == f.To && d.To == f.From && d.Number < f.Number {
					cause = d.Number
				}
			}
			Expect(cause).NotTo(BeZero(), here+": its datagram")
			Expect(answered[cause]).To(BeFalse(), here+": a second error for frame %d", cause)
			answered[cause] = true
		}
	})

	eachRecording("has no messages of another kind", func(r recording) {
		kinds := []byte{unique, toGroup, toAll, failed}
		for _, f := range r.Frames {
			if f.Kind == trace.UDP && f.To.Port() != namePort {
				Expect(f.To.Port()).To(BeEquivalentTo(datagramPort), "frame %d", f.Number)
				Expect(f.Payload[0]).To(BeElementOf(kinds), "frame %d: MSG_TYPE", f.Number)
			}
		}
	})
})

// exchange is what the two ends of a connection say, each message with who says it.
type exchange struct {
	client   netip.AddrPort
	messages []trace.Frame
}

func (r recording) exchanges() []exchange {
	var list []exchange
	for _, f := range r.Frames {
		if f.Kind == trace.Connect {
			list = append(list, exchange{client: f.From})
		}
		if f.Kind == trace.Message {
			x := &list[f.Conn-1]
			x.messages = append(x.messages, f)
		}
	}
	return list
}

var _ = Describe("In a recording, the session service", func() {
	eachRecording("begins with a request of the client, called name first, and the server's word", func(r recording) {
		for _, x := range r.exchanges() {
			Expect(len(x.messages)).To(BeNumerically(">=", 2))
			request, reply := x.messages[0], x.messages[1]
			here := fmt.Sprintf("frame %d", request.Number)
			Expect(request.From).To(Equal(x.client), here)
			Expect(request.To.Port()).To(BeEquivalentTo(139), here)
			Expect(request.Payload[:4]).To(Equal([]byte{0x81, 0, 0, 0x44}), here)
			Expect(request.Payload).To(HaveLen(72), here)
			Expect(name(request.Payload, 4)).To(Equal("CHAT<20>"), here+": CALLED_NAME")
			calling := name(request.Payload, 4+34)
			flagsOf(r, calling, request.From.Addr()) // who calls does so by a name of its own

			here = fmt.Sprintf("frame %d", reply.Number)
			Expect(reply.From).To(Equal(request.To), here)
			Expect(reply.Payload).To(Or(
				Equal([]byte{0x82, 0, 0, 0}), Equal([]byte{0x83, 0, 0, 1, 0x80}), Equal([]byte{0x83, 0, 0, 1, 0x82})), here)
			if reply.Payload[0] == 0x83 {
				Expect(x.messages).To(HaveLen(2), here+": nothing follows a refusal")
			}
		}
	})

	eachRecording("then carries session messages of the length that they say", func(r recording) {
		for _, x := range r.exchanges() {
			for _, f := range x.messages[2:] {
				Expect(f.Payload[:2]).To(Equal([]byte{0, 0}), "frame %d: TYPE and FLAGS", f.Number)
				Expect(int(be.Uint16(f.Payload[2:]))).To(Equal(len(f.Payload)-4), "frame %d: LENGTH", f.Number)
			}
		}
	})

	eachRecording("is closed by the server once it has refused", func(r recording) {
		for _, x := range r.exchanges() {
			reply := x.messages[1]
			for _, f := range r.Frames {
				if f.Kind == trace.Fin && f.Conn == reply.Conn && reply.Payload[0] == 0x83 {
					Expect(f.From).To(Equal(reply.From), "frame %d: who closes first", f.Number)
					break
				}
			}
		}
	})
})

var _ = Describe("The recordings together", func() {
	It("show every kind of message that the specs above speak of", func() {
		words, datagrams, sessions := map[uint16]int{}, map[byte]int{}, map[byte]int{}
		for _, path := range paths() {
			for _, f := range open(path).Frames {
				switch {
				case f.Kind == trace.Message:
					sessions[f.Payload[0]]++
				case f.Kind != trace.UDP:
				case f.To.Port() == namePort:
					words[be.Uint16(f.Payload[2:])]++
				default:
					datagrams[f.Payload[0]]++
				}
			}
		}
		for word := range forms {
			Expect(words).To(HaveKey(word))
		}
		Expect(datagrams).To(And(HaveKey(byte(0x10)), HaveKey(byte(0x11)), HaveKey(byte(0x12)), HaveKey(byte(0x13))))
		Expect(sessions).To(And(HaveKey(byte(0x00)), HaveKey(byte(0x81)), HaveKey(byte(0x82)), HaveKey(byte(0x83))))
	})
})
