package main

import (
	"archive/tar"
	"bufio"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// pack writes a tar of the named files and directories under root: directories and regular files only,
// with nothing of this machine in it. The same tree gives the same bytes.
func pack(out io.Writer, root string, names ...string) error {
	buffered := bufio.NewWriterSize(out, 1<<16)
	archive := tar.NewWriter(buffered)
	for _, name := range names {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // a module without dependencies has no go.sum
			}
			if err != nil {
				return err
			}
			return packOne(archive, root, path, entry)
		})
		if err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return buffered.Flush()
}

// charset says of a name beyond ASCII that it is bytes, which whoever unpacks it is not to convert.
func charset(name string) map[string]string {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return nil
	}
	return map[string]string{"hdrcharset": "BINARY"}
}

func packOne(archive *tar.Writer, root, path string, entry fs.DirEntry) error {
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	name = filepath.ToSlash(name)
	if entry.IsDir() {
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, PAXRecords: charset(name)})
	}
	if !entry.Type().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: info.Size(), PAXRecords: charset(name)}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
