// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/pcaps"
)

// The messages of a capture, with packets and layers.
func Example() {
	nbtlayers.Register()

	file, err := pcaps.FS().Open("q124565/fixed.pcap")
	if err != nil {
		panic(err)
	}
	reader, err := pcapgo.NewReader(file)
	if err != nil {
		panic(err)
	}
	source := gopacket.NewPacketSource(reader, reader.LinkType())
	source.DecodeStreamsAsDatagrams = true // for the session service
	for range 12 {
		packet, err := source.NextPacket()
		if err != nil {
			panic(err)
		}
		switch l := packet.ApplicationLayer().(type) {
		case *nbtlayers.NBNS:
			fmt.Println(l.NameMessage)
		case *nbtlayers.NBDS:
			fmt.Println(l.DatagramMessage)
		case *nbtlayers.NBSS:
			for _, m := range l.Messages {
				fmt.Println(m)
			}
		}
	}
	// Output:
	// name registration request FRIEND<20> 10.0.0.20, broadcast, id 0x1ca0
	// name registration request FRIEND<20> 10.0.0.20, broadcast, id 0x1ca0
	// name registration request FRIEND<20> 10.0.0.20, broadcast, id 0x1ca0
	// name overwrite request FRIEND<20> 10.0.0.20, broadcast, id 0x1ca1
	// direct unique datagram CHAT<20> from FRIEND<20> "anyone there?", id 0x1ca0
	// direct unique datagram CHAT<20> from FRIEND<20> "anyone there?", id 0x1ca1
	// direct unique datagram CHAT<20> from FRIEND<20> "anyone there?", id 0x1ca2
	// datagram error 0x82 destination name not present, id 0x1ca0
	// datagram error 0x82 destination name not present, id 0x1ca1
	// datagram error 0x82 destination name not present, id 0x1ca2
	// name registration request CHAT<20> 10.0.0.10, broadcast, id 0x4d49
	// name registration request CHAT<20> 10.0.0.10, broadcast, id 0x4d49
}

// The name service messages of a capture, without allocating any memory per packet.
func ExampleNBNS_DecodeFromBytes() {
	nbtlayers.Register() // so that UDP knows what comes next

	var (
		ethernet layers.Ethernet
		ip       layers.IPv4
		udp      layers.UDP
		nbns     nbtlayers.NBNS
		found    []gopacket.LayerType
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &ethernet, &ip, &udp, &nbns)
	parser.IgnoreUnsupported = true

	file, err := pcaps.FS().Open("q124565/fixed.pcap")
	if err != nil {
		panic(err)
	}
	reader, err := pcapgo.NewReader(file)
	if err != nil {
		panic(err)
	}
	kinds := map[nbt.NameKind]int{}
	for {
		data, _, err := reader.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err := parser.DecodeLayers(data, &found); err != nil {
			continue
		}
		if len(found) > 0 && found[len(found)-1] == nbtlayers.LayerTypeNBNS {
			kinds[nbns.Kind()]++
		}
	}
	fmt.Println(kinds[nbt.KindClaim], "claims,", kinds[nbt.KindRelease], "releases")
	// Output: 9 claims, 3 releases
}

// A packet with a claim for a name.
func ExampleNBNS_SerializeTo() {
	name, err := netbios.ParseName("CHAT")
	if err != nil {
		panic(err)
	}
	source := netip.MustParseAddr("10.0.0.10")
	ip := layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: source.AsSlice(), DstIP: net.IPv4(10, 0, 0, 255),
	}
	udp := layers.UDP{SrcPort: nbtlayers.PortNBNS, DstPort: nbtlayers.PortNBNS}
	if err := udp.SetNetworkLayerForChecksum(&ip); err != nil {
		panic(err)
	}
	claim := nbtlayers.NBNS{NameMessage: nbt.Claim(0x1001, name, nbt.ONTB, source)}

	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, &ip, &udp, &claim); err != nil {
		panic(err)
	}
	fmt.Println(len(buffer.Bytes()), "bytes:", claim.NameMessage)
	// Output: 96 bytes: name registration request CHAT<20> 10.0.0.10, broadcast, id 0x1001
}
