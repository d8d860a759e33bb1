// SPDX-License-Identifier: MIT

// Package output writes files all or nothing.
package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile makes a file of what write writes: into a temporary file in the same folder, which then takes the name. On an
// error the old file is as it was and the temporary one is gone. A symbolic link is replaced rather than followed, so that
// one in a folder of recordings cannot lead out of it; directories and devices are refused.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	if err := replaceable(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".*.tmp")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, plain(err))
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("cannot write %s: %w", path, plain(err)), os.Remove(f.Name()))
		}
	}()
	if err = write(f); err != nil {
		return errors.Join(err, f.Close())
	}
	// Temporary files are private; results are to be looked at.
	if err = errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// replaceable says why a path cannot become a file of ours.
func replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", path, plain(err))
	case info.Mode().IsRegular() || info.Mode()&fs.ModeSymlink != 0:
		return nil
	case info.IsDir():
		return fmt.Errorf("cannot write %s: it is a directory", path)
	}
	return fmt.Errorf("cannot write %s: it is not a regular file", path)
}

// plain strips the operation and the path, which is not always the one the user gave, off an error of the file system.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
