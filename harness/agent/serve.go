// SPDX-License-Identifier: MIT

package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/nbtlab/nbtlab/harness/netbios"
	"github.com/nbtlab/nbtlab/harness/stack"
)

// Servant is a stack that the reference agent makes do things.
type Servant interface {
	// Submit hands it an NCB; done is called with the completion. It returns an identifier to cancel it by.
	Submit(ncb netbios.NCB, done func(stack.Complete)) (stack.CallID, error)
	// Stop stops it in order, Restart switches it off and on.
	Stop(ctx context.Context) error
	Restart() error
}

// Serve is the reference agent: it does what it is asked on in, and answers on out, until in ends. An error is one of the
// protocol, or of the pipes.
func Serve(ctx context.Context, in io.Reader, out io.Writer, name string, can []string, s Servant) error {
	v := server{out: out, servant: s, calls: map[uint32]stack.CallID{}}
	v.say(hello{Version: Version, Name: name, Can: can})
	for lines := newLineReader(in); ; {
		b, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return v.err
		case err != nil:
			return fmt.Errorf("agent: %w", err)
		}
		r, err := parseRequest(b)
		if err != nil {
			return fmt.Errorf("agent: %w", err)
		}
		if !slices.Contains(can, r.Op) {
			v.say(answer{ID: r.ID, Error: "not capable of " + r.Op})
			continue
		}
		v.do(ctx, r)
	}
}

type server struct {
	lock    sync.Mutex
	out     io.Writer
	err     error
	servant Servant
	calls   map[uint32]stack.CallID
}

func (v *server) say(what any) {
	v.lock.Lock()
	defer v.lock.Unlock()
	if v.err == nil {
		_, v.err = v.out.Write(line(what))
	}
}

func (v *server) do(ctx context.Context, r request) {
	switch r.Op {
	case "stop":
		v.report(r.ID, v.servant.Stop(ctx))
		return
	case "restart":
		v.report(r.ID, v.servant.Restart())
		return
	}
	ncb, err := r.control()
	if err != nil {
		v.report(r.ID, err)
		return
	}
	ncb.Target = uint32(v.calls[r.Target])
	id, err := v.servant.Submit(ncb, func(c stack.Complete) { v.say(answerFor(r.ID, c)) })
	if err != nil {
		v.report(r.ID, err)
	}
	v.calls[r.ID] = id
}

func (v *server) report(id uint32, err error) {
	if err != nil {
		v.say(answer{ID: id, Error: err.Error()})
		return
	}
	v.say(answerFor(id, stack.Complete{}))
}
