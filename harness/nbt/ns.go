// SPDX-License-Identifier: MIT

package nbt

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// Opcode is the operation that a name service message is about (RFC 1002 section 4.2.1.1).
type Opcode uint8

// The opcodes. OpRefresh is the table's refresh, which Windows and this package's [Refresh] send; OpRefreshAlt is that of
// the diagram in section 4.2.4. OpMultihomed is Microsoft's.
const (
	OpQuery        Opcode = 0
	OpRegistration Opcode = 5
	OpRelease      Opcode = 6
	OpWACK         Opcode = 7
	OpRefresh      Opcode = 8
	OpRefreshAlt   Opcode = 9
	OpMultihomed   Opcode = 15
)

// RCode is the result that a response carries (RFC 1002 sections 4.2.6, 4.2.11 and 4.2.14).
type RCode uint8

// The response codes.
const (
	RCodeOK RCode = 0
	FmtErr  RCode = 1 // the request was malformed
	SrvErr  RCode = 2 // the name server cannot process the name
	NamErr  RCode = 3 // the name does not exist
	ImpErr  RCode = 4 // unsupported request
	RfsErr  RCode = 5 // refused for reasons of policy
	ActErr  RCode = 6 // another node owns the name
	CftErr  RCode = 7 // more than one node owns the unique name
)

// NMFlags are the flag bits of a name service message, where they lie in the 16-bit word that they share with R, OPCODE
// and RCODE.
type NMFlags uint16

// The flags.
const (
	FlagAA   NMFlags = 0x0400 // authoritative answer
	FlagTC   NMFlags = 0x0200 // truncated
	FlagRD   NMFlags = 0x0100 // recursion desired
	FlagRA   NMFlags = 0x0080 // recursion available
	ZeroBits NMFlags = 0x0060 // must be zero; kept so that what was parsed encodes to the same bytes
	FlagB    NMFlags = 0x0010 // broadcast

	AllFlags = FlagAA | FlagTC | FlagRD | FlagRA | ZeroBits | FlagB
)

// The other parts of the 16-bit word.
const (
	responseBit = 0x8000
	opcodeShift = 11
	maxOpcode   = 0xf
	maxRCode    = 0xf
	maxUint16   = 0xffff

	zeroInRequests = uint16(ZeroBits|FlagAA|FlagRA) | maxRCode
)

// Types and class of questions and records (RFC 1002 section 4.2.1.3).
const (
	TypeA      = 0x0001
	TypeNS     = 0x0002
	TypeNULL   = 0x000a
	TypeNB     = 0x0020
	TypeNBSTAT = 0x0021

	ClassIN = 0x0001
)

// NameMessage is a message of the name service (RFC 1002 section 4.2).
type NameMessage struct {
	ID         uint16 // NAME_TRN_ID
	Flags      NMFlags
	Response   bool // R
	Opcode     Opcode
	RCode      RCode
	Questions  []Question
	Answers    []Resource
	Authority  []Resource
	Additional []Resource

	// Uncounted says that ANCOUNT is 0 although Answers holds one record: so the diagram of the negative name query
	// response has it (section 4.2.14). Such messages are parsed; this package's [NegativeAnswer] counts its record.
	Uncounted bool

	// What only lenient parsing finds. Missing is how many entries of each section QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT
	// claim and the message does not have; Trailing is what follows the last entry, such as the 18 bytes that Windows XP
	// leaves behind a node status.
	Missing  [4]uint16
	Trailing []byte
	Odd      []Odd // what is not as the RFC has it; not encoded

	// Loose is set by lenient parsing when there is something odd, and may be set to build a message that is: AppendBinary
	// then writes names longer than 255 bytes, bare names anywhere and RDATA that is not as long as its type has it, all
	// of which it refuses otherwise.
	Loose bool

	memory *memory // of Decode
}

// Question is an entry of the question section.
type Question struct {
	Name  netbios.Name
	Scope string // see [AppendName]
	Type  uint16
	Class uint16

	Bare  bool      // QUESTION_NAME is no NetBIOS name but the labels of Scope alone: only lenient parsing takes it
	Here  uint16    // bytes of QUESTION_NAME where it goes on in a pointer, else 0: likewise, and not encoded
	Lower LowerCase // likewise
}

