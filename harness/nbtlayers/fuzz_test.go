// SPDX-License-Identifier: MIT

package nbtlayers_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/gopacket"

	"github.com/nbtlab/nbtlab/fixtures"
	"github.com/nbtlab/nbtlab/harness/nbtlayers"
)

// FuzzLayers checks that layers never panic, whatever they are used for before; that they say what the codec says of the
// same bytes, write them again, and allocate no more than the bytes are worth.
func FuzzLayers(f *testing.F) {
	nbtlayers.Register()
	services := []fixtures.Service{fixtures.NameService, fixtures.DatagramService, fixtures.SessionService}
	for _, list := range [][]fixtures.Vector{fixtures.Vectors(), fixtures.Malformed()} {
		for _, v := range list {
			for i, service := range services {
				if service == v.Service && len(v.Bytes) < 2000 {
					f.Add(uint8(i), v.Bytes)
				}
			}
		}
	}
	var used [2][3]layer
	for strict := range used {
		for i, service := range services {
			used[strict][i] = blank(service, strict == 1)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		i := int(which) % len(services)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		packet := gopacket.NewPacket(b, used[0][i].LayerType(), gopacket.Default)
		runtime.ReadMemStats(&after)
		if cost, most := after.TotalAlloc-before.TotalAlloc, 8*uint64(len(b))+1<<20; cost > most {
			t.Fatalf("%d bytes cost %d, at most %d", len(b), cost, most)
		}
		_ = packet.String()
		for strict := range used {
			l := used[strict][i]
			err := l.DecodeFromBytes(b, gopacket.NilDecodeFeedback)
			want, wantErr := parse(l, b)
			if told(l) != want {
				t.Fatalf("layer: %s\ncodec: %s", told(l), want)
			}
			if services[i] != fixtures.SessionService && fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("layer: %v, codec: %v", err, wantErr)
			}
			if err != nil || lossy(l) {
				continue
			}
			buffer := gopacket.NewSerializeBuffer()
			payload := gopacket.Payload(l.LayerPayload())
			if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{}, l, payload); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(buffer.Bytes(), b) {
				t.Fatalf("wrote\n%x, read\n%x", buffer.Bytes(), b)
			}
		}
	})
}

func lossy(l layer) bool {
	if n, ok := l.(*nbtlayers.NBNS); ok {
		for _, odd := range n.Odd {
			if odd.Lossy {
				return true
			}
		}
	}
	return false
}
