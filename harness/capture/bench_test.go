// SPDX-License-Identifier: MIT

package capture_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// recording is a scenario's recording, about sixty packets: name service, and a few sessions.
func recording() []trace.Frame {
	var s script
	query := string(make([]byte, 68))
	for i := range 24 {
		s.datagram(time.Duration(i)*250*ms, at(pc, 137), at(everybody, 137), query)
	}
	for i := range 3 {
		l, t := line{i + 1, at(peer, uint16(1025+i)), at(pc, 139)}, time.Duration(i)*time.Second
		s.event(t, trace.Connect, l)
		s.event(t+2*latency, trace.Message, l, message(68)...)
		s.event(t+3*latency, trace.Message, l.back(), message(0)...)
		s.event(t+4*latency, trace.Message, l, message(100)...)
		s.event(t+6*latency, trace.Fin, l)
		s.event(t+7*latency, trace.Fin, l.back())
	}
	return inTime(s)
}

func BenchmarkWrite(b *testing.B) {
	frames := recording()
	b.ReportAllocs()
	for b.Loop() {
		if err := capture.Write(io.Discard, frames); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNumber(b *testing.B) {
	frames := recording()
	b.ReportAllocs()
	for b.Loop() {
		capture.Number(frames)
	}
}

func BenchmarkRead(b *testing.B) {
	var file bytes.Buffer
	if err := capture.Write(&file, recording()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := capture.Read(bytes.NewReader(file.Bytes()))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(c.Packets), "packets")
	}
}

func BenchmarkReadFile(b *testing.B) {
	path := filepath.Join(b.TempDir(), "run.pcap")
	if err := capture.WriteFile(path, recording()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := capture.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStream(b *testing.B) {
	RegisterFailHandler(func(message string, _ ...int) { b.Fatal(message) })
	file := manySessions(10000)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := capture.Stream(bytes.NewReader(file), capture.Options{}, func(*capture.Frame) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.Packets), "packets")
	}
}
