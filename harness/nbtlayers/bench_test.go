// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
)

// BenchmarkNBNS measures the layer and gopacket's DNS layer, which reads the same bytes as DNS, on the same packets in
// turn, and reports how many times the one takes of the other's time: layers that are used again for each packet, and new
// ones, as gopacket.NewPacket takes them. The DNS layer copies a name as it stands, and leaves RDATA as it is.
func BenchmarkNBNS(b *testing.B) {
	requests := []string{"claim", "overwrite", "release", "refresh"}
	for name, vectors := range map[string][]string{
		"registration": requests,
		"query":        {"query", "status-request"},
		"answer":       {"answer", "negative"},
		"status":       {"status-full"},
		"mix":          append([]string{"query", "query", "query", "answer", "negative", "no-name"}, requests...),
	} {
		var packets [][]byte
		for _, vector := range vectors {
			packets = append(packets, fixtures.Named(vector))
		}
		b.Run("used/"+name, func(b *testing.B) {
			var nbns nbtlayers.NBNS
			var dns layers.DNS
			compare(b, packets, func() gopacket.DecodingLayer { return &nbns }, func() gopacket.DecodingLayer { return &dns })
		})
		b.Run("new/"+name, func(b *testing.B) {
			compare(b, packets,
				func() gopacket.DecodingLayer { return new(nbtlayers.NBNS) },
				func() gopacket.DecodingLayer { return new(layers.DNS) })
		})
	}
}

// compare lets two layers decode the same packets in turn. The shortest of many rounds counts: others run beside us.
func compare(b *testing.B, packets [][]byte, nbns, dns func() gopacket.DecodingLayer) {
	const rounds = 100
	shortest := [2]int64{math.MaxInt64, math.MaxInt64}
	for b.Loop() {
		for i, layer := range [...]func() gopacket.DecodingLayer{nbns, dns} {
			shortest[i] = min(shortest[i], elapsed(func() {
				for range rounds {
					for _, p := range packets {
						if err := layer().DecodeFromBytes(p, gopacket.NilDecodeFeedback); err != nil {
							b.Fatal(err)
						}
					}
				}
			}))
		}
	}
	each := float64(rounds * len(packets))
	b.ReportMetric(0, "ns/op") // of both together: no use
	b.ReportMetric(float64(shortest[0])/each, "ns/NBNS")
	b.ReportMetric(float64(shortest[1])/each, "ns/DNS")
	b.ReportMetric(float64(shortest[0])/float64(shortest[1]), "NBNS/DNS")
}

func elapsed(f func()) int64 {
	start := time.Now()
	f()
	return time.Since(start).Nanoseconds()
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
