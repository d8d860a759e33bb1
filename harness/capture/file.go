// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"fmt"
	"io"

	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// ReadFile is [Read] of a regular file.
func ReadFile(path string) (Capture, error) {
	f, err := files.Open(path)
	if err != nil {
		return Capture{}, err
	}
	size := int64(0)
	info, err := f.Stat()
	if err == nil {
		size = info.Size()
	}
	c, err := read(f, int(min(size, 64<<10))+1) // one more, so that the end is seen without growing
	if err = errors.Join(err, f.Close()); err != nil {
		return c, fmt.Errorf("%w: %s", err, path)
	}
	return c, nil
}

// WriteFile is [Write] to a file, all or nothing.
func WriteFile(path string, frames []trace.Frame) error {
	return files.Write(path, func(w io.Writer) error { return Write(w, frames) })
}
