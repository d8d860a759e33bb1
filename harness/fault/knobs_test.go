// SPDX-License-Identifier: MIT

package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// sources parses the production files of a package beside this one.
func sources(files *token.FileSet, dir string) []*ast.File {
	GinkgoHelper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	Expect(err).NotTo(HaveOccurred())
	var parsed []*ast.File
	for _, n := range names {
		if strings.HasSuffix(n, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, n, nil, parser.SkipObjectResolution)
		Expect(err).NotTo(HaveOccurred())
		parsed = append(parsed, f)
	}
	Expect(parsed).NotTo(BeEmpty(), dir)
	return parsed
}

// knobNames returns the constants of type Knob that the registry declares: the names of the const block that begins with
// one of that type, but for the unexported count at its end.
func knobNames(files []*ast.File) (names []string) {
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				return true
			}
			first := d.Specs[0].(*ast.ValueSpec)
			if t, ok := first.Type.(*ast.Ident); !ok || t.Name != "Knob" {
				return false
			}
			for _, spec := range d.Specs {
				for _, id := range spec.(*ast.ValueSpec).Names {
					if id.IsExported() {
						names = append(names, id.Name)
					}
				}
			}
			return false
		})
	}
	return names
}

// knobUses finds where files name a knob, and where as the argument of Get.
func knobUses(set *token.FileSet, files []*ast.File, knob string) (asked, named []string) {
	isKnob := func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		if !ok || s.Sel.Name != knob {
			return false
		}
		pkg, ok := s.X.(*ast.Ident)
		return ok && pkg.Name == "fault"
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Get" && len(n.Args) == 1 && isKnob(n.Args[0]) {
					asked = append(asked, set.Position(n.Pos()).String())
				}
			case *ast.SelectorExpr:
				if isKnob(n) {
					named = append(named, set.Position(n.Pos()).String())
				}
			}
			return true
		})
	}
	return asked, named
}

var _ = Describe("Each knob", func() {
	It("is read in exactly one decision of the name table and the node", func() {
		set := token.NewFileSet()
		knobs := knobNames(sources(set, "."))
		Expect(knobs).To(Equal([]string{
			"LeakCount", "LeakWindow", "LeakBeforeRegistration", "LeakReport", "AnyConflict", "SilentStop",
		}))
		models := append(sources(set, "../nametable"), sources(set, "../node")...)
		for _, k := range knobs {
			asked, named := knobUses(set, models, k)
			Expect(asked).To(HaveLen(1), "fault.%s is to be asked for once, by Get", k)
			Expect(named).To(HaveLen(1), "fault.%s is to be named nowhere but there", k)
		}
	})

	It("is counted where it is asked for, and nowhere else", func() {
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, "sample.go", `package sample
			var a = s.Get(fault.LeakCount)
			var b = s.faults.Get(fault.LeakCount) == fault.On
			var c = s.Set(fault.LeakCount)
			var d = s.Get(other.LeakCount)
			var e = s.Get(fault.LeakWindow)
			`, 0)
		Expect(err).NotTo(HaveOccurred())
		asked, named := knobUses(set, []*ast.File{f}, "LeakCount")
		Expect(asked).To(HaveLen(2))
		Expect(named).To(HaveLen(3))
	})
})
