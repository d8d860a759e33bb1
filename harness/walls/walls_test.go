// SPDX-License-Identifier: MIT

// Package walls holds the packages that decide to what no linter sees: they start no goroutine, wait on no channel, take
// no lock and draw no random number. What linters do see is in .golangci.yml.
package walls

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// pure names the packages that decide, below harness.
var pure = []string{
	"netbios", "nbt", "stack", "fault", "nametable", "nameserver", "node", "scenario", "runner", "trace", "check", "sim", "replay", "survey",
	"probe",
}

// seed is the one file that may turn the seed into numbers.
const seed = "sim/seed.go"

func TestPackagesThatDecideNeverDo(t *testing.T) {
	for _, pkg := range pure {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("walls: harness/%s has no Go files: the list of pure packages is out of date", pkg)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			broken, err := breaches(strings.TrimPrefix(filepath.ToSlash(file), "../"), src)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range broken {
				t.Error(b)
			}
		}
	}
}

// breaches lists what a file of a pure package does that none may. File is its path below harness.
func breaches(file string, src []byte) ([]string, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "harness/"+file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	breach := func(n ast.Node, why string) {
		found = append(found, fmt.Sprintf("%s: %s", set.Position(n.Pos()), why))
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			breach(n, "starts a goroutine: concurrency lives at the edge, one goroutine owns a stack")
		case *ast.SelectStmt:
			breach(n, "waits in a select: a step never waits, what happens comes in as an input")
		case *ast.SendStmt:
			breach(n, "sends on a channel: a step answers through its outputs")
		case *ast.ChanType:
			breach(n, "has a channel: a step takes inputs and gives outputs, in order")
		case *ast.ImportSpec:
			if why := importBreach(file, n.Path.Value); why != "" {
				breach(n, why)
			}
		}
		return true
	})
	return found, nil
}

func importBreach(file, quoted string) string {
	path, err := strconv.Unquote(quoted)
	switch {
	case err != nil:
		return "imports " + quoted + ", which is no path"
	case path == "sync" || path == "sync/atomic":
		return "imports " + path + ": nothing here is shared, so there is nothing to lock"
	case path == "math/rand/v2" && file == seed:
		return ""
	case path == "math/rand" || path == "math/rand/v2" || path == "crypto/rand":
		return "imports " + path + ": only harness/" + seed + " turns the seed into numbers, with math/rand/v2"
	}
	return ""
}

// A wall that sees nothing holds nothing.
func TestEachWallIsSeen(t *testing.T) {
	for _, c := range []struct{ file, src, want string }{
		{"node/node.go", "func f() { go f() }", "starts a goroutine"},
		{"node/node.go", "func f() { select {} }", "waits in a select"},
		{"node/node.go", "var c chan int", "has a channel"},
		{"node/node.go", "func f() { c <- 1 }", "sends on a channel"},
		{"node/node.go", `import "sync"`, "imports sync"},
		{"node/node.go", `import "sync/atomic"`, "imports sync/atomic"},
		{"node/node.go", `import "math/rand/v2"`, "imports math/rand/v2"},
		{"sim/sim.go", `import r "math/rand/v2"`, "imports math/rand/v2"},
		{"sim/seed.go", `import "math/rand"`, "imports math/rand"},
		{"sim/seed.go", `import "math/rand/v2"`, ""},
		{"node/node.go", `import "slices"`, ""},
	} {
		found, err := breaches(c.file, []byte("package p\n"+c.src))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(found, "\n")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s with %q: got %q, want %q", c.file, c.src, got, c.want)
		}
	}
}
