// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

func (a *app) recordCommand() *cobra.Command {
	var checkOnly bool
	var dir string
	cmd := &cobra.Command{
		Use:   "record [SCENARIO...]",
		Short: "Record the captures of scenarios on their models, or check the recorded ones",
		Long: `Record runs scenarios on the fixed model and on the one with their bug, and writes the captures below a folder, with a
MANIFEST that lists them. The same scenario gives the same bytes, so recording again changes nothing. With --check it writes
nothing, and exits with 1 when what is there is not what would be recorded.`,
		Example: `  nbtlab record --check
  nbtlab record q124565
  nbtlab record ./mine.scenario --pcaps ./my-captures`,
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := a.recordings(args)
			if err != nil {
				return err
			}
			if checkOnly {
				return a.checkRecordings(dir, list, len(args) == 0)
			}
			changed, err := harness.Record(dir, list)
			if err != nil {
				return err
			}
			if a.json {
				return report.JSON(a.stdout, recorded{Captures: len(list), Changed: changed})
			}
			p := a.printer()
			for _, path := range changed {
				p.Printf("recorded %s\n", filepath.Join(dir, path))
			}
			p.Printf("%d captures, %d files changed\n", len(list), len(changed))
			return p.Err()
		},
	}
	cmd.Flags().BoolVar(&checkOnly, "check", false, "write nothing, compare")
	cmd.Flags().StringVar(&dir, "pcaps", "pcaps", "folder of the recorded captures")
	return cmd
}

// recorded is the line of record --json.
type recorded struct {
	Captures int      `json:"captures"`
	Changed  []string `json:"changed,omitempty"`
	Wrong    []string `json:"wrong,omitempty"`
}

func (a *app) recordings(args []string) ([]harness.Recording, error) {
	scenarios, err := a.scenariosOf(args)
	if err != nil {
		return nil, err
	}
	var list []harness.Recording
	for _, s := range scenarios {
		recordings, err := harness.Recordings(s)
		if err != nil {
			return nil, err
		}
		list = append(list, recordings...)
	}
	return list, nil
}

func (a *app) checkRecordings(dir string, list []harness.Recording, all bool) error {
	wrong, err := harness.CheckRecordings(files.Dir(dir), list, all)
	if err != nil {
		return fmt.Errorf("cannot check the recordings in %s: %w", dir, err)
	}
	if len(wrong) > 0 {
		a.status = exitNot
	}
	if a.json {
		return report.JSON(a.stdout, recorded{Captures: len(list), Wrong: wrong})
	}
	p := a.printer()
	for _, text := range wrong {
		p.Printf("%s\n", text)
	}
	if len(wrong) > 0 {
		p.Printf("%d captures and their manifest: %d things are not as they would be recorded\n", len(list), len(wrong))
	} else {
		p.Printf("%d captures are as they would be recorded\n", len(list))
	}
	return p.Err()
}

func (a *app) bugsCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "bugs",
		Short: "List the bugs that the models can have",
		Example: `  nbtlab bugs
  nbtlab bugs --markdown   # the table of the README`,
		Args: flagsAlone,
		RunE: func(*cobra.Command, []string) error {
			shipped, err := harness.Shipped()
			if err != nil {
				return err
			}
			switch {
			case a.json:
				return report.BugsJSON(a.stdout, shipped)
			case markdown:
				_, err = io.WriteString(a.stdout, report.BugsMarkdown(shipped))
				return err
			}
			p := a.printer()
			report.BugsText(p, shipped)
			return p.Err()
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "as a Markdown table")
	return cmd
}

func (a *app) fmtCommand() *cobra.Command {
	var write, checkOnly bool
	cmd := &cobra.Command{
		Use:   "fmt FILE...",
		Short: "Write scenario files in their canonical form",
		Long: `Fmt prints scenario files ("-" for standard input) in their canonical form: columns aligned, names in their shortest form,
comments and blank lines kept. With -w it rewrites the files; with --check it names those that differ, and exits with 1.`,
		Example: `  nbtlab fmt -w scenarios/*.scenario
  nbtlab fmt --check mine.scenario`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("fmt wants a file, got 0 arguments (see: nbtlab fmt --help)")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			switch {
			case write && checkOnly:
				return errors.New("-w and --check exclude each other")
			case a.json:
				return errors.New("fmt prints scenarios, which have no JSON form: leave --json out")
			}
			formatted := make([][]byte, len(args))
			sources := make([][]byte, len(args))
			for i, path := range args { // all before the first is written
				src, err := a.readScenario(path)
				if err != nil {
					return err
				}
				s, err := scenario.Parse(path, src)
				if err != nil {
					return err
				}
				sources[i], formatted[i] = src, scenario.Format(s)
			}
			for i, path := range args {
				if err := a.format(path, sources[i], formatted[i], write, checkOnly); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "rewrite the files")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "only name the files that are not in canonical form")
	return cmd
}

func (a *app) format(path string, src, formatted []byte, write, checkOnly bool) error {
	same := bytes.Equal(src, formatted)
	switch {
	case checkOnly && !same:
		a.status = exitNot
		p := a.printer()
		p.Printf("%s is not in canonical form\n", path)
		return p.Err()
	case checkOnly, write && same:
		return nil
	case write && path != "-":
		return files.Write(path, func(w io.Writer) error {
			_, err := w.Write(formatted)
			return err
		})
	}
	_, err := a.stdout.Write(formatted)
	return err
}
