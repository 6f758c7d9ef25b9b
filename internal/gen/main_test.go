package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const repository = "../.."

// TestGenerated writes all emitted files anew, elsewhere, and compares them with those of the repository.
func TestGenerated(t *testing.T) {
	root := t.TempDir()
	mirror(t, root)
	if err := generate(root); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the rows say (%v): run make generate", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mirror makes the folders of the repository, with the files that generate reads.
func mirror(t *testing.T, root string) {
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(repository, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "testdata"}, d.Name()) {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(root, name), 0o755)
		}
		if !slices.Contains([]string{".yul", ".md"}, filepath.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(root, name), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// maxHandWritten is how many lines of a contract nobody emits. They are what an auditor has to read besides the
// rows.
const maxHandWritten = 300

func TestHandWrittenYul(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository, "contracts/yul/*.yul"))
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines == 0 || lines > maxHandWritten {
		t.Errorf("%d lines of Yul in %v, want at most %d", lines, files, maxHandWritten)
	}
}
