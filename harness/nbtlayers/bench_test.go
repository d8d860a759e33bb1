// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
)

// BenchmarkNBNS measures the layer and gopacket's DNS layer, which reads the same bytes as DNS, on the same packets in
// turn, and reports how many times the one takes of the other's time. It must not be more than half.
func BenchmarkNBNS(b *testing.B) {
	var packets [][]byte
	for _, vector := range []string{
		"claim", "query", "answer", "release", "negative", "refresh", "status-request", "no-name", "overwrite", "status-full",
	} {
		packets = append(packets, fixtures.Named(vector))
	}
	var nbns nbtlayers.NBNS
	var dns layers.DNS
	const rounds = 100
	var nbnsTime, dnsTime int64
	b.ReportAllocs()
	for b.Loop() {
		nbnsTime += elapsed(func() {
			for range rounds {
				for _, p := range packets {
					if err := nbns.DecodeFromBytes(p, gopacket.NilDecodeFeedback); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		dnsTime += elapsed(func() {
			for range rounds {
				for _, p := range packets {
					if err := dns.DecodeFromBytes(p, gopacket.NilDecodeFeedback); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	each := float64(b.N * rounds * len(packets))
	ratio := float64(nbnsTime) / float64(dnsTime)
	b.ReportMetric(float64(nbnsTime)/each, "ns/NBNS")
	b.ReportMetric(float64(dnsTime)/each, "ns/DNS")
	b.ReportMetric(ratio, "NBNS/DNS")
	if ratio > 0.5 {
		b.Errorf("the NBNS layer takes %.2f of the time of the DNS layer, at most 0.5", ratio)
	}
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
