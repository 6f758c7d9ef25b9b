package preimage

import (
	"errors"
	"fmt"
	"strings"
)

// CommandLine splits a line into a command and its arguments as a shell does, but expands nothing. White space
// separates; what stands in '…' is taken as it is; so is what stands in "…", but for \" and \\ there; outside of quotes
// a backslash takes the next character as it is.
func CommandLine(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune // the quote that is open, or 0
	escaped := false
	for _, c := range line {
		switch {
		case escaped:
			if quote == '"' && c != '"' && c != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if c == quote {
				quote = 0
			} else {
				word.WriteRune(c)
			}
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case strings.ContainsRune(" \t\r\n", c):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("command line %q: the quote %c is not closed", line, quote)
	case escaped:
		return nil, fmt.Errorf("command line %q: nothing follows the last backslash", line)
	case inWord:
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("command line: there is no command")
	}
	return words, nil
}
