// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// codes stands in for the packages of return codes and limits.
const codes = `package codes
type Code uint8
const (
	GOODRET Code = 0x00
	BUFLEN  Code = 0x01
	DUPNAME Code = 0x0d
)
const Limit = 254
const hidden Code = 0x0c
`

// imports finds the packages that a test is given.
type imports map[string]*types.Package

func (i imports) Import(path string) (*types.Package, error) {
	if p, ok := i[path]; ok {
		return p, nil
	}
	return nil, fmt.Errorf("no package %s here", path)
}

// parse makes a package of one file, which may import "m/codes".
func parse(t *testing.T, src string) *pkg {
	t.Helper()
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, "codes.go", codes, 0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := new(types.Config).Check("m/codes", set, []*ast.File{tree}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &pkg{path: "m/p", module: "m", set: set, imports: imports{"m/codes": c}}
	p.files = []source{{path: "p/p.go", text: []byte(src)}}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	return p
}

// summary lists mutants as "kind: marked statement: what stands there now".
func summary(list []mutant) []string {
	var lines []string
	for _, m := range list {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", m.Kind, m.Text, m.to))
	}
	return lines
}

func TestMutants(t *testing.T) {
	for _, c := range []struct {
		name, src string
		want      []string
	}{
		{
			"a condition is negated, a comparison turned and moved by one",
			`func f(a bool, n int) int { if a { n++ }; for n < 9 { n = n + n }; return n }`,
			[]string{
				"negate: if «a»: !(a)", "drop: «n++»: ", "boundary: for n «<» 9: <=", "negate: for n «<» 9: >=",
				"increment: for n < «9»: (9 + 1)", "drop: «n = n + n»: ",
			},
		},
		{
			"each operand of a connective is negated, and the connective exchanged",
			`func f(a, b bool, n *int) bool { return !a && (b || n == nil) }`,
			[]string{
				"negate: return «!a» && (b || n == nil): a",
				"negate: return «!a && (b || n == nil)»: !(!a && (b || n == nil))",
				"connective: return «!a && (b || n == nil)»: (!a || (b || n == nil))",
				"negate: return !a && («b» || n == nil): !(b)",
				"negate: return !a && («b || n == nil»): !(b || n == nil)",
				"connective: return !a && («b || n == nil»): (b && n == nil)",
				"negate: return !a && (b || n «==» nil): !=",
			},
		},
		{
			"a chain stays the chain that it was where one connective is exchanged",
			`func f(a, b, c bool) { if a && b && c { panic(0) } }`,
			[]string{
				"negate: if «a» && b && c: !(a)", "negate: if «a && b» && c: !(a && b)", "connective: if «a && b» && c: (a || b)",
				"negate: if «a && b && c»: !(a && b && c)", "connective: if «a && b && c»: (a && b || c)",
				"negate: if a && «b» && c: !(b)", "negate: if a && b && «c»: !(c)", "increment: panic(«0»): (0 + 1)",
			},
		},
		{
			"calls and changes of state are left out, declarations and panics are not",
			`func f(m map[int]int) { n := len(m); clear(m); m[n] = n; n += n; if n--; n == len(m) { panic(m) } }`,
			[]string{
				"drop: «clear(m)»: ", "drop: «m[n] = n»: ", "drop: «n += n»: ", "drop: «n--»: ",
				"negate: if n--; n «==» len(m): !=",
			},
		},
		{
			"what would not compile is no mutant",
			`func f(b [2]byte) byte { used := b[0]; _ = used; return b[1] + 0xff }`,
			[]string{"increment: b [«2»]byte: (2 + 1)", "increment: used := b[«0»]: (0 + 1)"},
		},
		{
			"a case is emptied, and each condition of a switch without a value negated",
			`func f(a bool, n int) int { switch { case a: n++; n++; case n > n: return 3 }; return n }`,
			[]string{
				"negate: case «a»:: !(a)", "drop: «n++»: ", "empty: «case a:»: ", "drop: «n++»: ",
				"boundary: case n «>» n:: >=", "negate: case n «>» n:: <=", "empty: «case n > n:»: ",
				"increment: return «3»: (3 + 1)",
			},
		},
		{
			"a code is exchanged for the next, the last for the first, and none that cannot be named here",
			`import "m/codes"
			func f(c codes.Code) (codes.Code, bool) { if c != codes.BUFLEN { return codes.DUPNAME, true }; return codes.GOODRET, false }`,
			[]string{
				"negate: if c «!=» codes.BUFLEN: ==", "word: if c != «codes.BUFLEN»: codes.DUPNAME",
				"word: return «codes.DUPNAME», true: codes.GOODRET", "flip: return codes.DUPNAME, «true»: false",
				"word: return «codes.GOODRET», false: codes.BUFLEN", "flip: return codes.GOODRET, «false»: true",
			},
		},
		{
			"states of the package's own are exchanged in cases too, iota is not",
			`type state int
			const ( free state = iota; held )
			func f(s state) bool { switch s { case free: return true }; return false }`,
			[]string{
				"word: case «free»:: held", "empty: «case free:»: ", "flip: return «true»: false", "flip: return «false»: true",
			},
		},
		{
			"a number is one more where it is declared, and where it comes from another package",
			`import "m/codes"
			const most = 64
			func f() int { return most + codes.Limit }`,
			[]string{"increment: most = «64»: (64 + 1)", "increment: return most + «codes.Limit»: (codes.Limit + 1)"},
		},
		{
			"function literals are part of their function",
			`func f(g func(func(int) bool)) { g(func(n int) bool { return n == 0 }) }`,
			[]string{
				"drop: «g(func(n int) bool { return n == 0 })»: ", "negate: return n «==» 0: !=", "increment: return n == «0»: (0 + 1)",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := summary(mutants(parse(t, "package p\n"+c.src)))
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestAMutantIsNamedByWhereItIs(t *testing.T) {
	p := parse(t, `package p
type T struct{ n int }
func (t *T) add() { t.n++; t.n++ }
var limit = 3
`)
	var got []string
	for _, m := range mutants(p) {
		got = append(got, fmt.Sprintf("%d %v", m.line, m.key))
	}
	want := []string{
		"3 p/p.go (*T).add drop `«t.n++»`",
		"3 p/p.go (*T).add drop `«t.n++»` #2",
		"4 p/p.go limit increment `limit = «3»`",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What is woven has to be each mutant when it is asked for, and the original otherwise: the woven program tells.
func TestWovenMutantsDoWhatTheyDoAlone(t *testing.T) {
	const src = `package main
type table struct{ names []string }
func (t *table) add(limit int, names ...string) (added int, full bool) {
	for _, n := range names {
		if len(t.names) >= limit { return added, true }
		t.names = append(t.names, n)
		added++
	}
	return added, false
}
func first[T any](list []T, _ bool) (x T) { if len(list) > 0 { x = list[0] }; return x }
func show(t *table) { for i, n := range t.names { println(i, n) }; println(first(t.names, false)) }
var most = 2
func main() {
	t := &table{}
	println(t.add(most, "a", "b", "c"))
	show(t)
}
`
	p := onDisk(t, src)
	ids := map[int]mutant{}
	for i, m := range mutants(p) {
		ids[i+1] = m
	}
	sources, woven := weave(p, ids)
	if outside := len(ids) - len(woven); outside != 1 { // "most = 2"
		t.Errorf("%d of %d mutants are outside functions, want 1", outside, len(ids))
	}
	program := build(t, sources)
	original := build(t, map[string][]byte{p.files[0].path: []byte(src)})
	if got, want := output(program, 0), output(original, 0); got != want {
		t.Errorf("woven, without a choice: got %q, want %q", got, want)
	}
	different := 0
	for _, id := range woven {
		alone := build(t, map[string][]byte{p.files[0].path: ids[id].text()})
		got, want := output(program, id), output(alone, 0)
		if got != want {
			t.Errorf("%v: woven it prints %q, alone %q", ids[id], got, want)
		}
		if got != output(original, 0) {
			different++
		}
	}
	if different < len(woven)/2 {
		t.Errorf("only %d of %d mutants print anything else than the original", different, len(woven))
	}
}

// onDisk loads a program as the command loads packages.
func onDisk(t *testing.T, src string) *pkg {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string][]byte{"go.mod": []byte("module m\n\ngo 1.26\n"), "p/main.go": []byte(src)})
	list, err := load(context.Background(), dir, []string{"p"})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func build(t *testing.T, sources map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, sources)
	write(t, dir, map[string][]byte{"go.mod": []byte("module m\n\ngo 1.26\n")})
	program := filepath.Join(dir, "program")
	cmd := exec.Command("go", "build", "-o", program, "./p")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// output is what a program prints and how it ends, less the stack where it panics: copies have other names there.
func output(program string, id int) string {
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosenMutant, id))
	out, err := cmd.CombinedOutput()
	said, _, _ := strings.Cut(string(out), "goroutine ")
	return fmt.Sprintf("%s%v", said, err)
}
