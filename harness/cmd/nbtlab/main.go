// SPDX-License-Identifier: MIT

// Command nbtlab reproduces bugs of NetBIOS-over-TCP/IP stacks from scripts, and checks the runs against recorded captures.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nbtlab/nbtlab/harness/report"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// The exit statuses: what a CI job and git bisect run make their decisions from.
const (
	exitAsExpected  = 0
	exitNot         = 1
	exitUsage       = 2 // wrong usage, or input that cannot be read
	exitCannotJudge = 125
)

func main() {
	// A command runs for milliseconds and makes a few megabytes of garbage: collecting it would be a fifth of its time. What
	// runs long is bounded all the same, at five times what it needs, and below 64 MiB as long as it needs less than that:
	// so much a crafted capture may cost, with what the program itself takes.
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(44 << 20)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// app is what every command shares.
type app struct {
	ctx            context.Context // ends when the user has had enough
	stdin          io.Reader
	stdout, stderr io.Writer
	colour         bool
	json           bool
	bisect         bool
	status         int    // what the command found
	reading        *input // the capture being read, if any
}

// run carries out a command line and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, colour: showsColour(stdout)}
	defer func() {
		if r := recover(); r != nil { // our own bug: whatever was asked, it has no answer
			report.NewPrinter(stderr, false).Printf("nbtlab: this is a bug in nbtlab itself: %v\n%s", r, debug.Stack())
			status = exitCannotJudge
		}
	}()
	root := a.root()
	root.SetArgs(args)
	err := completion(args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err != nil {
		a.explain(err)
		a.status = exitUsage
		switch {
		case errors.Is(err, errInterrupted):
			a.status = exitInterrupted
		case errors.Is(err, errNoAnswer):
			a.status = exitCannotJudge
		}
	}
	if a.bisect && a.status == exitUsage {
		return exitCannotJudge // git bisect run takes 2 as bad
	}
	return a.status
}

// completion refuses what shells ask of any program that is made with cobra: there is nothing to complete with, and the
// answer would bypass our printer.
func completion(args []string) error {
	i := slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
	if i >= 0 && (args[i] == cobra.ShellCompRequestCmd || args[i] == cobra.ShellCompNoDescRequestCmd) {
		return fmt.Errorf("unknown command %q for \"nbtlab\"", args[i])
	}
	return nil
}

// wants checks that a command is given just these arguments, and tells what is missing.
func wants(things ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(things) {
			return nil
		}
		return fmt.Errorf("%s wants %s, got %d arguments (see: %s --help)",
			cmd.Name(), strings.Join(things, ", "), len(args), cmd.CommandPath())
	}
}

// flagsAlone checks that a command is given no arguments.
func flagsAlone(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes flags alone, and got %q besides (see: %s --help)", cmd.Name(), args[0], cmd.CommandPath())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// showsColour reports whether colours are wanted where w goes (https://no-color.org), showsProgress whether a line that is written
// over and over can be shown there.
func showsColour(w io.Writer) bool   { return showsProgress(w) && os.Getenv("NO_COLOR") == "" }
func showsProgress(w io.Writer) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

// explain prints an error on one line; a scenario's with the place shown below it.
func (a *app) explain(err error) {
	p := report.NewPrinter(a.stderr, false)
	var at *scenario.Error
	if errors.As(err, &at) {
		p.Printf("nbtlab: %s\n", at.Detail())
		return
	}
	text := strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", "; "))
	for _, name := range []string{"harness: ", "fault: ", "capture: ", "dissect: ", "probe: "} {
		text = strings.TrimPrefix(text, name) // which of our packages says so is nothing to the user
	}
	if strings.HasPrefix(text, "unknown command") {
		text += " (see: nbtlab --help)"
	}
	p.Printf("nbtlab: %s\n", text)
}

func (a *app) printer() *report.Printer { return report.NewPrinter(a.stdout, a.colour) }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nbtlab",
		Short: "Reproduce bugs of NetBIOS-over-TCP/IP stacks, and keep fixed ones fixed",
		Long: `nbtlab reproduces bugs of NetBIOS-over-TCP/IP (NBT, RFC 1001/1002) stacks from scripts that read like the
steps-to-reproduce section of a bug report. Each script runs on a model with the bug and on one without; the traffic of both
is checked against recorded captures.

Exit status: 0 as expected, 1 not as expected, 2 wrong usage or unreadable input, 125 cannot judge,
130 interrupted.`,
		Example: `  nbtlab verify                          # every bug, both models, all controls
  nbtlab run q124565 --model buggy       # watch one bug happen, and see who holds which reference
  nbtlab compare fixed buggy q124565     # both models side by side`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see: %s --help)", err, cmd.CommandPath())
	})
	root.SetHelpCommand(helpCommand(root))
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON, one object a line")
	root.AddCommand(a.serveCommand(), a.agentCommand())
	root.AddCommand(
		a.verifyCommand(),
		a.runCommand(),
		a.compareCommand(),
		a.checkCommand(),
		a.recordCommand(),
		a.decodeCommand(),
		a.replayCommand(),
		a.explainCommand(),
		a.scriptCommand(),
		a.bugsCommand(),
		a.fmtCommand(),
		a.probeCommand(),
	)
	return root
}

// helpCommand is cobra's, but that it does not take an unknown command for none.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Help about any command",
		Example: "  nbtlab help verify",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = fmt.Errorf("unknown command %q for %q", rest[0], cmd.CommandPath())
			}
			if err != nil {
				return err
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}
