// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/check"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/replay"
)

// Performance is a replay to a device with what it was made from.
type Performance struct {
	File     string
	View     *replay.View
	Device   string // its address
	Tolerate []string
	Capture  capture.Summary
	*harness.Performance
	Recording string // the file that the performance's own traffic was written to; empty for none
	Repeat    string // the command that repeats it
}

// performed is the line of replay --dut --json.
type performed struct {
	File      string             `json:"file"`
	Host      string             `json:"host"`
	Device    string             `json:"device"`
	Verdict   string             `json:"verdict"`
	Why       string             `json:"why,omitempty"`
	Sent      int                `json:"sent"`
	Judged    int                `json:"judged"`
	Same      int                `json:"same"`
	Tolerated int                `json:"tolerated"`
	Late      int                `json:"late,omitempty"`
	Own       int                `json:"own,omitempty"`
	Asked     int                `json:"answered_in_peers_names,omitempty"` // queries for names that the host knew
	Short     int                `json:"pauses_cut_short,omitempty"`
	Diverges  []divergence       `json:"divergences,omitempty"`
	Used      []replay.TextCount `json:"tolerances,omitempty"`
	Unsent    []apartJSON        `json:"not_sent,omitempty"`
	Excused   []apartJSON        `json:"not_judged,omitempty"`
	Calls     []madeJSON         `json:"calls,omitempty"`
	Nobody    []string           `json:"played_by_nobody,omitempty"`
	Cut       string             `json:"cut,omitempty"`
	Recording string             `json:"recording,omitempty"`
	Repeat    string             `json:"repeat"`
}

type divergence struct {
	Frame    int      `json:"frame,omitempty"`  // of the capture
	Packet   int      `json:"packet,omitempty"` // of the recording
	Recorded string   `json:"recorded,omitempty"`
	Device   string   `json:"device,omitempty"`
	Fields   []string `json:"fields,omitempty"`
}

type apartJSON struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
	First int    `json:"first_frame"`
}

type madeJSON struct {
	Verb string `json:"verb"`
	Name string `json:"name,omitempty"`
	Code string `json:"code,omitempty"` // none while it has not completed
}

// PerformanceJSON writes a replay to a device as one line of JSON.
func PerformanceJSON(w io.Writer, r Performance) error {
	line := performed{
		File: r.File, Host: r.View.Host.String(), Device: r.Device, Verdict: string(r.Verdict), Why: r.Why, Sent: r.Sent, Judged: r.Judged,
		Same: r.Same, Tolerated: r.Tolerated, Late: r.Late, Own: r.Own, Asked: r.Asked, Short: r.Short, Used: r.Tolerances,
		Unsent: apartLines(r.Unsent), Excused: apartLines(r.Excused), Recording: r.Recording, Repeat: r.Repeat,
	}
	for i := range r.Divergences {
		d := &r.Divergences[i]
		x := divergence{Recorded: frameText(d.Recorded), Device: frameText(d.Got), Fields: d.Fields}
		if d.Recorded != nil {
			x.Frame = d.Recorded.Number
		}
		if d.Got != nil {
			x.Packet = d.Got.Number
		}
		line.Diverges = append(line.Diverges, x)
	}
	for _, c := range r.Calls {
		x := madeJSON{Verb: c.Verb.String(), Name: madeName(&c)}
		if c.Done {
			x.Code = c.Code.String()
		}
		line.Calls = append(line.Calls, x)
	}
	for _, a := range r.Strangers {
		line.Nobody = append(line.Nobody, a.String())
	}
	if r.Capture.Cut != nil {
		line.Cut = r.Capture.Cut.String()
	}
	return JSON(w, line)
}

func apartLines(list []replay.Apart) []apartJSON {
	var lines []apartJSON
	for _, a := range list {
		lines = append(lines, apartJSON(a))
	}
	return lines
}

func madeName(c *replay.Made) string {
	for _, n := range []netbios.Name{c.Name, c.Remote} {
		if n != (netbios.Name{}) {
			return n.String()
		}
	}
	return ""
}

