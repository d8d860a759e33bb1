// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/files"
)

// standardInput is how it is written where a file is asked for.
const standardInput = "-"

// source is a capture that a command is about.
type source struct {
	path      string
	maxBytes  int64
	unchecked bool         // leave checksums alone
	lines     bool         // the command writes lines while it reads, to a [clearing] writer
	idle      func() error // called whenever more has to be read: what is to be seen by then should be written; may be nil
}

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&s.maxBytes, "max-bytes", 0, "how many bytes a compressed capture may grow to (0: 1 GiB, and 200 times its size)")
}

// errInterrupted is how a capture ends that the user had enough of.
var errInterrupted = errors.New("interrupted")

// exitInterrupted is what a shell reports of a program that SIGINT ended.
const exitInterrupted = 130

// untilInterrupted has SIGINT end the command's context, so that what was found so far is told. Who is in a hurry interrupts
// twice. The function that it returns ends that.
func (a *app) untilInterrupted() (stop func()) {
	a.ctx, stop = signal.NotifyContext(a.ctx, os.Interrupt)
	context.AfterFunc(a.ctx, stop)
	return stop
}

// stream reads a capture from a file or, if the path is "-", from standard input, and hands its frames to each. When the
// command's context ends the capture is cut there. What takes longer than a second shows its progress on a terminal.
func (a *app) stream(s source, quoted bool, each func(*capture.Frame) error) (capture.Summary, error) {
	if s.maxBytes < 0 {
		return capture.Summary{}, fmt.Errorf("--max-bytes %d: want a number of bytes", s.maxBytes)
	}
	in := input{ctx: a.ctx, idle: s.idle, size: -1, began: time.Now()}
	if s.path == standardInput {
		in.r = &awaited{ctx: a.ctx, r: a.stdin}
	} else {
		f, err := files.Open(s.path)
		if err != nil {
			return capture.Summary{}, err
		}
		defer func() { _ = f.Close() }() // it was only read
		in.r = f
		if info, err := f.Stat(); err == nil {
			in.size = info.Size()
		}
	}
	// Of what has no end to come near to, the lines themselves are the progress.
	if showsProgress(a.stderr) && (in.size >= 0 || !s.lines || !showsProgress(a.stdout)) {
		in.bar = progressBar(a.stderr, in.size)
	}
	a.reading = &in
	defer func() { a.reading = nil }()
	var own error // what our side gave up for
	sum, err := capture.Stream(&in, capture.Options{MaxBytes: s.maxBytes, Quoted: quoted, Unchecked: s.unchecked}, func(f *capture.Frame) error {
		own = each(f)
		return own
	})
	in.finish()
	switch {
	case own != nil:
		return sum, own
	case in.failed != nil:
		return sum, in.failed
	case err != nil && s.path == standardInput:
		return sum, fmt.Errorf("%w: standard input", err)
	case err != nil:
		return sum, fmt.Errorf("%w: %s", err, s.path)
	}
	return sum, nil
}

// input is a capture being read, with its progress.
type input struct {
	ctx    context.Context
	r      io.Reader
	idle   func() error
	failed error // of idle
	size   int64 // -1 when it is not known
	done   int64
	began  time.Time
	bar    *progressbar.ProgressBar // nil where there is no terminal to show it on
	shown  bool
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
	if in.bar != nil && time.Since(in.began) > time.Second {
		in.shown = true
		_ = in.bar.Set64(in.done) // a bar that cannot be drawn is no reason to stop
	}
	return n, err
}

// awaited is a reader that may be silent for long, which does not keep an interruption waiting: it is read on another goroutine.
// After an interruption that one is left to itself, as the process is about to end.
type awaited struct {
	ctx    context.Context
	r      io.Reader
	chunks chan chunk
	more   chan struct{} // the last chunk is used up
	left   []byte
	err    error
}

type chunk struct {
	data []byte
	err  error
}

// Read implements [io.Reader].
func (w *awaited) Read(p []byte) (int, error) {
	if w.chunks == nil {
		w.chunks, w.more = make(chan chunk), make(chan struct{}, 1)
		w.more <- struct{}{}
		go w.fetch()
	}
	if len(w.left) == 0 && w.err == nil {
		select {
		case c := <-w.chunks:
			w.left, w.err = c.data, c.err
		case <-w.ctx.Done():
			return 0, errInterrupted
		}
	}
	if len(w.left) == 0 {
		return 0, w.err
	}
	n := copy(p, w.left)
	if w.left = w.left[n:]; len(w.left) == 0 && w.err == nil {
		w.more <- struct{}{}
	}
	return n, nil
}

func (w *awaited) fetch() {
	buf := make([]byte, 64<<10)
	for range w.more {
		n, err := w.r.Read(buf)
		select {
		case w.chunks <- chunk{buf[:n], err}:
		case <-w.ctx.Done():
			return
		}
		if err != nil {
			return
		}
		if n == 0 {
			w.more <- struct{}{}
		}
	}
}

// finish takes the progress away, if it is shown.
func (in *input) finish() {
	if in.shown {
		_ = in.bar.Clear()
		in.shown = false
	}
}

func progressBar(w io.Writer, size int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetPredictTime(false), progressbar.OptionSetWidth(40), progressbar.OptionThrottle(100*time.Millisecond))
}

// clearing is standard output, without the progress: both may be on one terminal.
type clearing struct{ *app }

func (c clearing) Write(p []byte) (int, error) {
	if c.reading != nil {
		c.reading.finish()
	}
	return c.stdout.Write(p)
}
