// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/nbtlab/nbtlab/harness/fault"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

// bug is a line of bugs --json.
type bug struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Product   string   `json:"product"`
	Source    string   `json:"source"`
	Class     string   `json:"class"`
	Oracle    string   `json:"oracle"`
	Knobs     []knob   `json:"knobs,omitempty"`
	Scenarios []string `json:"scenarios"`
}

type knob struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	Doc    string   `json:"doc"`
}

func ledger(shipped []*scenario.Scenario) []bug {
	var list []bug
	for _, f := range fault.All() {
		b := bug{ID: f.ID, Title: f.Title, Product: f.Product, Source: f.Source, Class: f.Class, Oracle: f.Oracle}
		for _, c := range f.Knobs {
			if c.Name != "" {
				b.Knobs = append(b.Knobs, knob{c.Name, c.Values, c.Doc})
			}
		}
		for _, s := range shipped {
			if s.Bug.ID() == f.ID {
				b.Scenarios = append(b.Scenarios, s.Name)
			}
		}
		slices.Sort(b.Scenarios)
		list = append(list, b)
	}
	return list
}

// BugsJSON writes the ledger of known bugs, one object a line.
func BugsJSON(w io.Writer, shipped []*scenario.Scenario) error {
	for _, b := range ledger(shipped) {
		if err := JSON(w, b); err != nil {
			return err
		}
	}
	return nil
}

// BugsText writes the ledger of known bugs.
func BugsText(p *Printer, shipped []*scenario.Scenario) {
	for i, b := range ledger(shipped) {
		if i > 0 {
			p.Printf("\n")
		}
		p.Paint(Strong, "%s", b.ID)
		p.Printf("  %s.\n", b.Title)
		p.Printf("    had by     %s\n    source     %s\n    class      %s\n    shown by   %s\n    scenarios  %s\n",
			b.Product, b.Source, b.Class, b.Oracle, strings.Join(b.Scenarios, ", "))
		for _, k := range b.Knobs {
			p.Printf("    %s:%s=%s  %s\n", b.ID, k.Name, strings.Join(k.Values, "|"), k.Doc)
		}
	}
}

// BugsMarkdown returns the ledger of known bugs as a Markdown table, for the README.
func BugsMarkdown(shipped []*scenario.Scenario) string {
	var out strings.Builder
	out.WriteString("| bug | what it is | had by | what shows it | scenarios |\n|---|---|---|---|---|\n")
	for _, b := range ledger(shipped) {
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", b.ID, b.Title, b.Product, b.Oracle, strings.Join(b.Scenarios, ", "))
	}
	return out.String()
}
