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

// SessionType is TYPE of a session service message (RFC 1002 section 4.3.1).
type SessionType uint8

// The types.
const (
	SsnMessage   SessionType = 0x00 // SESSION MESSAGE
	SsnRequest   SessionType = 0x81 // SESSION REQUEST
	SsnPositive  SessionType = 0x82 // POSITIVE SESSION RESPONSE
	SsnNegative  SessionType = 0x83 // NEGATIVE SESSION RESPONSE
	SsnRetarget  SessionType = 0x84 // RETARGET SESSION RESPONSE
	SsnKeepAlive SessionType = 0x85 // SESSION KEEP ALIVE
)

// Error codes of [SsnNegative] (RFC 1002 section 4.3.4).
const (
	SsnNotListening    = 0x80 // the called name is there, nobody listens on it
	SsnNotListeningFor = 0x81 // nobody listens on it for this caller
	SsnNotPresent      = 0x82 // the called name is not there
	SsnNoResources     = 0x83 // it is there, but there is no room for a session
	SsnUnspecified     = 0x8f
)

// SessionHeaderLen is the length of TYPE, FLAGS and LENGTH, in bytes.
const SessionHeaderLen = 4

// MaxSessionLen is the most that LENGTH and the one bit of FLAGS that belongs to it can say: seventeen bits.
const MaxSessionLen = 0x1ffff

// SessionMessage is a message of the session service (RFC 1002 section 4.3). Which fields it has depends on its type:
// names in a [SsnRequest], data in a [SsnMessage], an error code in a [SsnNegative], an address in a [SsnRetarget].
type SessionMessage struct {
	Type         SessionType
	ErrorCode    uint8
	Called       netbios.Name
	Calling      netbios.Name
	CalledScope  string // see [AppendName]
	CallingScope string
	Retarget     netip.AddrPort // IPv4
	Data         []byte         // may be empty: a message of no bytes is a message (KB Q126560)

	// What only lenient parsing finds. Reserved are the reserved bits of FLAGS. Rest is what LENGTH counts behind what the
	// type has or, if Short, all that there is of that. Trailing is what follows the message. LengthOff is how much more
	// LENGTH says than there is, of a message that could not be read to its end.
	CalledBare, CallingBare   bool // the name is no NetBIOS name but the labels of its scope alone
	CalledLower, CallingLower LowerCase
	Reserved                  uint8
	Short                     bool
	Rest                      []byte
	Trailing                  []byte
	LengthOff                 int
	Odd                       []Odd // what is not as the RFC has it; not encoded

	// Loose is set by lenient parsing when there is something odd, and may be set to build a message that is: AppendBinary
	// then writes names longer than 255 bytes and bare names, which it refuses otherwise.
	Loose bool

	memory *memory // of Decode
}

var _ encoding.BinaryAppender = SessionMessage{}

const (
	lengthBit   = 0x01 // E: the seventeenth bit of LENGTH, in FLAGS
	retargetLen = 6    // RETARGET_IP_ADDRESS and PORT
)

var ssnHeaderFields = fixed{{"TYPE", 1}, {"FLAGS", 1}, {"LENGTH", 2}}

// Length returns LENGTH with the bit of FLAGS that belongs to it: the bytes that follow the header, or that should.
func (m SessionMessage) Length() int {
	length := len(m.Rest) + m.LengthOff
	switch m.Type {
	case SsnMessage:
		length += len(m.Data)
	case SsnRequest:
		called, calling := m.called(), m.calling()
		length += called.encodedLen() + calling.encodedLen()
	case SsnNegative:
		if !m.Short {
			length++
		}
	case SsnRetarget:
		if !m.Short {
			length += retargetLen
		}
	case SsnPositive, SsnKeepAlive:
	}
	return length
}

// Known reports whether RFC 1002 defines the type.
func (t SessionType) Known() bool { return t == SsnMessage || SsnRequest <= t && t <= SsnKeepAlive }

// SessionLen returns the length of the message that begins with these bytes, its header included, from its first
// [SessionHeaderLen] bytes. A type that RFC 1002 does not define and reserved flag bits are errors: after them a stream
// cannot be cut into messages any more. So is a shorter header; a caller who can wait for more bytes asks with four.
func SessionLen(header []byte) (int, error) { return sessionLen(header, Strict) }

// SessionLenLenient is [SessionLen] for streams of stacks that set reserved flag bits, which do not count: the type alone
// then tells whether this is where a message begins.
func SessionLenLenient(header []byte) (int, error) { return sessionLen(header, Lenient) }

func sessionLen(header []byte, mode Mode) (int, error) {
	if len(header) > 0 && !SessionType(header[0]).Known() {
		return 0, &ParseError{Field: "TYPE", Offset: 0, Err: fmt.Errorf("%w: 0x%02x", ErrType, header[0])}
	}
	if mode == Strict && len(header) > 1 && header[1]&^lengthBit != 0 {
		return 0, &ParseError{Field: "FLAGS", Offset: 1, Err: fmt.Errorf("%w: 0x%02x", ErrReserved, header[1])}
	}
	if len(header) < SessionHeaderLen {
		return 0, ssnHeaderFields.cut(0, len(header))
	}
	length := int(header[1]&lengthBit)<<16 | int(binary.BigEndian.Uint16(header[2:]))
	return SessionHeaderLen + length, nil
}

