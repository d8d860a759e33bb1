// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/replay"
	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/harness/sim"
	"github.com/nbtlab/nbtlab/harness/trace"
	"github.com/nbtlab/nbtlab/scenarios"
)

// maxScenario bounds what is read of a scenario file, in bytes: one more than its parser takes, so that it can say so.
const maxScenario = 1<<20 + 1

// load finds a scenario by its shipped name, or reads it from a file.
func (a *app) load(nameOrPath string) (*scenario.Scenario, error) {
	if !strings.ContainsAny(nameOrPath, `/\`) && !strings.HasSuffix(nameOrPath, scenarios.Extension) && nameOrPath != "-" {
		return harness.FindShipped(nameOrPath)
	}
	src, err := a.readScenario(nameOrPath)
	if err != nil {
		return nil, err
	}
	return harness.Load(nameOrPath, src)
}

// readScenario reads a scenario file, "-" for standard input. What is not a regular file may never end, and is refused.
func (a *app) readScenario(path string) ([]byte, error) {
	read := func() ([]byte, error) { return files.Read(path, maxScenario) }
	where := path
	if path == "-" {
		read, where = func() ([]byte, error) { return io.ReadAll(io.LimitReader(a.stdin, maxScenario)) }, "standard input"
	}
	src, err := read()
	if err == nil && len(src) == 0 {
		err = fmt.Errorf("%s is empty: there is no scenario in it", where)
	}
	return src, err
}

// model reads the name of a model for a scenario. Of one that nobody knows it says which there are.
func model(s *scenario.Scenario, name string) (fault.Set, error) {
	set, err := harness.Model(s, name)
	if err == nil || name == harness.Buggy {
		return set, err
	}
	known := []string{fault.Fixed, harness.Buggy}
	for _, f := range fault.All() {
		known = append(known, f.ID)
	}
	for part := range strings.SplitSeq(name, ",") {
		id, _, knob := strings.Cut(part, ":")
		if !knob && strings.Contains(part, "=") || slices.Contains(known, id) {
			continue
		}
		text := fmt.Sprintf("unknown model %q", id)
		if i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, id) }); i >= 0 {
			text += fmt.Sprintf(": did you mean %q?", known[i])
		}
		return set, fmt.Errorf("%s (there are %s)", text, strings.Join(known, ", "))
	}
	return set, err
}

// caseIndex finds a case by its title or slug. Without one the scenario must have only one.
func caseIndex(s *scenario.Scenario, title string) (int, error) {
	var titles []string
	for i, c := range s.Cases {
		if title != "" && (c.Title == title || c.Slug == title) || title == "" && len(s.Cases) == 1 {
			return i, nil
		}
		titles = append(titles, c.Slug)
	}
	if title == "" {
		return 0, fmt.Errorf("%s has %d cases: choose one with --case (%s)", s.Name, len(titles), strings.Join(titles, ", "))
	}
	return 0, fmt.Errorf("%s has no case %q (it has %s)", s.Name, title, strings.Join(titles, ", "))
}

// bind replaces names, as NAME=NAME from the command line.
func bind(s *scenario.Scenario, texts []string) (*scenario.Scenario, error) {
	bindings, err := bindingsOf(texts)
	if err != nil {
		return nil, err
	}
	for i, b := range bindings {
		if s, err = s.Bind(b.Captured, b.Real); err != nil {
			return nil, fmt.Errorf("--bind %s: %w", texts[i], err)
		}
	}
	return s, nil
}

// bindingsOf reads names that stand for others.
func bindingsOf(texts []string) ([]replay.Binding, error) {
	var list []replay.Binding
	for _, text := range texts {
		from, to, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("--bind %s: want NAME=NAME, such as CHAT='NBTLAB<1d>'", text)
		}
		f, err := netbios.ParseName(from)
		if err != nil {
			return nil, fmt.Errorf("--bind %s: %w", text, err)
		}
		t, err := netbios.ParseName(to)
		if err != nil {
			return nil, fmt.Errorf("--bind %s: %w", text, err)
		}
		list = append(list, replay.Binding{Captured: f, Real: t})
	}
	return list, nil
}

// conditions are the flags of a run that is not the recorded one.
type conditions struct {
	seed                         uint64
	lose, double, delay, reorder float64
}

func (c *conditions) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&c.seed, "seed", harness.DefaultSeed, "seed of the transaction identifiers and of the network's whims")
	cmd.Flags().Float64Var(&c.lose, "lose", 0, "percentage of frames that the network loses")
	cmd.Flags().Float64Var(&c.double, "double", 0, "percentage of frames that it delivers twice")
	cmd.Flags().Float64Var(&c.delay, "delay", 0, "percentage of frames that it delays by "+sim.DelayBy.String())
	cmd.Flags().Float64Var(&c.reorder, "reorder", 0, "percentage of frames that it delivers behind the next one")
}

func (c *conditions) options() (harness.Options, error) {
	o := harness.Options{Seed: c.seed}
	for _, x := range []struct {
		name    string
		percent float64
		odds    *int
	}{
		{"lose", c.lose, &o.Odds.Lose},
		{"double", c.double, &o.Odds.Double},
		{"delay", c.delay, &o.Odds.Delay},
		{"reorder", c.reorder, &o.Odds.Reorder},
	} {
		if !(x.percent >= 0 && x.percent <= 100) { // NaN is neither
			return o, fmt.Errorf("--%s %v: a percentage is from 0 to 100", x.name, x.percent)
		}
		*x.odds = int(x.percent*10 + 0.5)
	}
	if c.seed == 0 {
		return o, errors.New("--seed 0: seeds count from 1")
	}
	return o, nil
}

// words are the conditions as they are given on the command line: none for those of the recorded run.
func (c *conditions) words() []string {
	var args []string
	if c.seed != harness.DefaultSeed {
		args = append(args, fmt.Sprintf("--seed %d", c.seed))
	}
	for _, x := range []struct {
		name    string
		percent float64
	}{{"lose", c.lose}, {"double", c.double}, {"delay", c.delay}, {"reorder", c.reorder}} {
		if x.percent > 0 {
			args = append(args, fmt.Sprintf("--%s %v", x.name, x.percent))
		}
	}
	return args
}

// recording is the files that a run is written to; empty for none.
type recording struct{ pcap, trace string }

// canRecord refuses files that cannot be written, before a run that takes its time.
func (r *recording) canRecord() error {
	for _, path := range []string{r.pcap, r.trace} {
		if path == "" {
			continue
		}
		if err := files.CanWrite(path); err != nil {
			return err
		}
	}
	return nil
}

// record writes them, the one whatever becomes of the other.
func (r *recording) record(frames []trace.Frame, t *trace.Trace) (err error) {
	if r.pcap != "" {
		err = writeCapture(r.pcap, frames)
	}
	if r.trace != "" {
		err = errors.Join(err, writeTrace(r.trace, t))
	}
	return err
}

func writeTrace(path string, t *trace.Trace) error {
	return files.Write(path, t.WriteJSON)
}

func writeCapture(path string, frames []trace.Frame) error {
	return capture.WriteFile(path, frames)
}

// artifacts leaves what a failed run can be studied with in the folder that $NBTLAB_ARTIFACTS names, if it names one.
func artifacts(r harness.Result, text string) error {
	dir := os.Getenv("NBTLAB_ARTIFACTS")
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot write artifacts to %s: %w", dir, files.Plain(err))
	}
	base := filepath.Join(dir, strings.Map(fileSafe, harness.Path(r.Scenario, r.Case)+"."+r.Model))
	return errors.Join(
		writeCapture(base+".pcap", r.Frames),
		writeTrace(base+".trace.jsonl", r.Trace),
		files.Write(base+".txt", func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}),
	)
}

func fileSafe(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
		return r
	}
	return '_'
}