// Resource is a resource record. Which of Addrs, Status and Data holds its RDATA depends on its type; the other two are
// empty. In a message that was parsed leniently, Data may also hold what follows the last whole address.
type Resource struct {
	Name  netbios.Name
	Scope string // see [AppendName]

	// Pointer is the offset, from the start of the message, of the name that RR_NAME points to, such as [QuestionName];
	// 0 when RR_NAME is written out. Name and Scope are the name's in either case.
	Pointer uint16

	// Bare says that RR_NAME is no NetBIOS name but the labels of Scope alone: the domains of a redirect (section
	// 4.2.15) or, without a scope, the null name of a WACK (section 4.2.16). Lenient parsing takes it anywhere.
	Bare bool

	Here    uint16    // bytes of RR_NAME where it goes on in a pointer, else 0: only lenient parsing takes it; not encoded
	Lower   LowerCase // letters of RR_NAME: only lenient parsing takes them
	Missing uint16    // bytes that RDLENGTH claims and the message does not have, likewise

	Type   uint16
	Class  uint16
	TTL    uint32      // in seconds; in claims 0 means for ever
	Addrs  []NBAddr    // type NB, but for a WACK
	Status *NodeStatus // type NBSTAT
	Data   []byte      // any other type, and a WACK's of type NB as its diagram has it
}

// QuestionName is the offset of the first question's name, where the records of requests point.
const QuestionName = headerLen

// NBFlags are the flags of an owner's address (RFC 1002 section 4.2.1.3). The bits without a name here are reserved.
type NBFlags uint16

// The flags, and the values of the owner's node type. RFC 1002 reserves 11, which is Microsoft's H node.
const (
	NBGroup NBFlags = 0x8000 // a group name
	NBONT   NBFlags = 0x6000 // owner node type
	ONTB    NBFlags = 0x0000
	ONTP    NBFlags = 0x2000
	ONTM    NBFlags = 0x4000
	ONTH    NBFlags = 0x6000

	nbReserved NBFlags = 0x1fff // Microsoft's stacks set one of them, 0x0400
)

// NBAddr is an owner of a name: an entry of a record of type NB.
type NBAddr struct {
	Flags NBFlags
	Addr  netip.Addr // IPv4
}

var _ encoding.BinaryAppender = NameMessage{}

// Lengths in bytes.
const (
	headerLen        = 12
	flagsEnd         = 4  // NAME_TRN_ID and the flags: what is told of a header that is cut short
	recordFixedLen   = 10 // RR_TYPE, RR_CLASS, TTL and RDLENGTH
	questionFixedLen = 4  // QUESTION_TYPE and QUESTION_CLASS
	nbAddrLen        = 6  // NB_FLAGS and NB_ADDRESS
	wackDataLen      = 2  // the request's OPCODE and NM_FLAGS
	ipv4Len          = 4

	// The least that an entry of a section takes: what bounds how many entries some bytes can hold.
	minQuestionLen = unscopedLen + questionFixedLen
	minRecordLen   = 1 + recordFixedLen // a null name

	minBareQuestionLen = 1 + questionFixedLen // which only lenient parsing takes
)

var (
	headerFields   = fixed{{"NAME_TRN_ID", 2}, {"flags", 2}, {"QDCOUNT", 2}, {"ANCOUNT", 2}, {"NSCOUNT", 2}, {"ARCOUNT", 2}}
	questionFields = fixed{{"QUESTION_TYPE", 2}, {"QUESTION_CLASS", 2}}
	recordFields   = fixed{{"RR_TYPE", 2}, {"RR_CLASS", 2}, {"TTL", 4}, {"RDLENGTH", 2}}
)

// FlagWord returns the 16 bits that follow NAME_TRN_ID: R, OPCODE, NM_FLAGS and RCODE. It is what a [WACK] repeats.
func (m NameMessage) FlagWord() uint16 {
	word := uint16(m.Opcode)<<opcodeShift | uint16(m.Flags&AllFlags) | uint16(m.RCode&maxRCode)
	if m.Response {
		word |= responseBit
	}
	return word
}

// ParseNameMessage reads a name service message, which is a whole UDP payload. The error is a [*ParseError]; with it
// comes what was read before the place that it names.
//
// It allocates once for messages with at most one record that holds at most one address, and for each further list once.
func ParseNameMessage(b []byte) (NameMessage, error) {
	var m NameMessage
	err := m.parse(b, Strict)
	return m, err
}

// ParseNameMessageLenient reads a name service message as far as it can be read, see [Lenient]; what was odd is in Odd.
// What cannot be read is a [*ParseError] as in [ParseNameMessage].
func ParseNameMessageLenient(b []byte) (NameMessage, error) {
	var m NameMessage
	err := m.parse(b, Lenient)
	return m, err
}

