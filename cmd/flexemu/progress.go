package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progressAfter and progressEvery say when a progress line appears, and how often it changes.
const (
	progressAfter = 2 * time.Second
	progressEvery = 200 * time.Millisecond
)

// A progress shows a line with steps and speed on a terminal. A nil one shows nothing.
type progress struct {
	w       io.Writer
	now     func() time.Time
	began   time.Time
	from    uint64 // step at which it began
	shown   time.Time
	visible bool
}

// newProgress gives nil if f is no terminal.
func newProgress(f *os.File, step uint64) *progress {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &progress{w: f, now: time.Now, began: time.Now(), from: step}
}

// show brings the line up to date.
func (p *progress) show(step uint64) {
	if p == nil {
		return
	}
	now := p.now()
	elapsed := now.Sub(p.began)
	if elapsed < progressAfter || now.Sub(p.shown) < progressEvery {
		return
	}
	p.shown, p.visible = now, true
	fmt.Fprintf(p.w, "\r%s steps, %.1f Msteps/s%s", grouped(step), float64(step-p.from)/1e6/elapsed.Seconds(), eraseRight)
}

// eraseRight clears from the cursor to the end of the line (ECMA-48, EL).
const eraseRight = "\x1b[K"

// clear removes the line until it is shown again.
func (p *progress) clear() {
	if p == nil || !p.visible {
		return
	}
	p.visible, p.shown = false, p.now()
	fmt.Fprint(p.w, "\r"+eraseRight)
}

// grouped writes a number with a comma between groups of three digits.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
