// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkVerify is the whole process that verifies everything that ships, beside the one that only prints its help: what
// of its time is not the start of a process.
func BenchmarkVerify(b *testing.B) {
	binary := build(b, ".")
	took := func(args ...string) time.Duration {
		start := time.Now()
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return time.Since(start)
	}
	var verify, help, ratios []float64
	for b.Loop() {
		v, h := took("verify"), took("--help")
		verify, help = append(verify, float64(v)), append(help, float64(h))
		ratios = append(ratios, float64(v)/float64(h))
	}
	b.ReportMetric(median(verify), "ns/verify")
	b.ReportMetric(median(help), "ns/help")
	b.ReportMetric(median(ratios), "verify/help")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDecode counts the messages of a million packets, as a whole process, beside Wireshark's tools that do the like,
// in turn: its share of the processor time of tshark's protocol hierarchy and of capinfos with its hashes, and of tshark's
// peak of memory. Each is to be small: 1/30 is 0.033, 1/16 is 0.063.
func BenchmarkDecode(b *testing.B) {
	for _, program := range []string{"tshark", "capinfos"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Fatalf("%s is what decode is measured against: on Debian, apt-get install tshark", program)
		}
	}
	file := filepath.Join(b.TempDir(), "million.pcap")
	process(b, build(b, "../../traffic"), "-o", file)
	nbtlab := build(b, ".")
	var cpu, memory, hashes []float64
	for b.Loop() {
		decode := process(b, nbtlab, "decode", "--stats", file)
		tshark := process(b, "tshark", "-q", "-z", "io,phs", "-r", file)
		capinfos := process(b, "capinfos", file)
		cpu = append(cpu, seconds(decode)/seconds(tshark))
		hashes = append(hashes, seconds(decode)/seconds(capinfos))
		memory = append(memory, peak(decode)/peak(tshark))
	}
	b.ReportMetric(median(cpu), "cpu/tshark")
	b.ReportMetric(median(hashes), "cpu/capinfos")
	b.ReportMetric(median(memory), "memory/tshark")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkExplain tells what a million packets show, as a whole process, beside tshark's protocol hierarchy, in turn: its
// share of the processor time, which is to be below 1/20, 0.05, and its peak of memory, which is to be below 64 MiB.
func BenchmarkExplain(b *testing.B) {
	if _, err := exec.LookPath("tshark"); err != nil {
		b.Fatal("tshark is what explain is measured against: on Debian, apt-get install tshark")
	}
	file := filepath.Join(b.TempDir(), "million.pcap")
	process(b, build(b, "../../traffic"), "-o", file)
	nbtlab := build(b, ".")
	var cpu, memory []float64
	for b.Loop() {
		explain := process(b, nbtlab, "explain", file)
		tshark := process(b, "tshark", "-q", "-z", "io,phs", "-r", file)
		cpu = append(cpu, seconds(explain)/seconds(tshark))
		memory = append(memory, peak(explain)/kibibytesPerMebibyte)
	}
	b.ReportMetric(median(cpu), "cpu/tshark")
	b.ReportMetric(median(memory), "MiB")
	b.ReportMetric(0, "ns/op")
}

// kibibytesPerMebibyte turns a peak, which Linux counts in KiB, into MiB.
const kibibytesPerMebibyte = 1024

// build builds a command and returns where it is.
func build(b *testing.B, pkg string) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "command")
	process(b, "go", "build", "-trimpath", "-o", binary, pkg)
	return binary
}

// process runs a program to its end.
func process(b *testing.B, program string, args ...string) *os.ProcessState {
	b.Helper()
	cmd := exec.Command(program, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", program, err, out)
	}
	return cmd.ProcessState
}

// seconds is the processor time that a process took.
func seconds(p *os.ProcessState) float64 { return (p.UserTime() + p.SystemTime()).Seconds() }

// peak is the most memory that a process held, in whatever unit the system counts.
func peak(p *os.ProcessState) float64 { return float64(p.SysUsage().(*syscall.Rusage).Maxrss) }

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
