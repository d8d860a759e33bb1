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

	usualNameEnd = headerLen + unscopedLen
	usualQuery   = usualNameEnd + questionFixedLen
	usualClaim   = usualQuery + pointerLen + recordFixedLen + nbAddrLen
	usualRecord  = usualNameEnd + recordFixedLen
	usualAnswer  = usualRecord + nbAddrLen
	usualPointer = pointPrefix<<8 | QuestionName
	usualOwner   = recordFixedLen + nbAddrLen
)

// Decode is [ParseNameMessage] or [ParseNameMessageLenient] into a message that was used before. It reuses the memory of
// m's lists and remembers scopes, so that reading one message after the other allocates nothing once that has grown;
// nobody else may hold the lists, nor a copy of the message. Lists without entries may be empty or nil.
//
// Messages of the shapes that nearly all traffic has, without a scope and without anything odd, are read here: a question;
// a question and a record about it with one address; one record that answers. This does what the whole parser does, in a
// tenth of the time, and leaves every other message, and those that there is no memory for yet, to that.
func (m *NameMessage) Decode(b []byte, mode Mode) error {
	// What makes it fast: nothing is called, so that everything stays in registers; lengths are checked once for all that
	// lies in fixed places; fields are set one by one; and the name comes last, since it takes the most registers.
	if len(b) < usualQuery {
		return m.decodeOther(b, mode)
	}
	head := (*[usualQuery]byte)(b)
	word := binary.BigEndian.Uint16(head[2:])
	var name, again *netbios.Name
	switch binary.BigEndian.Uint64(head[4:]) {
	case oneQuestion:
		if len(b) == usualQuery && word&(responseBit|zeroInRequests) == 0 && !opcode(word).claims() && cap(m.Questions) > 0 {
			m.Questions = m.Questions[:1]
			m.Answers = m.Answers[:0]
			m.Additional = m.Additional[:0]
			q := &m.Questions[0]
			q.usual((*[questionFixedLen]byte)(head[usualNameEnd:]))
			m.usual(head, word)
			name = &q.Name
		}
	case questionAndRecord:
		if len(b) == usualClaim && word&(responseBit|zeroInRequests) == 0 && cap(m.Questions) > 0 && cap(m.Additional) > 0 {
			owner := (*[pointerLen + usualOwner]byte)(b[usualQuery:])
			rr := &m.Additional[:1][0]
			if binary.BigEndian.Uint32(owner[:]) == usualPointer<<16|TypeNB &&
				binary.BigEndian.Uint16(owner[recordFixedLen:]) == nbAddrLen && cap(rr.Addrs) > 0 &&
				binary.BigEndian.Uint16(owner[pointerLen+recordFixedLen:])&uint16(nbReserved) == 0 {
				m.Questions = m.Questions[:1]
				m.Answers = m.Answers[:0]
				m.Additional = m.Additional[:1]
				rr.Pointer = QuestionName
				rr.Addrs = rr.Addrs[:1]
				rr.usual((*[recordFixedLen]byte)(owner[pointerLen:]))
				rr.Addrs[0].usual((*[nbAddrLen]byte)(owner[pointerLen+recordFixedLen:]))
				q := &m.Questions[0]
				q.usual((*[questionFixedLen]byte)(head[usualNameEnd:]))
				m.usual(head, word)
				name, again = &q.Name, &rr.Name
			}
		}
	case oneAnswer:
		if len(b) == usualAnswer && word&(responseBit|uint16(ZeroBits)) == responseBit && opcode(word) != OpWACK && cap(m.Answers) > 0 {
			owner := (*[usualOwner]byte)(b[usualNameEnd:])
			rr := &m.Answers[:1][0]
			if binary.BigEndian.Uint16(owner[:]) == TypeNB && binary.BigEndian.Uint16(owner[recordFixedLen-2:]) == nbAddrLen &&
				cap(rr.Addrs) > 0 && binary.BigEndian.Uint16(owner[recordFixedLen:])&uint16(nbReserved) == 0 {
				m.Questions = m.Questions[:0]
				m.Answers = m.Answers[:1]
				m.Additional = m.Additional[:0]
				rr.Pointer = 0
				rr.Addrs = rr.Addrs[:1]
				rr.usual((*[recordFixedLen]byte)(owner[:]))
				rr.Addrs[0].usual((*[nbAddrLen]byte)(owner[recordFixedLen:]))
				m.usual(head, word)
				name = &rr.Name
			}
		}
	}
	letters := (*[lettersLen]byte)(head[headerLen+1:])
	if name == nil || head[headerLen] != lettersLen || head[headerLen+scopeAt] != 0 || !areLetters(letters) {
		return m.decodeAnswer(b, mode)
	}
	before := join(binary.LittleEndian.Uint64(letters[0:]), binary.LittleEndian.Uint64(letters[8:]))
	after := join(binary.LittleEndian.Uint64(letters[16:]), binary.LittleEndian.Uint64(letters[24:]))
	binary.LittleEndian.PutUint64(name[:8], before)
	binary.LittleEndian.PutUint64(name[8:], after)
	if again != nil {
		binary.LittleEndian.PutUint64(again[:8], before)
		binary.LittleEndian.PutUint64(again[8:], after)
	}
	return nil
}

