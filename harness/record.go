// SPDX-License-Identifier: MIT

package harness

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// Recording is a capture of a run of one of the harness's own models.
type Recording struct {
	Path  string // below pcaps, with slashes
	Bytes []byte
}

// Recordings makes the captures of a scenario: of each case, on the fixed model and on the faulty one.
func Recordings(s *scenario.Scenario) ([]Recording, error) {
	models := []fault.Set{{}}
	names := []string{fault.Fixed}
	if s.Bug.Model != "" {
		faulty, err := fault.Parse(s.Bug.Model)
		if err != nil {
			return nil, err
		}
		models, names = append(models, faulty), append(names, s.Bug.ID())
	}
	if !safePath(s.Name) {
		return nil, fmt.Errorf("harness: %q cannot be the name of a folder of recordings: name the file with letters, digits, "+
			"dots, dashes and underscores", s.Name)
	}
	var list []Recording
	for i := range s.Cases {
		c := &s.Cases[i]
		for m, model := range models {
			var b bytes.Buffer
			if err := capture.Write(&b, Perform(s, c, model, Options{}).Frames); err != nil {
				return nil, fmt.Errorf("%s: %w", Path(s, c), err)
			}
			list = append(list, Recording{CapturePath(s, c, names[m]), b.Bytes()})
		}
	}
	return list, nil
}

// Manifest is the file that lists the captures.
const Manifest = "MANIFEST"

const (
	// RecorderVersion is the version of what the recorder makes of a run. It changes when the same run gives other bytes.
	RecorderVersion = "1"
	recorderLicence = "MIT"
	recorder        = "nbtlab record"
	manifestHead    = "# path\tsha256\tmade by\trecorder version\tlicence\n"
)

// manifestEntry is a line of the manifest.
type manifestEntry struct{ path, sum, madeBy, version, licence string }

func (e manifestEntry) String() string {
	return strings.Join([]string{e.path, e.sum, e.madeBy, e.version, e.licence}, "\t") + "\n"
}

// parseManifest reads a manifest, refusing lines that it did not write itself: paths that lead elsewhere, and the same file
// twice.
func parseManifest(text string) ([]manifestEntry, error) {
	var list []manifestEntry
	for number, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("%s:%d: %d fields, want path, sha256, made by, recorder version, licence", Manifest, number+1, len(f))
		}
		e := manifestEntry{f[0], f[1], f[2], f[3], f[4]}
		switch {
		case !safePath(e.path):
			return nil, fmt.Errorf("%s:%d: path %q is not one of a recording", Manifest, number+1, e.path)
		case !isSum(e.sum):
			return nil, fmt.Errorf("%s:%d: %q is not a sha256 in lower case", Manifest, number+1, e.sum)
		case slices.ContainsFunc(list, func(x manifestEntry) bool { return strings.EqualFold(x.path, e.path) }):
			return nil, fmt.Errorf("%s:%d: %s is listed twice", Manifest, number+1, e.path)
		}
		list = append(list, e)
	}
	return list, nil
}

// safePath is our own allow-list: names of letters, digits, dots, dashes and underscores that begin with a letter or digit.
// filepath.IsLocal is not enough: it takes backslashes, CON and a NUL.
func safePath(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if name == "" || strings.HasSuffix(name, ".") || !alphanumeric(name[0]) {
			return false
		}
		for i := range len(name) {
			if c := name[i]; !alphanumeric(c) && c != '.' && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Record writes recordings and the manifest that lists them below a folder, touching only files that change, and returns
// the paths of those. Entries of the manifest that others made stay; what the recorder made and makes no more goes.
func Record(dir string, list []Recording) ([]string, error) {
	entries, err := manifestOf(dir, list)
	if err != nil {
		return nil, err
	}
	var changed []string
	for _, r := range list {
		wrote, err := writeIfChanged(dir, r.Path, r.Bytes)
		if err != nil {
			return changed, err
		}
		if wrote {
			changed = append(changed, r.Path)
		}
	}
	var text strings.Builder
	text.WriteString(manifestHead)
	for _, e := range entries {
		text.WriteString(e.String())
	}
	wrote, err := writeIfChanged(dir, Manifest, []byte(text.String()))
	if wrote {
		changed = append(changed, Manifest)
	}
	return changed, err
}

// manifestOf returns the entries for a folder once the recordings are in it.
func manifestOf(dir string, list []Recording) ([]manifestEntry, error) {
	old, err := files.Read(filepath.Join(dir, Manifest), maxManifest)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	entries, err := parseManifest(string(old))
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		e := manifestEntry{r.Path, sumOf(r.Bytes), recorder, RecorderVersion, recorderLicence}
		entries = slices.DeleteFunc(entries, func(x manifestEntry) bool { return x.path == r.Path })
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b manifestEntry) int { return strings.Compare(a.path, b.path) })
	return entries, nil
}

