// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/files"
)

// standardInput is how it is written where a file is asked for.
const standardInput = "-"

// errInterrupted is how a capture ends that the user had enough of.
var errInterrupted = errors.New("interrupted")

// stream reads a capture from a file or, if the path is "-", from standard input, and hands its frames to each. Idle, unless
// nil, is called whenever more has to be read: what is to be seen by then should be written. When the context ends the
// capture is cut there. What takes longer than a second shows its progress on a terminal.
func (a *app) stream(
	ctx context.Context, path string, opts capture.Options, idle func() error, each func(*capture.Frame) error,
) (s capture.Summary, err error) {
	in := input{ctx: ctx, r: a.stdin, idle: idle, size: -1, began: time.Now()}
	if path != standardInput {
		f, err := files.Open(path)
		if err != nil {
			return s, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in.r = f
		if info, err := f.Stat(); err == nil {
			in.size = info.Size()
		}
	}
	if isTerminal(a.stderr) {
		in.terminal = a.stderr
	}
	var own error // what our side gave up for
	s, err = capture.Stream(&in, opts, func(f *capture.Frame) error {
		own = each(f)
		return own
	})
	in.finish()
	switch {
	case own != nil:
		return s, own
	case in.failed != nil:
		return s, in.failed
	case err != nil && path == standardInput:
		return s, fmt.Errorf("%w: standard input", err)
	case err != nil:
		return s, fmt.Errorf("%w: %s", err, path)
	}
	return s, nil
}

// input is a capture being read, with its progress.
type input struct {
	ctx      context.Context
	r        io.Reader
	idle     func() error
	failed   error // of idle
	size     int64 // -1 when it is not known
	done     int64
	began    time.Time
	terminal io.Writer // to show progress on; nil for none
	bar      *progressbar.ProgressBar
}

// Read reads on, and shows how far it has come once that takes long.
func (in *input) Read(p []byte) (int, error) {
	if in.idle != nil && in.failed == nil {
		in.failed = in.idle()
	}
	switch {
	case in.failed != nil:
		return 0, in.failed
	case in.ctx.Err() != nil:
		return 0, errInterrupted
	}
	n, err := in.r.Read(p)
	in.done += int64(n)
	if in.terminal != nil && time.Since(in.began) > time.Second {
		in.show()
	}
	return n, err
}

func (in *input) show() {
	if in.bar == nil {
		in.bar = progressbar.NewOptions64(in.size,
			progressbar.OptionSetWriter(in.terminal), progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	_ = in.bar.Set64(in.done) // a bar that cannot be drawn is no reason to stop
}

func (in *input) finish() {
	if in.bar != nil {
		_ = in.bar.Clear()
	}
}
