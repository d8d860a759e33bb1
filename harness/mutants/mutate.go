// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// kind is a way of being wrong.
type kind string

// The kinds.
const (
	negate     kind = "negate"     // a condition, an operand of && and ||, a returned truth: the opposite
	boundary   kind = "boundary"   // < and <=, > and >=
	connective kind = "connective" // && and ||
	drop       kind = "drop"       // a call or a change of state left out
	word       kind = "word"       // a return code, state, holder, phase: the next one of its type
	flip       kind = "flip"       // true and false
	increment  kind = "increment"  // an integer constant, one more
	empty      kind = "empty"      // a case that does nothing
)

// mutant is one change to one file.
type mutant struct {
	key
	pkg     *pkg
	source  *source
	decl    *ast.FuncDecl // nil outside functions
	line    int
	from    string // what is replaced, on one line
	to      string // what stands there then; empty for nothing
	at, end int    // byte offsets of what is replaced
}

// key tells a mutant from all others without line numbers, so that it outlives changes elsewhere in the file.
type key struct {
	File string // below the module's root
	Func string // "(*Node).Step", "New", or the name of a package-level variable or constant
	Kind kind
	Text string // the statement on one line, what changes marked «so»
	Nth  int    // from 1, among the same of one function
}

// text returns the file as the mutant has it.
func (m mutant) text() []byte {
	return slices.Concat(m.source.text[:m.at], []byte(m.to), m.source.text[m.end:])
}

// mutants returns the mutants of a package that compile, by file and line.
func mutants(p *pkg) []mutant {
	var list []mutant
	for i := range p.files {
		w := walk{pkg: p, source: &p.files[i]}
		w.file()
		for _, m := range w.found {
			if p.compiles(m.File, m.text()) {
				list = append(list, m)
			}
		}
	}
	nth := map[key]int{}
	for i := range list {
		m := &list[i]
		nth[m.key]++
		m.Nth = nth[m.key]
	}
	return list
}

// walk looks for mutants in one file.
type walk struct {
	pkg    *pkg
	source *source
	stack  []ast.Node // from the file to the node at hand
	found  []mutant
}

func (w *walk) file() {
	ast.PreorderStack(w.source.tree, nil, func(n ast.Node, stack []ast.Node) bool {
		w.stack = append(slices.Clone(stack), n)
		w.node(n)
		return true
	})
	slices.SortStableFunc(w.found, func(a, b mutant) int { return cmp.Or(a.at-b.at, a.end-b.end) })
	w.found = slices.CompactFunc(w.found, func(a, b mutant) bool { return a.at == b.at && a.end == b.end && a.to == b.to })
}

func (w *walk) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		w.negate(n.Cond)
	case *ast.ForStmt:
		w.negate(n.Cond)
	case *ast.SwitchStmt:
		w.negate(n.Tag)
	case *ast.ReturnStmt:
		for _, x := range n.Results {
			w.negate(x)
		}
	case *ast.BinaryExpr:
		w.binary(n)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			w.negate(n)
		}
	case *ast.ExprStmt:
		if !isPanic(n.X) {
			w.replace(drop, n, "")
		}
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			w.replace(drop, n, "")
		}
	case *ast.IncDecStmt:
		w.replace(drop, n, "")
	case *ast.CaseClause:
		if s, ok := w.above(2).(*ast.SwitchStmt); ok && s.Tag == nil {
			for _, x := range n.List {
				w.negate(x)
			}
		}
		w.empty(n)
	case *ast.BasicLit:
		if n.Kind == token.INT {
			w.replace(increment, n, "("+n.Value+" + 1)")
		}
	case *ast.Ident:
		w.ident(n)
	case *ast.SelectorExpr:
		if qualifier, ok := n.X.(*ast.Ident); ok {
			w.constant(n, n.Sel, qualifier.Name+".")
		}
	}
}

