// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// performance is a replay to a device: the flags of replay that are for it alone.
type performance struct {
	reality
	dut, agent                         string
	bindings, peers, unasked, tolerate []string
	wait, maxPause                     time.Duration
	recording
}

func (f *performance) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.dut, "dut", "", "ADDRESS: play the peers of the host before the device there, and judge its answers by the host's")
	flags.StringArrayVar(&f.at, "at", nil, "PEER=ADDRESS[/LENGTH]: play this peer at this address of this host (by default at any, each at one of its own)")
	flags.StringSliceVar(&f.peers, "peers", nil, "the peers to play, by their addresses in the capture (by default all who sent the host anything)")
	flags.StringVar(&f.agent, "agent", "", `what makes the device do as the host's applications did: a command that speaks the agent protocol, or "manual"`)
	flags.DurationVar(&f.reality.patience, "agent-timeout", agentPatience, "how long the agent may take for an answer")
	flags.StringSliceVar(&f.unasked, "unasked", nil, `what the device does without being told, such as listen,send; "all" for everything`)
	flags.StringArrayVar(&f.bindings, "bind", nil, "let another name stand for one of the capture, such as CHAT='NBTLAB<1d>'")
	flags.StringArrayVar(&f.tolerate, "tolerate", nil,
		`a difference that does not count: a field, such as TTL, or a message, such as "missing datagram error", `+
			`"repeated positive name query response" (what is neither is refused, with a list of those that there are)`)
	flags.DurationVar(&f.wait, "patience", 3*time.Second, "how long to wait for an answer that the host gave")
	flags.DurationVar(&f.maxPause, "max-pause", 10*time.Second, "the longest pause between two frames (0: as recorded)")
	flags.StringVar(&f.ports, "ports", "", "NAME,DATAGRAM,SESSION: other ports, for tests without root")
	flags.StringVar(&f.pcap, "pcap", "", "write the traffic with the device to this file")
	flags.StringVar(&f.trace, "trace", "", "write the record of the replay to the device to this file, as JSON Lines")
}

// forDevices are the flags that mean something only where there is a device, and forModels those that mean nothing there.
var (
	forDevices = []string{
		"at", "peers", "agent", "agent-timeout", "unasked", "bind", "tolerate", "patience", "max-pause", "ports", "pcap", "trace",
	}
	forModels = []string{"against", "profile"}
)

// check refuses flags that would be of no effect.
func (f *performance) check(cmd *cobra.Command) error {
	useless, why := forDevices, "is for a replay to a device: say which with --dut ADDRESS"
	if f.dut != "" {
		useless, why = forModels, "is for models: a replay to a device (--dut) compares it with the host alone (see --tolerate)"
	}
	for _, name := range useless {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s %s", name, why)
		}
	}
	for _, word := range f.tolerate {
		if err := replay.Tolerable(word); err != nil {
			return fmt.Errorf("--tolerate: %s", strings.TrimPrefix(err.Error(), "replay: "))
		}
	}
	switch {
	case f.wait <= 0:
		return fmt.Errorf("--patience %s: want a time", f.wait)
	case f.maxPause < 0:
		return fmt.Errorf("--max-pause %s: want a time, or 0 for pauses as they were recorded", f.maxPause)
	}
	return nil
}

// performGCPercent is how much garbage is let stand beside the record, which is most of the memory and all of it in use.
const performGCPercent = 50

// performReplay plays a capture's peers before a device.
func (a *app) performReplay(ctx context.Context, f *performance, in source, host netip.Addr, calls, title string) error {
	o := harness.PerformOptions{PerformOptions: replay.PerformOptions{Patience: f.wait, MaxPause: f.maxPause, Tolerate: f.tolerate}}
	var err error
	if o.Unasked, err = verbsOf(f.unasked); err != nil {
		return err
	}
	if o.Names, err = bindingsOf(f.bindings); err != nil {
		return err
	}
	if o.Ports, err = portsOf(f.ports); err != nil {
		return err
	}
	if err := f.canRecord(); err != nil {
		return err
	}
	ctx, unhook := untilStopped(ctx)
	defer unhook()
	if calls != "" {
		var supplied replay.Options
		if err := a.supplyCalls(&supplied, calls, title, host); err != nil {
			return err
		}
		o.Calls, o.Supplied = supplied.Calls, supplied.Supplied
	}
	v, sum, err := a.view(in, host)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w while the capture was read: nothing was sent", errInterrupted)
	}
	if sum.Cut != nil {
		o.Cut = sum.Cut.String()
	}
	troupe, places, err := f.places(v, in.path)
	if err != nil {
		return err
	}
	// The record of a long capture is more than main's limit: with that, collecting would never end. What there is of it a view's
	// bound bounds.
	debug.SetMemoryLimit(math.MaxInt64)
	debug.SetGCPercent(performGCPercent)
	p, err := f.perform(ctx, a, v, troupe, places, o)
	if err != nil {
		return err
	}
	r := report.Performance{
		File: in.path, View: v, Device: places[0].Addr.Addr().String(), Tolerate: f.tolerate, Capture: sum, Performance: p,
		Recording: f.pcap, Repeat: f.repeat(in.path, host, calls, title),
	}
	a.status = realStatus(ctx, p.Verdict)
	// What was found is told whatever becomes of the files, and they are written whatever becomes of where it is told: who is
	// interrupted together with us reads it no more.
	err = f.record(p.Frames, p.Trace)
	return errors.Join(err, a.printPerformance(r))
}

