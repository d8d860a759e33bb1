// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/agent"
	"github.com/nbtlab/nbtlab/harness/live"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// reality is where a run takes place, if not in a simulation.
type reality struct {
	duts, at, agents []string
	ports            string
	failFast         bool
	needNot          []string
	patience         time.Duration
}

// agentPatience is how long an agent may take for an answer, unless the user says so.
const agentPatience = time.Minute

func (r *reality) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&r.at, "at", nil, "NODE=ADDRESS[/LENGTH]: run on a real network, with this node of ours at an address of this host")
	f.StringArrayVar(&r.agents, "agent", nil,
		`NODE=COMMAND: what makes the device do things, a program that speaks the agent protocol or "manual" (see: go doc ./harness/agent)`)
	f.DurationVar(&r.patience, "agent-timeout", agentPatience, "how long an agent may take for an answer")
	f.StringVar(&r.ports, "ports", "", "NAME,DATAGRAM,SESSION: other ports, for tests without root")
}

// dutFlags are those of a run on one device.
func (r *reality) dutFlags(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&r.duts, "dut", nil, "NODE=ADDRESS: run on a real network, with the device at this address in place of the node")
	cmd.Flags().StringSliceVar(&r.needNot, "need-not", nil,
		"frames that the device need not send, in the words of a scenario, such as datagram-error: that they are missing is not judged")
	cmd.Flags().BoolVar(&r.failFast, "fail-fast", false, "on a real network, end at the first frame that must not be sent")
}

// A run on models takes no order of a real network, and one that has no device none for a device.
var (
	forReality = []string{"fail-fast", "ports"}
	forDUT     = []string{"agent", "agent-timeout", "need-not"}
)

// check refuses flags that would be of no effect.
func (r *reality) check(cmd *cobra.Command) error {
	if len(r.duts) > 1 {
		return fmt.Errorf("--dut %s, --dut %s: one device a run: nobody here sees what two devices send to each other, and what was "+
			"not seen would count as not sent", r.duts[0], r.duts[1])
	}
	for _, name := range forDUT {
		if len(r.duts) == 0 && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for a device: say which with --dut NODE=ADDRESS", name)
		}
	}
	for _, name := range forReality {
		if !r.wanted() && cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is for a run on a real network: say where with --dut NODE=ADDRESS, or with --at NODE=ADDRESS for nodes of ours",
				name)
		}
	}
	return nil
}

// wanted reports whether the run is to be on a real network.
func (r *reality) wanted() bool { return len(r.duts) > 0 || len(r.at) > 0 }

// errNoAnswer marks what went wrong with an agent: the run has no verdict, and the command line is not to blame.
var errNoAnswer = errors.New("cannot judge")

// hand is an agent that was started.
type hand interface {
	live.Hand
	Close()
}

// perform performs a case of a scenario on a real network, with the model for our own nodes and for what a device is
// predicted to do.
func (r *reality) perform(ctx context.Context, a *app, sc *scenario.Scenario, index int, modelName string) (harness.Result, error) {
	set, err := model(sc, modelName)
	if err != nil {
		return harness.Result{}, err
	}
	ports, err := portsOf(r.ports)
	if err != nil {
		return harness.Result{}, err
	}
	given, devices, err := r.addresses(sc)
	if err != nil {
		return harness.Result{}, err
	}
	here, err := live.Addresses()
	if err != nil {
		return harness.Result{}, err
	}
	places, err := harness.Places(sc, given, devices, here)
	if err != nil {
		return harness.Result{}, err
	}
	o := harness.RealOptions{Ports: ports, FailFast: r.failFast}
	if o.NeedNot, err = kindsOf(r.needNot); err != nil {
		return harness.Result{}, err
	}
	hands, err := r.start(ctx, a, devices)
	defer func() {
		for _, h := range hands {
			h.Close()
		}
	}()
	if err != nil {
		return harness.Result{}, err
	}
	if !a.json {
		p := report.NewPrinter(a.stderr, false)
		on := fmt.Sprintf("          %s\n", cast(sc, places))
		o.Began = func(at time.Duration, step *scenario.Step) {
			p.Printf("%s", on) // when the addresses have turned out to be good
			on = ""
			p.Printf("%8.3fs  line %d: %s\n", at.Seconds(), step.Pos.Line, step.Text)
		}
		o.Forbidden = func(at time.Duration, _ *scenario.Step, clause string) {
			p.Printf("%8.3fs  seen, and must not be: %s\n", at.Seconds(), clause)
		}
	}
	return harness.RunReal(ctx, sc, index, set, places, o)
}

