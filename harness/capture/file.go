// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// ReadFile is [Read] of a regular file.
func ReadFile(path string) (Capture, error) {
	f, err := files.Open(path)
	if err != nil {
		return Capture{}, err
	}
	// One byte more than the file has, so that its end is seen without growing the buffer.
	c, err := read(f, int(min(sizeOf(f), 64<<10))+1)
	if err = errors.Join(err, f.Close()); err != nil {
		return c, fmt.Errorf("%w: %s", err, path)
	}
	return c, nil
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// StreamFile is [Stream] of a regular file.
func StreamFile(path string, opts Options, each func(*Frame) error) (Summary, error) {
	f, err := files.Open(path)
	if err != nil {
		return Summary{}, err
	}
	rd := reader{opts: opts, each: each}
	s, err := rd.read(f, streamBuffer)
	closing := f.Close()
	switch {
	case rd.err != nil:
		return s, rd.err // the caller's own
	case err != nil || closing != nil:
		return s, fmt.Errorf("%w: %s", errors.Join(err, closing), path)
	}
	return s, nil
}

// WriteFile is [Write] to a file, all or nothing.
func WriteFile(path string, frames []trace.Frame) error {
	return files.Write(path, func(w io.Writer) error { return Write(w, frames) })
}