// ParseSessionMessage reads one whole message with its header. The error is a [*ParseError]; with it comes what was read
// before the place that it names. It allocates only for scopes.
func ParseSessionMessage(b []byte) (SessionMessage, error) {
	var m SessionMessage
	err := m.parse(b, Strict)
	return m, err
}

// ParseSessionMessageLenient reads one whole message as far as it can be read, see [Lenient]; what was odd is in Odd. What
// cannot be read is a [*ParseError] as in [ParseSessionMessage]; of a message that is cut short, that comes with the data or
// the names there are, and with LENGTH.
func ParseSessionMessageLenient(b []byte) (SessionMessage, error) {
	var m SessionMessage
	err := m.parse(b, Lenient)
	return m, err
}

// Decode is [ParseSessionMessage] or [ParseSessionMessageLenient] into a message that was used before. It reuses the
// memory of Odd and remembers scopes, so that reading one message after the other allocates nothing; nobody else may hold
// Odd, nor a copy of the message.
func (m *SessionMessage) Decode(b []byte, mode Mode) error {
	if m.memory == nil {
		m.memory = new(memory)
	}
	return m.parse(b, mode)
}

func (m *SessionMessage) parse(b []byte, mode Mode) error {
	r := reader{mode: mode, odd: m.Odd[:0], memory: m.memory}
	*m = SessionMessage{memory: m.memory}
	err := m.decode(&r, b)
	m.Odd, m.Loose = r.odd, len(r.odd) > 0
	return err
}

func (m *SessionMessage) decode(r *reader, b []byte) error {
	if r.lenient() && len(b) > 1 && SessionType(b[0]).Known() && b[1]&^lengthBit != 0 {
		m.Reserved = b[1] &^ lengthBit
		r.note(Odd{Field: "FLAGS", Offset: 1, Err: ErrReserved, Got: int(b[1])})
	}
	if len(b) > 0 {
		m.Type = SessionType(b[0])
	}
	total, err := sessionLen(b, r.mode)
	if err != nil {
		return err
	}
	if err = m.decodeBody(r, b, total); err != nil {
		m.LengthOff = total - SessionHeaderLen - m.Length() // so that LENGTH is told as it is
	}
	return err
}

// decodeBody decodes a message that is as long as its header says, or should be.
func (m *SessionMessage) decodeBody(r *reader, b []byte, total int) (err error) {
	if len(b) < total {
		return m.decodeCut(r, b, total)
	}
	body := b[SessionHeaderLen:total]
	switch m.Type {
	case SsnMessage:
		m.Data = clip(body)
	case SsnRequest:
		err = m.parseRequest(r, b[:total])
	case SsnPositive, SsnKeepAlive:
		_, err = m.bodyLen(r, body, 0)
	case SsnNegative:
		if ok, fault := m.bodyLen(r, body, 1); ok {
			m.ErrorCode = body[0]
		} else {
			err = fault
		}
	case SsnRetarget:
		if ok, fault := m.bodyLen(r, body, retargetLen); ok {
			m.Retarget = netip.AddrPortFrom(netip.AddrFrom4([ipv4Len]byte(body)), binary.BigEndian.Uint16(body[4:]))
		} else {
			err = fault
		}
	}
	if err != nil {
		return err
	}
	m.Trailing, err = r.left(b, total)
	return err
}

// decodeCut reads what there is, if leniently, of a message that ends before LENGTH says.
func (m *SessionMessage) decodeCut(r *reader, b []byte, total int) error {
	says, follow := total-SessionHeaderLen, len(b)-SessionHeaderLen
	if r.lenient() {
		switch m.Type {
		case SsnMessage:
			m.Data = clip(b[SessionHeaderLen:])
		case SsnRequest:
			r.note(Odd{Field: "LENGTH", Offset: 2, Err: ErrTruncated, Got: says, Want: follow})
			if err := m.parseRequest(r, b); err != nil {
				return err
			}
		case SsnPositive, SsnNegative, SsnRetarget, SsnKeepAlive:
		}
	}
	return &ParseError{
		Field: "LENGTH", Offset: 2, Err: fmt.Errorf("%w: says %d bytes, %d follow", ErrTruncated, says, follow),
	}
}

func (m *SessionMessage) parseRequest(r *reader, b []byte) error {
	var s spelled
	next, err := r.name(b, SessionHeaderLen, "CALLED_NAME", &s)
	if err != nil {
		return err
	}
	m.Called, m.CalledScope, m.CalledBare, m.CalledLower = s.name, s.scope, s.bare, s.lower
	if next, err = r.name(b, next, "CALLING_NAME", &s); err != nil {
		return err
	}
	m.Calling, m.CallingScope, m.CallingBare, m.CallingLower = s.name, s.scope, s.bare, s.lower
	m.Rest, err = r.left(b, next)
	return err
}

