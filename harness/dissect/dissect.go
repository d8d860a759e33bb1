// SPDX-License-Identifier: MIT

// Package dissect reads the NBT messages in the frames of a capture, picks those that are asked for, and counts them. It is
// what `nbtlab decode` is made of. It opens no files and prints nothing: package capture hands it frames, package report
// shows what it finds.
//
// Messages are parsed leniently ([nbt.Lenient]): what a broken stack sent is readable, with what is odd about it. Reading one
// frame after the other, and counting them, allocates nothing once the tables have grown.
package dissect

import (
	"errors"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Message is one message of a capture. Which of Name, Datagram and Session says what it is depends on its service.
type Message struct {
	Frame   *capture.Frame
	Service capture.Service

	Name     nbt.NameMessage
	Datagram nbt.DatagramMessage
	Session  nbt.SessionMessage

	Odd []nbt.Odd       // what is not as the RFC has it, in the message; what is odd below NBT is in Frame.Odd
	Err *nbt.ParseError // why it could not be read to its end; the message then has what was read before that
}

// Read reads the message in a frame. It returns false for a frame that is none: the beginning or the end of a connection.
// The message is valid until the next Read, and as long as the frame is.
func (m *Message) Read(f *capture.Frame) bool {
	if f.Kind != trace.UDP && f.Kind != trace.Message {
		return false
	}
	m.Frame, m.Service = f, f.Service()
	var err error
	switch m.Service {
	case capture.NameService:
		err = m.Name.Decode(f.Payload, nbt.Lenient)
		m.Odd = m.Name.Odd
	case capture.DatagramService:
		err = m.Datagram.Decode(f.Payload, nbt.Lenient)
		m.Odd = m.Datagram.Odd
	case capture.SessionService:
		err = m.Session.Decode(f.Payload, nbt.Lenient)
		m.Odd = m.Session.Odd
	}
	m.Err = nil
	if err != nil {
		m.Err = parseError(err)
	}
	return true
}

func parseError(err error) *nbt.ParseError {
	var at *nbt.ParseError
	if !errors.As(err, &at) {
		at = &nbt.ParseError{Err: err}
	}
	return at
}

// HasHeader reports whether there is enough of the message to tell what kind of message it is.
func (m *Message) HasHeader() bool {
	switch m.Service {
	case capture.NameService:
		return len(m.Frame.Payload) >= nbt.QuestionName
	case capture.DatagramService:
		return m.Datagram.Source.IsValid()
	case capture.SessionService:
		return m.Err == nil || m.Err.Field != "TYPE" && len(m.Frame.Payload) > 0
	}
	return false
}

// ReadTo is how many bytes of the message were read: all of them, or those before the fault. Of a session message that is
// shorter than its LENGTH says, all that there are.
func (m *Message) ReadTo() int {
	n := len(m.Frame.Payload)
	if m.Err == nil || m.Err.Field == "LENGTH" && n >= nbt.SessionHeaderLen {
		return n
	}
	return m.Err.Offset
}

// WasRead reports whether a name that the message has was read: whether the fault that ended the reading, if any, lies behind
// it.
func (m *Message) WasRead(field string) bool {
	if m.Err == nil {
		return true
	}
	switch m.Err.Field {
	case "LENGTH":
		return len(m.Frame.Payload) >= nbt.SessionHeaderLen
	case "DESTINATION_NAME":
		return field == "SOURCE_NAME"
	case "CALLING_NAME":
		return field == "CALLED_NAME"
	}
	return false
}

// String tells the message in a line: what it is and whom it is about.
func (m *Message) String() string {
	switch m.Service {
	case capture.NameService:
		return m.Name.String()
	case capture.DatagramService:
		return m.Datagram.String()
	case capture.SessionService:
	}
	return m.Session.String()
}

// Fields lists the fields of the message in the order of the wire, as far as it could be read.
func (m *Message) Fields() []nbt.Field {
	switch m.Service {
	case capture.NameService:
		return m.Name.Fields()
	case capture.DatagramService:
		return m.Datagram.Fields()
	case capture.SessionService:
	}
	return m.Session.Fields()
}
