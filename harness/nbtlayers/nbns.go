// SPDX-License-Identifier: MIT

package nbtlayers

import (
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// NBNS is a message of the name service, the payload of a UDP packet on port 137. Nothing is inside it.
type NBNS struct {
	layers.BaseLayer
	nbt.NameMessage

	Strict bool // refuse what is not as the RFC has it

	scratch []byte
}

// LayerType returns [LayerTypeNBNS].
func (*NBNS) LayerType() gopacket.LayerType { return LayerTypeNBNS }

// CanDecode returns [LayerTypeNBNS].
func (*NBNS) CanDecode() gopacket.LayerClass { return LayerTypeNBNS }

// NextLayerType returns gopacket.LayerTypeZero: nothing is inside.
func (*NBNS) NextLayerType() gopacket.LayerType { return gopacket.LayerTypeZero }

// Payload returns nil, as LayerPayload does.
func (*NBNS) Payload() []byte { return nil }

// DecodeFromBytes reads the message. The error is an [*nbt.ParseError]; with it, the message has what was read before the
// place that it names. The lists of the message are used again by the next call, see [nbt.NameMessage.Decode].
func (n *NBNS) DecodeFromBytes(data []byte, df gopacket.DecodeFeedback) error {
	n.Contents, n.BaseLayer.Payload = data, nil
	if err := n.Decode(data, mode(n.Strict)); err != nil {
		return feedback(err, df)
	}
	return nil
}

// SerializeTo writes the message. With FixLengths, counts and lengths become those of what there is, whatever was parsed.
func (n *NBNS) SerializeTo(b gopacket.SerializeBuffer, opts gopacket.SerializeOptions) error {
	if opts.FixLengths {
		n.fixLengths()
	}
	var err error
	if n.scratch, err = n.AppendBinary(n.scratch[:0]); err != nil {
		return err
	}
	return prepend(b, n.scratch)
}

func (n *NBNS) fixLengths() {
	n.Missing = [4]uint16{}
	for _, section := range [...][]nbt.Resource{n.Answers, n.Authority, n.Additional} {
		for i := range section {
			section[i].Missing = 0
			if section[i].Status != nil {
				section[i].Status.Missing = 0
			}
		}
	}
}

func decodeNBNS(data []byte, p gopacket.PacketBuilder) error { return build(new(NBNS), data, p) }
