// SPDX-License-Identifier: MIT

package pcaps_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/pcaps"
)

// The codec that made the recordings is not to be its own witness: what these specs know of a message they read here, at
// the offsets of RFC 1002. Only packets and TCP streams are taken apart by the harness, in package capture.

var be = binary.BigEndian

// recording is a committed capture.
type recording struct {
	path string // below pcaps
	file []byte
	capture.Capture
}

// realStacks is the folder of what real stacks did, which the harness did not record.
const realStacks = "recorded/"

// paths returns the paths of all captures of runs of ours, sorted.
func paths() []string {
	var list []string
	err := fs.WalkDir(pcaps.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".pcap") && !strings.HasPrefix(path, realStacks) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return list
}

func load(path string) (recording, error) {
	file, err := fs.ReadFile(pcaps.FS(), path)
	if err != nil {
		return recording{}, err
	}
	c, err := capture.Read(bytes.NewReader(file))
	return recording{path, file, c}, err
}

func open(path string) recording {
	GinkgoHelper()
	r, err := load(path)
	Expect(err).NotTo(HaveOccurred())
	return r
}

// eachRecording states a fact of every recording.
func eachRecording(fact string, holds func(r recording)) {
	entries := []any{func(path string) { holds(open(path)) }}
	for _, path := range paths() {
		entries = append(entries, Entry(path, path))
	}
	DescribeTable(fact, entries...)
}

// eachSegment states a fact of every recording of B nodes among themselves, eachServed of every one with a name server.
func eachSegment(fact string, holds func(r recording)) { eachThat(fact, false, holds) }
func eachServed(fact string, holds func(r recording))  { eachThat(fact, true, holds) }

func eachThat(fact string, served bool, holds func(r recording)) {
	entries := []any{func(path string) { holds(open(path)) }}
	for _, path := range paths() {
		r, err := load(path)
		if err != nil {
			panic(err) // before there are specs, nothing else can tell
		}
		if served == (len(r.nameMessages(registerWord))+len(r.nameMessages(askWord)) > 0) {
			entries = append(entries, Entry(path, path))
		}
	}
	DescribeTable(fact, entries...)
}

// The ports of the two services on UDP (RFC 1002 section 6).
const (
	namePort     = 137
	datagramPort = 138
)

// The words of R, OPCODE, NM_FLAGS and RCODE at offset 2 of the messages that B nodes send (RFC 1002 section 4.2).
const (
	claimWord     = 0x2910 // NAME REGISTRATION REQUEST, broadcast
	overwriteWord = 0x2810 // NAME OVERWRITE DEMAND: the same without RD
	releaseWord   = 0x3010 // NAME RELEASE DEMAND, broadcast
	queryWord     = 0x0110 // NAME QUERY REQUEST, broadcast
	statusAskWord = 0x0000 // NODE STATUS REQUEST, unicast
	answerWord    = 0x8500 // POSITIVE NAME QUERY RESPONSE
	statusWord    = 0x8400 // NODE STATUS RESPONSE
	refusalWord   = 0xad86 // NEGATIVE NAME REGISTRATION RESPONSE, ACT_ERR
	conflictWord  = 0xad87 // NAME CONFLICT DEMAND
)

// Those that go to and come from name servers, and between nodes that have one.
const (
	registerWord  = 0x2900 // NAME REGISTRATION REQUEST
	updateWord    = 0x2800 // NAME OVERWRITE REQUEST
	refreshWord   = 0x4000 // NAME REFRESH REQUEST
	letGoWord     = 0x3000 // NAME RELEASE REQUEST
	askWord       = 0x0100 // NAME QUERY REQUEST
	grantWord     = 0xad80 // POSITIVE NAME REGISTRATION RESPONSE
	challengeWord = 0xad00 // END-NODE CHALLENGE REGISTRATION RESPONSE
	wackWord      = 0xbc00 // WAIT FOR ACKNOWLEDGEMENT RESPONSE
	letWord       = 0xb400 // POSITIVE NAME RELEASE RESPONSE
	notLetWord    = 0xb406 // NEGATIVE NAME RELEASE RESPONSE, ACT_ERR
	toldWord      = 0x8580 // POSITIVE NAME QUERY RESPONSE of a name server: with RA
	unknownWord   = 0x8583 // NEGATIVE NAME QUERY RESPONSE of a name server, NAM_ERR
	deniedWord    = 0x8503 // NEGATIVE NAME QUERY RESPONSE of a node, NAM_ERR
)

