// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MostResident is what a stack under fire may have resident, in bytes.
const MostResident = 64 << 20

// mostIdle is how much of a processor a stack may take while nothing is sent, at most.
const mostIdle = 0.1

// Vitals are what a process under fire is judged by.
type Vitals struct {
	Resident    int // bytes, the most that was seen
	Descriptors int
	Goroutines  int      // 0 of one that was not asked
	Idle        float64  // how much of a processor it takes while nothing is sent
	Names       []string // that it holds
}

// Harm tells what a fire has done to a process that was like another before: nil for nothing.
func (v Vitals) Harm(before Vitals) error {
	var harm []error
	complain := func(format string, args ...any) { harm = append(harm, fmt.Errorf(format, args...)) }
	if v.Resident > MostResident {
		complain("%.1f MiB were resident, more than %d", float64(v.Resident)/(1<<20), MostResident>>20)
	}
	if v.Descriptors > before.Descriptors {
		complain("%d descriptors are open, and %d were before", v.Descriptors, before.Descriptors)
	}
	switch {
	case v.Goroutines > before.Goroutines:
		complain("there are %d goroutines, and %d were before", v.Goroutines, before.Goroutines)
	case v.Goroutines == 0 && before.Goroutines > 0:
		complain("nobody has counted the goroutines")
	}
	if v.Idle > mostIdle {
		complain("it takes %.2f of a processor for nothing", v.Idle)
	}
	if lost := without(before.Names, v.Names); len(lost) > 0 {
		complain("it has lost %s", strings.Join(lost, ", "))
	}
	if gained := without(v.Names, before.Names); len(gained) > 0 {
		complain("it holds %s, which nobody gave it", strings.Join(gained, ", "))
	}
	return errors.Join(harm...)
}

// without are the words of a list that another does not have.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}
