// SPDX-License-Identifier: MIT

package nbt

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/nbtlab/nbtlab/harness/netbios"
)

// DatagramType is MSG_TYPE of a datagram service message (RFC 1002 section 4.4.1).
type DatagramType uint8

// The types. The last three are between an end node and a datagram distribution server (NBDD).
const (
	DgmUnique    DatagramType = 0x10 // DIRECT_UNIQUE DATAGRAM
	DgmGroup     DatagramType = 0x11 // DIRECT_GROUP DATAGRAM
	DgmBroadcast DatagramType = 0x12 // BROADCAST DATAGRAM
	DgmError     DatagramType = 0x13 // DATAGRAM ERROR
	DgmQuery     DatagramType = 0x14 // DATAGRAM QUERY REQUEST
	DgmPositive  DatagramType = 0x15 // DATAGRAM POSITIVE QUERY RESPONSE
	DgmNegative  DatagramType = 0x16 // DATAGRAM NEGATIVE QUERY RESPONSE
)

// DatagramFlags are the flags of a datagram service message. The four high bits are reserved; they are kept as they are,
// since Microsoft's stacks are said to set one.
type DatagramFlags uint8

// The flags, and the values of the source's node type. Microsoft's H nodes use the value of an NBDD.
const (
	DgmMore  DatagramFlags = 0x01 // M: more fragments follow
	DgmFirst DatagramFlags = 0x02 // F: the first fragment, the one that has the names
	DgmSNT   DatagramFlags = 0x0c // source node type
	SNTB     DatagramFlags = 0x00
	SNTP     DatagramFlags = 0x04
	SNTM     DatagramFlags = 0x08
	SNTNBDD  DatagramFlags = 0x0c

	dgmReserved DatagramFlags = 0xf0
)

// Error codes of [DgmError] (RFC 1002 section 4.4.3).
const (
	DgmNotPresent     = 0x82 // no such name at the destination
	DgmBadSource      = 0x83 // the source name is malformed
	DgmBadDestination = 0x84 // the destination name is malformed
)

// MaxDatagramPayload is the longest UDP payload of a datagram that need not be fragmented: MAX_DATAGRAM_LENGTH of RFC 1002
// section 6, 576 bytes, without the IP and UDP headers.
const MaxDatagramPayload = 576 - 20 - 8

// DatagramMessage is a message of the datagram service (RFC 1002 section 4.4). Which fields it has depends on its type:
// names and data where [DatagramMessage.HasNames] says so, an error code in a [DgmError], the destination name alone in
// the three of the NBDD.
type DatagramMessage struct {
	Type        DatagramType
	Flags       DatagramFlags
	ID          uint16         // DGM_ID
	Source      netip.AddrPort // SOURCE_IP and SOURCE_PORT, IPv4; of an error those of the node that found it
	Offset      uint16         // PACKET_OFFSET: bytes of user data sent in earlier fragments
	ErrorCode   uint8          // of a [DgmError]
	SourceName  netbios.Name
	DestName    netbios.Name
	SourceScope string // see [AppendName]
	DestScope   string
	Data        []byte // USER_DATA; of a later fragment, the rest of it

	// What only lenient parsing finds. LengthOff is how much more DGM_LENGTH says than names and data have: 14 where a
	// stack counts the header in. Trailing is what follows, where it says less.
	SourceBare, DestBare   bool // the name is no NetBIOS name but the labels of its scope alone
	SourceLower, DestLower LowerCase
	LengthOff              int
	Trailing               []byte
	Odd                    []Odd // what is not as the RFC has it; not encoded

	// Loose is set by lenient parsing when there is something odd, and may be set to build a message that is: AppendBinary
	// then writes names longer than 255 bytes and bare names, which it refuses otherwise.
	Loose bool

	memory *memory // of Decode
}

var _ encoding.BinaryAppender = DatagramMessage{}

// Lengths in bytes.
const (
	dgmIDEnd     = 4  // MSG_TYPE to DGM_ID: what is told of a header that is cut short
	dgmCommonLen = 10 // MSG_TYPE to SOURCE_PORT
	dgmHeaderLen = 14 // and DGM_LENGTH and PACKET_OFFSET
	dgmErrorLen  = dgmCommonLen + 1
)

var (
	dgmCommonFields = fixed{{"MSG_TYPE", 1}, {"FLAGS", 1}, {"DGM_ID", 2}, {"SOURCE_IP", 4}, {"SOURCE_PORT", 2}}
	dgmLengthFields = fixed{{"DGM_LENGTH", 2}, {"PACKET_OFFSET", 2}}
)

