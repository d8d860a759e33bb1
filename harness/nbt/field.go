// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Field is one field of a message, for showing messages side by side and for naming what differs between two of them.
type Field struct {
	Name   string // the RFC's; entries of a list are numbered from 0: NODE_NAME[0]
	Value  string // printable
	Offset int    // in the message, in bytes
	Len    int    // in bytes
}

// FieldNames lists the names that fields may have, of the first entries of lists and messages. Those of a node status are numbered
// from the first on, those of addresses from the second on, and those of other questions and records have their number before them.
func FieldNames() []string {
	return []string{
		"NAME_TRN_ID", "flags", "QDCOUNT", "ANCOUNT", "NSCOUNT", "ARCOUNT", "QUESTION_NAME", "QUESTION_TYPE", "QUESTION_CLASS",
		"RR_NAME", "RR_TYPE", "RR_CLASS", "TTL", "RDLENGTH", "NB_FLAGS", "NB_ADDRESS", "RDATA", "NSD_NAME", "NSD_IP_ADDR",
		"NUM_NAMES", "NODE_NAME[0]", "NAME_FLAGS[0]", "UNIT_ID", "JUMPERS", "TEST_RESULT", "VERSION_NUMBER", "PERIOD_OF_STATISTICS",
		"NUMBER_OF_CRCs", "NUMBER_ALIGNMENT_ERRORS", "NUMBER_OF_COLLISIONS", "NUMBER_SEND_ABORTS", "NUMBER_GOOD_SENDS",
		"NUMBER_GOOD_RECEIVES", "NUMBER_RETRANSMITS", "NUMBER_NO_RESOURCE_CONDITIONS", "NUMBER_FREE_COMMAND_BLOCKS",
		"TOTAL_NUMBER_COMMAND_BLOCKS", "MAX_TOTAL_NUMBER_COMMAND_BLOCKS", "NUMBER_PENDING_SESSIONS", "MAX_NUMBER_PENDING_SESSIONS",
		"MAX_TOTAL_SESSIONS_POSSIBLE", "SESSION_DATA_PACKET_SIZE", "STATISTICS",
		"MSG_TYPE", "FLAGS", "DGM_ID", "SOURCE_IP", "SOURCE_PORT", "DGM_LENGTH", "PACKET_OFFSET", "SOURCE_NAME", "DESTINATION_NAME",
		"USER_DATA", "ERROR_CODE",
		"TYPE", "LENGTH", "CALLED_NAME", "CALLING_NAME", "RETARGET_IP_ADDRESS", "PORT", "body", "end",
	}
}

// fieldList collects fields that follow each other without a gap.
type fieldList struct {
	fields []Field
	off    int
	prefix string // put before each name
}

func (l *fieldList) add(name string, length int, value string) {
	l.fields = append(l.fields, Field{Name: l.prefix + name, Value: value, Offset: l.off, Len: length})
	l.off += length
}

// raw adds bytes that have no meaning, if there are any.
func (l *fieldList) raw(name string, b []byte) {
	if len(b) > 0 {
		l.add(name, len(b), Printable(b))
	}
}

func (l *fieldList) name(field string, s spelled) { l.add(field, s.encodedLen(), s.text()) }

// nameHere adds a name of which, when here is not 0, only so many bytes stand at its place.
func (l *fieldList) nameHere(field string, s spelled, here uint16) {
	if here == 0 {
		here = uint16(s.encodedLen()) // a name has at most 532 bytes
	}
	l.add(field, int(here), s.text())
}

func (l *fieldList) number(name string, length int, value uint64) {
	l.add(name, length, strconv.FormatUint(value, 10))
}

// Fields lists the message's fields in the order of the wire. The 16 bits of R, OPCODE, NM_FLAGS and RCODE are one field,
// "flags", with the whole word and its parts. Fields of records after the first are named RR[1].TTL and so on; addresses
// after the first NB_ADDRESS[1].
func (m NameMessage) Fields() []Field {
	var l fieldList
	l.add("NAME_TRN_ID", 2, hex(m.ID))
	l.add("flags", 2, m.flagText())
	answerCount := len(m.Answers)
	if m.Uncounted {
		answerCount = 0
	}
	for i, count := range [...]int{len(m.Questions), answerCount, len(m.Authority), len(m.Additional)} {
		l.number(countFields[i], 2, uint64(count+int(m.Missing[i])))
	}
	for i := range m.Questions {
		q := &m.Questions[i]
		if i > 0 {
			l.prefix = fmt.Sprintf("QUESTION[%d].", i)
		}
		l.nameHere("QUESTION_NAME", q.spelled(), q.Here)
		l.add("QUESTION_TYPE", 2, typeText(q.Type))
		l.add("QUESTION_CLASS", 2, classText(q.Class))
	}
	l.prefix = ""
	n := 0
	for section := answers; section <= additional; section++ {
		records := m.section(section)
		for i := range records {
			if n > 0 {
				l.prefix = fmt.Sprintf("RR[%d].", n)
			}
			m.listRecord(&l, &records[i])
			n++
		}
	}
	l.prefix = ""
	l.raw("end", m.Trailing)
	return l.fields
}

