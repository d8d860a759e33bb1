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
}

var _ encoding.BinaryAppender = DatagramMessage{}

// Lengths in bytes.
const (
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

// ParseDatagram reads a datagram service message, which is a whole UDP payload. The error is a [*ParseError]; with it
// comes what was read before the place that it names. It allocates only for scopes.
func ParseDatagram(b []byte) (DatagramMessage, error) {
	var m DatagramMessage
	err := m.parse(b)
	return m, err
}

func (m *DatagramMessage) parse(b []byte) error {
	if len(b) > 0 && (DatagramType(b[0]) < DgmUnique || DatagramType(b[0]) > DgmNegative) {
		return &ParseError{Field: "MSG_TYPE", Offset: 0, Err: fmt.Errorf("%w: 0x%02x, want 0x10 to 0x16", ErrType, b[0])}
	}
	if len(b) < dgmCommonLen {
		return dgmCommonFields.cut(0, len(b))
	}
	m.Type = DatagramType(b[0])
	m.Flags = DatagramFlags(b[1])
	m.ID = binary.BigEndian.Uint16(b[2:])
	m.Source = netip.AddrPortFrom(netip.AddrFrom4([ipv4Len]byte(b[4:])), binary.BigEndian.Uint16(b[8:]))
	switch m.Type {
	case DgmError:
		return m.parseError(b)
	case DgmQuery, DgmPositive, DgmNegative:
		return m.parseQuery(b)
	case DgmUnique, DgmGroup, DgmBroadcast:
	}
	return m.parseData(b)
}

func (m *DatagramMessage) parseError(b []byte) error {
	if len(b) < dgmErrorLen {
		return &ParseError{Field: "ERROR_CODE", Offset: dgmCommonLen, Err: ErrTruncated}
	}
	m.ErrorCode = b[dgmCommonLen]
	return noneLeft(b, dgmErrorLen)
}

func (m *DatagramMessage) parseQuery(b []byte) error {
	var next int
	var err error
	if m.DestScope, next, err = parseName(b, dgmCommonLen, "DESTINATION_NAME", &m.DestName); err != nil {
		return err
	}
	return noneLeft(b, next)
}

func (m *DatagramMessage) parseData(b []byte) error {
	if len(b) < dgmHeaderLen {
		return dgmLengthFields.cut(dgmCommonLen, len(b)-dgmCommonLen)
	}
	m.Offset = binary.BigEndian.Uint16(b[12:])
	if length := int(binary.BigEndian.Uint16(b[10:])); length != len(b)-dgmHeaderLen {
		return &ParseError{
			Field: "DGM_LENGTH", Offset: dgmCommonLen,
			Err: fmt.Errorf("%w: says %d bytes, %d follow the header", ErrLength, length, len(b)-dgmHeaderLen),
		}
	}
	next := dgmHeaderLen
	if m.HasNames() {
		var err error
		if m.SourceScope, next, err = parseName(b, next, "SOURCE_NAME", &m.SourceName); err != nil {
			return err
		}
		if m.DestScope, next, err = parseName(b, next, "DESTINATION_NAME", &m.DestName); err != nil {
			return err
		}
	}
	m.Data = clip(b[next:])
	return nil
}

func noneLeft(b []byte, next int) error {
	if next == len(b) {
		return nil
	}
	return &ParseError{Field: "end", Offset: next, Err: fmt.Errorf("%w: %d", ErrTrailing, len(b)-next)}
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
		return append(e, m.ErrorCode), nil
	case DgmQuery, DgmPositive, DgmNegative:
		if e, err = AppendName(e, m.DestName, m.DestScope); err != nil {
			return b, &EncodeError{"DESTINATION_NAME", err}
		}
		return e, nil
	case DgmUnique, DgmGroup, DgmBroadcast:
	}
	e = append(e, 0, 0) // DGM_LENGTH, once it is known
	e = binary.BigEndian.AppendUint16(e, m.Offset)
	at := len(e)
	if m.HasNames() {
		if e, err = AppendName(e, m.SourceName, m.SourceScope); err != nil {
			return b, &EncodeError{"SOURCE_NAME", err}
		}
		if e, err = AppendName(e, m.DestName, m.DestScope); err != nil {
			return b, &EncodeError{"DESTINATION_NAME", err}
		}
	}
	e = append(e, m.Data...)
	length := len(e) - at
	if length > maxUint16 {
		return b, rangeError("DGM_LENGTH", length, maxUint16)
	}
	binary.BigEndian.PutUint16(e[at-4:], uint16(length))
	return e, nil
}

// encodedLen is the length of the encoded message, or somewhat more.
func (m *DatagramMessage) encodedLen() int {
	return dgmHeaderLen + EncodedNameLen(m.SourceScope) + EncodedNameLen(m.DestScope) + len(m.Data)
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
