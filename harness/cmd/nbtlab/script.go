// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/report"
)

func (a *app) scriptCommand() *cobra.Command {
	var in source
	var host, against, profile string
	cmd := &cobra.Command{
		Use:   "script FILE --host IP",
		Short: "Write what a host in a capture did as a draft of a scenario",
		Long: `Script infers from a capture ("-" for standard input) what the applications of a host and of its peers did, as replay does,
and prints it as a scenario in canonical form: each call at its time, with the frame that shows it in a comment. Where the wire
leaves open what happened, it takes what explains the capture best; packets that no call sends are injected. Where one of the
ledger's faults would do otherwise, the draft says so as an expectation.

The draft runs on the models: nbtlab run, compare, and check --against the capture. It is a beginning: tell its story, leave out
what is not part of it, and mark what triggers the bug. 125 when there is nothing to write.`,
		Example: `  nbtlab script customer.pcap --host 10.0.0.10   # > mine.scenario
  nbtlab script pcaps/ms00-047/MS00-047.pcap --host 10.0.0.10`,
		Args: wants("a capture"),
		RunE: func(_ *cobra.Command, args []string) error {
			if a.json {
				return errors.New("script prints a scenario, which has no JSON form: leave --json out")
			}
			in.path = args[0]
			addr, err := hostAddr("script", host)
			if err != nil {
				return err
			}
			o, err := replayOptions(against, profile)
			if err != nil {
				return err
			}
			v, sum, err := a.view(in, netip.Addr{})
			if err != nil {
				return err
			}
			if sum.Cut != nil {
				o.Cut = sum.Cut.String()
			}
			text, r, err := harness.DraftOf(args[0], v, addr, o)
			if err != nil {
				a.status = exitCannotJudge
				p := report.NewPrinter(a.stderr, false)
				p.Printf("nbtlab: cannot write a draft: %s\n", strings.TrimPrefix(strings.TrimPrefix(err.Error(), "harness: "), "replay: "))
				return p.Err()
			}
			if r.Verdict == replay.CannotJudge && o.Cut != "" {
				p := report.NewPrinter(a.stderr, false)
				p.Printf("nbtlab: the capture is %s; the draft goes as far as it does\n", o.Cut)
			}
			p := a.printer()
			p.Printf("%s", text)
			return p.Err()
		},
	}
	in.flags(cmd)
	cmd.Flags().StringVar(&host, "host", "", "the IPv4 address of the host")
	cmd.Flags().StringVar(&against, "against", "", "models to try, such as fixed,Q124565 (by default fixed and every fault)")
	cmd.Flags().StringVar(&profile, "profile", "", "timers and tolerances, as for replay: "+strings.Join(profileNames(), ", "))
	return cmd
}
