// SPDX-License-Identifier: MIT

package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nbtlab/nbtlab/harness/trace"
)

// ReadFile is [Read] of a file. It refuses directories, FIFOs and devices, which may never end, before it opens them.
func ReadFile(path string) (Capture, error) {
	size, err := regularSize(path)
	if err != nil {
		return Capture{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Capture{}, fmt.Errorf("capture: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written: closing cannot lose anything

	// One byte more than the file has, so that its end is seen without growing the buffer.
	c, err := read(f, int(min(size, 64<<10))+1)
	if err != nil {
		return c, fmt.Errorf("%w: %s", err, path)
	}
	return c, nil
}

// StreamFile is [Stream] of a file, refusing what ReadFile refuses.
func StreamFile(path string, opts Options, each func(*Frame) error) (Summary, error) {
	if _, err := regularSize(path); err != nil {
		return Summary{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Summary{}, fmt.Errorf("capture: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written: closing cannot lose anything

	rd := reader{opts: opts, each: each}
	s, err := rd.read(f, streamBuffer)
	if err != nil && rd.err == nil {
		return s, fmt.Errorf("%w: %s", err, path)
	}
	return s, err
}

// regularSize returns the size of a file, or why it is not to be opened.
func regularSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("capture: %w", err)
	}
	return info.Size(), regular(path, info)
}

// WriteFile is [Write] to a file, all or nothing: into a temporary file in the same folder, which then takes the name. On
// an error the old file is as it was and the temporary one is gone. A symbolic link is replaced rather than followed, so
// that one in a folder of recordings cannot lead out of it; directories and devices are refused.
func WriteFile(path string, frames []trace.Frame) (err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("capture: %w", err)
	case info.Mode()&fs.ModeSymlink == 0:
		if err := regular(path, info); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".*.pcap.tmp")
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err = writeAndClose(f, frames); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

func writeAndClose(f *os.File, frames []trace.Frame) error {
	if err := Write(f, frames); err != nil {
		return errors.Join(err, f.Close())
	}
	// Temporary files are private; captures are to be looked at.
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// regular says why a file that is not a regular one is refused.
func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	kind := "neither a file nor a link"
	switch mode := info.Mode(); {
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a FIFO"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	}
	return fmt.Errorf("capture: %s is %s (want a regular file)", path, kind)
}
