package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flexemu/flexemu/internal/docs"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestCurrent compares the tables in the repository with what the code says.
func TestCurrent(t *testing.T) {
	for path, want := range docs.Files() {
		if read(t, path) != want {
			t.Errorf("%s is not what the rows say: run make generate", path)
		}
	}
	text := read(t, docs.Spliced)
	want, err := docs.Splice(text)
	if err != nil {
		t.Fatal(err)
	}
	if text != want {
		t.Errorf("the table in %s is not current: run make generate", docs.Spliced)
	}
}

// link is a relative link in Markdown, without its anchor.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// TestLinks looks whether the files exist that the documentation points at.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	top, err := filepath.Glob(filepath.Join(root, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, top...)
	if len(pages) < 5 {
		t.Fatalf("only the pages %v", pages)
	}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(b), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s points at %s, which does not exist", page, m[1])
			}
		}
	}
}

func TestSpliceNeedsMarks(t *testing.T) {
	if _, err := docs.Splice("# nothing\n"); err == nil || !strings.Contains(err.Error(), "mark") {
		t.Errorf("a text without marks: %v", err)
	}
}