// opcode takes OPCODE out of the word that it shares with R, NM_FLAGS and RCODE.
func opcode(word uint16) Opcode { return Opcode(word >> opcodeShift & maxOpcode) }

// decodeAnswer reads a response with one record whose name is written out and whose data is anything but one address, and
// leaves every other message to the whole parser.
func (m *NameMessage) decodeAnswer(b []byte, mode Mode) error {
	head := (*[usualQuery]byte)(b)
	word := binary.BigEndian.Uint16(head[2:])
	letters := (*[lettersLen]byte)(head[headerLen+1:])
	if len(b) < usualRecord || binary.BigEndian.Uint64(head[4:]) != oneAnswer ||
		word&(responseBit|uint16(ZeroBits)) != responseBit ||
		head[headerLen] != lettersLen || head[headerLen+scopeAt] != 0 || !areLetters(letters) || cap(m.Answers) == 0 {
		return m.decodeOther(b, mode)
	}
	data := b[usualRecord:]
	if int(binary.BigEndian.Uint16(b[usualRecord-2:])) != len(data) {
		return m.decodeOther(b, mode)
	}
	m.usual(head, word)
	rr := &m.Answers[:1][0]
	rr.usual((*[recordFixedLen]byte)(b[usualNameEnd:]))
	ok := false
	switch {
	case m.Opcode == OpWACK:
		ok = len(data) == wackDataLen
		rr.Addrs, rr.Data = rr.Addrs[:0], clip(data)
	case rr.Type == TypeNB:
		ok = rr.usualAddrs(data)
	case rr.Type == TypeNBSTAT:
		rr.Addrs = rr.Addrs[:0]
		ok = m.usualStatus(rr, data)
	case rr.Type != TypeA:
		ok = true
		rr.Addrs, rr.Data = rr.Addrs[:0], clip(data)
	}
	if !ok {
		return m.decodeOther(b, mode)
	}
	m.Questions, m.Answers, m.Additional = m.Questions[:0], m.Answers[:1], m.Additional[:0]
	rr.Pointer = 0
	rr.Name = readLetters(letters)
	return nil
}

// usual reads the header and sets the fields of unusual messages to what they are in usual ones.
func (m *NameMessage) usual(head *[usualQuery]byte, word uint16) {
	m.ID = binary.BigEndian.Uint16(head[:])
	m.Response = word&responseBit != 0
	m.Opcode = Opcode(word >> opcodeShift & maxOpcode)
	m.Flags = NMFlags(word) & AllFlags
	m.RCode = RCode(word & maxRCode)
	m.Authority = m.Authority[:0]
	m.Odd = m.Odd[:0]
	m.Uncounted = false
	m.Loose = false
	m.Missing = [4]uint16{}
	m.Trailing = nil
}

// usual reads the fields behind QUESTION_NAME and sets the others, but for the name, to what they usually are.
func (q *Question) usual(b *[questionFixedLen]byte) {
	q.Type = binary.BigEndian.Uint16(b[:])
	q.Class = binary.BigEndian.Uint16(b[2:])
	q.Bare = false
	q.Here = 0
	q.Lower = 0
	q.Scope = ""
}

