package cannon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"

	"github.com/klauspost/compress/gzip"

	"github.com/flexemu/flexemu/internal/machine"
	"github.com/flexemu/flexemu/internal/merkle"
)

// groupPages is how many neighbouring pages are compressed together: 1 MiB.
const groupPages = 256

// compression is a level at which writing a snapshot costs less than the steps between two of them.
const compression = 2

// A writer writes state files. Compressed ones consist of several gzip members, which decompress as one: memory is cut
// at fixed addresses, and what has not changed since the last file is not compressed again.
type writer struct{ groups map[uint64]group }

// A group is neighbouring pages, compressed. Pages are the same data as long as nobody has written to them.
type group struct {
	numbers []uint64
	pages   []*[machine.PageSize]byte
	gz      []byte
}

func (g *group) same(o *group) bool {
	return slices.Equal(g.numbers, o.numbers) && slices.Equal(g.pages, o.pages)
}

func (g *group) writeTo(w io.Writer) error {
	var number [8]byte
	for n, page := range g.pages {
		binary.BigEndian.PutUint64(number[:], g.numbers[n])
		if _, err := w.Write(number[:]); err != nil {
			return err
		}
		if _, err := w.Write(page[:]); err != nil {
			return err
		}
	}
	return nil
}

// write writes a state to a file whose name tells whether it is compressed. The machine must be a fork, which nobody
// uses any more, at the end of a step. Nothing is left behind when ctx ends.
func (z *writer) write(ctx context.Context, name string, s State) error {
	head, tail, err := ends(s)
	if err != nil {
		return err
	}
	groups := groupsOf(s.Machine.Mem)
	err = writeFile(name, true, func(w io.Writer) error {
		if isGzip(name) {
			return z.compressed(ctx, w, head, groups, tail)
		}
		if _, err := w.Write(head); err != nil {
			return err
		}
		for _, g := range groups {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := g.writeTo(w); err != nil {
				return err
			}
		}
		_, err := w.Write(tail)
		return err
	})
	runtime.KeepAlive(s.Machine)
	return err
}

// ends gives what stands before and behind the pages.
func ends(s State) (head, tail []byte, err error) {
	m := s.Machine
	stacks, err := m.Stacks()
	if err != nil {
		return nil, nil, err
	}
	if uint64(len(m.Hint)) >= 1<<32 {
		return nil, nil, fmt.Errorf("the unfinished hint has %d bytes; the format holds less than 4 GiB", len(m.Hint))
	}
	head = binary.BigEndian.AppendUint64([]byte{byte(s.Version)}, uint64(m.Mem.Pages()))
	state := m.EncodeWithMemory(merkle.Hash{})
	tail = append(tail, state[rootEnd:stacksBegin]...)
	tail = append(tail, state[stacksEnd:]...)
	for _, threads := range stacks {
		tail = binary.BigEndian.AppendUint64(tail, uint64(len(threads)))
		for _, t := range threads {
			tail = append(tail, t...)
		}
	}
	tail = binary.BigEndian.AppendUint32(tail, uint32(len(m.Hint)))
	return head, append(tail, m.Hint...), nil
}

func groupsOf(mem *machine.Memory) (groups []*group) {
	last := ^uint64(0)
	_ = mem.EachPage(func(page uint64, data *[machine.PageSize]byte) error {
		if n := page / groupPages; n != last {
			last = n
			groups = append(groups, new(group))
		}
		g := groups[len(groups)-1]
		g.numbers, g.pages = append(g.numbers, page), append(g.pages, data)
		return nil
	})
	return groups
}

// compressed writes members, some of which are compressed at the same time.
func (z *writer) compressed(ctx context.Context, w io.Writer, head []byte, groups []*group, tail []byte) error {
	if err := member(w, head); err != nil {
		return err
	}
	old := z.groups
	z.groups = make(map[uint64]group, len(groups))
	type job struct {
		g    *group
		done chan struct{}
	}
	jobs, running := make(chan job, 2*runtime.GOMAXPROCS(0)), make(chan struct{}, runtime.GOMAXPROCS(0))
	go func() {
		defer close(jobs)
		for _, g := range groups {
			j := job{g, make(chan struct{})}
			if o, ok := old[g.numbers[0]/groupPages]; ok && o.same(g) {
				g.gz = o.gz
			}
			if g.gz != nil || ctx.Err() != nil {
				close(j.done)
			} else {
				running <- struct{}{}
				go func() {
					var b bytes.Buffer
					c, _ := gzip.NewWriterLevel(&b, compression)
					_ = g.writeTo(c) // a buffer takes everything
					_ = c.Close()
					g.gz = bytes.Clone(b.Bytes())
					close(j.done)
					<-running
				}()
			}
			jobs <- j
		}
	}()
	var failed error
	for j := range jobs {
		<-j.done
		switch {
		case failed != nil:
		case ctx.Err() != nil:
			failed = context.Cause(ctx)
		default:
			_, failed = w.Write(j.g.gz)
			z.groups[j.g.numbers[0]/groupPages] = *j.g
		}
	}
	if failed != nil {
		return failed
	}
	return member(w, tail)
}

// member writes data as a gzip member of its own.
func member(w io.Writer, data []byte) error {
	c, err := gzip.NewWriterLevel(w, compression)
	if err != nil {
		return err
	}
	if _, err := c.Write(data); err != nil {
		return err
	}
	return c.Close()
}