// CarriesData reports whether datagrams of this type carry user data: unique, group and broadcast datagrams.
func (t DatagramType) CarriesData() bool { return t == DgmUnique || t == DgmGroup || t == DgmBroadcast }

// HasNames reports whether the message carries source and destination names: a datagram or the first fragment of one.
func (m DatagramMessage) HasNames() bool { return m.Type.CarriesData() && m.Flags&DgmFirst != 0 }

// Length returns DGM_LENGTH: the bytes of names and data of a message that carries data, as counted or, where lenient
// parsing found another number, as the message has it. Others have no such field, and 0.
func (m DatagramMessage) Length() int {
	if !m.Type.CarriesData() {
		return 0
	}
	length := len(m.Data) + m.LengthOff
	if m.HasNames() {
		source, dest := m.source(), m.dest()
		length += source.encodedLen() + dest.encodedLen()
	}
	return length
}

// ParseDatagram reads a datagram service message, which is a whole UDP payload. The error is a [*ParseError]; with it
// comes what was read before the place that it names. It allocates only for scopes.
func ParseDatagram(b []byte) (DatagramMessage, error) {
	var m DatagramMessage
	err := m.parse(b, Strict)
	return m, err
}

// ParseDatagramLenient reads a datagram service message as far as it can be read, see [Lenient]; what was odd is in Odd.
// What cannot be read is a [*ParseError] as in [ParseDatagram].
func ParseDatagramLenient(b []byte) (DatagramMessage, error) {
	var m DatagramMessage
	err := m.parse(b, Lenient)
	return m, err
}

// Decode is [ParseDatagram] or [ParseDatagramLenient] into a message that was used before. It reuses the memory of
// Odd and remembers scopes, so that reading one message after the other allocates nothing; nobody else may hold Odd, nor
// a copy of the message.
func (m *DatagramMessage) Decode(b []byte, mode Mode) error {
	if m.memory == nil {
		m.memory = new(memory)
	}
	return m.parse(b, mode)
}

func (m *DatagramMessage) parse(b []byte, mode Mode) error {
	r := reader{mode: mode, odd: m.Odd[:0], memory: m.memory}
	*m = DatagramMessage{memory: m.memory}
	err := m.decode(&r, b)
	m.Odd, m.Loose = r.odd, len(r.odd) > 0
	return err
}

func (m *DatagramMessage) decode(r *reader, b []byte) error {
	known := len(b) == 0 || DatagramType(b[0]) >= DgmUnique && DatagramType(b[0]) <= DgmNegative
	if len(b) >= dgmIDEnd {
		m.Type = DatagramType(b[0])
		m.Flags = DatagramFlags(b[1])
		m.ID = binary.BigEndian.Uint16(b[2:])
	}
	if known && len(b) < dgmCommonLen {
		return dgmCommonFields.cut(0, len(b))
	}
	if len(b) >= dgmCommonLen {
		m.Source = netip.AddrPortFrom(netip.AddrFrom4([ipv4Len]byte(b[4:])), binary.BigEndian.Uint16(b[8:]))
	}
	if !known {
		return &ParseError{Field: "MSG_TYPE", Offset: 0, Err: fmt.Errorf("%w: 0x%02x, want 0x10 to 0x16", ErrType, b[0])}
	}
	if reserved := m.Flags & dgmReserved; r.lenient() && reserved != 0 {
		r.note(Odd{Field: "FLAGS", Offset: 1, Err: ErrFlag, Got: int(reserved)})
	}
	var err error
	next := dgmCommonLen
	switch m.Type {
	case DgmError:
		if len(b) < dgmErrorLen {
			return &ParseError{Field: "ERROR_CODE", Offset: dgmCommonLen, Err: ErrTruncated}
		}
		m.ErrorCode = b[dgmCommonLen]
		next = dgmErrorLen
	case DgmQuery, DgmPositive, DgmNegative:
		if next, err = m.parseDest(r, b, next); err != nil {
			return err
		}
	case DgmUnique, DgmGroup, DgmBroadcast:
		return m.parseData(r, b)
	}
	m.Trailing, err = r.left(b, next)
	return err
}

