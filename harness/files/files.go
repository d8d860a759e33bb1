// SPDX-License-Identifier: MIT

// Package files reads and writes files on behalf of a user: only regular ones, since others may never end, and writing
// all or nothing.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Open opens a regular file for reading, and refuses anything else before it opens it: a FIFO blocks, a device may never
// end. Links are followed. The error names the path that was given.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(info)
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, Plain(err))
	}
	return f, nil
}

// Read reads at most limit bytes of a regular file.
func Read(path string, limit int64) (b []byte, err error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	b, err = io.ReadAll(io.LimitReader(f, limit))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, Plain(err))
	}
	return b, nil
}

// Dir is a folder whose files are only opened when they are regular.
func Dir(path string) fs.FS { return dir{os.DirFS(path)} }

type dir struct{ fs.FS }

func (d dir) Open(name string) (fs.File, error) {
	info, err := fs.Stat(d.FS, name)
	if err == nil && !info.IsDir() {
		if err = regular(info); err != nil {
			err = &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
	if err != nil {
		return nil, err
	}
	return d.FS.Open(name)
}

// Write makes a file of what write writes: into a temporary file in the same folder, which then takes the name. On an
// error the old file is as it was and the temporary one is gone. A symbolic link is replaced rather than followed, so that
// one in a folder of recordings cannot lead out of it; directories and devices are refused. A file that is replaced keeps
// its permissions; a new one is for everybody to read.
func Write(path string, write func(io.Writer) error) (err error) {
	mode, err := replaceable(path)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, Plain(err))
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, Plain(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot write %s: %w", path, Plain(err)), os.Remove(f.Name()))
		}
	}()
	if err = write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	if err = errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// CanWrite tells whether [Write] could make a file of this path, for programs that have long work to do before they know
// what to write. It leaves the path as it is.
func CanWrite(path string) error {
	_, err := replaceable(path)
	var f *os.File
	if err == nil {
		f, err = os.CreateTemp(filepath.Dir(path), ".*.tmp")
	}
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, Plain(err))
	}
	return nil
}

// replaceable returns the permissions of the file to make, or says why a path cannot become a file of ours.
func replaceable(path string) (fs.FileMode, error) {
	const fresh = 0o644 // temporary files are private; results are to be looked at
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, nil
	case err != nil:
		return 0, err
	case info.Mode()&fs.ModeSymlink != 0:
		return fresh, nil
	}
	return info.Mode().Perm(), regular(info)
}

// regular says what a file is that is not a regular one.
func regular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("it is a directory")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("it is a FIFO, not a regular file")
	case mode&fs.ModeDevice != 0:
		return errors.New("it is a device, not a regular file")
	case mode&fs.ModeSocket != 0:
		return errors.New("it is a socket, not a regular file")
	}
	return errors.New("it is not a regular file")
}

// Plain strips the operation and the path, which is not always the one the user gave, off an error of the file system.
func Plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// Create makes a file that is written while something goes on, so that an interruption costs only the end of it. It
// replaces a regular file or a link, and refuses the rest.
func Create(path string) (*os.File, error) {
	mode, err := replaceable(path)
	if err == nil {
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", path, Plain(err))
	}
	return f, nil
}