func (m *NameMessage) listRecord(l *fieldList, rr *Resource) {
	switch {
	case rr.Pointer != 0:
		l.add("RR_NAME", pointerLen, fmt.Sprintf("%s (pointer to %d)", rr.nameText(), rr.Pointer))
	default:
		l.nameHere("RR_NAME", rr.spelled(), rr.Here)
	}
	missing := int(rr.Missing)
	l.add("RR_TYPE", 2, typeText(rr.Type))
	l.add("RR_CLASS", 2, classText(rr.Class))
	l.number("TTL", 4, uint64(rr.TTL))
	switch m.form(rr.Type) {
	case addressForm:
		l.number("RDLENGTH", 2, uint64(nbAddrLen*len(rr.Addrs)+len(rr.Data)+missing))
		for i, entry := range rr.Addrs {
			index := ""
			if i > 0 {
				index = fmt.Sprintf("[%d]", i)
			}
			l.add("NB_FLAGS"+index, 2, entry.Flags.String())
			l.add("NB_ADDRESS"+index, ipv4Len, entry.Addr.String())
		}
		l.raw("RDATA", rr.Data)
	case statusForm:
		if rr.Status == nil {
			l.number("RDLENGTH", 2, uint64(missing))
			return
		}
		l.number("RDLENGTH", 2, uint64(rr.Status.encodedLen()+missing))
		rr.Status.list(l)
	case wackForm:
		l.number("RDLENGTH", 2, uint64(len(rr.Data)+missing))
		if len(rr.Data) > 0 {
			l.add("RDATA", len(rr.Data), requestText(rr.Data))
		}
	case rawForm:
		l.number("RDLENGTH", 2, uint64(len(rr.Data)+missing))
		rr.listRaw(l)
	}
}

func (rr *Resource) listRaw(l *fieldList) {
	switch {
	case rr.Type == TypeNS && len(rr.Data) > 0:
		value := Printable(rr.Data)
		if name, next, err := new(reader).labels(rr.Data, 0, 0, "NSD_NAME"); err == nil && next == len(rr.Data) {
			value = name
		}
		l.add("NSD_NAME", len(rr.Data), value)
	case rr.Type == TypeA && len(rr.Data) == ipv4Len:
		l.add("NSD_IP_ADDR", ipv4Len, netip.AddrFrom4([ipv4Len]byte(rr.Data)).String())
	case len(rr.Data) > 0:
		l.add("RDATA", len(rr.Data), Printable(rr.Data))
	}
}

func (s *NodeStatus) list(l *fieldList) {
	l.number("NUM_NAMES", 1, uint64(len(s.Names)+int(s.Missing)))
	for i, row := range s.Names {
		index := fmt.Sprintf("[%d]", i)
		l.add("NODE_NAME"+index, len(row.Name), row.Name.String())
		l.add("NAME_FLAGS"+index, 2, row.Flags.String())
	}
	if s.Cut {
		l.raw("STATISTICS", s.Rest)
		return
	}
	st := &s.Stats
	l.add("UNIT_ID", len(st.UnitID), fmt.Sprintf("% x", st.UnitID))
	l.number("JUMPERS", 1, uint64(st.Jumpers))
	l.number("TEST_RESULT", 1, uint64(st.TestResult))
	l.number("VERSION_NUMBER", 2, uint64(st.Version))
	l.number("PERIOD_OF_STATISTICS", 2, uint64(st.Period))
	l.number("NUMBER_OF_CRCs", 2, uint64(st.CRCs))
	l.number("NUMBER_ALIGNMENT_ERRORS", 2, uint64(st.AlignmentErrors))
	l.number("NUMBER_OF_COLLISIONS", 2, uint64(st.Collisions))
	l.number("NUMBER_SEND_ABORTS", 2, uint64(st.SendAborts))
	l.number("NUMBER_GOOD_SENDS", 4, uint64(st.GoodSends))
	l.number("NUMBER_GOOD_RECEIVES", 4, uint64(st.GoodReceives))
	l.number("NUMBER_RETRANSMITS", 2, uint64(st.Retransmits))
	l.number("NUMBER_NO_RESOURCE_CONDITIONS", 2, uint64(st.NoResources))
	l.number("NUMBER_FREE_COMMAND_BLOCKS", 2, uint64(st.FreeCommands))
	l.number("TOTAL_NUMBER_COMMAND_BLOCKS", 2, uint64(st.TotalCommands))
	l.number("MAX_TOTAL_NUMBER_COMMAND_BLOCKS", 2, uint64(st.MaxTotalCommands))
	l.number("NUMBER_PENDING_SESSIONS", 2, uint64(st.PendingSessions))
	l.number("MAX_NUMBER_PENDING_SESSIONS", 2, uint64(st.MaxPendingSessions))
	l.number("MAX_TOTAL_SESSIONS_POSSIBLE", 2, uint64(st.MaxSessions))
	l.number("SESSION_DATA_PACKET_SIZE", 2, uint64(st.PacketSize))
	l.raw("STATISTICS", s.Rest)
}

