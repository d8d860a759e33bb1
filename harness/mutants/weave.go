// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"strconv"
	"strings"
)

// chosenMutant is the environment variable that tells a test binary which of the mutants in it to be.
const chosenMutant = "NBTLAB_MUTANT"

// selector is the variable that each woven package reads it into.
const selector = "mutant__"

// weave puts mutants of a package into its sources, all at once, so that the suites have to be built only once: beside a
// function stands a copy of it for each of its mutants, and in its place one that calls the copy asked for, or else the
// original. It returns the sources by path below the module's root, and the identifiers of the mutants that are in them.
// Those outside functions are not: constants cannot change while a program runs.
func weave(p *pkg, ids map[int]mutant) (sources map[string][]byte, woven []int) {
	byFunc := map[*ast.FuncDecl][]int{}
	for _, id := range sortedKeys(ids) {
		if m := ids[id]; m.pkg == p && m.decl != nil && m.decl.Name.Name != "init" {
			byFunc[m.decl] = append(byFunc[m.decl], id)
			woven = append(woven, id)
		}
	}
	sources = map[string][]byte{}
	for i := range p.files {
		f := &p.files[i]
		text, last := []byte(nil), 0
		var copies strings.Builder
		for _, d := range f.tree.Decls {
			decl, ok := d.(*ast.FuncDecl)
			if !ok || len(byFunc[decl]) == 0 {
				continue
			}
			name := p.offset(decl.Name.Pos())
			text = append(append(text, f.text[last:name]...), copyName(decl, 0)...)
			last = p.offset(decl.Name.End())
			copies.WriteString(dispatcher(p, f, decl, byFunc[decl]))
			for _, id := range byFunc[decl] {
				copies.WriteString(ids[id].copyOf(p, decl, id))
			}
		}
		if last > 0 {
			sources[f.path] = append(append(text, f.text[last:]...), copies.String()...)
		}
	}
	if len(sources) > 0 {
		sources[path.Join(path.Dir(p.files[0].path), "mutant__.go")] = fmt.Appendf(nil,
			"package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\nvar %s, _ = strconv.Atoi(os.Getenv(%q))\n",
			p.types.Name(), selector, chosenMutant)
	}
	return sources, woven
}

// copyName is what the copy of a function for a mutant is called; 0 is the original.
func copyName(decl *ast.FuncDecl, id int) string { return decl.Name.Name + "__" + strconv.Itoa(id) }

// copyOf returns a function as the mutant has it, under the name of its copy.
func (m mutant) copyOf(p *pkg, decl *ast.FuncDecl, id int) string {
	text := m.source.text
	return "\n" + string(text[p.offset(decl.Pos()):p.offset(decl.Name.Pos())]) + copyName(decl, id) +
		string(text[p.offset(decl.Name.End()):m.at]) + m.to + string(text[m.end:p.offset(decl.End())]) + "\n"
}

// dispatcher returns the function that stands in a function's place and calls the copy asked for.
func dispatcher(p *pkg, f *source, decl *ast.FuncDecl, ids []int) string {
	src := func(n ast.Node) string { return string(f.text[p.offset(n.Pos()):p.offset(n.End())]) }
	var b strings.Builder
	b.WriteString("\nfunc ")
	callee := ""
	if decl.Recv != nil {
		fmt.Fprintf(&b, "(recv__ %s) ", src(decl.Recv.List[0].Type))
		callee = "recv__."
	}
	b.WriteString(decl.Name.Name)
	if decl.Type.TypeParams != nil {
		b.WriteString(src(decl.Type.TypeParams))
	}
	b.WriteString("(")
	var args []string
	for _, field := range decl.Type.Params.List {
		for range max(1, len(field.Names)) {
			arg := fmt.Sprintf("arg%d__", len(args))
			fmt.Fprintf(&b, "%s %s, ", arg, src(field.Type))
			if _, ok := field.Type.(*ast.Ellipsis); ok {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	b.WriteString(") ")
	call := func(id int) string { return callee + copyName(decl, id) + "(" + strings.Join(args, ", ") + ")" }
	if decl.Type.Results == nil {
		fmt.Fprintf(&b, "{\n\tswitch %s {\n", selector)
		for _, id := range ids {
			fmt.Fprintf(&b, "\tcase %d:\n\t\t%s\n", id, call(id))
		}
		fmt.Fprintf(&b, "\tdefault:\n\t\t%s\n\t}\n}\n", call(0))
		return b.String()
	}
	fmt.Fprintf(&b, "%s {\n\tswitch %s {\n", src(decl.Type.Results), selector)
	for _, id := range ids {
		fmt.Fprintf(&b, "\tcase %d:\n\t\treturn %s\n", id, call(id))
	}
	fmt.Fprintf(&b, "\t}\n\treturn %s\n}\n", call(0))
	return b.String()
}

func (p *pkg) offset(at token.Pos) int { return p.set.Position(at).Offset }
