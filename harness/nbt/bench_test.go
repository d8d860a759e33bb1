// SPDX-License-Identifier: MIT

package nbt_test

import (
	"testing"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbt"
)

func BenchmarkParseNameMessage(b *testing.B) {
	for _, vector := range []string{"claim", "query", "answer", "status-full"} {
		b.Run(vector, func(b *testing.B) {
			bytes := fixtures.Named(vector)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := nbt.ParseNameMessage(bytes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendNameMessage(b *testing.B) {
	for _, vector := range []string{"claim", "query", "answer", "status-full"} {
		b.Run(vector, func(b *testing.B) {
			m := messages[vector].(nbt.NameMessage)
			buffer := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.AppendBinary(buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMakeClaim(b *testing.B) {
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nbt.Claim(1, demo, nbt.ONTB, addr).AppendBinary(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseDatagram(b *testing.B) {
	bytes := fixtures.Named("datagram")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nbt.ParseDatagram(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendDatagram(b *testing.B) {
	m := messages["datagram"].(nbt.DatagramMessage)
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.AppendBinary(buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSessionRequest(b *testing.B) {
	bytes := fixtures.Named("session-request")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := nbt.ParseSessionMessage(bytes); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendSessionRequest(b *testing.B) {
	m := messages["session-request"].(nbt.SessionMessage)
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.AppendBinary(buffer); err != nil {
			b.Fatal(err)
		}
	}
}