// decodeOther decodes a message that is not of a usual shape, or that there is no memory for yet.
func (m *NameMessage) decodeOther(b []byte, mode Mode) error {
	switch {
	case m.memory == nil && m.used():
		m.memory = new(memory)
	case m.memory == nil && m.makeRoom(b):
		// Most messages of programs that take a new one for each packet need no more than this.
		return m.Decode(b, mode)
	}
	m.reset()
	return m.parse(b, mode)
}

// used reports whether the message has lists that can be used again.
func (m *NameMessage) used() bool {
	return cap(m.Questions)+cap(m.Answers)+cap(m.Authority)+cap(m.Additional) > 0
}

// parse parses into an empty message.
func (m *NameMessage) parse(b []byte, mode Mode) error {
	r := reader{mode: mode, pointers: true, odd: m.Odd[:0], memory: m.memory}
	err := m.decode(&r, b)
	m.Odd, m.Loose = r.odd, len(r.odd) > 0
	return err
}

// reset empties the message but for the memory of its lists.
func (m *NameMessage) reset() {
	m.ID, m.Flags, m.Response, m.Opcode, m.RCode = 0, 0, false, 0, 0
	m.Questions, m.Answers = m.Questions[:0], m.Answers[:0]
	m.Authority, m.Additional = m.Authority[:0], m.Additional[:0]
	m.Uncounted, m.Loose, m.Missing, m.Trailing, m.Odd = false, false, [4]uint16{}, nil, m.Odd[:0]
}

func (m *NameMessage) decode(r *reader, b []byte) error {
	if len(b) < flagsEnd {
		return headerFields.cut(0, len(b))
	}
	m.ID = binary.BigEndian.Uint16(b)
	word := binary.BigEndian.Uint16(b[2:])
	m.Response = word&responseBit != 0
	m.Opcode = Opcode(word >> opcodeShift & maxOpcode)
	m.Flags = NMFlags(word) & AllFlags
	m.RCode = RCode(word & maxRCode)
	if len(b) < headerLen {
		return headerFields.cut(0, len(b))
	}
	if r.lenient() {
		r.flags(word)
	}
	var n counts
	for i := range n {
		n[i] = int(binary.BigEndian.Uint16(b[4+2*i:]))
	}
	have := n
	if r.lenient() {
		have = n.within(len(b) - headerLen)
	} else if err := n.fit(len(b) - headerLen); err != nil {
		return err
	}
	if section, why := m.lacks(n); why != "" {
		if !r.lenient() {
			return countError(section, fmt.Errorf("%w: %s", ErrCount, why))
		}
		r.note(Odd{Field: countFields[section], Offset: countAt(section), Err: ErrCount})
	}
	if m.mayLeaveUncounted() && n == (counts{}) && !(r.lenient() && len(b) == headerLen) {
		m.Uncounted = true
		n[answers], have[answers] = 1, 1
	}
	single := m.reserve(have)

	off := headerLen
	var err error
	for section := questions; section <= additional; section++ {
		for i := range have[section] {
			if off == len(b) && r.lenient() {
				m.cut(section, i)
				m.Missing[section] = uint16(n[section] - i)
				r.note(Odd{
					Field: countFields[section], Offset: countAt(section), Err: ErrFewer, Got: n[section], Want: i,
				})
				break
			}
			if section == questions {
				if off, err = m.Questions[i].parse(r, b, off); err != nil {
					return m.upTo(section, i, err)
				}
			} else if off, err = m.parseResource(r, b, off, &m.section(section)[i], single); err != nil {
				if off != unread {
					i++
				}
				return m.upTo(section, i, err)
			}
		}
	}
	m.Trailing, err = r.left(b, off)
	return err
}

// flags notes bits of the flag word that must be zero: those that section 4.2.1.1 reserves and, in a request, AA, RA and
// RCODE.
func (r *reader) flags(word uint16) {
	odd := word & uint16(ZeroBits)
	if word&responseBit == 0 {
		odd = word & zeroInRequests
	}
	if odd != 0 {
		r.note(Odd{Field: "flags", Offset: 2, Err: ErrFlag, Got: int(odd)})
	}
}

// space is the memory of a message of the usual shape, in one piece.
type space struct {
	record   [1]Resource
	question [1]Question
	addr     [1]NBAddr
}

// counts are QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT.
type counts [4]int

const (
	questions = iota
	answers
	authority
	additional
)

var countFields = [...]string{"QDCOUNT", "ANCOUNT", "NSCOUNT", "ARCOUNT"}

