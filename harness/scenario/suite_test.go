// SPDX-License-Identifier: MIT

package scenario_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/scenario"
)

func TestScenario(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "scenario")
}

// theFirstBug is the example of the design: written by hand, not by the formatter.
const theFirstBug = `# Q124565: TCP/IP-32 leaves names in the NetBIOS name table.
#
# Datagrams that reach CHAT before any session with it leave references behind. Deleting the name at exit then
# does not free it, and the application's second run cannot register it.

bug   Q124565 in pc
cure  restart
node  pc    10.0.0.10/24
node  peer  10.0.0.20/24

peer  knows          CHAT at pc                      # LMHOSTS: CHAT is not registered yet
peer  add-name       FRIEND
peer  send-datagram  CHAT from FRIEND "anyone there?" x3          trigger

# first run of the application
pc    add-name       CHAT
pc    listen         CHAT
peer  call           CHAT from FRIEND as chat
peer  hang-up        chat
pc    delete-name    CHAT
      -> no CHAT in names pc                   | Q124565: CHAT in names pc
      -> release CHAT from pc                  | Q124565: no release CHAT

# second run
pc    add-name       CHAT
      -> ok, claim CHAT from pc                | Q124565! NRC_DUPNAME, no claim CHAT
`

// twoHosts is the header of most specs; what follows begins in line 3.
const twoHosts = "node pc 10.0.0.10/24\nnode peer 10.0.0.20/24\n"

// withBug is twoHosts with a bug; what follows begins in line 4.
const withBug = "bug Q1 in pc\n" + twoHosts

// bothUsed ends a scenario in which a host may have had nothing to do.
const bothUsed = "\npc stop\npeer stop\n"

func parse(text string) *scenario.Scenario {
	GinkgoHelper()
	s, err := scenario.Parse("spec.scenario", []byte(text))
	Expect(err).NotTo(HaveOccurred())
	return s
}

// step parses a step of pc or the LAN, and returns it.
func step(line string) scenario.Step {
	GinkgoHelper()
	return parse(twoHosts + line + bothUsed).Cases[0].Steps[0]
}

// expectation parses what is expected of a step.
func expectation(step, line string) scenario.Expectation {
	GinkgoHelper()
	return parse(twoHosts + step + "\n" + line + bothUsed).Cases[0].Steps[0].Expect[0]
}

func name(s string) netbios.Name {
	n, err := netbios.ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// meaning writes all that a scenario says, without where it says it: exported fields only, and no positions.
func meaning(s *scenario.Scenario) string {
	var b strings.Builder
	tell(&b, reflect.ValueOf(*s))
	return b.String()
}

func tell(b *strings.Builder, v reflect.Value) {
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case scenario.Pos:
			return
		case fmt.Stringer:
			if v.Kind() != reflect.Struct || v.Type().PkgPath() != reflect.TypeFor[scenario.Pos]().PkgPath() {
				fmt.Fprintf(b, "%s ", x)
				return
			}
		}
	}
	switch v.Kind() {
	case reflect.Interface:
		fmt.Fprintf(b, "%s", v.Elem().Type().Name())
		tell(b, v.Elem())
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fmt.Fprintf(b, "%s:", f.Name)
				tell(b, v.Field(i))
			}
		}
		b.WriteByte('}')
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			tell(b, v.Index(i))
		}
		b.WriteByte(']')
	default:
		fmt.Fprintf(b, "%#v ", v.Interface())
	}
}