// usual reads the fields behind RR_NAME and sets the others, but for the name and RDATA, to what they usually are.
func (rr *Resource) usual(b *[recordFixedLen]byte) {
	rr.Type = binary.BigEndian.Uint16(b[:])
	rr.Class = binary.BigEndian.Uint16(b[2:])
	rr.TTL = binary.BigEndian.Uint32(b[4:])
	rr.Bare = false
	rr.Here = 0
	rr.Lower = 0
	rr.Missing = 0
	rr.Scope = ""
	rr.Status = nil
	rr.Data = nil
}

func (a *NBAddr) usual(b *[nbAddrLen]byte) {
	a.Flags = NBFlags(binary.BigEndian.Uint16(b[:]))
	a.Addr = netip.AddrFrom4([ipv4Len]byte(b[2:]))
}

func (rr *Resource) usualAddrs(data []byte) bool {
	n := len(data) / nbAddrLen
	if n == 0 || n > cap(rr.Addrs) || n*nbAddrLen != len(data) {
		return false
	}
	rr.Addrs = rr.Addrs[:n]
	for i := range rr.Addrs {
		rr.Addrs[i].usual((*[nbAddrLen]byte)(data[i*nbAddrLen:]))
		if rr.Addrs[i].Flags&nbReserved != 0 {
			return false
		}
	}
	return true
}

// makeRoom gives a message that has no lists yet those that a message of the usual shapes needs, but for a node status. It
// reports whether this seems to be one.
func (m *NameMessage) makeRoom(b []byte) bool {
	if len(b) < usualQuery {
		return false
	}
	switch binary.BigEndian.Uint64(b[4:]) {
	case oneQuestion:
		m.Questions = make([]Question, 0, 1)
	case questionAndRecord:
		s := new(space)
		s.record[0].Addrs = s.addr[:0:1]
		m.Questions, m.Additional = s.question[:0:1], s.record[:0:1]
	case oneAnswer:
		if binary.BigEndian.Uint16(b[usualNameEnd:]) == TypeNBSTAT {
			return false
		}
		s := new(struct {
			record [1]Resource
			addr   [1]NBAddr
		})
		s.record[0].Addrs = s.addr[:0:1]
		m.Answers = s.record[:0:1]
	default:
		return false
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
	if status.readNames(data[1:])&nameReserved != 0 {
		return false
	}
	status.Stats.parse(data[1+count*nodeNameLen:])
	status.Missing, status.Cut, status.Rest = 0, false, nil
	rr.Status = status
	return true
}

// areLetters reports whether all bytes are letters from A to P, eight at a time.
func areLetters(b *[lettersLen]byte) bool {
	const first = 0x4141414141414141 // 'A' in each byte
	// A byte below 'A' borrows from the one above it, but the lowest such byte shows by its own upper bits.
	upper := (binary.LittleEndian.Uint64(b[0:]) - first) | (binary.LittleEndian.Uint64(b[8:]) - first) |
		(binary.LittleEndian.Uint64(b[16:]) - first) | (binary.LittleEndian.Uint64(b[24:]) - first)
	return upper&0xf0f0f0f0f0f0f0f0 == 0
}

// readLetters decodes the letters of a name.
func readLetters(b *[lettersLen]byte) (name netbios.Name) {
	binary.LittleEndian.PutUint64(name[:8], join(binary.LittleEndian.Uint64(b[0:]), binary.LittleEndian.Uint64(b[8:])))
	binary.LittleEndian.PutUint64(name[8:], join(binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])))
	return name
}

// join makes eight bytes of sixteen letters, first to last from the lowest byte up.
func join(a, b uint64) uint64 { return join4(a)>>32 | join4(b)&0xffffffff00000000 }

// join4 makes four bytes, the upper half of what it returns, of eight letters. The lower half means nothing.
func join4(letters uint64) uint64 {
	h := letters - 0x4141414141414141
	h = (h | h<<12) >> 8 & 0x00ff00ff00ff00ff
	h = (h | h>>8) & 0x0000ffff0000ffff
	return h * (1<<32 | 1<<16)
}
