// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/node"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/report"
)

// view reads what a capture shows of a host.
func (a *app) view(s source, host netip.Addr) (*replay.View, capture.Summary, error) {
	defer a.untilInterrupted()()
	debug.SetGCPercent(100) // what is kept of a long capture is much; main's bound of the garbage is for short runs
	v := replay.NewView(host)
	sum, err := a.stream(s, true, func(f *capture.Frame) error {
		if f.Tunnel == capture.QuotedTunnel {
			v.Refused(&f.Frame)
			return nil
		}
		v.Add(&f.Frame)
		return nil
	})
	if err != nil {
		return nil, sum, err
	}
	v.Done()
	return v, sum, nil
}

func hostAddr(cmd, text string) (netip.Addr, error) {
	if text == "" {
		return netip.Addr{}, fmt.Errorf("%s wants to know which host: --host IP (nbtlab explain FILE lists those of a capture)", cmd)
	}
	host, err := netip.ParseAddr(text)
	if err != nil || !host.Is4() {
		return netip.Addr{}, fmt.Errorf("--host %s: want an IPv4 address, such as 10.0.0.10", text)
	}
	return host, nil
}

func (a *app) replayCommand() *cobra.Command {
	var in source
	var device performance
	var host, against, profile, calls, title string
	cmd := &cobra.Command{
		Use:   "replay FILE --host IP",
		Short: "Tell which model explains what a host in a capture did, or play its peers before a device",
		Long: `Replay infers from a capture ("-" for standard input) what the applications of a host asked of its stack: a claim is an
ADD NAME, a release a DELETE NAME, an accepted session a LISTEN, and so on. It drives each model through these calls and through
the frames that the host was sent, at their recorded times, and tells which model sends exactly what the host sent. Frames that
calls were inferred from are no evidence, but for being sent at all. Where the wire does not show when a name was deleted or whether
the host was stopped, it tries a few histories; --calls gives the one that was.

Without --profile nothing is tolerated, and timers are those of RFC 1002. The profiles rfc1002, netbt and rfc1002-literal change
timers and rules; those of products (` + strings.Join(replay.ProductNames(), ", ") + `) tolerate what is known of them, and the report lists each that was used.

Exit status: 0 when fixed alone explains it, 1 when a fault alone does or no model, 125 when several do or it cannot be judged (the
capture is cut or one-sided, the host is not in it). A fault that nothing in the capture brings out is not counted: it is not tried.

With --dut a device takes the place of the host, on a real network. What its peers sent is sent to it, from addresses of this host
(one for each peer, on the device's network), in the order and at the distances of the capture, each frame after what the host had
sent by then; addresses are rewritten, and answers to the device's requests have the device's identifiers. What the host's
applications did the --agent makes the device do; without it, a capture in which they did anything cannot be judged, unless the
device does it --unasked. What the device sends is compared with what the host sent: 0 when it does as the host did, 1 when it
does otherwise, 125 when it cannot be judged (it is silent, cannot be made to do something, or has not the names that the host had),
130 when it was interrupted: --pcap and --trace have what was seen by then.
It sends to no address but the device's and its network's broadcast address. A frame that was on its way to a port of no service of
NBT is left out, and one that came from a client's port is sent from the service's.

Not compared: ` + replay.Ignored + `.`,
		Example: `  nbtlab replay customer.pcap --host 10.0.0.10
  nbtlab replay pcaps/recorded/nmbd-datagram-then-delete.pcap --host 10.77.0.1 --profile samba-4.17
  nbtlab replay pcaps/q124565/Q124565.pcap --host 10.0.0.10 --calls q124565
  nbtlab replay customer.pcap --host 10.0.0.10 --against fixed,Q124565
  nbtlab replay customer.pcap --host 10.0.0.10 --dut 10.77.0.1 --pcap out.pcap
  nbtlab replay pcaps/q124565/fixed.pcap --host 10.0.0.10 --dut 10.77.0.1 --agent ./my-agent
  nbtlab replay customer.pcap --host 10.0.0.10 --dut 10.77.0.1 --bind 'PC1<20>=MYDEVICE<20>' --tolerate TTL --unasked listen`,
		Args: wants("a capture"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.path = args[0]
			addr, err := hostAddr("replay", host)
			if err != nil {
				return err
			}
			if err := device.check(cmd); err != nil {
				return err
			}
			if device.dut != "" {
				return a.performReplay(cmd.Context(), &device, in, addr, calls, title)
			}
			o, err := replayOptions(against, profile)
			if err != nil {
				return err
			}
			if calls != "" {
				if err := a.supplyCalls(&o, calls, title, addr); err != nil {
					return err
				}
			}
			v, sum, err := a.view(in, addr)
			if err != nil {
				return err
			}
			if sum.Cut != nil {
				o.Cut = sum.Cut.String()
			}
			return a.printReplay(report.Replay{File: args[0], View: v, Product: o.Product, Capture: sum, Result: replay.Explain(v, o)})
		},
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&host, "host", "", "the IPv4 address of the host")
	cmd.Flags().StringVar(&against, "against", "", "models to try, such as fixed,Q124565 (by default fixed and every fault)")
	cmd.Flags().StringVar(&profile, "profile", "", "timers and tolerances: "+strings.Join(profileNames(), ", "))
	cmd.Flags().StringVar(&calls, "calls", "", "a scenario, shipped or a file, that says what the host's applications did")
	cmd.Flags().StringVar(&title, "case", "", "the case of that scenario, by its title or its folder's name")
	device.flags(cmd)
	return cmd
}

func profileNames() []string {
	var names []string
	for _, p := range node.Profiles {
		names = append(names, p.Name)
	}
	return append(names, replay.ProductNames()...)
}

// replayOptions reads the models and the profile. A comma parts models, and is part of one before a knob's name.
func replayOptions(against, profile string) (replay.Options, error) {
	var o replay.Options
	if against != "" {
		var names []string
		for part := range strings.SplitSeq(against, ",") {
			if id, _, _ := strings.Cut(part, ":"); strings.Contains(id, "=") && len(names) > 0 {
				names[len(names)-1] += "," + part
				continue
			}
			names = append(names, part)
		}
		for _, name := range names {
			set, err := fault.Parse(strings.ReplaceAll(name, "+", ","))
			if err != nil {
				return o, fmt.Errorf("--against: %w", err)
			}
			o.Models = append(o.Models, set)
		}
	}
	if profile == "" {
		return o, nil
	}
	if p, ok := node.FindProfile(profile); ok {
		o.Profile = &p
		return o, nil
	}
	product, err := replay.FindProduct(profile)
	if err != nil {
		return o, fmt.Errorf("--profile: unknown profile %q (there are %s)", profile, strings.Join(profileNames(), ", "))
	}
	o.Product = product
	return o, nil
}

// supplyCalls takes the history from a scenario.
func (a *app) supplyCalls(o *replay.Options, nameOrPath, title string, host netip.Addr) error {
	sc, err := a.load(nameOrPath)
	if err != nil {
		return err
	}
	i, err := caseIndex(sc, title)
	if err != nil {
		return err
	}
	return harness.SupplyCalls(o, sc, &sc.Cases[i], host)
}

func (a *app) printReplay(r report.Replay) error {
	switch r.Result.Verdict {
	case replay.One:
		if r.Result.By[0] != (fault.Set{}) {
			a.status = exitNot
		}
	case replay.None:
		a.status = exitNot
	case replay.Several, replay.CannotJudge:
		a.status = exitCannotJudge
	}
	if a.json {
		return report.ReplayJSON(a.stdout, r)
	}
	p := a.printer()
	report.ReplayText(p, r)
	return p.Err()
}