func (m *SessionMessage) called() spelled {
	return spelled{m.Called, m.CalledScope, m.CalledBare, m.CalledLower}
}

func (m *SessionMessage) calling() spelled {
	return spelled{m.Calling, m.CallingScope, m.CallingBare, m.CallingLower}
}

// bodyLen checks how long the body is, and reports whether there is one to read.
func (m *SessionMessage) bodyLen(r *reader, body []byte, want int) (ok bool, err error) {
	if len(body) == want {
		return true, nil
	}
	if !r.lenient() {
		return false, &ParseError{
			Field: "LENGTH", Offset: 2, Err: fmt.Errorf("%w: %d, want %d in this type", ErrLength, len(body), want),
		}
	}
	r.note(Odd{Field: "LENGTH", Offset: 2, Err: ErrLength, Got: len(body), Want: want})
	if m.Short = len(body) < want; m.Short {
		want = 0
	}
	m.Rest = clip(body[want:])
	return !m.Short, nil
}

// AppendBinary appends the message's bytes to b; LENGTH is counted. It allocates only if b has no room for them. The
// error is an [*EncodeError]; b is then returned as it was.
func (m SessionMessage) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	e := slices.Grow(b, m.encodedLen())
	e = append(e, byte(m.Type), 0, 0, 0) // FLAGS and LENGTH, once they are known
	var err error
	switch m.Type {
	case SsnMessage:
		e = append(e, m.Data...)
	case SsnRequest:
		if e, err = appendField(e, "CALLED_NAME", m.called(), m.Loose); err != nil {
			return b, err
		}
		if e, err = appendField(e, "CALLING_NAME", m.calling(), m.Loose); err != nil {
			return b, err
		}
	case SsnPositive, SsnKeepAlive:
	case SsnNegative:
		if !m.Short {
			e = append(e, m.ErrorCode)
		}
	case SsnRetarget:
		if m.Short {
			break
		}
		if !m.Retarget.Addr().Is4() {
			return b, &EncodeError{"RETARGET_IP_ADDRESS", fmt.Errorf("%w: %v", ErrNotIPv4, m.Retarget.Addr())}
		}
		ip := m.Retarget.Addr().As4()
		e = append(e, ip[:]...)
		e = binary.BigEndian.AppendUint16(e, m.Retarget.Port())
	default:
		return b, &EncodeError{"TYPE", fmt.Errorf("%w: 0x%02x", ErrType, uint8(m.Type))}
	}
	e = append(e, m.Rest...)
	length := len(e) - start - SessionHeaderLen + m.LengthOff
	if length < 0 || length > MaxSessionLen {
		return b, rangeError("LENGTH", length, MaxSessionLen)
	}
	e[start+1] = byte(length>>16) | m.Reserved&^lengthBit
	binary.BigEndian.PutUint16(e[start+2:], uint16(length))
	return append(e, m.Trailing...), nil
}

// encodedLen is the length of the encoded message, or somewhat more.
func (m *SessionMessage) encodedLen() int {
	extra := SessionHeaderLen + len(m.Rest) + len(m.Trailing)
	if m.Type == SsnRequest {
		return extra + EncodedNameLen(m.CalledScope) + EncodedNameLen(m.CallingScope)
	}
	return extra + max(len(m.Data), retargetLen)
}

// SessionRequest is a SESSION REQUEST (TYPE 0x81, RFC 1002 section 4.3.2): the called name comes first.
func SessionRequest(called, calling netbios.Name) SessionMessage {
	return SessionMessage{Type: SsnRequest, Called: called, Calling: calling}
}

// PositiveSession is a POSITIVE SESSION RESPONSE (TYPE 0x82, RFC 1002 section 4.3.3).
func PositiveSession() SessionMessage { return SessionMessage{Type: SsnPositive} }

// NegativeSession is a NEGATIVE SESSION RESPONSE (TYPE 0x83, RFC 1002 section 4.3.4). Its error 0x82, [SsnNotPresent], has
// nothing to do with TYPE 0x82.
func NegativeSession(code uint8) SessionMessage {
	return SessionMessage{Type: SsnNegative, ErrorCode: code}
}

// RetargetSession is a RETARGET SESSION RESPONSE (TYPE 0x84, RFC 1002 section 4.3.5).
func RetargetSession(to netip.AddrPort) SessionMessage {
	return SessionMessage{Type: SsnRetarget, Retarget: to}
}

// SessionData is a SESSION MESSAGE (TYPE 0x00, RFC 1002 section 4.3.6).
func SessionData(data []byte) SessionMessage { return SessionMessage{Type: SsnMessage, Data: data} }

// KeepAlive is a SESSION KEEP ALIVE (TYPE 0x85, RFC 1002 section 4.3.7).
func KeepAlive() SessionMessage { return SessionMessage{Type: SsnKeepAlive} }

// InScope returns the message with its names in this scope.
func (m SessionMessage) InScope(scope string) SessionMessage {
	m.CalledScope, m.CallingScope = scope, scope
	return m
}
