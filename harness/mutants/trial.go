// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result is what became of a mutant.
type result string

// The results.
const (
	caught   result = "caught"    // a test failed
	timedOut result = "timed out" // a test never ended, which counts as caught
	survived result = "survived"  // no test noticed
	unbuilt  result = "unbuilt"   // the suites did not build: this program is wrong, or the machine
)

// verdict is the result for one mutant and the suite that had the last word.
type verdict struct {
	mutant
	result  result
	suite   string
	seconds float64
	detail  string // the compiler's words, of one that did not build
}

// bench tests mutants. Several may be tested at a time, each in a directory of its own; the working tree is only read.
type bench struct {
	root    string // of the module
	tmp     string
	env     []string
	timeout time.Duration // for a suite, at most
	suites  []suite
	habits  map[string]habit  // of the suites, by directory
	mutants map[int]mutant    // by identifier, from 1
	woven   map[int]bool      // those that are in the binaries
	binary  map[string]string // the suites with the woven mutants, by directory
}

// habit is what a suite is like on the code as it is.
type habit struct {
	takes time.Duration
	slow  string // expression for its slow specs, which are asked last; empty for none
}

// A spec from this long on is asked about a mutant only when the quick ones have not noticed.
const slowSpec = 50 * time.Millisecond

// A suite that takes many times as long as usual, and some seconds more, does not end.
const (
	patience      = 20
	leastPatience = 10 * time.Second
)

// memoryKiB bounds a test process: a mutant that loops for ever may collect something meanwhile.
const memoryKiB = 2 << 20

// prepare builds the suites with the mutants woven in, and runs them without choosing any: what fails then would fail for
// every mutant.
func (b *bench) prepare(ctx context.Context, packages []*pkg, chosen []mutant) error {
	b.mutants, b.woven = map[int]mutant{}, map[int]bool{}
	b.habits, b.binary = map[string]habit{}, map[string]string{}
	for i, m := range chosen {
		b.mutants[i+1] = m
	}
	sources := map[string][]byte{}
	for _, p := range packages {
		changed, woven := weave(p, b.mutants)
		maps.Copy(sources, changed)
		for _, id := range woven {
			b.woven[id] = true
		}
	}
	overlay, err := b.overlay(b.tmp, sources)
	if err != nil {
		return err
	}
	for _, s := range b.suites {
		if b.binary[s.dir], err = b.build(ctx, b.tmp, overlay, s); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fmt.Errorf("mutants: ./%s does not build: %w", s.dir, err)
		}
		record := filepath.Join(b.tmp, "specs.json")
		start := time.Now()
		if out, err := b.run(ctx, b.binary[s.dir], s, 0, b.timeout, "-ginkgo.json-report="+record); ctx.Err() != nil {
			return ctx.Err()
		} else if err != nil {
			return fmt.Errorf("mutants: ./%s fails on the code as it is: %w\n%s", s.dir, err, out)
		}
		slow, err := slowSpecs(record)
		if err != nil {
			return err
		}
		b.habits[s.dir] = habit{time.Since(start), slow}
		if r := b.ask(ctx, b.binary[s.dir], s, 0); r != survived && ctx.Err() == nil {
			return fmt.Errorf("mutants: ./%s passes as a whole on the code as it is, but not in parts: %s", s.dir, r)
		}
	}
	return nil
}

// slowSpecs returns an expression for the slow specs among those that Ginkgo has recorded.
func slowSpecs(record string) (string, error) {
	text, err := os.ReadFile(record)
	if err != nil {
		return "", err
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts []string
			LeafNodeText            string
			RunTime                 time.Duration
		}
	}
	if err := json.Unmarshal(text, &suites); err != nil {
		return "", fmt.Errorf("mutants: Ginkgo's report: %w", err)
	}
	var slow []string
	for _, s := range suites {
		for _, spec := range s.SpecReports {
			if spec.RunTime >= slowSpec {
				name := strings.Join(append(spec.ContainerHierarchyTexts, spec.LeafNodeText), " ")
				slow = append(slow, regexp.QuoteMeta(name)+"$")
			}
		}
	}
	return strings.Join(slow, "|"), nil
}