func (m *DatagramMessage) parseSource(r *reader, b []byte, off int) (next int, err error) {
	var s spelled
	next, err = r.name(b, off, "SOURCE_NAME", &s)
	m.SourceName, m.SourceScope, m.SourceBare, m.SourceLower = s.name, s.scope, s.bare, s.lower
	return next, err
}

func (m *DatagramMessage) parseDest(r *reader, b []byte, off int) (next int, err error) {
	var s spelled
	next, err = r.name(b, off, "DESTINATION_NAME", &s)
	m.DestName, m.DestScope, m.DestBare, m.DestLower = s.name, s.scope, s.bare, s.lower
	return next, err
}

func (m *DatagramMessage) source() spelled {
	return spelled{m.SourceName, m.SourceScope, m.SourceBare, m.SourceLower}
}

func (m *DatagramMessage) dest() spelled {
	return spelled{m.DestName, m.DestScope, m.DestBare, m.DestLower}
}

func (m *DatagramMessage) parseData(r *reader, b []byte) error {
	if len(b) < dgmHeaderLen {
		return dgmLengthFields.cut(dgmCommonLen, len(b)-dgmCommonLen)
	}
	m.Offset = binary.BigEndian.Uint16(b[12:])
	length, follow := int(binary.BigEndian.Uint16(b[10:])), len(b)-dgmHeaderLen
	if length != follow {
		if !r.lenient() {
			return &ParseError{
				Field: "DGM_LENGTH", Offset: dgmCommonLen,
				Err: fmt.Errorf("%w: says %d bytes, %d follow the header", ErrLength, length, follow),
			}
		}
		r.note(Odd{Field: "DGM_LENGTH", Offset: dgmCommonLen, Err: ErrLength, Got: length, Want: follow})
	}
	next := dgmHeaderLen
	if m.HasNames() {
		var err error
		if next, err = m.parseSource(r, b, next); err == nil {
			next, err = m.parseDest(r, b, next)
		}
		if err != nil {
			m.LengthOff = length - m.Length() // so that DGM_LENGTH is told as it is
			return err
		}
	}
	// The names are read wherever they end: a length that cuts them is wrong, not they.
	end := min(max(dgmHeaderLen+length, next), len(b))
	m.Data, m.Trailing = clip(b[next:end]), clip(b[end:])
	m.LengthOff = dgmHeaderLen + length - end
	return nil
}

// AppendBinary appends the message's bytes to b; DGM_LENGTH is counted. It allocates only if b has no room for them. The
// error is an [*EncodeError]; b is then returned as it was.
func (m DatagramMessage) AppendBinary(b []byte) ([]byte, error) {
	if m.Type < DgmUnique || m.Type > DgmNegative {
		return b, &EncodeError{"MSG_TYPE", fmt.Errorf("%w: 0x%02x, want 0x10 to 0x16", ErrType, uint8(m.Type))}
	}
	if !m.Source.Addr().Is4() {
		return b, &EncodeError{"SOURCE_IP", fmt.Errorf("%w: %v", ErrNotIPv4, m.Source.Addr())}
	}
	e := slices.Grow(b, m.encodedLen())
	ip := m.Source.Addr().As4()
	e = append(e, byte(m.Type), byte(m.Flags))
	e = binary.BigEndian.AppendUint16(e, m.ID)
	e = append(e, ip[:]...)
	e = binary.BigEndian.AppendUint16(e, m.Source.Port())
	var err error
	switch m.Type {
	case DgmError:
		e = append(e, m.ErrorCode)
		return append(e, m.Trailing...), nil
	case DgmQuery, DgmPositive, DgmNegative:
		if e, err = m.appendName(e, "DESTINATION_NAME", m.dest()); err != nil {
			return b, err
		}
		return append(e, m.Trailing...), nil
	case DgmUnique, DgmGroup, DgmBroadcast:
	}
	e = append(e, 0, 0) // DGM_LENGTH, once it is known
	e = binary.BigEndian.AppendUint16(e, m.Offset)
	at := len(e)
	if m.HasNames() {
		if e, err = m.appendName(e, "SOURCE_NAME", m.source()); err != nil {
			return b, err
		}
		if e, err = m.appendName(e, "DESTINATION_NAME", m.dest()); err != nil {
			return b, err
		}
	}
	e = append(e, m.Data...)
	length := len(e) - at + m.LengthOff
	if length < 0 || length > maxUint16 {
		return b, rangeError("DGM_LENGTH", length, maxUint16)
	}
	binary.BigEndian.PutUint16(e[at-4:], uint16(length))
	return append(e, m.Trailing...), nil
}

