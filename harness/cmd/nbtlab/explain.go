// SPDX-License-Identifier: MIT

package main

import (
	"net/netip"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/survey"
)

// explainMemory is what explain tries to stay below, in bytes. What it keeps is bounded by its tables; this keeps the garbage
// of a long capture small too.
const explainMemory = 40 << 20

func (a *app) explainCommand() *cobra.Command {
	var in source
	var host string
	var all bool
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Tell what a capture shows: hosts, the lives of their names, sessions, and bugs",
		Long: `Explain reads a capture ("-" for standard input) about which nothing is known, and tells of every NBT host in it: which names it
claimed or held, when they were refused, released and claimed again, how often they were answered for, defended and listed; which
sessions there were; and for each bug of the ledger that a wire can show whether it is shown, at which frame, not shown, or whether
there is no evidence either way, and what further traffic would decide. Frame numbers are Wireshark's.

It reads captures of any length in one pass: memory is bounded by the number of names and sessions. What there is no room for is
counted. The status is 0 when the file is a capture, whatever it shows; nbtlab replay gives a verdict on one host.`,
		Example: `  nbtlab explain customer.pcap
  nbtlab explain pcaps/recorded/nmbd-datagram-then-delete.pcap --host 10.77.0.1
  nbtlab explain customer.pcap --json`,
		Args: wants("a capture"),
		RunE: func(_ *cobra.Command, args []string) error {
			debug.SetMemoryLimit(explainMemory) // and nothing is collected before: there is next to no garbage
			debug.SetGCPercent(-1)
			in.path, in.unchecked = args[0], true
			var only netip.Addr
			if host != "" {
				var err error
				if only, err = hostAddr("explain", host); err != nil {
					return err
				}
			}
			defer a.untilInterrupted()()
			s := survey.New()
			sum, err := a.stream(in, false, func(f *capture.Frame) error {
				s.Add(&f.Frame)
				return nil
			})
			if err != nil {
				return err
			}
			if a.ctx.Err() != nil {
				a.status = exitInterrupted // what there is so far is told
			}
			r := report.Survey{File: args[0], Host: only, Capture: sum, Survey: s, All: all}
			if a.json {
				return report.SurveyJSON(a.stdout, r)
			}
			p := a.printer()
			report.SurveyText(p, r)
			return p.Err()
		},
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&host, "host", "", "tell of this host only")
	cmd.Flags().BoolVar(&all, "all", false, "leave nothing out of the tables, however long they are")
	return cmd
}
