// Package source holds the text of package driver, which the tool writes into every artifact it builds.
package source

import "embed"

// Driver has the files of package driver under "driver/".
//
//go:embed driver/*.go
var Driver embed.FS
