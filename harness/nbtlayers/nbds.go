// SPDX-License-Identifier: MIT

package nbtlayers

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// NBDS is a message of the datagram service, the payload of a UDP packet on port 138. What it contains is its header and
// names, its payload the user data.
type NBDS struct {
	layers.BaseLayer
	nbt.DatagramMessage

	Strict bool // refuse what is not as the RFC has it

	scratch []byte
}

// LayerType returns [LayerTypeNBDS].
func (*NBDS) LayerType() gopacket.LayerType { return LayerTypeNBDS }

// CanDecode returns [LayerTypeNBDS].
func (*NBDS) CanDecode() gopacket.LayerClass { return LayerTypeNBDS }

// NextLayerType returns gopacket.LayerTypePayload if there is user data: what it is, the datagram service does not say.
func (d *NBDS) NextLayerType() gopacket.LayerType {
	if len(d.Data) > 0 {
		return gopacket.LayerTypePayload
	}
	return gopacket.LayerTypeZero
}

// Payload returns the user data, as LayerPayload does.
func (d *NBDS) Payload() []byte { return d.Data }

// DecodeFromBytes reads the message. The error is an [*nbt.ParseError]; with it, the message has what was read before the
// place that it names. Its list of oddities is used again by the next call, see [nbt.DatagramMessage.Decode].
func (d *NBDS) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	err := d.Decode(data, mode(d.Strict))
	end := len(data) - len(d.Trailing)
	at := end - len(d.Data)
	d.BaseLayer = layers.BaseLayer{Contents: data[:at:at], Payload: d.Data}
	return feedback(err, df)
}

// SerializeTo writes the message. If something is serialized behind it already, that is the user data; else Data is. With
// FixLengths, DGM_LENGTH becomes that of names and data, whatever was parsed.
func (d *NBDS) SerializeTo(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	if opts.FixLengths {
		d.LengthOff = 0
	}
	m := d.DatagramMessage
	behind := b.Bytes()
	if !m.Type.CarriesData() {
		behind = nil
	}
	if len(behind) > 0 {
		m.Data = behind
	}
	var err error
	if d.scratch, err = m.AppendBinary(d.scratch[:0]); err != nil {
		return err
	}
	trailing := len(d.scratch) - len(m.Trailing)
	head := trailing - len(behind)
	room, err := b.AppendBytes(len(m.Trailing))
	if err != nil {
		return err
	}
	copy(room, d.scratch[trailing:])
	return prepend(b, d.scratch[:head])
}

func decodeNBDS(data []byte, p gopacket.PacketBuilder) error { return build(new(NBDS), data, p) }