func (n counts) records() int { return n[answers] + n[authority] + n[additional] }

// least is how many bytes an entry of a section takes at least, strictly.
func least(section int) int {
	if section == questions {
		return minQuestionLen
	}
	return minRecordLen
}

// fit refuses counts that the rest of the message has no room for, before anything is allocated by them.
func (n counts) fit(room int) error {
	for i, count := range n {
		if room -= count * least(i); room < 0 { // at most 65535*38: no overflow
			return countError(i, fmt.Errorf("%w: %d entries", ErrTruncated, count))
		}
	}
	return nil
}

// within is how many entries of each section a lenient reader needs memory for: no more than the rest of the message has
// room for, and one more, so that it finds out where there is none.
func (n counts) within(room int) counts {
	for i := range n {
		smallest := least(i)
		if i == questions {
			smallest = minBareQuestionLen
		}
		n[i] = min(n[i], room/smallest+1)
		room = max(0, room-n[i]*smallest)
	}
	return n
}

// lacks names the section without which a message of this kind is not about anything, and says why, if that is empty.
func (m *NameMessage) lacks(n counts) (section int, why string) {
	switch {
	case !m.Response && n[questions] == 0:
		return questions, "a request asks about a name"
	case !m.Response && m.Opcode.claims() && n[additional] == 0:
		return additional, "a request of this kind says who asks"
	case m.Response && n.records() == 0 && !m.mayLeaveUncounted():
		return answers, "a response has a record"
	}
	return 0, ""
}

func countAt(section int) int { return 4 + 2*section }

func countError(section int, cause error) error {
	return &ParseError{Field: countFields[section], Offset: countAt(section), Err: cause}
}

// claims reports whether a request with this opcode carries its sender's name and address in a record.
func (o Opcode) claims() bool {
	const claims = 1<<OpRegistration | 1<<OpRelease | 1<<OpRefresh | 1<<OpRefreshAlt | 1<<OpMultihomed
	return claims>>o&1 != 0
}

// mayLeaveUncounted reports whether this is a negative name query response, see [NameMessage].Uncounted.
func (m *NameMessage) mayLeaveUncounted() bool {
	return m.Response && m.Opcode == OpQuery && m.RCode != RCodeOK
}

// reserve makes room for the entries of each section, and for an address if there is to be one record.
func (m *NameMessage) reserve(n counts) (single []NBAddr) {
	if cap(m.Answers)+cap(m.Authority)+cap(m.Additional) == 0 {
		if n.records() == 1 && n[questions] <= 1 && cap(m.Questions) == 0 {
			s := new(space)
			if n[questions] == 1 {
				m.Questions = s.question[:]
			}
			m.divide(s.record[:], n)
			return s.addr[:1:1]
		}
		m.divide(make([]Resource, n.records()), n)
	} else {
		for section := answers; section <= additional; section++ {
			m.setSection(section, resize(m.section(section), n[section]))
		}
	}
	m.Questions = resize(m.Questions, n[questions])
	return nil
}

// divide hands out records to the three sections. Appending to one of them later does not run into the next.
func (m *NameMessage) divide(records []Resource, n counts) {
	for section := answers; section <= additional; section++ {
		if count := n[section]; count > 0 {
			m.setSection(section, records[:count:count])
			records = records[count:]
		}
	}
}

func (m *NameMessage) section(i int) []Resource {
	switch i {
	case answers:
		return m.Answers
	case authority:
		return m.Authority
	}
	return m.Additional
}

func (m *NameMessage) setSection(i int, records []Resource) {
	switch i {
	case answers:
		m.Answers = records
	case authority:
		m.Authority = records
	default:
		m.Additional = records
	}
}

// upTo cuts the message behind the first n entries of a section: what follows was not read.
func (m *NameMessage) upTo(section, n int, err error) error {
	for later := additional; later > section; later-- {
		m.cut(later, 0)
	}
	m.cut(section, n)
	return err
}

// cut cuts a section behind its first n entries.
func (m *NameMessage) cut(section, n int) {
	switch {
	case section == questions && n == 0 && cap(m.Questions) == 0:
	case section == questions:
		m.Questions = m.Questions[:n]
	default:
		m.setSection(section, m.section(section)[:n])
	}
}

