package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Folder keeps reports as files of a folder: Markdown, and beside it HTML and JSON. The
// Markdown is written first. It has the mark, and whoever has it has the name.
type Folder struct{ path string }

// NewFolder makes the archive. The folder is there already: where a disk is not mounted,
// nothing is written to the one below it.
func NewFolder(path string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(true, "folder %q: %v", path, err) // unreachable unless the working directory is gone
	}
	return &Folder{path: path}, nil
}

// Archive writes the files. The link is the path of the Markdown.
func (f *Folder) Archive(ctx context.Context, r Report) (link string, err error) {
	if err := r.check(); err != nil {
		return "", err
	}
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return "", failure(false, "the folder %s cannot be opened: %v", f.path, plainCause(err))
	}
	defer root.Close()
	base := r.name()
	files := []struct {
		name string
		data []byte
	}{{base + ".md", r.marked()}, {base + ".html", r.HTML}, {base + ".json", r.JSON}}
	ours, err := isOurs(root, files[0].name, r)
	if err != nil {
		return "", err
	}
	for _, file := range files[1:] {
		if _, err := root.Lstat(file.name); !ours && err == nil {
			return "", foreign(file.name)
		}
	}
	for _, file := range files {
		if len(file.data) == 0 {
			continue
		}
		if ctx.Err() != nil {
			return "", failure(false, "stopped before %s was written", file.name)
		}
		if err := put(root, file.name, file.data, ours); err != nil {
			return "", err
		}
	}
	return filepath.Join(f.path, files[0].name), nil
}

// isOurs reports whether there is a file with the mark of the run. One without is an error.
func isOurs(root *os.Root, name string, r Report) (bool, error) {
	file, err := open(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	head := make([]byte, 256) // a mark is shorter
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, failure(false, "reading %s: %v", name, plainCause(err)) // unreachable unless the disk fails
	}
	if ours, _ := r.marks(head[:n]); !ours {
		return false, foreign(name)
	}
	return true, nil
}

// open opens a file that is there, and nothing but a file.
func open(root *os.Root, name string) (*os.File, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, foreign(name)
	}
	return root.Open(name)
}

func foreign(name string) error {
	return failure(true, "there is a %s in the folder that is not relgate's: move it away", name)
}

// put writes a file, whole or not at all, in the place of an earlier one of ours.
//
// A crash leaves a file whose name begins with a dot, which the next attempt removes, or the
// new file in its place.
func put(root *os.Root, name string, data []byte, ours bool) error {
	file, err := open(root, name)
	if _, isForeign := errors.AsType[*Error](err); isForeign {
		return err
	}
	same := false
	if err == nil {
		there, err := io.ReadAll(io.LimitReader(file, int64(len(data))+1))
		_ = file.Close()
		same = err == nil && bytes.Equal(there, data)
	}
	wrong := func(err error) error { return failure(false, "writing %s: %v", name, plainCause(err)) }
	draft := "." + name + ".new"
	if err := root.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrong(err)
	}
	if same {
		return sync(root) // the attempt that wrote it may have been killed before that
	}
	file, err = root.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return wrong(err)
	}
	defer func() { _ = root.Remove(draft) }() // where it did not get its name
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return wrong(err)
	}
	if !ours {
		// A link, other than a rename, takes the place of nothing.
		err := root.Link(draft, name)
		if errors.Is(err, fs.ErrExist) {
			return failure(false, "another %s came into the folder at the same time", name)
		}
		if err != nil {
			return wrong(err)
		}
		if err := root.Remove(draft); err != nil {
			return wrong(err) // unreachable unless the disk fails
		}
		return sync(root)
	}
	if err := root.Rename(draft, name); err != nil {
		return wrong(err)
	}
	return sync(root)
}

// sync makes the names in a folder durable.
func sync(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return failure(false, "the folder cannot be read: %v", plainCause(err)) // unreachable unless the disk fails
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil {
		return failure(false, "making the report durable: %v", plainCause(err)) // unreachable unless the disk fails
	}
	return nil
}

// plainCause is what is wrong, without the path that is said beside it.
func plainCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
