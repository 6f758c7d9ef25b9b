package cannon

import (
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
)

// logger writes lines of key=value as Cannon does: without the time where stdout is no terminal.
func logger(w io.Writer, terminal bool) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			switch {
			case a.Key == slog.TimeKey && !terminal:
				return slog.Attr{}
			case a.Key == slog.TimeKey:
				a.Key = "t"
			case a.Key == slog.LevelKey && terminal:
				a = slog.String("lvl", strings.ToLower(a.Value.String()))
			}
			return a
		},
	}))
}

// textWriter logs what is written to it: as text if that can be read, else as data.
type textWriter struct{ log *slog.Logger }

func (t textWriter) Write(p []byte) (int, error) {
	for _, c := range p {
		if (c < ' ' || c > '~') && c != '\n' && c != '\t' {
			t.log.Info("", "data", "0x"+hex.EncodeToString(p))
			return len(p), nil
		}
	}
	t.log.Info("", "text", string(p))
	return len(p), nil
}
