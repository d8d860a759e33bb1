// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding/binary"
	"net/netip"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// The counts of usual messages: QDCOUNT to ARCOUNT as one number.
const (
	oneQuestion       = 0x0001_0000_0000_0000
	questionAndRecord = 0x0001_0000_0000_0001
	oneAnswer         = 0x0000_0001_0000_0000

	usualNameEnd  = headerLen + unscopedLen
	usualQuery    = usualNameEnd + questionFixedLen
	usualClaim    = usualQuery + pointerLen + recordFixedLen + nbAddrLen
	usualRecord   = usualNameEnd + recordFixedLen
	usualPointer  = pointPrefix<<8 | QuestionName
	usualRDLength = usualClaim - nbAddrLen - 2
)

// decodeUsual reads a message of one of the shapes that nearly all traffic has, without a scope and without anything odd:
// a question; a question and a record about it with one address; one record that answers. It does what the whole parser
// does, in a fifth of the time, and leaves every other message, and those that there is no memory for yet, to that.
func (m *NameMessage) decodeUsual(b []byte) bool {
	if len(b) < usualQuery || b[headerLen] != lettersLen || b[headerLen+scopeAt] != 0 {
		return false
	}
	word := binary.BigEndian.Uint16(b[2:])
	op := Opcode(word >> opcodeShift & maxOpcode)
	response := word&responseBit != 0
	read := false
	switch binary.BigEndian.Uint64(b[4:]) {
	case oneQuestion:
		read = !response && !op.claims() && len(b) == usualQuery && m.usualQuestion(b)
	case questionAndRecord:
		read = !response && len(b) == usualClaim && m.usualQuestion(b) && m.usualOwner(b)
	case oneAnswer:
		read = response && op != OpWACK && len(b) >= usualRecord && m.usualAnswer(b)
	}
	if !read {
		m.Questions, m.Answers, m.Additional = m.Questions[:0], m.Answers[:0], m.Additional[:0]
		return false
	}
	m.ID = binary.BigEndian.Uint16(b)
	m.Response = response
	m.Opcode = op
	m.Flags = NMFlags(word) & AllFlags
	m.RCode = RCode(word & maxRCode)
	return true
}

func (m *NameMessage) usualQuestion(b []byte) bool {
	if cap(m.Questions) == 0 {
		return false
	}
	m.Questions = m.Questions[:1]
	q := &m.Questions[0]
	if !letters((*[lettersLen]byte)(b[headerLen+1:]), &q.Name) {
		return false
	}
	q.Scope, q.Bare, q.Lower = "", false, 0
	q.Type = binary.BigEndian.Uint16(b[usualNameEnd:])
	q.Class = binary.BigEndian.Uint16(b[usualNameEnd+2:])
	return true
}

// usualOwner reads the record of a request, which points to the question's name and has its sender's address.
func (m *NameMessage) usualOwner(b []byte) bool {
	if cap(m.Additional) == 0 || binary.BigEndian.Uint16(b[usualQuery:]) != usualPointer ||
		binary.BigEndian.Uint16(b[usualQuery+pointerLen:]) != TypeNB ||
		binary.BigEndian.Uint16(b[usualRDLength:]) != nbAddrLen {
		return false
	}
	m.Additional = m.Additional[:1]
	rr := &m.Additional[0]
	rr.Name, rr.Pointer = m.Questions[0].Name, QuestionName
	rr.usual(b[usualQuery+pointerLen:])
	return rr.usualAddrs(b[usualClaim-nbAddrLen:])
}

// usualAnswer reads the record of a response, whose name is written out.
func (m *NameMessage) usualAnswer(b []byte) bool {
	data := b[usualRecord:]
	if cap(m.Answers) == 0 || int(binary.BigEndian.Uint16(b[usualRecord-2:])) != len(data) {
		return false
	}
	m.Answers = m.Answers[:1]
	rr := &m.Answers[0]
	if !letters((*[lettersLen]byte)(b[headerLen+1:]), &rr.Name) {
		return false
	}
	rr.Pointer = 0
	rr.usual(b[usualNameEnd:])
	switch rr.Type {
	case TypeNB:
		return len(data) >= nbAddrLen && len(data)%nbAddrLen == 0 && rr.usualAddrs(data)
	case TypeNBSTAT:
		return m.usualStatus(rr, data)
	case TypeA:
		return false
	}
	rr.Addrs, rr.Data = rr.Addrs[:0], clip(data)
	return true
}

// usual reads the fields behind RR_NAME and sets the others to what they usually are.
func (rr *Resource) usual(b []byte) {
	rr.Scope, rr.Bare, rr.Lower, rr.Missing = "", false, 0, 0
	rr.Type = binary.BigEndian.Uint16(b)
	rr.Class = binary.BigEndian.Uint16(b[2:])
	rr.TTL = binary.BigEndian.Uint32(b[4:])
	rr.Status, rr.Data = nil, nil
}

func (rr *Resource) usualAddrs(data []byte) bool {
	n := len(data) / nbAddrLen
	if cap(rr.Addrs) < n {
		return false
	}
	rr.Addrs = rr.Addrs[:n]
	for i := range rr.Addrs {
		entry := data[i*nbAddrLen:][:nbAddrLen]
		rr.Addrs[i].Flags = NBFlags(binary.BigEndian.Uint16(entry))
		rr.Addrs[i].Addr = netip.AddrFrom4([ipv4Len]byte(entry[2:]))
	}
	return true
}

func (m *NameMessage) usualStatus(rr *Resource, data []byte) bool {
	status := m.memory.status
	if status == nil || len(data) == 0 {
		return false
	}
	count := int(data[0])
	if count > cap(status.Names) || len(data) != 1+count*nodeNameLen+statisticsLen {
		return false
	}
	status.Names = status.Names[:count]
	status.readNames(data[1:])
	status.Stats.parse(data[1+count*nodeNameLen:])
	status.Missing, status.Cut, status.Rest = 0, false, nil
	rr.Addrs, rr.Status = rr.Addrs[:0], status
	m.memory.status, m.memory.lent = nil, true
	return true
}

// letters decodes the 32 letters of a name, eight at a time, and reports whether all of them are from A to P.
func letters(from *[lettersLen]byte, name *netbios.Name) bool {
	const each = 0x0101010101010101
	var seen uint64 // every half that was met: one above 15 leaves a bit in its upper four
	for i := range 4 {
		// A byte below 'A' borrows from the one above it, but the lowest such byte shows by its own upper bits.
		halves := binary.BigEndian.Uint64(from[8*i:]) - 'A'*each
		seen |= halves
		halves = (halves | halves>>4) & 0x00ff00ff00ff00ff
		halves = (halves | halves>>8) & 0x0000ffff0000ffff
		binary.BigEndian.PutUint32(name[4*i:], uint32(halves|halves>>16))
	}
	return seen&(0xf0*each) == 0
}