// cast tells which node is at which address.
func cast(sc *scenario.Scenario, places []harness.Place) string {
	parts := make([]string, len(places))
	for i, p := range places {
		parts[i] = sc.Nodes[i].Name + " at " + p.Addr.Addr().String()
		if p.Device != nil {
			parts[i] += " (the device)"
		}
	}
	return strings.Join(parts, ", ")
}

// kindsOf reads kinds of frames.
func kindsOf(words []string) ([]scenario.Kind, error) {
	var kinds []scenario.Kind
	for _, word := range words {
		k, known := scenario.ParseKind(word)
		if !known {
			return nil, fmt.Errorf("--need-not %s: there is no such frame in scenarios; such words are datagram-error, overwrite, release, denial", word)
		}
		kinds = append(kinds, k)
	}
	return kinds, nil
}

// addresses reads the addresses that nodes are given. One without a length has that of its network.
func (r *reality) addresses(sc *scenario.Scenario) (map[string]netip.Prefix, map[string]*live.Device, error) {
	given, devices := map[string]netip.Prefix{}, map[string]*live.Device{}
	for flag, list := range map[string][]string{"dut": r.duts, "at": r.at} {
		for _, text := range list {
			name, addr, ok := strings.Cut(text, "=")
			p, err := netip.ParsePrefix(addr)
			if err != nil {
				var single netip.Addr
				single, err = netip.ParseAddr(addr)
				p = netip.PrefixFrom(single, 32)
			}
			if !ok || err != nil || !p.Addr().Is4() {
				return nil, nil, fmt.Errorf("--%s %s: want NODE=ADDRESS, such as %s=10.77.0.1", flag, text, sc.Nodes[0].Name)
			}
			if _, twice := given[name]; twice {
				return nil, nil, fmt.Errorf("--%s %s: %s has an address already", flag, text, name)
			}
			given[name] = p
			if flag == "dut" {
				devices[name] = &live.Device{}
			}
		}
	}
	return given, devices, nil
}

// start starts the agents.
func (r *reality) start(ctx context.Context, a *app, devices map[string]*live.Device) (hands []hand, err error) {
	p := report.NewPrinter(a.stderr, false)
	if r.patience <= 0 {
		return nil, fmt.Errorf("--agent-timeout %s: want a time, such as %s", r.patience, agentPatience)
	}
	for _, text := range r.agents {
		name, command, ok := strings.Cut(text, "=")
		d := devices[name]
		switch {
		case !ok || command == "":
			return hands, fmt.Errorf("--agent %s: want NODE=COMMAND", text)
		case d == nil:
			return hands, fmt.Errorf("--agent %s: there is no --dut %s=ADDRESS for it to be the agent of", text, name)
		case d.Hand != nil:
			return hands, fmt.Errorf("--agent %s: %s has an agent already", text, name)
		}
		var h hand
		if command == "manual" {
			h = agent.NewManual(name, a.stdin, func(text string) { p.Printf("%s", text) })
		} else if h, err = agent.Start(ctx, command, agent.Options{
			Timeout: r.patience, Stderr: func(line string) { p.Printf("agent of %s: %s\n", name, line) },
		}); ctx.Err() != nil && err != nil {
			return hands, fmt.Errorf("the run was %w before the agent of %s had said what it can do", errInterrupted, name)
		} else if err != nil {
			return hands, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		d.Hand = h
		hands = append(hands, h)
	}
	return hands, nil
}

// words are the flags of the run, for the command that repeats it.
func (r *reality) words() []string {
	var args []string
	for _, x := range []struct {
		flag string
		list []string
	}{{"dut", r.duts}, {"at", r.at}, {"agent", r.agents}} {
		for _, text := range x.list {
			args = append(args, "--"+x.flag, quote(text))
		}
	}
	if len(r.agents) > 0 && r.patience != agentPatience {
		args = append(args, "--agent-timeout", r.patience.String())
	}
	if r.ports != "" {
		args = append(args, "--ports", r.ports)
	}
	if r.failFast {
		args = append(args, "--fail-fast")
	}
	for _, word := range r.needNot {
		args = append(args, "--need-not", quote(word))
	}
	return args
}