func (q *Question) parse(r *reader, b []byte, off int) (next int, err error) {
	r.hops = 0
	var s spelled
	start := off
	if off, err = r.name(b, off, "QUESTION_NAME", &s); err != nil {
		return off, err
	}
	here := r.here(start, off)
	if len(b)-off < questionFixedLen {
		return off, questionFields.cut(off, len(b)-off)
	}
	*q = Question{
		Name: s.name, Scope: s.scope, Bare: s.bare, Here: here, Lower: s.lower,
		Type: binary.BigEndian.Uint16(b[off:]), Class: binary.BigEndian.Uint16(b[off+2:]),
	}
	return off + questionFixedLen, nil
}

func (q *Question) spelled() spelled { return spelled{q.Name, q.Scope, q.Bare, q.Lower} }

func (rr *Resource) spelled() spelled { return spelled{rr.Name, rr.Scope, rr.Bare, rr.Lower} }

func (rr *Resource) spell(s spelled) {
	rr.Name, rr.Scope, rr.Bare, rr.Lower = s.name, s.scope, s.bare, s.lower
}

// unread is where a record ends that breaks off before its data, with an error.
const unread = -1

// parseResource reads the record at off. If there is just one address, it goes into single, unless that is nil.
func (m *NameMessage) parseResource(r *reader, b []byte, off int, rr *Resource, single []NBAddr) (next int, err error) {
	*rr = Resource{Addrs: rr.Addrs[:0]}
	if off, err = m.parseResourceName(r, b, off, rr); err != nil {
		return unread, err
	}
	if len(b)-off < recordFixedLen {
		return unread, recordFields.cut(off, len(b)-off)
	}
	rr.Type = binary.BigEndian.Uint16(b[off:])
	rr.Class = binary.BigEndian.Uint16(b[off+2:])
	rr.TTL = binary.BigEndian.Uint32(b[off+4:])
	length := int(binary.BigEndian.Uint16(b[off+8:]))
	lengthAt := off + 8
	off += recordFixedLen
	// What can be read is bounded by the message, what may be read by RDLENGTH.
	data := b[off:min(off+length, len(b))]
	if len(data) < length {
		if r.lenient() {
			rr.Missing = uint16(length - len(data))
			r.note(Odd{Field: "RDLENGTH", Offset: lengthAt, Err: ErrTruncated, Got: length, Want: len(data)})
		} else {
			err = &ParseError{
				Field: "RDLENGTH", Offset: lengthAt,
				Err: fmt.Errorf("%w: says %d bytes, %d follow", ErrTruncated, length, len(data)),
			}
		}
	}
	form := m.form(rr.Type)
	if form == statusForm {
		if fault := m.parseStatus(r, rr, data, off); err == nil {
			err = fault
		}
		return off + len(data), err
	}
	if fits, nearest, want := form.fits(rr.Type, len(data)); !fits && err == nil {
		if !r.lenient() {
			err = lengthError(lengthAt, length, want)
		} else if rr.Missing == 0 { // else it is said already
			r.note(Odd{Field: "RDLENGTH", Offset: lengthAt, Err: ErrLength, Got: length, Want: nearest})
		}
	}
	if form == addressForm {
		data = rr.parseAddrs(data, single)
		if r.lenient() {
			r.addrFlags(rr.Addrs, off)
		}
		if !r.lenient() {
			data = nil
		}
	}
	rr.Data = clip(data)
	return off + length - int(rr.Missing), err
}

// parseStatus reads the RDATA of a record of type NBSTAT, into memory that an earlier message left.
func (m *NameMessage) parseStatus(r *reader, rr *Resource, data []byte, off int) error {
	if len(data) == 0 && r.lenient() {
		if rr.Missing == 0 {
			r.note(Odd{Field: "RDLENGTH", Offset: off - 2, Err: ErrLength, Want: 1 + statisticsLen})
		}
		return nil
	}
	rr.Status = r.status()
	return rr.Status.parse(r, data, off, rr.Missing > 0)
}

// fits tells whether RDATA in this form may have this length, else which length near it, and what that counts.
func (f form) fits(rrType uint16, length int) (fits bool, nearest int, want string) {
	switch {
	case f == addressForm:
		nearest = max(nbAddrLen, length-length%nbAddrLen)
		want = "6 for each address"
	case f == wackForm:
		nearest, want = wackDataLen, "2 in a WACK"
	case f == rawForm && rrType == TypeA:
		nearest, want = ipv4Len, "4 in a record of type A"
	default:
		nearest = length
	}
	return length == nearest, nearest, want
}

func lengthError(off, got int, want string) error {
	return &ParseError{Field: "RDLENGTH", Offset: off, Err: fmt.Errorf("%w: %d, want %s", ErrLength, got, want)}
}

