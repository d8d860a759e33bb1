// SPDX-License-Identifier: MIT

package harness

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/nbtlab/nbtlab/harness/scenario"
	"github.com/nbtlab/nbtlab/scenarios"
)

// Shipped returns the scenarios that ship with the harness, in the order of their names.
func Shipped() ([]*scenario.Scenario, error) {
	names, err := fs.Glob(scenarios.FS(), "*"+scenarios.Extension)
	if err != nil {
		return nil, err
	}
	list := make([]*scenario.Scenario, 0, len(names))
	for _, name := range names {
		s, err := loadShipped(name)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// FindShipped returns the shipped scenario of a name.
func FindShipped(name string) (*scenario.Scenario, error) {
	file := name + scenarios.Extension
	if _, err := fs.Stat(scenarios.FS(), file); err != nil {
		if of := shippedOf(name); len(of) > 0 {
			return nil, fmt.Errorf("harness: %s is a bug; its scenarios are %s", name, strings.Join(of, ", "))
		}
		return nil, fmt.Errorf("harness: no scenario %q ships with this program (there are %s)", name, strings.Join(shippedNames(), ", "))
	}
	return loadShipped(file)
}

// shippedOf returns the names of the shipped scenarios of a bug.
func shippedOf(bug string) []string {
	list, err := Shipped()
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range list {
		if s.Bug.Model != "" && s.Bug.ID() == bug {
			names = append(names, s.Name)
		}
	}
	return names
}

func loadShipped(file string) (*scenario.Scenario, error) {
	src, err := fs.ReadFile(scenarios.FS(), file)
	if err != nil {
		return nil, err
	}
	return Load(path.Join("scenarios", file), src)
}

func shippedNames() []string {
	files, err := fs.Glob(scenarios.FS(), "*"+scenarios.Extension)
	if err != nil {
		return nil
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(f, scenarios.Extension)
	}
	return files
}
