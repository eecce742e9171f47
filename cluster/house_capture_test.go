package cluster

import (
	"go/ast"
	"slices"
)

// ofSteps are the packages that make steps.
var ofSteps = []string{"step", "member", "live", "removal"}

// heldTasks counts in a file what would let a step touch all that a command has: fields
// that are a *task.Task, and closures that see one from outside of them.
func heldTasks(file *ast.File) (held int) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.StructType:
			for _, f := range x.Fields.List {
				if isTask(f.Type) {
					held++
				}
			}
		case *ast.FuncDecl:
			held += seesTask(x)
		}
		return true
	})
	return held
}

// seesTask counts the closures of a function that mention a task of its parameters in any
// way but as what they read a value out of before they are made.
func seesTask(f *ast.FuncDecl) (seen int) {
	var tasks []string
	for _, p := range f.Type.Params.List {
		for _, name := range p.Names {
			if isTask(p.Type) {
				tasks = append(tasks, name.Name)
			}
		}
	}
	if len(tasks) == 0 || f.Body == nil {
		return 0
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		closure, is := n.(*ast.FuncLit)
		if !is {
			return true
		}
		mentions := false
		ast.Inspect(closure.Body, func(n ast.Node) bool {
			name, is := n.(*ast.Ident)
			mentions = mentions || is && slices.Contains(tasks, name.Name)
			return true
		})
		if mentions {
			seen++
		}
		return false // one inside of another is the same one
	})
	return seen
}

// isTask tells whether a type is *task.Task.
func isTask(e ast.Expr) bool {
	star, is := e.(*ast.StarExpr)
	return is && nameOf(star.X) == "Task"
}
