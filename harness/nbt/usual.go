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
// does, in a tenth of the time, and leaves every other message, and those that there is no memory for yet, to that: it
// then returns false, and the message is as it was before or anything between.
func (m *NameMessage) decodeUsual(b []byte) bool {
	if len(b) < usualQuery || b[headerLen] != lettersLen || b[headerLen+scopeAt] != 0 {
		return false
	}
	if m.memory != nil && m.memory.lent {
		m.takeBack()
	}
	word := binary.BigEndian.Uint16(b[2:])
	op := Opcode(word >> opcodeShift & maxOpcode)
	response := word&responseBit != 0
	if response {
		if op == OpWACK || !m.usualAnswer(b) {
			return false
		}
	} else {
		if cap(m.Questions) == 0 {
			return false
		}
		counts := binary.BigEndian.Uint64(b[4:])
		owner := counts == questionAndRecord && len(b) == usualClaim
		if owner && !m.usualOwner(b) || !owner && (counts != oneQuestion || len(b) != usualQuery || op.claims()) {
			return false
		}
		q := &m.Questions[:1][0]
		if !letters((*[lettersLen]byte)(b[headerLen+1:]), &q.Name) {
			return false
		}
		q.Scope, q.Bare, q.Lower = "", false, 0
		q.Type = binary.BigEndian.Uint16(b[usualNameEnd:])
		q.Class = binary.BigEndian.Uint16(b[usualNameEnd+2:])
		m.Questions, m.Answers, m.Additional = m.Questions[:1], m.Answers[:0], m.Additional[:0]
		if owner {
			m.Additional = m.Additional[:1]
			m.Additional[0].Name = q.Name
		}
	}
	m.ID = binary.BigEndian.Uint16(b)
	m.Response = response
	m.Opcode = op
	m.Flags = NMFlags(word) & AllFlags
	m.RCode = RCode(word & maxRCode)
	m.Authority = m.Authority[:0]
	m.Uncounted, m.Loose, m.Missing, m.Trailing, m.Odd = false, false, [4]uint16{}, nil, m.Odd[:0]
	return true
}

// makeRoom gives a message that has no lists yet those that a message of the usual shapes needs.
func (m *NameMessage) makeRoom(b []byte) {
	if len(b) < usualQuery {
		return
	}
	switch binary.BigEndian.Uint64(b[4:]) {
	case oneQuestion:
		m.Questions = make([]Question, 0, 1)
	case questionAndRecord:
		s := new(space)
		s.record[0].Addrs = s.addr[:0:1]
		m.Questions, m.Additional = s.question[:0:1], s.record[:0:1]
	case oneAnswer:
		s := new(struct {
			record [1]Resource
			addr   [1]NBAddr
		})
		s.record[0].Addrs = s.addr[:0:1]
		m.Answers = s.record[:0:1]
	}
}

// usualOwner reads a record that points to the question's name and has its sender's address, but for the name.
func (m *NameMessage) usualOwner(b []byte) bool {
	b = b[:usualClaim]
	if cap(m.Additional) == 0 || binary.BigEndian.Uint32(b[usualQuery:]) != usualPointer<<16|TypeNB ||
		binary.BigEndian.Uint16(b[usualRDLength:]) != nbAddrLen {
		return false
	}
	rr := &m.Additional[:1][0]
	if cap(rr.Addrs) == 0 {
		return false
	}
	rr.Pointer = QuestionName
	rr.usual(b[usualQuery+pointerLen:])
	rr.Addrs = rr.Addrs[:1]
	rr.Addrs[0].Flags = NBFlags(binary.BigEndian.Uint16(b[usualClaim-nbAddrLen:]))
	rr.Addrs[0].Addr = netip.AddrFrom4([ipv4Len]byte(b[usualClaim-ipv4Len:]))
	return true
}

// usualAnswer reads a response with a record whose name is written out.
func (m *NameMessage) usualAnswer(b []byte) bool {
	if len(b) < usualRecord || binary.BigEndian.Uint64(b[4:]) != oneAnswer {
		return false
	}
	data := b[usualRecord:]
	if cap(m.Answers) == 0 || int(binary.BigEndian.Uint16(b[usualRecord-2:])) != len(data) {
		return false
	}
	rr := &m.Answers[:1][0]
	if !letters((*[lettersLen]byte)(b[headerLen+1:]), &rr.Name) {
		return false
	}
	rr.Pointer = 0
	rr.usual(b[usualNameEnd:])
	switch rr.Type {
	case TypeNB:
		if len(data) == 0 || len(data)%nbAddrLen != 0 || !rr.usualAddrs(data) {
			return false
		}
	case TypeNBSTAT:
		if !m.usualStatus(rr, data) {
			return false
		}
	case TypeA:
		return false
	default:
		rr.Addrs, rr.Data = rr.Addrs[:0], clip(data)
	}
	m.Questions, m.Answers, m.Additional = m.Questions[:0], m.Answers[:1], m.Additional[:0]
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
	if m.memory == nil || m.memory.status == nil || len(data) == 0 {
		return false
	}
	status := m.memory.status
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
	const first = 0x4141414141414141 // 'A' in each byte
	// A byte below 'A' borrows from the one above it, but the lowest such byte shows by its own upper bits.
	a := binary.BigEndian.Uint64(from[0:]) - first
	b := binary.BigEndian.Uint64(from[8:]) - first
	c := binary.BigEndian.Uint64(from[16:]) - first
	d := binary.BigEndian.Uint64(from[24:]) - first
	binary.BigEndian.PutUint64(name[0:], uint64(join(a))<<32|uint64(join(b)))
	binary.BigEndian.PutUint64(name[8:], uint64(join(c))<<32|uint64(join(d)))
	return (a|b|c|d)&0xf0f0f0f0f0f0f0f0 == 0
}

// join makes four bytes of eight halves.
func join(halves uint64) uint32 {
	halves = (halves | halves>>4) & 0x00ff00ff00ff00ff
	halves = (halves | halves>>8) & 0x0000ffff0000ffff
	return uint32(halves | halves>>16)
}
