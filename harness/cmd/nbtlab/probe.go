// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/probe"
	"github.com/nbtlab/nbtlab/harness/probe/wire"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// probing is what the flags of probe say.
type probing struct {
	checks probe.Options
	wire   wire.Options
	names  []string
	from   string
	ports  string
	pcap   string
	list   bool
}

func (a *app) probeCommand() *cobra.Command {
	var o probing
	cmd := &cobra.Command{
		Use:   "probe ADDRESS",
		Short: "Check a NetBIOS stack from outside, with nothing but its address",
		Long: `Probe asks a stack what a stranger on the network can ask it, and compares the answers with what RFC 1001/1002 and the
documented bugs of other stacks say. It needs no agent and no account, and sends only to the address that it is given, never
by broadcast. The names that it asks about are those of the target's node status.

By default it makes harmless checks alone. With --intrusive it makes those too that may take a name from its owner, leave
something behind, or hang an old stack: spoofed releases, conflict demands, malformed and empty packets, thousands of
requests. Do that to a device of yours.

After each check it asks whether the stack still answers; when it does not, whether the host is there (by TCP, ICMP, or ARP:
it says which), and whether the stack comes back.

  ok         what a correct stack does
  differs    something else
  no answer  silence where an answer is due
  not asked  there is nothing to ask about, or it takes --intrusive

0 when all that was asked is ok, 1 when something is not, 125 when nothing came from the address at all,
130 when it was interrupted: what was found by then is told.

Packets come from ports that happen to be free. Stacks of the nineties answer to port 137 or 138 whatever port they were asked
from: where all is silence, try --well-known-ports, which needs root (or CAP_NET_BIND_SERVICE) and no other NetBIOS stack on
this host.`,
		Example: `  nbtlab probe 192.0.2.20
  nbtlab probe 192.0.2.20 --intrusive --pcap probe.pcap
  nbtlab probe 192.0.2.20 --only defend,session-unheld --names CHAT --names 'OFFICE<1e>=group'
  sudo nbtlab probe 192.0.2.20 --well-known-ports --json
  nbtlab probe --list`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.list && len(args) == 0 {
				return nil
			}
			return wants("the IPv4 address of a host")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if o.list {
				return a.listChecks()
			}
			if err := o.read(args[0]); err != nil {
				return err
			}
			return a.probe(&o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.checks.Intrusive, "intrusive", false, "make the checks too that may do harm")
	f.StringSliceVar(&o.checks.Only, "only", nil, "make only these checks")
	f.StringSliceVar(&o.checks.Skip, "skip", nil, "leave these checks out")
	f.StringArrayVar(&o.names, "names", nil, "a name that it holds, such as CHAT or 'OFFICE<1e>=group', instead of those that it lists")
	f.StringVar(&o.pcap, "pcap", "", "write what was sent and received to this file")
	f.IntVar(&o.checks.Count, "count", probe.DefaultCount, fmt.Sprintf("requests of each endurance check, at most %d", probe.MaxCount))
	f.DurationVar(&o.checks.Wait, "wait", probe.DefaultWait, "how long to wait for an answer")
	f.DurationVar(&o.checks.Recovery, "recovery", probe.DefaultRecovery, "how long to wait for a stack that has fallen silent")
	f.BoolVar(&o.wire.WellKnown, "well-known-ports", false, "send from ports 137 and 138, which needs root")
	f.StringVar(&o.from, "from", "", "send from this address of this host")
	f.StringVar(&o.ports, "ports", "", "NAME,DATAGRAM,SESSION: other ports of the target, such as those of serve --ports")
	f.BoolVar(&o.list, "list", false, "list the checks instead")
	return cmd
}

func (a *app) listChecks() error {
	if a.json {
		return report.ProbeChecksJSON(a.stdout, probe.Checks())
	}
	p := a.printer()
	report.ProbeChecks(p, probe.Checks())
	return p.Err()
}

// read reads what flags and argument spell out.
func (o *probing) read(target string) error {
	addr, err := netip.ParseAddr(target)
	if err != nil || !addr.Unmap().Is4() {
		return fmt.Errorf("%s is not an IPv4 address: probe takes no names, since it would have to ask the network for them", target)
	}
	o.checks.Target, o.wire.Target = addr.Unmap(), addr.Unmap()
	if o.from != "" {
		if o.wire.From, err = netip.ParseAddr(o.from); err != nil || !o.wire.From.Is4() {
			return fmt.Errorf("--from %s: want an IPv4 address of this host", o.from)
		}
	}
	ports, err := portsOf(o.ports)
	if err != nil {
		return err
	}
	o.wire.NamePort, o.wire.DatagramPort, o.wire.SessionPort = ports.Name, ports.Datagram, ports.Session
	for _, text := range o.names {
		word, group := strings.CutSuffix(text, "=group")
		name, err := netbios.ParseName(word)
		if err != nil {
			return fmt.Errorf("--names %s: %w", text, err)
		}
		o.checks.Names = append(o.checks.Names, probe.Held{Name: name, Group: group})
	}
	if o.checks.Wait <= 0 || o.checks.Recovery <= 0 {
		return errors.New("--wait and --recovery want a time, such as 1s")
	}
	if o.pcap != "" {
		if err := files.CanWrite(o.pcap); err != nil {
			return err // before anything is sent that could not be recorded then
		}
	}
	o.checks.FirstID = uint16(rand.Uint32())
	return o.checks.Validate()
}

// probe makes the checks. What has been found when it is interrupted is told all the same.
func (a *app) probe(o *probing) error {
	defer a.untilInterrupted()()
	progress := a.probeProgress()
	o.wire.Progress = progress.count
	began := time.Now()
	w, err := wire.Open(o.wire)
	if err != nil {
		return err
	}
	o.checks.Self, o.checks.Source = w.Self(), w.Source()
	if w.Self() == o.checks.Target {
		report.NewPrinter(a.stderr, false).Printf("%s is this very host: stacks ignore what comes from their own address; "+
			"ask from another host, or from another address with --from\n", w.Self())
	}
	m, err := probe.New(o.checks)
	if err == nil {
		err = makeChecks(a.ctx, m, w, progress)
	}
	progress.finish()
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return a.printProbe(m.Report(), w.Frames(), o.pcap, began)
}

// makeChecks makes checks until there are no more, or the context ends.
func makeChecks(ctx context.Context, m *probe.Machine, w *wire.Wire, progress *probeProgress) error {
	for x, more := m.Next(); more; x, more = m.Next() {
		progress.check(m.Doing())
		seen, err := w.Do(ctx, x)
		switch {
		case ctx.Err() != nil:
			return nil // the report tells how far it came
		case err != nil:
			return err
		}
		m.Saw(seen)
	}
	return nil
}

func (a *app) printProbe(r probe.Report, frames []trace.Frame, pcap string, began time.Time) error {
	capture.Number(frames)
	if pcap != "" {
		if err := files.Write(pcap, func(out io.Writer) error { return writeDated(out, frames, began) }); err != nil {
			return err
		}
	}
	a.status = probeStatus(r)
	if a.json {
		return report.ProbeJSON(a.stdout, r, frames)
	}
	p := a.printer()
	report.ProbeText(p, r, frames)
	return p.Err()
}

// writeDated writes frames of real time, whose time 0 has a date.
func writeDated(out io.Writer, frames []trace.Frame, date time.Time) error {
	w := capture.NewWriter(out, date)
	for i := range frames {
		if err := w.Write(&frames[i]); err != nil {
			return err
		}
	}
	return w.Close()
}

// probeStatus is what a probe has come to: a target from which nothing came says nothing.
func probeStatus(r probe.Report) int {
	switch {
	case !r.Over && r.Gone == "":
		return exitInterrupted
	case !r.Heard:
		return exitCannotJudge
	case r.Failed() > 0:
		return exitNot
	}
	return exitAsExpected
}

// probeProgress shows on a terminal which check is being made.
type probeProgress struct {
	bar *progressbar.ProgressBar // nil shows nothing
	id  string
}

func (a *app) probeProgress() *probeProgress {
	if !showsProgress(a.stderr) {
		return &probeProgress{}
	}
	return &probeProgress{bar: progressbar.NewOptions(len(probe.Checks()), progressbar.OptionSetWriter(a.stderr),
		progressbar.OptionSetWidth(30), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// check is told which check the next exchange is for.
func (p *probeProgress) check(c probe.Check, made, of int) {
	if p.bar == nil {
		return
	}
	p.id = c.ID
	p.bar.ChangeMax(of)
	p.bar.Describe(c.ID)
	_ = p.bar.Set(made) // a bar that cannot be drawn is no reason to stop
}

// count is told how far a long exchange has come.
func (p *probeProgress) count(done, of int) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s %d/%d", p.id, done, of))
	}
}

func (p *probeProgress) finish() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
