// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
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
	suites  []suite
	usual   map[string]time.Duration // how long each suite takes
	timeout time.Duration            // at most
	env     []string
}

// A suite that takes many times as long as usual, and some seconds more, does not end.
const (
	patience      = 20
	leastPatience = 10 * time.Second
)

// memoryKiB bounds a test process: a mutant that loops for ever may collect something meanwhile.
const memoryKiB = 2 << 20

// baseline runs each suite on the code as it is: what fails there would fail for every mutant.
func (b *bench) baseline(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.tmp, "baseline")
	if err != nil {
		return err
	}
	for _, s := range b.suites {
		binary, err := b.build(ctx, dir, s)
		if err != nil {
			return fmt.Errorf("mutants: ./%s does not build: %w", s.dir, err)
		}
		start := time.Now()
		if out, err := b.run(ctx, binary, s, b.timeout); err != nil {
			return fmt.Errorf("mutants: ./%s fails as it is: %w\n%s", s.dir, err, out)
		}
		b.usual[s.dir] = time.Since(start)
	}
	return nil
}

// try asks the suites about a mutant, its own package's first, until one notices.
func (b *bench) try(ctx context.Context, m mutant) (verdict, error) {
	start := time.Now()
	v := verdict{mutant: m, result: survived}
	dir, err := os.MkdirTemp(b.tmp, "mutant")
	if err != nil {
		return v, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := b.overlay(dir, m); err != nil {
		return v, err
	}
	for _, s := range b.order(m) {
		v.suite = s.dir
		v.result, v.detail = b.ask(ctx, dir, s)
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		if v.result != survived {
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

// overlay writes the mutant and the file that tells the go command to read it in place of the original.
func (b *bench) overlay(dir string, m mutant) error {
	changed := filepath.Join(dir, path.Base(m.File))
	if err := os.WriteFile(changed, m.text(), 0o600); err != nil {
		return err
	}
	original := filepath.Join(b.root, filepath.FromSlash(m.File))
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o600)
}

// ask builds and runs one suite.
func (b *bench) ask(ctx context.Context, dir string, s suite) (result, string) {
	binary, err := b.build(ctx, dir, s, "-overlay="+filepath.Join(dir, "overlay.json"))
	if err != nil {
		return unbuilt, err.Error()
	}
	out, err := b.run(ctx, binary, s, min(b.timeout, leastPatience+patience*b.usual[s.dir]))
	switch {
	case err == nil:
		return survived, ""
	case bytes.Contains(out, []byte("panic: test timed out after")), errors.Is(err, os.ErrDeadlineExceeded):
		return timedOut, ""
	}
	return caught, ""
}

func (b *bench) build(ctx context.Context, dir string, s suite, flags ...string) (string, error) {
	binary := filepath.Join(dir, strings.ReplaceAll(s.dir, "/", "-")+".test")
	args := slices.Concat([]string{"test", "-c", "-vet=off", "-o", binary}, flags, []string{"./" + s.dir})
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = b.root, b.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return binary, nil
}

// run runs a suite as `go test` does, in its own directory, until the first failure.
func (b *bench) run(ctx context.Context, binary string, s suite, timeout time.Duration) ([]byte, error) {
	// A test binary ends itself when its time is out, unless the mutant keeps it even from that.
	ctx, cancel := context.WithTimeoutCause(ctx, timeout+leastPatience, os.ErrDeadlineExceeded)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf(`ulimit -d %d 2>/dev/null; exec "$0" "$@"`, memoryKiB), binary,
		"-test.failfast", "-test.timeout="+timeout.String(), "-ginkgo.fail-fast", "-ginkgo.no-color", "-ginkgo.seed=1")
	cmd.Dir, cmd.Env = filepath.Join(b.root, filepath.FromSlash(s.dir)), b.env
	cmd.WaitDelay = time.Second // for what a suite started and left behind
	out, err := cmd.CombinedOutput()
	if err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return out, err
}
