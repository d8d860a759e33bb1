// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/dissect"
	"github.com/nbtlab/nbtlab/harness/report"
)

func (a *app) decodeCommand() *cobra.Command {
	var d decoding
	var hosts, names, services []string
	cmd := &cobra.Command{
		Use:   "decode FILE...",
		Short: "Show every NBT message of captures, or count them",
		Long: `Decode reads captures and prints each message of the NetBIOS name, datagram and session service on a line: the frame
as Wireshark numbers it, the time since the first packet, who sent it to whom, what it says, and what is odd or wrong with it.

It reads pcap, pcapng and snoop, compressed with gzip or not, from files or from standard input (-); Ethernet, Linux cooked,
raw IP, loopback and PPP; IPv4 fragments, TCP segments, and NBT inside GRE, ERSPAN, L2TP, PPTP, VXLAN and IP in IP. What is
cut, odd or broken is shown as far as it can be read, and counted. It runs in memory that does not grow with the capture.

With --json it prints one object for each message, with its times as seconds since 1970 in a string. With --stats it counts:
messages and bytes by service and kind, names and who has to do with them, errors, and what was skipped and why. A datagram
that an ICMP error quotes did not arrive: it is shown as such, and skipped where messages are counted.

The status is 0 when the files are captures, whatever is in them, and 2 when one is not or cannot be read.`,
		Example: `  nbtlab decode customer.pcapng
  nbtlab decode customer.pcapng --stats
  nbtlab decode customer.pcapng --name 'CHAT<20>' --host 10.0.0.10
  nbtlab decode customer.pcapng --frame 17 --verbose    # one message, all its fields and bytes
  nbtlab decode *.pcap --service ns --json | jq 'select(.rcode == 6)'
  tcpdump -U -w - port 137 | nbtlab decode -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("decode wants a capture, or several (see: %s --help)", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var err error
			if d.filter.Hosts, err = each(apart(hosts), dissect.ParseHost); err != nil {
				return err
			}
			if d.filter.Names, err = each(names, dissect.ParseNamePattern); err != nil {
				return err
			}
			if d.filter.Services, err = each(apart(services), dissect.ParseService); err != nil {
				return err
			}
			for _, number := range d.filter.Frames {
				if number < 1 {
					return fmt.Errorf("--frame %d: frames count from 1, as in Wireshark", number)
				}
			}
			if d.verbose && (a.json || d.stats) {
				return errors.New("--verbose shows the fields of messages to people: it does not go with --json or --stats")
			}
			d.app = a
			return d.files(args)
		},
	}
	cmd.Flags().BoolVar(&d.stats, "stats", false, "count instead of showing: by service and kind, names, errors, what was skipped")
	cmd.Flags().BoolVarP(&d.verbose, "verbose", "v", false, "show all fields of each message below its line, and its bytes")
	cmd.Flags().StringArrayVar(&hosts, "host", nil, "only messages from or to this IPv4 address, or this network (10.0.0.0/24)")
	cmd.Flags().StringArrayVar(&names, "name", nil, "only messages with this name in them; without a suffix, with any")
	cmd.Flags().StringArrayVar(&services, "service", nil, "only this service: ns, dgm or ssn")
	cmd.Flags().IntSliceVar(&d.filter.Frames, "frame", nil, "only the frame of this number")
	d.in.flags(cmd)
	return cmd
}

// each reads every text of a flag that may be given more than once.
func each[T any](texts []string, read func(string) (T, error)) (list []T, err error) {
	for _, text := range texts {
		x, err := read(text)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// apart takes lists with commas apart. An empty text stays one, and is then refused: it mostly is a variable of a shell that
// is not set, and would else mean everything.
func apart(lists []string) (texts []string) {
	for _, list := range lists {
		texts = append(texts, strings.Split(list, ",")...)
	}
	return texts
}

// decoding is a decode command being carried out.
type decoding struct {
	app            *app
	filter         dissect.Filter
	stats, verbose bool
	in             source
	many           bool // captures
	out            *bufio.Writer
	printer        *report.Printer
	message        dissect.Message
}

// files decodes one capture after the other. One that cannot be read does not keep it from the next; so its error is told
// in its place.
func (d *decoding) files(paths []string) error {
	defer d.app.untilInterrupted()()
	d.out = bufio.NewWriterSize(clearing{d.app}, 1<<16)
	d.in.lines = !d.stats
	d.printer = report.NewPrinter(d.out, d.app.colour)
	d.many = len(paths) > 1
	for i, path := range paths {
		if d.many && !d.app.json && !d.stats {
			if i > 0 {
				d.printer.Printf("\n")
			}
			report.DecodedFile(d.printer, path)
		}
		err := d.file(path)
		if err := errors.Join(d.out.Flush(), d.printer.Err()); err != nil {
			return err
		}
		if err != nil {
			d.app.explain(err)
			d.app.status = exitUsage
		}
		if d.app.ctx.Err() != nil {
			d.app.status = exitInterrupted
			return nil
		}
	}
	return nil
}

func (d *decoding) file(path string) error {
	var s dissect.Stats
	var err error
	d.in.path, d.in.idle = path, d.out.Flush
	show := func(f *capture.Frame) error { return d.show(path, &s, f) }
	if d.stats {
		show = func(f *capture.Frame) error { d.count(&s, f); return nil }
	}
	result := report.Decoding{File: path, Stats: &s}
	if result.Summary, err = d.app.stream(d.in, !d.stats, show); err != nil {
		return err
	}
	switch {
	case d.stats && d.app.json:
		return report.DecodedStatsJSON(d.out, result)
	case d.stats:
		report.DecodedStats(d.printer, result)
		if d.many {
			d.printer.Printf("\n")
		}
		return nil
	}
	if err := d.out.Flush(); err != nil { // before what is said of it on another stream
		return err
	}
	notes := report.NewPrinter(d.app.stderr, false)
	report.DecodedNote(notes, result)
	return notes.Err()
}

// count counts a message that is asked for.
func (d *decoding) count(s *dissect.Stats, f *capture.Frame) {
	switch {
	case !d.filter.PicksFrame(f):
	case !d.message.Read(f):
		s.Connection(f)
	case d.filter.Picks(&d.message):
		s.Add(&d.message)
	}
}

// show writes a message that is asked for.
func (d *decoding) show(path string, s *dissect.Stats, f *capture.Frame) error {
	m := &d.message
	if !d.filter.PicksFrame(f) || !m.Read(f) || !d.filter.Picks(m) {
		return nil
	}
	s.Add(m)
	if d.app.json {
		return report.DecodedJSON(d.out, path, m)
	}
	report.DecodedLine(d.printer, m)
	if d.verbose {
		report.DecodedFields(d.printer, m)
	}
	return d.printer.Err()
}