// try asks the suites about a mutant, its own package's first, until one notices.
func (b *bench) try(ctx context.Context, id int) (verdict, error) {
	start := time.Now()
	m := b.mutants[id]
	v := verdict{mutant: m, result: survived}
	overlay, dir := "", ""
	if !b.woven[id] {
		var err error
		if dir, err = os.MkdirTemp(b.tmp, "mutant"); err != nil {
			return v, err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if overlay, err = b.overlay(dir, map[string][]byte{m.File: m.text()}); err != nil {
			return v, err
		}
	}
	for _, s := range b.order(m) {
		binary := b.binary[s.dir]
		if !b.woven[id] {
			var err error
			if binary, err = b.build(ctx, dir, overlay, s); err != nil {
				v.result, v.detail = unbuilt, err.Error()
			}
		}
		if v.result != unbuilt {
			v.result = b.ask(ctx, binary, s, id)
		}
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		if v.suite = s.dir; v.result != survived {
			break
		}
	}
	v.seconds = time.Since(start).Seconds()
	return v, nil
}

// order returns the suites that the mutant is in, that of its own package first.
func (b *bench) order(m mutant) []suite {
	var own, others []suite
	for _, s := range b.suites {
		switch {
		case s.dir == path.Dir(m.File):
			own = append(own, s)
		case s.uses(m.pkg.path):
			others = append(others, s)
		}
	}
	return append(own, others...)
}

// overlay writes changed sources, given by their paths below the module's root, and the file that tells the go command to
// read them in place of the originals, whose path it returns.
func (b *bench) overlay(dir string, sources map[string][]byte) (string, error) {
	replace := map[string]string{}
	for i, name := range sortedKeys(sources) {
		changed := filepath.Join(dir, strconv.Itoa(i)+".go")
		if err := os.WriteFile(changed, sources[name], 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(b.root, filepath.FromSlash(name))] = changed
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

func (b *bench) build(ctx context.Context, dir, overlay string, s suite) (string, error) {
	binary := filepath.Join(dir, strings.ReplaceAll(s.dir, "/", "-")+".test")
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+overlay, "-o", binary, "./"+s.dir)
	cmd.Dir, cmd.Env = b.root, b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return binary, nil
}

// ask runs one suite, its quick specs first.
func (b *bench) ask(ctx context.Context, binary string, s suite, id int) result {
	h := b.habits[s.dir]
	passes := [][]string{nil}
	if h.slow != "" {
		passes = [][]string{{"-ginkgo.skip=" + h.slow}, {"-ginkgo.focus=" + h.slow}}
	}
	for _, args := range passes {
		out, err := b.run(ctx, binary, s, id, min(b.timeout, leastPatience+patience*h.takes), args...)
		switch {
		case err == nil:
		case bytes.Contains(out, []byte("panic: test timed out after")), errors.Is(err, os.ErrDeadlineExceeded):
			return timedOut
		default:
			return caught
		}
	}
	return survived
}

// run runs a suite as `go test` does, in its own directory, until the first failure.
func (b *bench) run(ctx context.Context, binary string, s suite, id int, timeout time.Duration, args ...string) ([]byte, error) {
	// A test binary ends itself when its time is out, unless the mutant keeps it even from that.
	ctx, cancel := context.WithTimeoutCause(ctx, timeout+leastPatience, os.ErrDeadlineExceeded)
	defer cancel()
	bounded := fmt.Sprintf(`ulimit -d %d 2>/dev/null; exec "$0" "$@"`, memoryKiB)
	cmd := exec.CommandContext(ctx, "sh", slices.Concat([]string{
		"-c", bounded, binary, "-test.failfast", "-test.timeout=" + timeout.String(),
		"-ginkgo.fail-fast", "-ginkgo.no-color", "-ginkgo.seed=1",
	}, args)...)
	cmd.Dir = filepath.Join(b.root, filepath.FromSlash(s.dir))
	cmd.Env = append(slices.Clone(b.env), chosenMutant+"="+strconv.Itoa(id))
	cmd.WaitDelay = time.Second // for what a suite started and left behind
	out, err := cmd.CombinedOutput()
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return out, err
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
