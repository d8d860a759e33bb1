// SPDX-License-Identifier: MIT

package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkVerify is the whole process that verifies everything that ships, beside the one that only prints its help: what
// of its time is not the start of a process.
func BenchmarkVerify(b *testing.B) {
	binary := filepath.Join(b.TempDir(), "nbtlab")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
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

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
