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
// one in a folder of recordings cannot lead out of it; directories and devices are refused. A file that is replaced keeps
// its permissions; a new one is for everybody to read.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	mode, err := replaceable(path)
	if err != nil {
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
	if err = errors.Join(f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// replaceable returns the permissions of the file to make, or says why a path cannot become a file of ours.
func replaceable(path string) (fs.FileMode, error) {
	const fresh = 0o644 // temporary files are private; results are to be looked at
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fresh, nil
	case err != nil:
		return 0, fmt.Errorf("cannot write %s: %w", path, plain(err))
	case info.Mode().IsRegular():
		return info.Mode().Perm(), nil
	case info.Mode()&fs.ModeSymlink != 0:
		return fresh, nil
	case info.IsDir():
		return 0, fmt.Errorf("cannot write %s: it is a directory", path)
	}
	return 0, fmt.Errorf("cannot write %s: it is not a regular file", path)
}

// plain strips the operation and the path, which is not always the one the user gave, off an error of the file system.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