// untilStopped has SIGINT and SIGTERM end a context, so that what was seen of a device so far is kept and told. They do no more than
// that until the function that it returns is called: what comes behind does not take long.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}

// realStatus is the exit status of a run on a real network.
func realStatus(ctx context.Context, v check.Verdict) int {
	if v == check.CannotJudge && ctx.Err() != nil {
		return exitInterrupted
	}
	return runStatus(v)
}

func (a *app) printPerformance(r report.Performance) error {
	if a.json {
		return report.PerformanceJSON(a.stdout, r)
	}
	out := a.printer()
	report.PerformanceText(out, r)
	return out.Err()
}

// places finds an address for each of the hosts.
func (f *performance) places(v *replay.View, title string) (*scenario.Scenario, []harness.Place, error) {
	var only []netip.Addr
	for _, text := range f.peers {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return nil, nil, fmt.Errorf("--peers %s: want IPv4 addresses, such as 10.0.0.20", text)
		}
		if !slices.Contains(only, a) {
			only = append(only, a)
		}
	}
	troupe, err := harness.Troupe(v, title, only)
	if err != nil {
		return nil, nil, err
	}
	if a, err := netip.ParseAddr(f.dut); err != nil || !a.Is4() {
		return nil, nil, fmt.Errorf("--dut %s: want the address of the device, such as 10.77.0.1", f.dut)
	}
	f.duts = []string{v.Host.String() + "=" + f.dut}
	if f.agent != "" {
		f.agents = []string{v.Host.String() + "=" + f.agent}
	}
	given, devices, err := f.addresses(troupe)
	if err != nil {
		return nil, nil, err
	}
	here, err := live.Addresses()
	if err != nil {
		return nil, nil, err
	}
	places, err := harness.Places(troupe, given, devices, here)
	return troupe, places, err
}

// perform has the agent started, and the peers played.
func (f *performance) perform(
	ctx context.Context, a *app, v *replay.View, troupe *scenario.Scenario, places []harness.Place, o harness.PerformOptions,
) (*harness.Performance, error) {
	hands, err := f.start(ctx, a, map[string]*live.Device{v.Host.String(): places[0].Device})
	defer func() {
		for _, h := range hands {
			h.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	if showsProgress(a.stderr) {
		bar := progressbar.NewOptions(1, progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionThrottle(100*time.Millisecond))
		defer func() { _ = bar.Clear() }()
		o.Progress = func(played, total int) {
			bar.ChangeMax(max(total, 1))
			_ = bar.Set(played) // a bar that cannot be drawn is no reason to stop
		}
	}
	return harness.PerformReal(ctx, v, troupe, places, o)
}

// verbsOf reads what a device does without being told.
func verbsOf(words []string) ([]scenario.Verb, error) {
	all := replay.Verbs()
	if slices.Equal(words, []string{"all"}) {
		return all, nil
	}
	var verbs []scenario.Verb
	for _, w := range words {
		i := slices.IndexFunc(all, func(v scenario.Verb) bool { return v.String() == w })
		if i < 0 {
			var known []string
			for _, v := range all {
				known = append(known, v.String())
			}
			return nil, fmt.Errorf("--unasked %s: want all, or some of %s", w, strings.Join(known, ","))
		}
		verbs = append(verbs, all[i])
	}
	return verbs, nil
}

// repeat is the command that repeats the replay.
func (f *performance) repeat(path string, host netip.Addr, calls, title string) string {
	args := []string{"nbtlab replay", quote(path), "--host", host.String(), "--dut", quote(f.dut)}
	add := func(flag string, values ...string) {
		for _, v := range values {
			if v != "" {
				args = append(args, "--"+flag, quote(v))
			}
		}
	}
	add("at", f.at...)
	add("peers", strings.Join(f.peers, ","))
	add("agent", f.agent)
	add("unasked", strings.Join(f.unasked, ","))
	add("bind", f.bindings...)
	add("tolerate", f.tolerate...)
	add("calls", calls)
	add("case", title)
	add("ports", f.ports)
	if f.reality.patience != agentPatience {
		add("agent-timeout", f.reality.patience.String())
	}
	if f.wait != 3*time.Second {
		add("patience", f.wait.String())
	}
	if f.maxPause != 10*time.Second {
		add("max-pause", f.maxPause.String())
	}
	return strings.Join(args, " ")
}