// Fields lists the message's fields in the order of the wire.
func (m DatagramMessage) Fields() []Field {
	var l fieldList
	l.add("MSG_TYPE", 1, fmt.Sprintf("0x%02x %v", uint8(m.Type), m.Type))
	l.add("FLAGS", 1, m.Flags.String())
	l.add("DGM_ID", 2, hex(m.ID))
	l.add("SOURCE_IP", ipv4Len, m.Source.Addr().String())
	l.number("SOURCE_PORT", 2, uint64(m.Source.Port()))
	switch m.Type {
	case DgmError:
		l.add("ERROR_CODE", 1, fmt.Sprintf("0x%02x %s", m.ErrorCode, dgmErrorText(m.ErrorCode)))
		l.raw("end", m.Trailing)
		return l.fields
	case DgmQuery, DgmPositive, DgmNegative:
		l.name("DESTINATION_NAME", m.dest())
		l.raw("end", m.Trailing)
		return l.fields
	case DgmUnique, DgmGroup, DgmBroadcast:
	}
	l.number("DGM_LENGTH", 2, uint64(m.Length()))
	l.number("PACKET_OFFSET", 2, uint64(m.Offset))
	if m.HasNames() {
		l.name("SOURCE_NAME", m.source())
		l.name("DESTINATION_NAME", m.dest())
	}
	l.raw("USER_DATA", m.Data)
	l.raw("end", m.Trailing)
	return l.fields
}

// Fields lists the message's fields in the order of the wire.
func (m SessionMessage) Fields() []Field {
	var l fieldList
	l.add("TYPE", 1, fmt.Sprintf("0x%02x %v", uint8(m.Type), m.Type))
	length := m.Length()
	l.add("FLAGS", 1, fmt.Sprintf("0x%02x", length>>16&lengthBit|int(m.Reserved)))
	l.number("LENGTH", 2, uint64(length))
	switch m.Type {
	case SsnMessage:
		l.raw("USER_DATA", m.Data)
	case SsnRequest:
		l.name("CALLED_NAME", m.called())
		l.name("CALLING_NAME", m.calling())
	case SsnNegative:
		if !m.Short {
			l.add("ERROR_CODE", 1, fmt.Sprintf("0x%02x %s", m.ErrorCode, ssnErrorText(m.ErrorCode)))
		}
	case SsnRetarget:
		if !m.Short {
			l.add("RETARGET_IP_ADDRESS", ipv4Len, m.Retarget.Addr().String())
			l.number("PORT", 2, uint64(m.Retarget.Port()))
		}
	case SsnPositive, SsnKeepAlive:
	}
	l.raw("body", m.Rest)
	l.raw("end", m.Trailing)
	return l.fields
}

func hex(v uint16) string { return fmt.Sprintf("0x%04x", v) }

func (m *NameMessage) flagText() string {
	direction := "request"
	if m.Response {
		direction = "response"
	}
	words := []string{hex(m.FlagWord()), m.Opcode.String(), direction}
	if s := m.Flags.String(); s != "" {
		words = append(words, s)
	}
	if m.Response || m.RCode != RCodeOK {
		words = append(words, m.RCode.String())
	}
	return strings.Join(words, " ")
}

func typeText(t uint16) string {
	switch t {
	case TypeA:
		return "A"
	case TypeNS:
		return "NS"
	case TypeNULL:
		return "NULL"
	case TypeNB:
		return "NB"
	case TypeNBSTAT:
		return "NBSTAT"
	}
	return hex(t)
}

func classText(c uint16) string {
	if c == ClassIN {
		return "IN"
	}
	return hex(c)
}

func (rr *Resource) nameText() string {
	s := rr.spelled()
	return s.text()
}

// requestText shows a WACK's data, the OPCODE and NM_FLAGS of the request.
func requestText(data []byte) string {
	if len(data) != wackDataLen {
		return Printable(data)
	}
	word := binary.BigEndian.Uint16(data)
	request := NameMessage{
		Response: word&responseBit != 0, Opcode: Opcode(word >> opcodeShift & maxOpcode),
		Flags: NMFlags(word) & AllFlags, RCode: RCode(word & maxRCode),
	}
	return request.flagText()
}