// form is what a record's RDATA looks like.
type form uint8

const (
	rawForm form = iota
	addressForm
	statusForm
	wackForm
)

// form tells the RDATA of a type in this message. A WACK has its own, whether its type is NULL by the table of section
// 4.2.1.3 (0x000A, which this package sends) or by the diagram of section 4.2.16 (0x0020, elsewhere NB).
func (m *NameMessage) form(rrType uint16) form {
	switch {
	case m.Response && m.Opcode == OpWACK:
		return wackForm
	case rrType == TypeNB:
		return addressForm
	case rrType == TypeNBSTAT:
		return statusForm
	}
	return rawForm
}

// parseAddrs reads the whole addresses in data; RDLENGTH, not NB's own count, says how many there are, so that their
// number is bounded by the bytes of the message. It returns what follows the last.
func (rr *Resource) parseAddrs(data []byte, single []NBAddr) (rest []byte) {
	n := len(data) / nbAddrLen
	switch {
	case n == 0:
		return data
	case n == len(single) && cap(rr.Addrs) == 0:
		rr.Addrs = single
	default:
		rr.Addrs = resize(rr.Addrs, n)
	}
	for i := range rr.Addrs {
		entry := data[i*nbAddrLen:]
		rr.Addrs[i] = NBAddr{
			Flags: NBFlags(binary.BigEndian.Uint16(entry)),
			Addr:  netip.AddrFrom4([ipv4Len]byte(entry[2:])),
		}
	}
	return data[n*nbAddrLen:]
}

// addrFlags notes the first address, of those that begin at an offset, whose flags have a reserved bit.
func (r *reader) addrFlags(addrs []NBAddr, off int) {
	for i := range addrs {
		if reserved := addrs[i].Flags & nbReserved; reserved != 0 {
			r.note(Odd{Field: "NB_FLAGS", Offset: off + i*nbAddrLen, Err: ErrFlag, Got: int(reserved)})
			return
		}
	}
}

// clip bounds a part of a message so that appending to it does not change what follows.
func clip(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return slices.Clip(b)
}

// parseResourceName reads RR_NAME, which may be a pointer: one hop, strictly back, to a name written out. Going back
// once, no pointer can lead into a loop, and reading a name costs no more than its 255 bytes. Leniently, four hops may
// lead there.
func (m *NameMessage) parseResourceName(r *reader, b []byte, off int, rr *Resource) (next int, err error) {
	r.hops = 0
	if off >= len(b) || b[off]&prefixMask != pointPrefix {
		next, err = m.parseWrittenName(r, b, off, rr)
		rr.Here = r.here(off, next)
		return next, err
	}
	if len(b)-off < pointerLen {
		return off, &ParseError{Field: "RR_NAME", Offset: off, Err: ErrTruncated}
	}
	target := int(binary.BigEndian.Uint16(b[off:]) & maxPointer)
	rr.Pointer = uint16(target)
	if target == QuestionName && len(m.Questions) > 0 {
		rr.spell(m.Questions[0].spelled())
		return off + pointerLen, nil
	}
	name, err := chase(b, off, target, r.maxPointers())
	if err != nil {
		return off, err
	}
	if name != target {
		r.note(Odd{Field: "RR_NAME", Offset: off, Err: ErrPointerChain, Got: target})
	}
	// The name must end before the pointer to it begins.
	if _, err := m.parseWrittenName(r, b[:off], name, rr); err != nil {
		return off, pointerError("RR_NAME", off, target, ErrPointerTarget)
	}
	return off + pointerLen, r.spend("RR_NAME", off, len(rr.Scope))
}

// maxPointers is how many pointers may lead from RR_NAME to a name.
func (r *reader) maxPointers() int {
	if r.lenient() {
		return maxHops
	}
	return 1
}

// chase follows the pointer at off to the name that it leads to, by way of at most so many pointers in all, each strictly
// back.
func chase(b []byte, off, target, most int) (name int, err error) {
	first, at := target, off
	for range most {
		switch {
		case target >= at:
			return 0, pointerError("RR_NAME", off, first, ErrPointerForward)
		case target < headerLen:
			return 0, pointerError("RR_NAME", off, first, ErrPointerTarget)
		case b[target]&prefixMask != pointPrefix:
			return target, nil
		case target+pointerLen > len(b):
			return 0, pointerError("RR_NAME", off, first, ErrPointerTarget)
		}
		at, target = target, int(binary.BigEndian.Uint16(b[target:])&maxPointer)
	}
	return 0, pointerError("RR_NAME", off, first, ErrPointerChain)
}

