package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/flexemu/flexemu/internal/machine/snapshot"
	"github.com/flexemu/flexemu/internal/proof"
)

// versionInfo is what version prints.
type versionInfo struct {
	Version  string         `json:"version"`
	Revision string         `json:"revision,omitempty"` // of the source
	Time     string         `json:"time,omitempty"`     // of the revision
	Modified bool           `json:"modified,omitempty"` // the source is not that of the revision
	Go       string         `json:"go"`
	Host     string         `json:"host"`
	Formats  map[string]int `json:"formats"`
}

func readVersion() versionInfo {
	v := versionInfo{
		Version: "(unknown)", Go: runtime.Version(), Host: runtime.GOOS + "/" + runtime.GOARCH,
		Formats: map[string]int{"proof": proof.Format, "snapshot": snapshot.Version},
	}
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if b.Main.Version != "" {
		v.Version = b.Main.Version
	}
	for _, s := range b.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func versionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version [flags]",
		Short:   "Print the versions of flexemu and of its file formats",
		Example: `  flexemu version --json`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if asJSON {
				return printJSON(os.Stdout, v)
			}
			text := fmt.Sprintf("flexemu %s, %s, %s\n", v.Version, v.Go, v.Host)
			if v.Revision != "" {
				text += fmt.Sprintf("revision %s of %s", v.Revision, v.Time)
				if v.Modified {
					text += ", modified"
				}
				text += "\n"
			}
			text += fmt.Sprintf("formats: proof %d, snapshot %d\n", v.Formats["proof"], v.Formats["snapshot"])
			_, err := fmt.Print(text)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