// Offsets in name service messages. A name without a scope takes 34 bytes: 0x20, 32 letters, 0.
const (
	nameAt = 12          // QUESTION_NAME, or RR_NAME of a response
	typeAt = nameAt + 34 // its type and class
	rrAt   = typeAt + 4  // in requests: the record's pointer, type and class
	ttlAt  = rrAt + 6    // in requests: TTL, RDLENGTH, NB_FLAGS, NB_ADDRESS
	ansAt  = typeAt + 4  // in responses: TTL, RDLENGTH, RDATA
	rowsAt = ansAt + 6   // in node status responses: NUM_NAMES, then the names
	rowLen = 16 + 2      // a name and its NAME_FLAGS
	endLen = 46          // the statistics behind them
)

// What questions and records say.
const (
	typeNB     = 0x0020
	typeNBSTAT = 0x0021
	classIN    = 1
	group      = 0x8000 // in NB_FLAGS: a group name
	nodeType   = 0x6000 // in NB_FLAGS: the owner's, 0 for a B node
)

// The times of requests that are broadcast (RFC 1002 section 6), which is all that B nodes send.
const (
	retryTimeout = 250 * time.Millisecond // BCAST_REQ_RETRY_TIMEOUT
	retryCount   = 3                      // BCAST_REQ_RETRY_COUNT
	never        = time.Duration(math.MaxInt64)
)

// nameMessages returns the frames of the name service with this flag word.
func (r recording) nameMessages(word uint16) []trace.Frame {
	var list []trace.Frame
	for _, f := range r.Frames {
		if f.Kind == trace.UDP && f.To.Port() == namePort && be.Uint16(f.Payload[2:]) == word {
			list = append(list, f)
		}
	}
	return list
}

// datagrams returns the frames of the datagram service with this MSG_TYPE.
func (r recording) datagrams(msgType byte) []trace.Frame {
	var list []trace.Frame
	for _, f := range r.Frames {
		if f.Kind == trace.UDP && f.To.Port() == datagramPort && f.Payload[0] == msgType {
			list = append(list, f)
		}
	}
	return list
}

func id(f trace.Frame) uint16 { return be.Uint16(f.Payload) }

// name decodes the name at an offset of a message (RFC 1001 section 14.1), in the way this project writes it.
func name(message []byte, at int) string {
	GinkgoHelper()
	Expect(message[at]).To(Equal(byte(32)), "length of the first label")
	Expect(message[at+33]).To(BeZero(), "the name has no scope")
	var n netbios.Name
	for i := range n {
		high, low := message[at+1+2*i]-'A', message[at+2+2*i]-'A'
		Expect(max(high, low)).To(BeNumerically("<", 16), "letters are A to P")
		n[i] = high<<4 | low
	}
	return n.String()
}

func addr(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

// asked is a request with its retransmissions: what one node sends with one flag word under one NAME_TRN_ID.
type asked struct {
	id     uint16
	name   string
	from   netip.AddrPort
	frames []trace.Frame
}

// requests returns the requests with a flag word in the order of their first frames.
func (r recording) requests(word uint16) []asked {
	GinkgoHelper()
	var list []asked
next:
	for _, f := range r.nameMessages(word) {
		for i := range list {
			if a := &list[i]; a.id == id(f) && a.from == f.From {
				Expect(f.Payload).To(Equal(a.frames[0].Payload), "frame %d repeats %d", f.Number, a.frames[0].Number)
				a.frames = append(a.frames, f)
				continue next
			}
		}
		list = append(list, asked{id(f), name(f.Payload, nameAt), f.From, []trace.Frame{f}})
	}
	return list
}

// answered returns when the first response to a request with this flag word arrives, if one does.
func (r recording) answered(a asked, word uint16) (at time.Duration, ok bool) {
	for _, f := range r.nameMessages(word) {
		if id(f) == a.id && f.To == a.from {
			return f.At, true
		}
	}
	return never, false
}

// times returns how long after the first of them frames follow.
func times(frames []trace.Frame) []time.Duration {
	var list []time.Duration
	for _, f := range frames {
		list = append(list, f.At-frames[0].At)
	}
	return list
}

// due returns when a request that was first sent at a time is sent until an end: three times, 250 ms apart.
func due(first, end time.Duration) []time.Duration {
	var list []time.Duration
	for i := range time.Duration(retryCount) {
		if first+i*retryTimeout < end {
			list = append(list, i*retryTimeout)
		}
	}
	return list
}

// rows returns the names that a node status response lists, each with its NAME_FLAGS.
func rows(f trace.Frame) []string {
	list := []string{}
	for i := range int(f.Payload[rowsAt]) {
		row := f.Payload[rowsAt+1+i*rowLen:]
		list = append(list, fmt.Sprintf("%v 0x%04x", netbios.Name(row[:16]), be.Uint16(row[16:])))
	}
	return list
}