func pointerError(field string, off, target int, cause error) error {
	return &ParseError{Field: field, Offset: off, Err: fmt.Errorf("%w: to offset %d", cause, target)}
}

func (m *NameMessage) parseWrittenName(r *reader, b []byte, off int, rr *Resource) (next int, err error) {
	if off < len(b) && b[off] != lettersLen && m.mayBeBare(b[off]) {
		rr.Bare = true
		rr.Scope, off, err = r.labels(b, off, off, "RR_NAME")
		return off, err
	}
	var s spelled
	off, err = r.name(b, off, "RR_NAME", &s)
	rr.spell(s)
	return off, err
}

// mayBeBare reports whether a record of this message may have a name with this first byte that is no NetBIOS name, see
// [Resource].Bare.
func (m *NameMessage) mayBeBare(first byte) bool {
	switch {
	case !m.Response:
		return false
	case m.Opcode == OpWACK:
		return first == 0
	}
	return m.isRedirect()
}

func (m *NameMessage) isRedirect() bool {
	return m.Response && m.Opcode == OpQuery && m.RCode == RCodeOK && len(m.Answers) == 0 && len(m.Authority) > 0
}

// AppendBinary appends the message's bytes to b. It allocates only if b has no room for them. The error is an
// [*EncodeError]; b is then returned as it was.
func (m NameMessage) AppendBinary(b []byte) ([]byte, error) {
	switch {
	case m.Opcode > maxOpcode:
		return b, rangeError("OPCODE", int(m.Opcode), maxOpcode)
	case m.RCode > maxRCode:
		return b, rangeError("RCODE", int(m.RCode), maxRCode)
	case m.Flags&^AllFlags != 0:
		return b, &EncodeError{
			"NM_FLAGS", fmt.Errorf("%w: 0x%04x has bits outside 0x%04x", ErrRange, uint16(m.Flags), uint16(AllFlags)),
		}
	}
	n := counts{len(m.Questions), len(m.Answers), len(m.Authority), len(m.Additional)}
	if m.Uncounted {
		if n != (counts{answers: 1}) || !m.mayLeaveUncounted() {
			return b, &EncodeError{
				"ANCOUNT", fmt.Errorf("%w: only a negative name query response leaves its one record uncounted", ErrCount),
			}
		}
		n[answers] = 0
	}
	for i := range n {
		if n[i] += int(m.Missing[i]); n[i] > maxUint16 {
			return b, rangeError(countFields[i], n[i], maxUint16)
		}
	}

	start := len(b)
	e := slices.Grow(b, m.encodedLen())
	e = binary.BigEndian.AppendUint16(e, m.ID)
	e = binary.BigEndian.AppendUint16(e, m.FlagWord())
	for _, count := range n {
		e = binary.BigEndian.AppendUint16(e, uint16(count))
	}
	var err error
	for i := range m.Questions {
		if e, err = m.Questions[i].append(e, m.Loose); err != nil {
			return b, err
		}
	}
	for section := answers; section <= additional; section++ {
		records := m.section(section)
		for i := range records {
			if e, err = m.appendResource(e, start, &records[i]); err != nil {
				return b, err
			}
		}
	}
	return append(e, m.Trailing...), nil
}

func rangeError(field string, got, most int) error {
	return &EncodeError{field, fmt.Errorf("%w: %d, at most %d", ErrRange, got, most)}
}

// encodedLen is the length of the encoded message, or somewhat more.
func (m *NameMessage) encodedLen() int {
	n := headerLen + len(m.Trailing)
	for i := range m.Questions {
		n += EncodedNameLen(m.Questions[i].Scope) + questionFixedLen
	}
	for section := answers; section <= additional; section++ {
		records := m.section(section)
		for i := range records {
			rr := &records[i]
			n += recordFixedLen + nbAddrLen*len(rr.Addrs) + len(rr.Data)
			if rr.Pointer != 0 {
				n += pointerLen
			} else {
				n += EncodedNameLen(rr.Scope)
			}
			if rr.Status != nil {
				n += rr.Status.encodedLen()
			}
		}
	}
	return n
}

func (q *Question) append(b []byte, loose bool) ([]byte, error) {
	e, err := appendField(b, "QUESTION_NAME", q.spelled(), loose)
	if err != nil {
		return b, err
	}
	e = binary.BigEndian.AppendUint16(e, q.Type)
	return binary.BigEndian.AppendUint16(e, q.Class), nil
}

