// SPDX-License-Identifier: MIT

package harness_test

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// The yardstick: one synctest bubble with 4 goroutines that sleep 8 times each. Every benchmark below runs it beside what
// it measures and reports the ratio, so that the machine's speed cancels out.
func bubble(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		var sleepers sync.WaitGroup
		for i := range 4 {
			sleepers.Go(func() {
				for j := range 8 {
					time.Sleep(time.Duration(1+i+j) * time.Millisecond)
				}
			})
		}
		sleepers.Wait()
	})
}

// ratio runs both in turn, many short times, and reports the ratio of their medians: what else the machine does at some
// moment falls out.
func ratio(b *testing.B, name string, do func()) {
	const rounds = 20
	var own, yardstick []float64
	for b.Loop() {
		start := time.Now()
		for range rounds {
			do()
		}
		own = append(own, float64(time.Since(start))/rounds)
		var took time.Duration
		testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
			Name: "bubble", F: func(t *testing.T) {
				start := time.Now()
				for range rounds {
					bubble(t)
				}
				took = time.Since(start)
			},
		}})
		yardstick = append(yardstick, float64(took)/rounds)
	}
	slices.Sort(own)
	slices.Sort(yardstick)
	mine, its := own[len(own)/2], yardstick[len(yardstick)/2]
	b.ReportMetric(mine, "ns/"+name)
	b.ReportMetric(mine/its, name+"/bubble")
	b.ReportMetric(its/mine, "bubble/"+name)
	b.ReportMetric(0, "ns/op")
}

// sleeper is a stack that sets its timer again until it has rung eight times.
type sleeper struct {
	every time.Duration
	rung  int
}

func (s *sleeper) Step(at time.Duration, in stack.Input, out *stack.Outputs) {
	if _, ring := in.(stack.Timer); ring {
		s.rung++
	}
	if s.rung < 8 {
		out.Add(stack.Arm{ID: 1, At: at + s.every})
	}
}

// BenchmarkEventLoop is the virtual LAN alone: 4 actors with 8 timers each, set-up included, no trace.
func BenchmarkEventLoop(b *testing.B) {
	addrs := [4]netip.Addr{
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"),
		netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4"),
	}
	ratio(b, "loop", func() {
		lan := sim.New(sim.Options{Seed: 1})
		for i, addr := range addrs {
			s := &sleeper{every: time.Duration(1+i) * time.Millisecond}
			node := lan.Attach("actor", addr, func(uint16) stack.Stack { return s })
			lan.Input(node, stack.Stop{})
		}
		lan.RunUntil(time.Second)
	})
}

// BenchmarkRun is one full traced run of q124565 on one model: runner, nodes, every frame encoded, delivered and decoded.
func BenchmarkRun(b *testing.B) {
	s, err := harness.FindShipped("q124565")
	if err != nil {
		b.Fatal(err)
	}
	buggy, err := harness.Model(s, harness.Buggy)
	if err != nil {
		b.Fatal(err)
	}
	for _, model := range []fault.Set{{}, buggy} {
		b.Run(model.String(), func(b *testing.B) {
			b.ReportAllocs()
			ratio(b, "run", func() {
				harness.Play(s, &s.Cases[0], model, harness.Options{})
			})
		})
	}
}
