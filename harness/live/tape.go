// SPDX-License-Identifier: MIT

package live

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/nbtlab/nbtlab/harness/capture"
	"github.com/nbtlab/nbtlab/harness/files"
	"github.com/nbtlab/nbtlab/harness/stack"
	"github.com/nbtlab/nbtlab/harness/trace"
)

// Tape records the traffic of a LAN in a capture file as it passes, for as long as it passes. It is what the stacks sent and
// were sent: no privilege is needed, and TCP segments are made up around the messages.
type Tape struct {
	lock    sync.Mutex
	file    *os.File
	writer  *capture.Writer
	tap     trace.Tap
	seq     uint32
	last    trace.Event
	dialled map[end]trace.Event // connections of which it is not known yet whether they came about
	err     error               // the first
	done    chan struct{}
	flushed sync.WaitGroup
}

type end struct {
	node int16
	conn stack.Conn
}

// flushEvery is how much of a recording a crash can cost.
const flushEvery = 500 * time.Millisecond

// NewTape begins a capture file. It replaces one that is there.
func NewTape(path string) (*Tape, error) {
	f, err := files.Create(path)
	if err != nil {
		return nil, err
	}
	t := &Tape{
		file: f, writer: capture.NewWriter(f, time.Now()), dialled: map[end]trace.Event{}, done: make(chan struct{}),
	}
	t.flushed.Go(func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.lock.Lock()
				t.note(t.writer.Flush())
				t.lock.Unlock()
			case <-t.done:
				return
			}
		}
	})
	return t, nil
}

// Add implements [Recorder].
func (t *Tape) Add(e trace.Event) uint32 {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.seq++
	e.Seq = t.seq
	switch what := e.What.(type) {
	case trace.Dialled: // the packets of a refused connection differ from the second on
		t.dialled[end{e.Node, what.Conn}] = e
		return e.Seq
	case stack.Opened:
		t.connected(e, what.Conn)
	case stack.Closed:
		t.connected(e, what.Conn)
	case stack.SendData:
		t.connected(e, what.Conn)
	case stack.Close:
		t.connected(e, what.Conn)
	}
	t.see(&e)
	t.last = e
	return e.Seq
}

// connected records the opening of a connection, now that more is known of it. A stranger's is known by its first packet.
func (t *Tape) connected(e trace.Event, conn stack.Conn) {
	key := end{e.Node, conn}
	d, held := t.dialled[key]
	if o, ok := e.What.(stack.Opened); ok && o.Inbound && !held {
		for k, other := range t.dialled {
			if x := other.What.(trace.Dialled); x.From == o.From && x.To == o.To {
				key, d, held = k, other, true
				break
			}
		}
	}
	if held {
		delete(t.dialled, key)
		d.At = e.At
		t.see(&d)
	}
}

func (t *Tape) see(e *trace.Event) {
	var cause *trace.Event
	if e.Cause != 0 && e.Cause == t.last.Seq {
		cause = &t.last
	}
	if t.err != nil {
		return
	}
	for _, f := range t.tap.See(e, cause) {
		if f.Kind == trace.UDP || f.Conn > 0 {
			t.note(t.writer.Write(&f))
		}
	}
}

func (t *Tape) note(err error) {
	if t.err == nil {
		t.err = err
	}
}

// Close ends the recording, and tells what went wrong with it.
func (t *Tape) Close() error {
	close(t.done)
	t.flushed.Wait()
	if t.err == nil {
		t.err = t.writer.Close()
	}
	return errors.Join(t.err, t.file.Close())
}