// negate turns a condition into its opposite. A comparison is turned by its operator.
func (w *walk) negate(x ast.Expr) {
	if x == nil || !w.isBool(x) || w.pkg.info.Types[x].Value != nil {
		return
	}
	switch x := x.(type) {
	case *ast.ParenExpr:
		w.negate(x.X)
		return
	case *ast.UnaryExpr:
		w.replace(negate, x, w.src(x.X))
		return
	case *ast.BinaryExpr:
		if x.Op != token.LAND && x.Op != token.LOR {
			return
		}
	}
	w.replace(negate, x, "!("+w.src(x)+")")
}

func (w *walk) binary(n *ast.BinaryExpr) {
	operator := func(k kind, t token.Token) {
		w.splice(k, n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), t.String())
	}
	switch n.Op {
	case token.LAND, token.LOR:
		w.negate(n.X)
		w.negate(n.Y)
		other := token.LAND + token.LOR - n.Op
		at, end := w.offset(n.OpPos), w.offset(n.OpPos)+len(n.Op.String())
		x, y := string(w.source.text[w.offset(n.Pos()):at]), string(w.source.text[end:w.offset(n.End())])
		w.replace(connective, n, "("+x+other.String()+y+")")
	case token.EQL:
		operator(negate, token.NEQ)
	case token.NEQ:
		operator(negate, token.EQL)
	case token.LSS:
		operator(boundary, token.LEQ)
		operator(negate, token.GEQ)
	case token.LEQ:
		operator(boundary, token.LSS)
		operator(negate, token.GTR)
	case token.GTR:
		operator(boundary, token.GEQ)
		operator(negate, token.LEQ)
	case token.GEQ:
		operator(boundary, token.GTR)
		operator(negate, token.LSS)
	}
}

// empty leaves a case without its body, unless that is to drop its only statement.
func (w *walk) empty(c *ast.CaseClause) {
	if len(c.Body) == 0 {
		return
	}
	if len(c.Body) == 1 {
		switch s := c.Body[0].(type) {
		case *ast.AssignStmt, *ast.IncDecStmt:
			return
		case *ast.ExprStmt:
			if !isPanic(s.X) {
				return
			}
		}
	}
	w.splice(empty, c.Body[0].Pos(), c.Body[len(c.Body)-1].End(), "")
}

func (w *walk) ident(n *ast.Ident) {
	if parent, ok := w.above(1).(*ast.SelectorExpr); ok && parent.Sel == n {
		return // seen with its qualifier
	}
	switch w.pkg.info.Uses[n] {
	case types.Universe.Lookup("true"):
		w.replace(flip, n, "false")
	case types.Universe.Lookup("false"):
		w.replace(flip, n, "true")
	default:
		w.constant(n, n, "")
	}
}

// constant replaces a named constant: one of a type of ours by the next of that type, a plain number of another package by
// one more. Numbers of this package are changed where they are declared.
func (w *walk) constant(n ast.Expr, name *ast.Ident, qualifier string) {
	c, ok := w.pkg.info.Uses[name].(*types.Const)
	if !ok || c.Pkg() == nil || c.Val().Kind() != constant.Int {
		return
	}
	if !w.ours(c.Pkg()) {
		return
	}
	if t, ok := types.Unalias(c.Type()).(*types.Named); ok && w.ours(t.Obj().Pkg()) {
		if next := w.next(c, t); next != "" {
			w.replace(word, n, qualifier+next)
			return
		}
	}
	if qualifier != "" {
		w.replace(increment, n, "("+w.src(n)+" + 1)")
	}
}

func (w *walk) ours(p *types.Package) bool {
	return p != nil && (p.Path() == w.pkg.module || strings.HasPrefix(p.Path(), w.pkg.module+"/"))
}

