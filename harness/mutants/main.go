// SPDX-License-Identifier: MIT

// Command mutants asks how much the tests would notice: it breaks the model under study, harness/nametable, harness/node
// and harness/nameserver, in every place where it decides or does something, one place at a time, and runs the tests on each broken
// copy. A mutant that no test notices has to be explained in survivors.txt, or a test is missing.
//
// The working tree is only read: the go command takes the broken file from elsewhere (-overlay). Do not edit the code
// while it runs.
//
//	go run ./harness/mutants                                 all of them: some minutes on two cores
//	go run ./harness/mutants -only node.go:93                those of a line, to see whether a new test catches them
//	go run ./harness/mutants -sample 50 -seed 1              some of them
//	go run ./harness/mutants -package nametable -list        what there is
//
// Exit status: 0 when every survivor is explained, 1 when one is not, 2 when mutants could not be tested.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What is broken, and who is asked about it: first the suite of the package itself, then the others in this order.
var (
	broken = []string{"harness/nametable", "harness/node", "harness/nameserver"}
	asked  = []string{"harness/nametable", "harness/node", "harness/nameserver", "harness", "scenarios", "harness/check"}
)

//go:embed survivors.txt
var survivorList string

// survivorFile is where the list lies, below the module's root.
const survivorFile = "harness/mutants/survivors.txt"

// The exit statuses.
const (
	exitExplained   = 0
	exitUnexplained = 1
	exitUntested    = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are what the command line asks for.
type options struct {
	jobs    int
	json    bool
	list    bool
	only    string
	pkg     string
	sample  int
	seed    uint64
	timeout time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parseArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitExplained
	}
	if err != nil {
		return exitUntested
	}
	status, err := mutate(ctx, o, stdout, stderr)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitUntested
	}
	return status
}

func parseArgs(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("mutants", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.jobs, "j", runtime.NumCPU(), "how many mutants are tested at a time")
	f.BoolVar(&o.json, "json", false, "print JSON Lines: each mutant, then the summary")
	f.BoolVar(&o.list, "list", false, "print the mutants without testing them")
	f.StringVar(&o.only, "only", "", "test only those of one line, as `FILE:LINE`; the end of the file's path will do")
	f.StringVar(&o.pkg, "package", "", "test only those of one `PACKAGE`: "+strings.Join(broken, " or ")+", or the end of it")
	f.IntVar(&o.sample, "sample", 0, "test only so many, chosen at random")
	f.Uint64Var(&o.seed, "seed", 1, "what the sample is drawn from")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long a suite may take at most")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("mutants: unexpected argument %q", f.Arg(0))
	case o.jobs < 1:
		err = fmt.Errorf("mutants: -j %d: at least one has to be tested at a time", o.jobs)
	case o.sample < 0:
		err = fmt.Errorf("mutants: -sample %d: want a number of mutants, or 0 for all", o.sample)
	case o.timeout <= 0:
		err = fmt.Errorf("mutants: -timeout %v: want more than nothing", o.timeout)
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
	}
	return o, err
}

func mutate(ctx context.Context, o options, stdout, stderr io.Writer) (int, error) {
	start := time.Now()
	allowed, err := parseSurvivors(survivorFile, survivorList)
	if err != nil {
		return 0, err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return 0, err
	}
	packages, err := load(ctx, root, broken)
	if err != nil {
		return 0, err
	}
	var all []mutant
	for _, p := range packages {
		all = append(all, mutants(p)...)
	}
	chosen, err := choose(all, o)
	if err != nil {
		return 0, err
	}
	if o.list {
		for _, m := range chosen {
			_, _ = fmt.Fprintln(stdout, m)
		}
		return exitExplained, nil
	}
	verdicts, err := test(ctx, o, root, packages, chosen, stderr)
	if err != nil && !errors.Is(err, context.Canceled) {
		return 0, err
	}
	r := newReport(all, verdicts, allowed, time.Since(start))
	r.stopped = err != nil
	if err := r.print(stdout, o.json); err != nil {
		return 0, err
	}
	return r.status(), nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("mutants: go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// choose returns the mutants that the command line asks for.
func choose(all []mutant, o options) ([]mutant, error) {
	var chosen []mutant
	file, at, hasLine := strings.Cut(o.only, ":")
	line, err := strconv.Atoi(at)
	if o.only != "" && (!hasLine || err != nil) {
		return nil, fmt.Errorf("mutants: -only %q: want FILE:LINE, as in node.go:93", o.only)
	}
	for _, m := range all {
		if o.only != "" && (m.line != line || !endsIn(m.File, file)) || o.pkg != "" && !endsIn(path.Dir(m.File), o.pkg) {
			continue
		}
		chosen = append(chosen, m)
	}
	if len(chosen) == 0 {
		return nil, errors.New("mutants: nothing to change there")
	}
	if o.sample > 0 && o.sample < len(chosen) {
		random := rand.New(rand.NewPCG(o.seed, 0))
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		chosen = chosen[:o.sample]
	}
	return chosen, nil
}

// endsIn reports whether a path ends in another, by whole elements.
func endsIn(path, end string) bool {
	end = strings.TrimPrefix(filepath.ToSlash(end), "./")
	return path == end || strings.HasSuffix(path, "/"+end)
}

// test tests mutants, several at a time, and returns the verdicts in the order of the mutants. When it is interrupted it
// returns those that it has.
func test(ctx context.Context, o options, root string, packages []*pkg, chosen []mutant, stderr io.Writer) ([]verdict, error) {
	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	b := &bench{root: root, tmp: tmp, timeout: o.timeout}
	// What a suite leaves when it fails goes with the rest, and the mutants share the processors among themselves.
	b.env = append(os.Environ(), "GOTMPDIR="+tmp, "NBTLAB_ARTIFACTS="+tmp,
		"GOMAXPROCS="+strconv.Itoa(max(1, runtime.NumCPU()/o.jobs)))
	if b.suites, err = loadSuites(ctx, root, asked); err != nil {
		return nil, err
	}
	progress := newProgress(stderr, len(chosen))
	defer progress.end()
	progress.say("building the suites, and running them on the code as it is")
	if err := b.prepare(ctx, packages, chosen); err != nil {
		return nil, err
	}

	verdicts := make([]verdict, len(chosen))
	errs := make([]error, len(chosen))
	next := make(chan int)
	var workers sync.WaitGroup
	for range o.jobs {
		workers.Go(func() {
			for i := range next {
				if verdicts[i], errs[i] = b.try(ctx, i+1); errs[i] == nil {
					progress.count(verdicts[i])
				}
			}
		})
	}
	for i := range chosen {
		next <- i
	}
	close(next)
	workers.Wait()

	tested := slices.DeleteFunc(verdicts, func(v verdict) bool { return v.seconds == 0 })
	return tested, cmp.Or(firstError(errs), ctx.Err())
}

// firstError returns the first error that is not an interruption.
func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}
