// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// pkg is a package that gets broken: its sources, and what go/types knows of them.
type pkg struct {
	path    string // import path
	module  string // path of the module that it is in
	set     *token.FileSet
	imports types.Importer
	files   []source
	info    types.Info
	types   *types.Package
}

type source struct {
	path string // below the module's root, with slashes
	text []byte
	tree *ast.File
}

// listed is what `go list` tells of a package.
type listed struct {
	ImportPath, Dir, Export    string
	GoFiles                    []string
	TestGoFiles, XTestGoFiles  []string
	Deps                       []string
	Module                     *struct{ Path, Dir string }
	ForTest                    string
	DepOnly, Standard, Command bool
}

// golist runs `go list` in a directory.
func golist(ctx context.Context, dir string, args ...string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = dir
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("mutants: go list %s: %w\n%s", strings.Join(args, " "), err, complaint.Bytes())
	}
	var list []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("mutants: go list %s: %w", strings.Join(args, " "), err)
		}
		list = append(list, l)
	}
}

// load parses and checks packages, given by their directories below the module's root.
func load(ctx context.Context, root string, dirs []string) ([]*pkg, error) {
	args := []string{"-export", "-deps"}
	for _, d := range dirs {
		args = append(args, "./"+d)
	}
	list, err := golist(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range list {
		exports[l.ImportPath] = l.Export
	}
	set := token.NewFileSet()
	imports := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var packages []*pkg
	for _, l := range list {
		if l.DepOnly {
			continue
		}
		p := &pkg{path: l.ImportPath, module: l.Module.Path, set: set, imports: imports}
		for _, name := range l.GoFiles {
			text, err := os.ReadFile(filepath.Join(l.Dir, name))
			if err != nil {
				return nil, err
			}
			below, err := filepath.Rel(l.Module.Dir, filepath.Join(l.Dir, name))
			if err != nil {
				return nil, err
			}
			p.files = append(p.files, source{path: filepath.ToSlash(below), text: text})
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
	return packages, nil
}

// check parses the sources and finds out what every name in them means.
func (p *pkg) check() error {
	var trees []*ast.File
	for i := range p.files {
		f := &p.files[i]
		tree, err := parser.ParseFile(p.set, f.path, f.text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		f.tree = tree
		trees = append(trees, tree)
	}
	p.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: p.imports}
	var err error
	p.types, err = conf.Check(p.path, p.set, trees, &p.info)
	return err
}

// compiles reports whether the package is still Go with one of its files changed.
func (p *pkg) compiles(path string, text []byte) bool {
	tree, err := parser.ParseFile(p.set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	trees := []*ast.File{tree}
	for _, f := range p.files {
		if f.path != path {
			trees = append(trees, f.tree)
		}
	}
	conf := types.Config{Importer: p.imports}
	_, err = conf.Check(p.path, p.set, trees, nil)
	return err == nil
}

// suite is a package whose tests are asked about mutants.
type suite struct {
	dir  string   // below the module's root
	deps []string // import paths of what its tests are built from
}

// loadSuites finds the suites among the packages in dirs: one without tests is none.
func loadSuites(ctx context.Context, root string, dirs []string) ([]suite, error) {
	var suites []suite
	for _, dir := range dirs {
		list, err := golist(ctx, root, "-test", "./"+dir)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			if l.ForTest == "" && strings.HasSuffix(l.ImportPath, ".test") {
				suites = append(suites, suite{dir: dir, deps: plain(l.Deps)})
			}
		}
	}
	return suites, nil
}

// plain strips what `go list -test` adds to the path of a package that is built anew for a test: " [of.test]".
func plain(paths []string) []string {
	list := make([]string, 0, len(paths))
	for _, p := range paths {
		path, _, _ := strings.Cut(p, " ")
		list = append(list, path)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (s suite) uses(path string) bool {
	_, found := slices.BinarySearch(s.deps, path)
	return found
}