func (m *NameMessage) appendResource(b []byte, start int, rr *Resource) ([]byte, error) {
	b, err := m.appendResourceName(b, start, rr)
	if err != nil {
		return b, &EncodeError{"RR_NAME", err}
	}
	b = binary.BigEndian.AppendUint16(b, rr.Type)
	b = binary.BigEndian.AppendUint16(b, rr.Class)
	b = binary.BigEndian.AppendUint32(b, rr.TTL)
	b = append(b, 0, 0) // RDLENGTH, once it is known
	at := len(b)
	form := m.form(rr.Type)
	if err := rr.checkData(form, m.Loose); err != nil {
		return b, &EncodeError{"RDATA", err}
	}
	switch form {
	case addressForm:
		for _, entry := range rr.Addrs {
			if !entry.Addr.Is4() {
				return b, &EncodeError{"NB_ADDRESS", fmt.Errorf("%w: %v", ErrNotIPv4, entry.Addr)}
			}
			ip := entry.Addr.As4()
			b = binary.BigEndian.AppendUint16(b, uint16(entry.Flags))
			b = append(b, ip[:]...)
		}
		b = append(b, rr.Data...)
	case statusForm:
		if rr.Status != nil {
			if b, err = rr.Status.append(b); err != nil {
				return b, err
			}
		}
	case wackForm, rawForm:
		b = append(b, rr.Data...)
	}
	length := len(b) - at + int(rr.Missing)
	if length > maxUint16 {
		return b, rangeError("RDLENGTH", length, maxUint16)
	}
	binary.BigEndian.PutUint16(b[at-2:], uint16(length))
	return b, nil
}

// checkData refuses a record that holds other data than its type has, which would be lost silently, and, unless the
// message is loose, RDATA of another length than its type has.
func (rr *Resource) checkData(f form, loose bool) error {
	switch f {
	case addressForm:
		if rr.Status != nil || !loose && (len(rr.Addrs) == 0 || len(rr.Data) > 0) {
			return fmt.Errorf("%w: a record of type NB holds one address or more and nothing else", ErrLength)
		}
		return nil
	case statusForm:
		if len(rr.Addrs) > 0 || len(rr.Data) > 0 || !loose && rr.Status == nil {
			return fmt.Errorf("%w: a record of type NBSTAT holds a status and nothing else", ErrLength)
		}
		return nil
	case wackForm, rawForm:
	}
	if fits, _, want := f.fits(rr.Type, len(rr.Data)); !fits && !loose {
		return fmt.Errorf("%w: %d bytes, want %s", ErrLength, len(rr.Data), want)
	}
	if len(rr.Addrs) > 0 || rr.Status != nil {
		return fmt.Errorf("%w: a record of type 0x%04x holds raw data and nothing else", ErrLength, rr.Type)
	}
	return nil
}

func (m *NameMessage) appendResourceName(b []byte, start int, rr *Resource) ([]byte, error) {
	if rr.Pointer == 0 {
		return m.appendWrittenName(b, rr)
	}
	// The pointer must lead to the record's name in what is already encoded.
	var room [maxOddNameLen]byte
	name, err := m.appendWrittenName(room[:0], rr)
	if err != nil {
		return b, err
	}
	encoded, target := b[start:], int(rr.Pointer)
	if target > maxPointer || target >= len(encoded) {
		err = ErrPointerForward
	} else {
		at := target
		if m.Loose {
			at, err = chase(encoded, len(encoded), target, maxHops)
		}
		if err == nil && (at < headerLen || !bytes.HasPrefix(encoded[at:], name)) {
			err = ErrPointerTarget
		}
	}
	if err != nil {
		return b, fmt.Errorf("%w: to offset %d for %s", err, target, rr.nameText())
	}
	return binary.BigEndian.AppendUint16(b, pointPrefix<<8|rr.Pointer), nil
}

func (m *NameMessage) appendWrittenName(b []byte, rr *Resource) ([]byte, error) {
	name := rr.spelled()
	switch {
	case m.Loose:
		return appendLoosely(b, &name)
	case !rr.Bare:
		return appendName(b, &name, maxNameLen)
	}
	at := len(b)
	e, err := appendLabels(b, nil, rr.Scope, maxNameLen)
	if err == nil && (e[at] == lettersLen || !m.mayBeBare(e[at])) {
		err = fmt.Errorf("%w: %q cannot be told from a NetBIOS name here", ErrFirstLabel, rr.Scope)
	}
	if err != nil {
		return b, err
	}
	return e, nil
}
