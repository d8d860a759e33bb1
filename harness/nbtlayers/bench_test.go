// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
)

// mix is how many of a thousand name-service messages are of a kind. It is about what the public captures of networks
// have that dissectors are tested with: of 1300 messages half are queries, a third registrations, one in fourteen a
// positive answer, one in fifty a node status, nearly all of them broadcast. Added to that is what only goes to or comes
// from a name server, of which there is no public capture: each kind that RFC 1002 has, and none of them often.
var mix = []struct {
	vector string
	count  int
}{
	{"query", 380},
	{"query-unicast", 80},
	{"claim", 170},
	{"claim-group", 30},
	{"overwrite", 50},
	{"registration-request", 40},
	{"multihomed", 10},
	{"refresh", 30},
	{"refresh-alt", 5},
	{"release", 15},
	{"release-request", 15},
	{"answer", 60},
	{"answer-ra", 10},
	{"answer-group", 5},
	{"no-name", 20},
	{"no-name-uncounted", 2},
	{"redirect", 1},
	{"positive-registration", 22},
	{"negative", 5},
	{"challenge", 3},
	{"conflict", 2},
	{"wack", 5},
	{"positive-release", 10},
	{"negative-release", 2},
	{"status-request", 14},
	{"status-request-broadcast", 2},
	{"status-full", 12},
}

// mixed returns the thousand messages in an order that is the same each time but has no pattern.
func mixed() (packets [][]byte) {
	for _, kind := range mix {
		for range kind.count {
			packets = append(packets, fixtures.Named(kind.vector))
		}
	}
	rand.New(rand.NewPCG(137, 138)).Shuffle(len(packets), func(i, j int) {
		packets[i], packets[j] = packets[j], packets[i]
	})
	return packets
}

// BenchmarkNBNS measures the layer and gopacket's DNS layer, which reads the same bytes as DNS, on the same packets in
// turn, and reports how many times the one takes of the other's time: layers that are used again for each packet, and new
// ones, as gopacket.NewPacket takes them. The DNS layer copies a name as it stands, and leaves RDATA as it is.
//
// The claim of this package is about used/mix; the others tell what it is made of.
func BenchmarkNBNS(b *testing.B) {
	for _, kind := range []struct {
		name    string
		packets [][]byte
	}{
		{"mix", mixed()},
		{"query", named("query", "status-request")},
		{"registration", named("claim", "overwrite", "release", "refresh")},
		{"answer", named("answer", "negative")},
		{"no-name", named("no-name")},
		{"status", named("status-full")},
	} {
		b.Run("used/"+kind.name, func(b *testing.B) {
			var nbns nbtlayers.NBNS
			var dns layers.DNS
			compare(b, kind.packets, true,
				func() gopacket.DecodingLayer { return &nbns }, func() gopacket.DecodingLayer { return &dns })
		})
		b.Run("new/"+kind.name, func(b *testing.B) {
			compare(b, kind.packets, false,
				func() gopacket.DecodingLayer { return new(nbtlayers.NBNS) },
				func() gopacket.DecodingLayer { return new(layers.DNS) })
		})
	}
}

func named(vectors ...string) (packets [][]byte) {
	for _, v := range vectors {
		packets = append(packets, fixtures.Named(v))
	}
	return packets
}

// compare lets two layers decode the same packets in turn, each all of them or, unless it is to be used again, a new one
// each packet. The shortest of many rounds counts: others run beside us.
func compare(b *testing.B, packets [][]byte, again bool, nbns, dns func() gopacket.DecodingLayer) {
	for len(packets) < 500 { // long enough for the clock
		packets = append(packets, packets...)
	}
	shortest := [2]int64{math.MaxInt64, math.MaxInt64}
	for b.Loop() {
		for i, make := range [...]func() gopacket.DecodingLayer{nbns, dns} {
			start := time.Now()
			layer := make()
			for _, p := range packets {
				if !again {
					layer = make()
				}
				if err := layer.DecodeFromBytes(p, gopacket.NilDecodeFeedback); err != nil {
					b.Fatal(err)
				}
			}
			shortest[i] = min(shortest[i], time.Since(start).Nanoseconds())
		}
	}
	each := float64(len(packets))
	b.ReportMetric(0, "ns/op") // of both together: no use
	b.ReportMetric(float64(shortest[0])/each, "ns/NBNS")
	b.ReportMetric(float64(shortest[1])/each, "ns/DNS")
	b.ReportMetric(float64(shortest[0])/float64(shortest[1]), "NBNS/DNS")
}

// BenchmarkLayers measures each layer on its own.
func BenchmarkLayers(b *testing.B) {
	for _, v := range fixtures.Vectors() {
		switch v.Name {
		case "claim", "query", "answer", "status-full", "datagram", "session-request", "session-message":
			b.Run(v.Name, func(b *testing.B) {
				l := blank(v.Service, false)
				b.ReportAllocs()
				for b.Loop() {
					if err := l.DecodeFromBytes(v.Bytes, gopacket.NilDecodeFeedback); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