func (m *DatagramMessage) appendName(b []byte, field string, name spelled) ([]byte, error) {
	return appendField(b, field, name, m.Loose)
}

// appendField appends a name that is a field of a datagram or session message.
func appendField(b []byte, field string, name spelled, loose bool) ([]byte, error) {
	var err error
	switch {
	case loose:
		b, err = appendLoosely(b, &name)
	case name.bare:
		err = fmt.Errorf("%w: %q is no NetBIOS name", ErrFirstLabel, name.scope)
	default:
		b, err = appendName(b, &name, maxNameLen)
	}
	if err != nil {
		return b, &EncodeError{field, err}
	}
	return b, nil
}

// encodedLen is the length of the encoded message, or somewhat more.
func (m *DatagramMessage) encodedLen() int {
	return dgmHeaderLen + EncodedNameLen(m.SourceScope) + EncodedNameLen(m.DestScope) + len(m.Data) + len(m.Trailing)
}

// Split cuts the message into fragments whose payloads are at most [MaxDatagramPayload] bytes long: the first, and the
// rest where there is one, to be split in turn (RFC 1002 section 5.3.1). The first keeps the names; the rest repeats the
// header with PACKET_OFFSET counting the bytes already sent, which is the field's meaning, not section 5.3.1's formula.
// What has no user data is not split.
func (m DatagramMessage) Split() (first, rest DatagramMessage, more bool) {
	room := MaxDatagramPayload - dgmHeaderLen
	if m.HasNames() {
		room -= EncodedNameLen(m.SourceScope) + EncodedNameLen(m.DestScope) // at most 510 together
	}
	if !m.Type.CarriesData() || len(m.Data) <= room {
		return m, DatagramMessage{}, false
	}
	rest = DatagramMessage{
		Type: m.Type, Flags: m.Flags &^ DgmFirst, ID: m.ID, Source: m.Source,
		Offset: m.Offset + uint16(room), Data: m.Data[room:],
	}
	m.Data = m.Data[:room:room]
	m.Flags |= DgmMore
	return m, rest, true
}

// UniqueDatagram is a DIRECT_UNIQUE DATAGRAM (type 0x10, FLAGS 0x02: first and only fragment, source a B node; RFC 1002
// section 4.4.2).
func UniqueDatagram(id uint16, from netip.AddrPort, source, dest netbios.Name, data []byte) DatagramMessage {
	return datagram(DgmUnique, id, from, source, dest, data)
}

// GroupDatagram is a DIRECT_GROUP DATAGRAM (type 0x11, FLAGS 0x02; RFC 1002 section 4.4.2).
func GroupDatagram(id uint16, from netip.AddrPort, source, dest netbios.Name, data []byte) DatagramMessage {
	return datagram(DgmGroup, id, from, source, dest, data)
}

// BroadcastDatagram is a BROADCAST DATAGRAM (type 0x12, FLAGS 0x02; RFC 1002 section 4.4.2) to [netbios.Wildcard].
func BroadcastDatagram(id uint16, from netip.AddrPort, source netbios.Name, data []byte) DatagramMessage {
	return datagram(DgmBroadcast, id, from, source, netbios.Wildcard, data)
}

func datagram(t DatagramType, id uint16, from netip.AddrPort, source, dest netbios.Name, data []byte) DatagramMessage {
	return DatagramMessage{
		Type: t, Flags: DgmFirst, ID: id, Source: from, SourceName: source, DestName: dest, Data: data,
	}
}

// ErrorDatagram is a DATAGRAM ERROR (type 0x13, FLAGS 0; RFC 1002 section 4.4.3). The id is that of the datagram at fault,
// from is the node that found the fault.
func ErrorDatagram(id uint16, from netip.AddrPort, code uint8) DatagramMessage {
	return DatagramMessage{Type: DgmError, ID: id, Source: from, ErrorCode: code}
}

// QueryDatagram is a DATAGRAM QUERY REQUEST (type 0x14; RFC 1002 section 4.4.4) to a datagram distribution server.
func QueryDatagram(id uint16, from netip.AddrPort, dest netbios.Name) DatagramMessage {
	return DatagramMessage{Type: DgmQuery, ID: id, Source: from, DestName: dest}
}

// InScope returns the message with its names in this scope.
func (m DatagramMessage) InScope(scope string) DatagramMessage {
	m.SourceScope, m.DestScope = scope, scope
	return m
}