// maxManifest bounds what is read of a manifest: some hundred thousand lines.
const maxManifest = 16 << 20

// writeIfChanged makes a file below a folder. A link in its place is replaced, even one that leads to the same bytes; a
// folder on the way that is a link would lead elsewhere, and is refused.
func writeIfChanged(dir, name string, b []byte) (bool, error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() {
		if old, err := files.Read(path, int64(len(b))+1); err == nil && bytes.Equal(old, b) {
			return false, nil
		}
	}
	folder := dir
	for part := range strings.SplitSeq(filepath.Dir(filepath.FromSlash(name)), string(filepath.Separator)) {
		folder = filepath.Join(folder, part)
		if info, err := os.Lstat(folder); err == nil && folder != dir && info.Mode()&fs.ModeSymlink != 0 {
			return false, fmt.Errorf("cannot write %s: %s is a link", path, folder)
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, fmt.Errorf("cannot write %s: %w", path, files.Plain(err))
	}
	return true, files.Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// CheckRecordings compares what is recorded below a file system with what the recorder makes now, and with the manifest,
// and returns what is wrong, a line each: a file that is missing, unlisted, changed, not made by anything, or no file. All
// tells that the list is everything that the recorder makes, so that what it does not make is out of place.
func CheckRecordings(recordings fs.FS, list []Recording, all bool) ([]string, error) {
	text, err := fs.ReadFile(recordings, Manifest)
	if err != nil {
		return nil, err
	}
	entries, err := parseManifest(string(text))
	if err != nil {
		return nil, err
	}
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, r := range list {
		b, err := fs.ReadFile(recordings, r.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			complain("%s is missing", r.Path)
		case err != nil:
			return nil, err
		case !bytes.Equal(b, r.Bytes):
			complain("%s is not what the recorder makes", r.Path)
		}
	}
	listed := map[string]manifestEntry{}
	for _, e := range entries {
		listed[e.path] = e
		if e.madeBy != recorder {
			continue
		}
		if all && !slices.ContainsFunc(list, func(r Recording) bool { return r.Path == e.path }) {
			complain("%s is listed as made by %s, which does not make it", e.path, recorder)
		}
		if e.version != RecorderVersion || e.licence != recorderLicence {
			complain("%s is listed with version %s and licence %s, want %s and %s",
				e.path, e.version, e.licence, RecorderVersion, recorderLicence)
		}
	}
	err = fs.WalkDir(recordings, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() || path == Manifest || !strings.Contains(path, "/") && strings.HasSuffix(path, ".go"):
			return nil
		case !d.Type().IsRegular():
			complain("%s is not a regular file", path)
			return nil
		}
		e, ok := listed[path]
		if !ok {
			complain("%s is not listed in %s", path, Manifest)
			return nil
		}
		delete(listed, path)
		b, err := fs.ReadFile(recordings, path)
		if err == nil && sumOf(b) != e.sum {
			complain("%s is not the file that %s lists", path, Manifest)
		}
		return err
	})
	for path := range listed {
		complain("%s is listed in %s and not there", path, Manifest)
	}
	slices.Sort(wrong)
	return slices.Compact(wrong), err
}
