// SPDX-License-Identifier: MIT

package nbtlayers

import (
	"errors"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// MaxMessages is how many messages [NBSS] decodes from one segment. A segment that fills an Ethernet frame has room for
// 365 of the shortest; one of 64 KiB, as captured before the network card cuts it, may be four thousand times as long as
// what it says. The rest of it is the payload, for another call.
const MaxMessages = 1024

// NBSS are the messages of the session service in one TCP segment on port 139. It does not reassemble: the segment must
// begin where a message does, and what it has of a message that goes on in the next segment is the payload.
type NBSS struct {
	layers.BaseLayer

	Messages []nbt.SessionMessage // those that are whole

	Strict bool // refuse what is not as the RFC has it

	scratch []byte
}

// LayerType returns [LayerTypeNBSS].
func (*NBSS) LayerType() gopacket.LayerType { return LayerTypeNBSS }

// CanDecode returns [LayerTypeNBSS].
func (*NBSS) CanDecode() gopacket.LayerClass { return LayerTypeNBSS }

// NextLayerType returns gopacket.LayerTypePayload if the last message is not whole.
func (s *NBSS) NextLayerType() gopacket.LayerType {
	if len(s.BaseLayer.Payload) > 0 {
		return gopacket.LayerTypePayload
	}
	return gopacket.LayerTypeZero
}

// Payload returns the bytes behind the last whole message, as LayerPayload does.
func (s *NBSS) Payload() []byte { return s.BaseLayer.Payload }

// DecodeFromBytes reads the messages of a segment. That the last one is not whole is no error: gopacket is told that the
// packet is truncated. Where no message begins, or one cannot be read, the error is an [*nbt.ParseError], whose offset
// counts from the beginning of that message, which is the beginning of the payload. Messages are used again by the next
// call, see [nbt.SessionMessage.Decode].
func (s *NBSS) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	s.Messages = s.Messages[:0]
	rest := data
	var err error
	for len(rest) > 0 && len(s.Messages) < MaxMessages {
		length, fault := s.length(rest)
		if fault != nil && !errors.Is(fault, nbt.ErrTruncated) {
			err = fault
			break
		}
		if fault != nil || length > len(rest) {
			df.SetTruncated()
			break
		}
		if err = s.next().Decode(rest[:length], mode(s.Strict)); err != nil {
			s.Messages = s.Messages[:len(s.Messages)-1]
			break
		}
		rest = rest[length:]
	}
	at := len(data) - len(rest)
	s.BaseLayer = layers.BaseLayer{Contents: data[:at:at], Payload: rest}
	return err
}

func (s *NBSS) length(header []byte) (int, error) {
	if s.Strict {
		return nbt.SessionLen(header)
	}
	return nbt.SessionLenLenient(header)
}

// next returns a message to decode into: one that was used before, if there is one.
func (s *NBSS) next() *nbt.SessionMessage {
	n := len(s.Messages)
	if n < cap(s.Messages) {
		s.Messages = s.Messages[:n+1]
	} else {
		s.Messages = append(s.Messages, nbt.SessionMessage{})
	}
	return &s.Messages[n]
}

// SerializeTo writes the messages. What is serialized behind them already is the beginning of another one. LENGTH is
// always that of what the message has.
func (s *NBSS) SerializeTo(b gopacket.SerializeBuffer, _ gopacket.SerializeOptions) error {
	var err error
	s.scratch = s.scratch[:0]
	for i := range s.Messages {
		if s.scratch, err = s.Messages[i].AppendBinary(s.scratch); err != nil {
			return err
		}
	}
	return prepend(b, s.scratch)
}

func decodeNBSS(data []byte, p gopacket.PacketBuilder) error { return build(new(NBSS), data, p) }