// PerformanceText writes a replay to a device for people.
func PerformanceText(p *Printer, r Performance) {
	p.Printf("%s, host %s, played before the device at %s: ", r.File, r.View.Host, r.Device)
	switch r.Verdict {
	case check.Pass:
		p.Paint(Good, "it does as the host did")
	case check.Fail:
		p.Paint(Bad, "it does otherwise")
	case check.CannotJudge:
		p.Paint(Doubt, "cannot judge: %s", r.Why)
	}
	p.Printf("\n    %s sent in the peers' names; of the %d that the host sent to them the device sent %d alike, %d with a tolerated difference, "+
		"%d otherwise or not at all", plural(r.Sent, "frame"), r.Judged, r.Same, r.Tolerated, r.Judged-r.Same-r.Tolerated)
	if extra := r.extra(); extra > 0 {
		p.Printf(", and %d more", extra)
	}
	p.Printf("\n")
	if r.Late > 0 {
		p.Printf("    %s came after the wait for it was over (--patience)\n", plural(r.Late, "frame"))
	}
	if r.Own > 0 {
		p.Printf("    %s of the device's own, which the capture is not about\n", plural(r.Own, "frame"))
	}
	if r.Short > 0 {
		p.Printf("    %s between frames cut short (--max-pause 0 keeps them)\n", plural(r.Short, "pause"))
	}
	if r.Asked > 0 {
		p.Printf("    %s of its own for names that the host knew, answered in the peers' names\n", plural(r.Asked, "request"))
	}
	if kind, server := r.View.Node(); server.IsValid() {
		p.Printf("    the host was a %s node with the name server %s: so has the device to be, with the address that stands for it here\n",
			strings.ToUpper(kind.String()), server)
	}
	if len(r.Strangers) > 0 {
		p.Printf("    nobody plays %s: where a frame tells of them, the device was told of 192.0.2.1 and on, which lead nowhere\n",
			addrList(r.Strangers))
	}
	if r.Capture.Cut != nil {
		p.Printf("    the capture is %s; it was played as far as that\n", r.Capture.Cut)
	}
	r.callsText(p)
	for i := range r.Divergences {
		if i == maxShown {
			p.Printf("\nand %d more\n", len(r.Divergences)-i)
			break
		}
		r.divergenceText(p, &r.Divergences[i], i < maxInFull)
	}
	apartLine := func(what string, list []replay.Apart) {
		for _, a := range list {
			p.Printf("\n%s: %s, the first is frame %d: %s\n", what, plural(a.Count, "frame"), a.First, a.Why)
		}
	}
	apartLine("not sent", r.Unsent)
	apartLine("not judged", r.Excused)
	for _, t := range r.Tolerances {
		p.Printf("\ntolerated: %s, %dx\n", t.Text, t.Count)
	}
	for _, t := range r.Tolerate {
		if !used(r.Tolerances, t) {
			p.Printf("\ntolerated: %s, not needed\n", t)
		}
	}
	p.Printf("\nnot compared: %s\n", replay.Ignored)
	if r.Recording != "" {
		p.Printf("\npackets of the device are those of %s\n", r.Recording)
	}
	if r.Verdict != check.Pass {
		p.Printf("\nagain: %s\n", r.Repeat)
	}
}

// extra counts the frames of the device in whose places the host sent nothing.
func (r *Performance) extra() int {
	n := 0
	for i := range r.Divergences {
		if r.Divergences[i].Recorded == nil {
			n++
		}
	}
	return n
}

func used(list []replay.TextCount, text string) bool {
	for _, t := range list {
		if t.Text == text {
			return true
		}
	}
	return false
}

func addrList[T fmt.Stringer](list []T) string {
	var words []string
	for _, a := range list[:min(len(list), maxListed)] {
		words = append(words, a.String())
	}
	if len(list) > maxListed {
		words = append(words, "...")
	}
	return strings.Join(words, ", ")
}

// callsText tells of the calls that the device was made to do, if any of them was refused or has not completed.
func (r *Performance) callsText(p *Printer) {
	if len(r.Calls) == 0 {
		return
	}
	var odd []string
	for _, c := range r.Calls {
		switch {
		case c.Done && c.Code != netbios.GOODRET:
			odd = append(odd, fmt.Sprintf("%s %s returned %s", c.Verb, madeName(&c), c.Code))
		case !c.Done:
			odd = append(odd, fmt.Sprintf("%s %s has not completed", c.Verb, madeName(&c)))
		}
	}
	p.Printf("    %s made by its agent, as the host's applications made them\n", plural(len(r.Calls), "call"))
	for _, text := range odd[:min(len(odd), maxListed)] {
		p.Printf("        %s\n", text)
	}
}

// maxInFull is how many are shown field by field, and as bytes.
const maxInFull = 3

func (r *Performance) divergenceText(p *Printer, d *replay.Divergence, inFull bool) {
	switch {
	case d.Recorded == nil:
		p.Printf("\npacket %d of the device: %s\n", d.Got.Number, d.What)
	case d.Got == nil:
		p.Printf("\nframe %d: %s\n", d.Recorded.Number, d.What)
	case !inFull:
		p.Printf("\nframe %d, and packet %d of the device, %s: %s\n", d.Recorded.Number, d.Got.Number, strings.Join(d.Fields, ", "), d.What)
	default:
		p.Printf("\nframe %d, and packet %d of the device:\n", d.Recorded.Number, d.Got.Number)
		differenceInFull(p, check.Difference{Change: check.Altered, Recorded: d.Recorded, Run: d.Got, Fields: d.Fields}, [2]string{"host", "device"})
	}
}
