// SPDX-License-Identifier: MIT

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/nbtlab/nbtlab/harness/nbt"
	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Manual is a person as an agent, for devices that no program of ours runs in: it says what to do, and waits until that has
// been done. It is the hand of a device (see live.Hand).
type Manual struct {
	device string
	out    func(text string)
	asked  chan func(lines *bufio.Scanner) error
	gone   chan struct{}

	lock sync.Mutex
	err  error
}

// NewManual makes an agent that speaks with a person.
func NewManual(device string, in io.Reader, out func(text string)) *Manual {
	m := &Manual{device: device, out: out, asked: make(chan func(*bufio.Scanner) error, maxQueued), gone: make(chan struct{})}
	go func() {
		lines := bufio.NewScanner(in)
		for {
			select {
			case ask := <-m.asked:
				if err := ask(lines); err != nil {
					m.fail(err)
					return
				}
			case <-m.gone:
				return
			}
		}
	}()
	return m
}

func (m *Manual) fail(err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.err == nil {
		m.err = err
		close(m.gone)
	}
}

// Close ends it.
func (m *Manual) Close() { m.fail(errors.New("it has been ended")) }

// Can reports whether a person can do something. Numbers of sessions and name tables are not what a person sees.
func (m *Manual) Can(op string) bool {
	return slices.Contains([]string{"add-name", "add-group", "delete-name", "send-datagram", "stop", "restart"}, op)
}

// Gone is closed when nobody answers any more.
func (m *Manual) Gone() <-chan struct{} { return m.gone }

// Err is why.
func (m *Manual) Err() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.err
}

// Do says what to do, and waits for Enter, for a return code, or for n when it cannot be done.
func (m *Manual) Do(op string, call stack.Call, done func(stack.Complete, error)) {
	m.asked <- func(lines *bufio.Scanner) error {
		m.out(fmt.Sprintf("on %s: %s\n  then press Enter; type a return code such as 0d if there was one, or n if it cannot be done: ",
			m.device, instruction(op, call.NCB)))
		if !lines.Scan() {
			err := errors.New("nobody is there: standard input has ended")
			done(stack.Complete{}, err)
			return err
		}
		text := strings.TrimSpace(lines.Text())
		if text == "n" {
			done(stack.Complete{}, errors.New("the person said that it cannot be done"))
			return nil
		}
		code, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 8)
		if err != nil && text != "" {
			err = fmt.Errorf("%q is neither a return code in hexadecimal, nor n, nor empty", nbt.Printable([]byte(text)))
			done(stack.Complete{}, err)
			return err
		}
		done(stack.Complete{Code: netbios.Code(code)}, nil)
		return nil
	}
}

// instruction says in plain words what an op asks for.
func instruction(op string, ncb netbios.NCB) string {
	switch op {
	case "add-name":
		return fmt.Sprintf("start what registers the unique name %s", ncb.Name)
	case "add-group":
		return fmt.Sprintf("start what registers the group name %s", ncb.Name)
	case "delete-name":
		return fmt.Sprintf("end what registered the name %s", ncb.Name)
	case "send-datagram":
		return fmt.Sprintf("send a datagram to %s: \"%s\"", ncb.CallName, nbt.Printable(ncb.Data))
	case "stop":
		return "shut it down in order, and leave it off"
	}
	return "switch it off and on, and wait until it is up"
}
