// SPDX-License-Identifier: MIT

// Package nbtlayers makes the messages of NetBIOS over TCP/IP layers of gopacket: NBNS on UDP port 137, NBDS on UDP port
// 138 and NBSS on TCP port 139. It is harness/nbt behind gopacket's interfaces; what the fields mean is told there.
//
// [NBNS], [NBDS] and [NBSS] are a Layer, a DecodingLayer, which allocates nothing once it has grown, and a
// SerializableLayer. They may be used with a gopacket.DecodingLayerParser or on their own as they are. For gopacket to
// find them by port, and to decode packets with gopacket.NewPacket, the program calls [Register] once; gopacket's
// tables of ports and types are global, so importing this package changes nothing.
//
// Layers parse leniently: what is odd about a message is in its Odd field. Set Strict to refuse such messages.
//
// gopacket.NewPacket looks into TCP only if it is asked to, by DecodeStreamsAsDatagrams in its options; a
// gopacket.DecodingLayerParser does so anyway.
//
// A message of the session service may be spread over several segments, and a segment may hold several of them. Putting
// segments in order is not a layer's business but harness/capture's: [NBSS] decodes what is whole in one segment.
package nbtlayers

import (
	"errors"
	"sync"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/harness/nbt"
)

// The layers' types, in the range that gopacket leaves to applications.
const (
	LayerTypeNBNS gopacket.LayerType = 1137
	LayerTypeNBDS gopacket.LayerType = 1138
	LayerTypeNBSS gopacket.LayerType = 1139
)

// The ports that [Register] gives to the layers.
const (
	PortNBNS layers.UDPPort = 137
	PortNBDS layers.UDPPort = 138
	PortNBSS layers.TCPPort = 139
)

// Register tells gopacket of the layers: their types, and that what goes to or comes from ports 137, 138 and 139 is to be
// decoded as them. It changes gopacket's tables for the whole process, and those have no lock: call it before the first
// packet is decoded. More calls do nothing. It panics if another package has taken the types' numbers.
func Register() { register() }

var register = sync.OnceFunc(func() {
	for _, layer := range []struct {
		number gopacket.LayerType
		name   string
		decode gopacket.DecodeFunc
	}{
		{LayerTypeNBNS, "NBNS", decodeNBNS},
		{LayerTypeNBDS, "NBDS", decodeNBDS},
		{LayerTypeNBSS, "NBSS", decodeNBSS},
	} {
		gopacket.RegisterLayerType(int(layer.number), gopacket.LayerTypeMetadata{Name: layer.name, Decoder: layer.decode})
	}
	layers.RegisterUDPPortLayerType(PortNBNS, LayerTypeNBNS)
	layers.RegisterUDPPortLayerType(PortNBDS, LayerTypeNBDS)
	layers.RegisterTCPPortLayerType(PortNBSS, LayerTypeNBSS)
})

// layer is what the three of them have in common.
type layer interface {
	gopacket.ApplicationLayer
	gopacket.DecodingLayer
}

var (
	_, _, _ layer                      = (*NBNS)(nil), (*NBDS)(nil), (*NBSS)(nil)
	_, _, _ gopacket.SerializableLayer = (*NBNS)(nil), (*NBDS)(nil), (*NBSS)(nil)
)

// build adds a layer to a packet; if it could not be decoded to its end, with what was.
func build(l layer, data []byte, p gopacket.PacketBuilder) error {
	err := l.DecodeFromBytes(data, p)
	p.AddLayer(l)
	p.SetApplicationLayer(l)
	if err != nil {
		return err
	}
	if next := l.NextLayerType(); next != gopacket.LayerTypeZero {
		return p.NextDecoder(next)
	}
	return nil
}

// mode is how a layer parses.
func mode(strict bool) nbt.Mode {
	if strict {
		return nbt.Strict
	}
	return nbt.Lenient
}

// feedback tells gopacket of a message that is cut short.
func feedback(err error, df gopacket.DecodeFeedback) error {
	if errors.Is(err, nbt.ErrTruncated) {
		df.SetTruncated()
	}
	return err
}

// prepend puts bytes in front of what is serialized already.
func prepend(b gopacket.SerializeBuffer, bytes []byte) error {
	room, err := b.PrependBytes(len(bytes))
	if err == nil {
		copy(room, bytes)
	}
	return err
}