// next returns the name of the constant after c among those of its type, by value, the first after the last.
func (w *walk) next(c *types.Const, t *types.Named) string {
	scope := c.Pkg().Scope()
	var same []*types.Const
	for _, name := range scope.Names() {
		x, ok := scope.Lookup(name).(*types.Const)
		if ok && types.Identical(x.Type(), t) && (x.Exported() || x.Pkg() == w.pkg.types) {
			same = append(same, x)
		}
	}
	order := func(a, b *types.Const) int {
		switch {
		case constant.Compare(a.Val(), token.LSS, b.Val()):
			return -1
		case constant.Compare(a.Val(), token.EQL, b.Val()):
			return 0
		}
		return 1
	}
	slices.SortStableFunc(same, order)
	for _, x := range same {
		if order(x, c) > 0 {
			return x.Name()
		}
	}
	if len(same) > 0 && order(same[0], c) < 0 {
		return same[0].Name()
	}
	return ""
}

func (w *walk) isBool(x ast.Expr) bool {
	t := w.pkg.info.TypeOf(x)
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func isPanic(x ast.Expr) bool {
	call, ok := x.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "panic"
}

func (w *walk) replace(k kind, n ast.Node, to string) { w.splice(k, n.Pos(), n.End(), to) }

func (w *walk) splice(k kind, pos, end token.Pos, to string) {
	from, until := w.offset(pos), w.offset(end)
	w.found = append(w.found, mutant{
		key:  key{File: w.source.path, Func: w.function(), Kind: k, Text: w.sentence(k, from, until)},
		pkg:  w.pkg,
		decl: w.decl(),
		from: oneLine(w.source.text[from:until]), to: to,
		source: w.source, line: w.pkg.set.Position(pos).Line, at: from, end: until,
	})
}

func (w *walk) offset(p token.Pos) int { return w.pkg.set.Position(p).Offset }

func (w *walk) src(n ast.Node) string {
	return string(w.source.text[w.offset(n.Pos()):w.offset(n.End())])
}

// above returns the node so many levels above the one at hand.
func (w *walk) above(levels int) ast.Node {
	if i := len(w.stack) - 1 - levels; i >= 0 {
		return w.stack[i]
	}
	return nil
}

// decl returns the function around the node at hand, or nil.
func (w *walk) decl() *ast.FuncDecl {
	for _, n := range w.stack {
		if d, ok := n.(*ast.FuncDecl); ok {
			return d
		}
	}
	return nil
}

// function names the declaration around the node at hand.
func (w *walk) function() string {
	if d := w.decl(); d != nil {
		if d.Recv == nil {
			return d.Name.Name
		}
		return fmt.Sprintf("(%s).%s", w.src(d.Recv.List[0].Type), d.Name.Name)
	}
	for _, n := range w.stack {
		if v, ok := n.(*ast.ValueSpec); ok {
			return v.Names[0].Name
		}
	}
	return w.source.tree.Name.Name
}

// sentence returns the innermost statement or row around a change, on one line, what changes marked. Of a statement with
// a body it is the part before the body.
func (w *walk) sentence(k kind, from, until int) string {
	if k == drop {
		return "«" + oneLine(w.source.text[from:until]) + "»"
	}
	for level := range w.stack {
		n := w.above(level)
		start, end := w.offset(n.Pos()), w.offset(n.End())
		switch n := n.(type) {
		case *ast.CaseClause:
			end = w.offset(n.Colon) + 1
			if k == empty {
				return "«" + oneLine(w.source.text[start:end]) + "»"
			}
		case *ast.IfStmt:
			end = w.offset(n.Body.Lbrace)
		case *ast.ForStmt:
			end = w.offset(n.Body.Lbrace)
		case *ast.RangeStmt:
			end = w.offset(n.Body.Lbrace)
		case *ast.SwitchStmt:
			end = w.offset(n.Body.Lbrace)
		case *ast.TypeSwitchStmt:
			end = w.offset(n.Body.Lbrace)
		case *ast.BlockStmt:
			continue
		case ast.Stmt, *ast.ValueSpec, *ast.KeyValueExpr, *ast.Field:
		default:
			continue
		}
		if start <= from && until <= end {
			text := w.source.text
			return oneLine(slices.Concat(text[start:from], []byte("«"), text[from:until], []byte("»"), text[until:end]))
		}
	}
	return "«" + oneLine(w.source.text[from:until]) + "»"
}

func oneLine(b []byte) string { return strings.Join(strings.Fields(string(b)), " ") }
