// SPDX-License-Identifier: MIT

package replay_test

import (
	"encoding"
	"fmt"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// flood is a capture that is all alike.
type flood struct {
	list []trace.Frame
	at   time.Duration
	conn int
}

func (f *flood) add(out, everybody bool, kind trace.FrameKind, message encoding.BinaryAppender) {
	port := uint16(137)
	frame := trace.Frame{Kind: kind, At: f.at, Number: len(f.list) + 1, Broadcast: everybody}
	if message != nil {
		b, err := message.AppendBinary(nil)
		Expect(err).NotTo(HaveOccurred())
		frame.Payload = b
	}
	if kind != trace.UDP {
		port, frame.Conn = 139, f.conn
	}
	frame.From, frame.To = netip.AddrPortFrom(peer, port), netip.AddrPortFrom(pc, port)
	if kind != trace.UDP {
		frame.From = netip.AddrPortFrom(peer, uint16(1024+f.conn))
	}
	if out {
		frame.From, frame.To = frame.To, frame.From
	}
	if everybody {
		frame.To = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.255"), port)
	}
	f.list = append(f.list, frame)
	f.at += 100 * time.Microsecond
}

func numbered(i int) netbios.Name {
	n, err := netbios.ParseName(fmt.Sprintf("N%d", i))
	Expect(err).NotTo(HaveOccurred())
	return n
}

// floods are captures of a host that has N0, by how many times something happens in them.
var floods = []struct {
	name string
	once func(f *flood, i int)
}{
	{"answered", func(f *flood, i int) {
		f.add(false, true, trace.UDP, nbt.Query(uint16(i), numbered(0)))
		f.add(true, false, trace.UDP, nbt.PositiveAnswer(uint16(i), numbered(0), 0, pc))
	}},
	{"names", func(f *flood, i int) { f.add(false, true, trace.UDP, nbt.Query(uint16(i), numbered(1+i))) }},
	{"unasked", func(f *flood, i int) {
		f.add(true, false, trace.UDP, nbt.PositiveAnswer(uint16(i), numbered(0), 0, pc))
		f.add(false, true, trace.UDP, nbt.Query(uint16(i), numbered(1)))
	}},
	{"missing", func(f *flood, i int) {
		f.add(false, false, trace.UDP, nbt.RegistrationRequest(uint16(i), numbered(1), 0, peer, 0))
		f.add(true, false, trace.UDP, nbt.WACK(uint16(i), numbered(1), 1, 0x2900))
	}},
	{"refused", func(f *flood, _ int) {
		f.conn++
		f.add(false, false, trace.Connect, nil)
		f.add(false, false, trace.Message, nbt.SessionRequest(numbered(1), numbered(2)))
		f.add(true, false, trace.Message, nbt.NegativeSession(nbt.SsnNotPresent))
		f.add(true, false, trace.Fin, nil)
		f.add(false, false, trace.Fin, nil)
	}},
	{"calling", func(f *flood, _ int) {
		f.conn++
		f.add(true, false, trace.Connect, nil)
		f.add(true, false, trace.Message, nbt.SessionRequest(numbered(1), numbered(0)))
		f.add(false, false, trace.Message, nbt.NegativeSession(nbt.SsnNotPresent))
		f.add(false, false, trace.Fin, nil)
		f.add(true, false, trace.Fin, nil)
	}},
}

// BenchmarkPerform plays captures of one length and of four times that before a node of ours, on a simulated network. It tells how
// much longer a frame takes in the longer one: about 1 where the cost is in proportion, 4 where it grows with the square.
func BenchmarkPerform(b *testing.B) {
	RegisterTestingT(b)
	const few, many = 3000, 12000
	for _, kind := range floods {
		b.Run(kind.name, func(b *testing.B) {
			views := map[int]*replay.View{}
			for _, n := range []int{few, many} {
				var f flood
				f.add(true, true, trace.UDP, nbt.Claim(9999, numbered(0), 0, pc))
				f.at += time.Second
				for i := range n {
					kind.once(&f, i)
				}
				views[n] = seen(pc, f.list)
			}
			took := map[int]time.Duration{}
			for b.Loop() {
				for n, v := range views {
					began := time.Now()
					p := perform(v, "fixed", replay.PerformOptions{Can: everything})
					took[n] += time.Since(began)
					Expect(p.Why).NotTo(ContainSubstring("crashed"))
				}
			}
			b.ReportMetric(float64(took[many])/float64(took[few])*few/many, "longer/frame")
			b.ReportMetric(float64(took[many])/float64(b.N)/float64(len(views[many].Frames)), "ns/frame")
			b.ReportMetric(0, "ns/op")
		})
	}
}
